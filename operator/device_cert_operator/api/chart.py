"""What of the Helm chart is generated: its copies of the CRDs, and its README from the comments in values.yaml."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

CHART = Path("charts") / "device-cert-operator"
_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z][A-Za-z0-9]*):")
_INTRODUCTION = """\
# device-cert-operator: the Helm chart

Generated from values.yaml by `make generate`; do not edit. How to install: [docs/install.md](../../docs/install.md);
what the rights are for: [docs/security.md](../../docs/security.md).

```
helm install device-cert-operator charts/device-cert-operator --namespace device-cert-operator --create-namespace
```

What does not fit is refused before anything is applied (`values.schema.json`).

| value | default | |
|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Value:
    """One documented value. path: dotted. default: as values.yaml has it."""

    path: str
    default: Any
    text: str


def chart_files(root: Path, crds: dict[str, str]) -> dict[Path, str]:
    """Every generated file of the chart below `root`, with its text. crds: file name → text.

    Raises ValueError for a value without a comment.
    """
    chart = root / CHART
    files = {chart / "files" / "crds" / name: text for name, text in crds.items()}
    files[chart / "README.md"] = readme((chart / "values.yaml").read_text())
    return files


def readme(values: str) -> str:
    """The README of these values. Raises ValueError for a value without a comment."""
    rows = [f"| `{one.path}` | `{json.dumps(one.default)}` | {one.text} |\n" for one in documented(values)]
    return _INTRODUCTION + "".join(rows)


def documented(values: str) -> tuple[Value, ...]:
    """The values that bear a comment `# -- …`, in their order. Raises ValueError for one that nothing documents."""
    defaults = yaml.safe_load(values)
    found = tuple(Value(".".join(path), _at(defaults, path), text) for path, text in _comments(values))
    known = {one.path for one in found}
    if missing := [path for path in _leaves(defaults, ()) if not _covered(path, known)]:
        raise ValueError(f"values.yaml says nothing about {', '.join(missing)}: write `# -- …` above each")
    return found


def _comments(values: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Keys with the comment right above each; what follows a `# -- ` on further lines belongs to it."""
    above: list[str] = []
    path: list[tuple[int, str]] = []
    for line in values.splitlines():
        bare = line.strip()
        if bare.startswith("# -- "):
            above = [bare.removeprefix("# -- ")]
        elif bare.startswith("#") and above:
            above.append(bare.removeprefix("#").strip())
        elif match := _KEY.match(line):
            indent = len(match["indent"])
            path = [(depth, key) for depth, key in path if depth < indent] + [(indent, match["key"])]
            if above:
                yield tuple(key for _, key in path), " ".join(above).replace("|", "\\|")
            above = []
        else:
            above = []


def _at(defaults: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        defaults = defaults[key]
    return defaults


def _leaves(node: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(node, dict) and node:
        for key, child in node.items():
            yield from _leaves(child, (*path, key))
    else:
        yield ".".join(path)


def _covered(path: str, known: set[str]) -> bool:
    parts = path.split(".")
    return any(".".join(parts[:length]) in known for length in range(1, len(parts) + 1))
