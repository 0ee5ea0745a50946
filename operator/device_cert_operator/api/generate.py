"""Writes the CRDs, API reference, editor schemas, and what of chart and GitOps follows; `--check` only compares."""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from device_cert_operator.api.chart import chart_files
from device_cert_operator.api.documents import reasons_page, settings_page
from device_cert_operator.api.gitops import gitops_files
from device_cert_operator.api.v1alpha1.authority import CertificateAuthority
from device_cert_operator.api.v1alpha1.certificate import DeviceCertificate
from device_cert_operator.api.v1alpha1.common import GROUP, VERSION, Model
from device_cert_operator.api.v1alpha1.device import Device

ROOT = Path(__file__).resolve().parents[3]
Schema = dict[str, Any]


def condition(name: str, kind: str, field: str = "status", **more: Any) -> Schema:
    """A printer column over one condition."""
    path = f".status.conditions[?(@.type=='{kind}')].{field}"
    return {"name": name, "type": "string", "jsonPath": path, **more}


def column(name: str, path: str, kind: str = "string", **more: Any) -> Schema:
    """A printer column."""
    return {"name": name, "type": kind, "jsonPath": path, **more}


# kubectl writes <invalid> for a date that is yet to come, so only the age is of type date
AGE = column("Age", ".metadata.creationTimestamp", "date")
KINDS: tuple[tuple[type[Model], str, str, tuple[Schema, ...]], ...] = (
    (
        Device,
        "devices",
        "dev",
        (
            column("Address", ".status.address.current"),
            column("Driver", ".spec.driver"),
            condition("Secure", "Secure"),
            column("Expires", ".status.served.notAfter"),
            condition("Ready", "Ready"),
            condition("Status", "Ready", "message", priority=1),
            AGE,
        ),
    ),
    (
        DeviceCertificate,
        "devicecertificates",
        "dcert",
        (
            column("Devices", ".status.deviceNames"),  # of a list kubectl would show the first item only
            column("Issuer", ".status.issuerName"),
            condition("Secure", "Secure"),
            column("Expires", ".status.certificate.notAfter"),
            column("Renewal", ".status.renewalTime", priority=1),
            condition("Ready", "Ready"),
            condition("Status", "Ready", "message", priority=1),
            AGE,
        ),
    ),
    (
        CertificateAuthority,
        "certificateauthorities",
        "dca",
        (
            column("Subject", ".status.certificate.subject"),
            column("Bundle", ".status.trustBundle"),
            column("Expires", ".status.certificate.notAfter"),
            column("Rotation", ".status.rotation.phase"),
            condition("Up-to-date", "UpToDate", priority=1),
            condition("Ready", "Ready"),
            condition("Status", "Ready", "message", priority=1),
            AGE,
        ),
    ),
)


def build_crd(model: type[Model], plural: str, short: str, columns: tuple[Schema, ...]) -> Schema:
    """A CustomResourceDefinition with a structural schema."""
    kind = model.__name__
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": [short],
                "categories": ["devicecert"],
            },
            "scope": "Namespaced",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": list(columns),
                    "schema": {"openAPIV3Schema": build_schema(model)},
                }
            ],
        },
    }


def build_schema(model: type[Model]) -> Schema:
    """The model as a structural schema: references inlined, no titles, no unions with null."""
    raw = model.model_json_schema(by_alias=True)
    schema = _plain(raw, raw.get("$defs", {}))
    schema["properties"] = {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
        **schema["properties"],
    }
    return schema


