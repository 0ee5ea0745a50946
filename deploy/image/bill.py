"""What the image is made of: docs/reference/licences.md, and a bill of materials (CycloneDX 1.6, ECMA-424) in JSON.

The lock file says which packages, with versions and hashes; the installed packages say their licences and needs.
Nothing here asks the network, and the same lock file gives the same bytes.

    python -m deploy.image.bill [--check]          write, or compare, the list of licences
    python -m deploy.image.bill --bom FILE         write the bill of the lock file
"""

import argparse
import importlib.metadata
import json
import re
import sys
import tomllib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from device_cert_operator import __version__

ROOT = Path(__file__).resolve().parents[2]
LICENCES = ROOT / "docs" / "reference" / "licences.md"
US = "device-cert-operator"
_PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:(?P<hash>[0-9a-f]{64})")
_WORDING = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
# Packages whose metadata leave it open; their licence file does not.
_READ = {"cronsim": "BSD-3-Clause"}
# What may be in the image: permissive ones, and MPL-2.0, which binds changed files only. Another one needs a decision.
_ALLOWED = {
    *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"),
}


class BillError(Exception):
    """The lock file, or what is installed, cannot be told; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Locked:
    """A package of the lock file. hashes: SHA-256 in hex, of each file that may be installed."""

    name: str
    version: str
    hashes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Package:
    """A locked package with its licence, an SPDX expression, and the names of the packages it needs."""

    locked: Locked
    licence: str
    needs: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Package URL, as ECMA-427 has it for PyPI."""
        return f"pkg:pypi/{self.locked.name}@{self.locked.version}"


@dataclass(frozen=True, slots=True)
class SystemPackage:
    """A Debian package in the image."""

    name: str
    version: str
    architecture: str

    @property
    def purl(self) -> str:
        """Package URL; a `+` of the version is escaped."""
        version = self.version.replace("+", "%2B")
        return f"pkg:deb/debian/{self.name}@{version}?arch={self.architecture}&distro=debian-12"


def parse_lock(text: str) -> tuple[Locked, ...]:
    """Packages of a requirements file with hashes, by name. Raises BillError for a line that is not pinned by both."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        hashes = tuple(_HASH.findall(line))
        if not (match := _PINNED.match(line)) or not hashes:
            raise BillError(f"requirements.txt: {line.split()[0]} is not pinned by version and hash: run `make lock`")
        found.append(Locked(canonicalize_name(match["name"]), match["version"], hashes))
    return tuple(sorted(found, key=lambda one: one.name))


def read_packages(lock: str) -> tuple[Package, ...]:
    """The packages of this lock file, with what those installed here tell. Raises BillError."""
    locked = parse_lock(lock)
    names = {one.name for one in locked}
    return tuple(_told(one, names) for one in locked)


def _told(locked: Locked, names: set[str]) -> Package:
    try:
        metadata = importlib.metadata.distribution(locked.name)
    except importlib.metadata.PackageNotFoundError:
        raise BillError(f"{locked.name} is not installed: run `make setup`") from None
    if metadata.version != locked.version:
        raise BillError(f"{locked.name} {metadata.version} is installed, {locked.version} locked: run `make setup`")
    needs = _needed(metadata.requires or (), names)
    return Package(locked, licence_of(locked.name, metadata.metadata), needs)


def _needed(requirements: Iterable[str], names: set[str]) -> tuple[str, ...]:
    parsed = [Requirement(text) for text in requirements]
    wanted = {canonicalize_name(one.name) for one in parsed if one.marker is None or one.marker.evaluate({"extra": ""})}
    return tuple(sorted(wanted & names))


def licence_of(name: str, metadata: importlib.metadata.PackageMetadata) -> str:
    """An SPDX expression (Core Metadata 2.4: License-Expression; before, License or a classifier). Raises BillError for
    one that is unclear, or that we have not agreed to.
    """
    classifiers = [one.split(" :: ")[-1] for one in metadata.get_all("Classifier", []) if one.startswith("License")]
    [expression, free_text] = [(metadata.get_all(key) or [""])[0] for key in ("License-Expression", "License")]
    said = _READ.get(name) or expression or free_text or "".join(classifiers)
    expression = _WORDING.get(said, said)
    if not all(one in _ALLOWED for one in re.split(r" AND | OR ", expression)):
        raise BillError(f"{name}: its licence {expression[:60]!r} is not among those agreed to in deploy/image/bill.py")
    return expression


def read_system(root: Path) -> tuple[SystemPackage, ...]:
    """The Debian packages of an image's root, by name."""
    found = []
    for status in sorted((root / "var/lib/dpkg/status.d").iterdir()):
        fields = dict(line.split(": ", 1) for line in status.read_text().splitlines() if re.match(r"[A-Z]\S*: ", line))
        found.append(SystemPackage(fields["Package"], fields["Version"], fields["Architecture"]))
    return tuple(found)


