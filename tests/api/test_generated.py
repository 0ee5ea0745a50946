"""The generated files are current, structural, bounded and described."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from device_cert_operator.api import generate

CRDS = [yaml.safe_load(text) for path, text in generate.outputs().items() if path.parent == generate.ROOT / "crds"]
Field = tuple[str, dict[str, Any]]


@pytest.mark.parametrize("path", generate.outputs(), ids=lambda path: path.name)
def test_a_generated_file_is_current(path: Path) -> None:
    assert path.read_text() == generate.outputs()[path], "run `make generate`"


def test_check_only_compares(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    texts = generate.outputs()
    moved = {tmp_path / path.relative_to(generate.ROOT): text for path, text in texts.items()}
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "outputs", lambda: moved)
    monkeypatch.setattr("sys.argv", ["generate", "--check"])
    assert (generate.main(), list(tmp_path.iterdir())) == (1, [])
    monkeypatch.setattr("sys.argv", ["generate"])
    assert generate.main() == 0
    assert all(path.read_text() == text for path, text in moved.items())
    monkeypatch.setattr("sys.argv", ["generate", "--check"])
    assert generate.main() == 0


def fields_of(schema: dict[str, Any], path: str) -> Iterator[Field]:
    """Every field with its path, items of lists included."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from fields_of(child, f"{path}.{name}")
    if "items" in schema:
        yield from fields_of(schema["items"], f"{path}[]")


def all_fields() -> list[Field]:
    """Those of spec and status of both kinds."""
    found: list[Field] = []
    for crd in CRDS:
        [version] = crd["spec"]["versions"]
        schema = version["schema"]["openAPIV3Schema"]["properties"]
        for part in ("spec", "status"):
            found += fields_of(schema[part], f"{crd['spec']['names']['kind']}.{part}")
    return found


@pytest.mark.parametrize(("path", "schema"), all_fields(), ids=[path for path, _ in all_fields()])
def test_a_field_is_structural_bounded_and_described(path: str, schema: dict[str, Any]) -> None:
    assert schema["type"] in {"object", "array", "string", "integer", "boolean"}
    assert not {"anyOf", "oneOf", "allOf", "$ref", "title", "nullable", "const"} & schema.keys()
    if schema["type"] == "string":
        assert "maxLength" in schema or "enum" in schema
    if schema["type"] == "array":
        assert "maxItems" in schema
    if schema["type"] == "object":
        assert schema["properties"]
    if not path.endswith("[]"):
        assert schema["description"].strip()
    for rule in schema.get("x-kubernetes-validations", []):
        assert len(rule["message"]) > 10


@pytest.mark.parametrize("name", ["issuer", "privateKey", "duration", "renewBefore", "renewBeforePercentage"])
def test_what_has_rules_about_being_given_together_has_no_default(name: str) -> None:
    fields = dict(all_fields())
    inside = [schema for path, schema in fields.items() if f"{path}.".startswith(f"DeviceCertificate.spec.{name}.")]
    assert inside
    assert not [schema for schema in inside if "default" in schema]


def test_the_editor_schemas_name_the_fields_of_the_resources() -> None:
    for kind in ("device", "devicecertificate"):
        schema = json.loads((generate.ROOT / "docs" / "reference" / "schemas" / f"{kind}.json").read_text())
        assert {"apiVersion", "kind", "metadata", "spec", "status"} == schema["properties"].keys()