def _plain(node: Schema, definitions: Schema) -> Schema:
    if "$ref" in node:
        rest = {key: value for key, value in node.items() if key != "$ref"}
        return _plain(definitions[node["$ref"].rsplit("/", 1)[1]] | rest, definitions)
    if "anyOf" in node:
        real = next(option for option in node["anyOf"] if option.get("type") != "null")
        rest = {key: value for key, value in node.items() if key != "anyOf"}
        return _plain(_merged(real, rest), definitions)
    made: Schema = {}
    for key, value in node.items():
        match key:
            case "title" | "$defs" | "additionalProperties":
                continue
            case "default" if value is None:
                continue
            case "const":
                made["enum"] = [value]
            case "description":
                made[key] = " ".join(str(value).split())
            case "properties":
                made[key] = {name: _plain(child, definitions) for name, child in value.items()}
            case "items":
                made[key] = _plain(value, definitions)
            case _:
                made[key] = value
    if made.get("type") == "integer":
        made.setdefault("format", "int64")
    return made


def _merged(inner: Schema, outer: Schema) -> Schema:
    key = "x-kubernetes-validations"
    both = inner | outer
    if key in inner and key in outer:
        both[key] = inner[key] + outer[key]
    return both


def build_reference() -> str:
    """`docs/reference/api.md`."""
    lines = [
        "# API reference",
        "",
        f"`{GROUP}/{VERSION}`. Generated from the types by `make generate`; do not edit.",
        "",
    ]
    for model, _, short, _ in KINDS:
        schema = build_schema(model)
        lines += [f"## {model.__name__} (`{short}`)", "", schema.get("description", ""), ""]
        for part in ("spec", "status"):
            lines += [f"### {part}", "", "| field | type | |", "|---|---|---|"]
            lines += _rows(schema["properties"][part], part)
            lines.append("")
            if rules := [one["message"] for one in schema["properties"][part].get("x-kubernetes-validations", ())]:
                lines += ["Rules: " + "; ".join(rules) + ".", ""]
    return "\n".join(lines)


def _rows(schema: Schema, path: str) -> list[str]:
    rows = []
    required = set(schema.get("required", ()))
    for name, child in schema.get("properties", {}).items():
        inner, where = child, f"{path}.{name}"
        if child.get("type") == "array":
            inner, where = child["items"], f"{where}[]"
        told = child.get("description") or inner.get("description", "")
        if "enum" in inner:
            told += " One of " + ", ".join(f"`{one}`" for one in inner["enum"]) + "."
        if child.get("default") not in (None, {}, []):
            told += f" Default `{json.dumps(child['default'])}`."
        if name in required:
            told += " Required."
        rows.append(f"| `{where}` | {inner.get('type', 'object')} | {told.strip()} |")
        rows += _rows(inner, where)
    return rows


def outputs() -> dict[Path, str]:
    """Every generated file with its text."""
    files = {
        ROOT / "docs" / "reference" / "api.md": build_reference(),
        ROOT / "docs" / "reference" / "reasons.md": reasons_page(),
        ROOT / "docs" / "configuration.md": settings_page(),
    }
    crds: dict[str, str] = {}
    for model, plural, short, columns in KINDS:
        crd = yaml.safe_dump(build_crd(model, plural, short, columns), sort_keys=False, width=110, allow_unicode=True)
        crds[f"{GROUP}_{plural}.yaml"] = "# Generated by `make generate`; do not edit.\n" + crd
        schema = {"$schema": "http://json-schema.org/draft-07/schema#"} | build_schema(model)
        files[ROOT / "docs" / "reference" / "schemas" / f"{model.__name__.lower()}.json"] = (
            json.dumps(schema, indent=1) + "\n"
        )
    files |= {ROOT / "crds" / name: text for name, text in crds.items()}
    return files | chart_files(ROOT, crds) | gitops_files(ROOT, crds)


def main() -> int:
    """Write, or with `--check` compare. Exit code 1: something differs."""
    check = "--check" in sys.argv[1:]
    stale = []
    for path, text in outputs().items():
        if path.exists() and path.read_text() == text:
            continue
        stale.append(str(path.relative_to(ROOT)))
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if stale:
        sys.stderr.write(
            ("Differs from the types, run `make generate`: " if check else "Written: ") + ", ".join(stale) + "\n"
        )
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