def build_licences(packages: Iterable[Package]) -> str:
    """docs/reference/licences.md."""
    rows = [f"| {one.locked.name} | {one.locked.version} | {one.licence} |\n" for one in packages]
    return (
        "# Licences of what the image contains\n\n"
        "Generated from requirements.txt by `make generate`; do not edit. The operator itself is Apache-2.0.\n\n"
        "| package | version | licence (SPDX) |\n|---|---|---|\n" + "".join(rows) + "\n"
        "Python and the libraries below it are Debian's packages (`deploy/image/runtime-packages.txt`); their\n"
        "licences are in the image, in `/usr/share/doc/<package>/copyright`.\n"
    )


def build_bom(packages: tuple[Package, ...], system: tuple[SystemPackage, ...], direct: Iterable[str]) -> str:
    """A CycloneDX document. direct: names that the operator itself asks for."""
    us = {"type": "application", "bom-ref": US, "name": US, "version": __version__, "licenses": _licence("Apache-2.0")}
    purls = {one.locked.name: one.purl for one in packages}
    bom: dict[str, Any] = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": us},
        "components": [*map(_component, packages), *map(_system_component, system)],
        "dependencies": [
            {"ref": US, "dependsOn": sorted([purls[name] for name in direct] + [one.purl for one in system])},
            *({"ref": one.purl, "dependsOn": [purls[name] for name in one.needs]} for one in packages),
        ],
    }
    content = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(bom, sort_keys=True))
    return json.dumps(bom | {"serialNumber": f"urn:uuid:{content}"}, indent=1) + "\n"


def _component(package: Package) -> dict[str, Any]:
    hashes = [{"alg": "SHA-256", "content": one} for one in package.locked.hashes]
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.locked.name,
        "version": package.locked.version,
        "purl": package.purl,
        "licenses": _licence(package.licence),
        "externalReferences": [
            {"type": "distribution", "url": package.purl, "comment": "any of these files", "hashes": hashes}
        ],
    }


def _system_component(package: SystemPackage) -> dict[str, Any]:
    return {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
    }


def _licence(expression: str) -> list[dict[str, str]]:
    return [{"expression": expression}]


def lock_text() -> str:
    """requirements.txt of this tree."""
    return (ROOT / "requirements.txt").read_text()


def direct_needs() -> tuple[str, ...]:
    """What pyproject.toml asks for, by name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return tuple(sorted(canonicalize_name(Requirement(one).name) for one in project["dependencies"]))


def main() -> int:
    """The command. Exit code 1: something differs, or cannot be told."""
    parser = argparse.ArgumentParser(description="List what the image is made of.")
    parser.add_argument("--check", action="store_true", help="only compare docs/reference/licences.md")
    parser.add_argument("--bom", type=Path, help="write the bill of materials here")
    given = parser.parse_args()
    try:
        packages = read_packages(lock_text())
    except BillError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if given.bom:
        given.bom.parent.mkdir(parents=True, exist_ok=True)
        given.bom.write_text(build_bom(packages, (), direct_needs()))
        return 0
    text = build_licences(packages)
    same = LICENCES.exists() and LICENCES.read_text() == text
    if given.check and not same:
        sys.stderr.write("docs/reference/licences.md differs from requirements.txt, run `make generate`\n")
        return 1
    if not same:
        LICENCES.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
