"""The bill of materials and the list of licences: complete, valid, and wary of what is not agreed to."""

import email
import json
import re
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.image import bill

PINNED = f"one==1.0 \\\n    --hash=sha256:{'a' * 64}\n"
DEBIAN = bill.SystemPackage("zlib1g", "1:1.2.13.dfsg-1+b1", "amd64")


def bom() -> str:
    return bill.build_bom(bill.read_packages(bill.lock_text()), (DEBIAN,), bill.direct_needs())


def test_the_bill_is_valid_by_the_schema_of_cyclonedx() -> None:
    validator = JsonStrictValidator(SchemaVersion.V1_6)
    assert validator.validate_str(bom()) is None
    wrong = json.loads(bom())
    wrong["components"][0]["type"] = "thing"
    assert validator.validate_str(json.dumps(wrong)) is not None, "the validator would take anything"


def test_the_bill_has_every_locked_package_with_its_hashes_and_nothing_hangs_loose() -> None:
    made = json.loads(bom())
    listed = {one["name"]: one for one in made["components"]}
    pinned = re.findall(r"^([a-z0-9.-]+)==(\S+)", bill.lock_text(), re.M)
    assert {name: listed[name]["version"] for name, _ in pinned} == dict(pinned)
    hashes = [
        one["content"] for part in listed.values() for it in part.get("externalReferences", []) for one in it["hashes"]
    ]
    assert sorted(hashes) == sorted(re.findall(r"sha256:([0-9a-f]{64})", bill.lock_text()))
    edges = {one["ref"]: one["dependsOn"] for one in made["dependencies"]}
    reached, ahead = set(), [bill.US]
    while ahead:
        reached.add(here := ahead.pop())
        ahead += [one for one in edges.get(here, []) if one not in reached]
    assert reached == {bill.US} | {one["bom-ref"] for one in made["components"]}


def test_the_same_lock_file_gives_the_same_bytes() -> None:
    assert bom() == bom()


def test_the_list_of_licences_is_the_generated_one() -> None:
    assert bill.LICENCES.read_text() == bill.build_licences(bill.read_packages(bill.lock_text()))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("one==1.0\n", "one==1.0 is not pinned by version and hash"),
        (PINNED.replace("==", ">="), "one>=1.0 is not pinned"),
        (PINNED.replace("one", "no-such-package-here"), "no-such-package-here is not installed: run `make setup`"),
        (PINNED.replace("one==1.0", "click==0.0.1"), "0.0.1 locked: run `make setup`"),
    ],
)
def test_a_lock_file_that_cannot_be_told_is_an_error_with_the_next_move(text: str, told: str) -> None:
    with pytest.raises(bill.BillError, match=re.escape(told)):
        bill.read_packages(text)


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: Apache-2.0 OR BSD-3-Clause\nLicense: other", "Apache-2.0 OR BSD-3-Clause"),
        ("License: Apache 2.0", "Apache-2.0"),
        ("Classifier: License :: OSI Approved :: MIT License", "MIT"),
        ("License: AGPL-3.0-only", None),
        ("License-Expression: MIT AND GPL-3.0-or-later", None),
        ("Classifier: License :: OSI Approved :: BSD License", None),
        ("Name: nothing-said", None),
    ],
)
def test_a_licence_is_read_as_the_metadata_say_it_and_must_be_agreed_to(metadata: str, licence: str | None) -> None:
    message = email.message_from_string(metadata + "\n\n")
    if licence is None:
        with pytest.raises(bill.BillError, match="is not among those agreed to"):
            bill.licence_of("some", message)  # type: ignore[arg-type]  # importlib's own are messages as well
    else:
        assert bill.licence_of("some", message) == licence  # type: ignore[arg-type]


def test_debian_packages_are_read_from_where_scanners_look(tmp_path: Path) -> None:
    folder = tmp_path / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True)
    (folder / "zlib1g").write_text(
        "Package: zlib1g\nVersion: 1:1.2.13.dfsg-1+b1\nArchitecture: amd64\nDescription: some\n more: text\n"
    )
    assert bill.read_system(tmp_path) == (DEBIAN,)
    assert DEBIAN.purl == "pkg:deb/debian/zlib1g@1:1.2.13.dfsg-1%2Bb1?arch=amd64&distro=debian-12"
