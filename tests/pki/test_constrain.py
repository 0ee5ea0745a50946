"""Somebody else's CA below a root of ours: good for the addresses given, for no other and for no DNS name."""

import base64
from pathlib import Path

import pytest

from device_cert_operator.pki.bundle import constrained_content, firmware_content
from device_cert_operator.pki.facts import ders_to_pem, pem_to_ders, read_facts
from device_cert_operator.pki.root import constrain
from device_cert_operator.pki.verify import links
from tests.issuers.linting import lint
from tests.pki.test_root import leaf_under, made, shape
from tests.support.ca import NOW, openssl_verify

OURS = made("site-ca")
FIRMWARE = made("Device CA", shape(permitted_dns=("example",), permitted_ip=("0.0.0.0/0", "::/0")))
RANGES = ("192.168.1.0/24", "fd00::/64")
CROSS = constrain(FIRMWARE.certificate_der, OURS, RANGES)


def asked(folder: Path, name: str, *anchors: bytes) -> str:
    leaf, _ = leaf_under(FIRMWARE, name)
    return openssl_verify(folder, anchors=ders_to_pem(*anchors), sent=ders_to_pem(leaf), host=name, at=NOW)


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("192.168.1.7", True),
        ("fd00::7", True),
        ("192.168.2.7", False),
        ("fd01::7", False),
        ("8.8.8.8", False),
        ("cam.example", False),
    ],
)
def test_openssl_with_root_and_constrained_certificate_accepts_the_ranges_alone(
    name: str, good: bool, tmp_path: Path
) -> None:
    assert asked(tmp_path, name, FIRMWARE.certificate_der) == "OK", "the CA itself would sign it"
    assert (asked(tmp_path, name, OURS.certificate_der, CROSS) == "OK") is good
    assert asked(tmp_path, name, OURS.certificate_der) != "OK", "nothing else holds it"


def test_the_constrained_certificate_keeps_name_and_key_and_none_of_the_freedom() -> None:
    facts, before = read_facts(CROSS), FIRMWARE.facts
    assert (facts.subject, facts.public_key_sha256) == (before.subject, before.public_key_sha256)
    assert facts.issuer == OURS.facts.subject
    assert facts.path_length == 0
    assert facts.name_constraints is not None
    assert facts.name_constraints.permitted_ip == RANGES
    assert facts.name_constraints.excluded_dns == ("",)
    assert lint(CROSS) == []


def test_our_own_links_go_through_it() -> None:
    leaf, _ = leaf_under(FIRMWARE, "192.168.1.7")
    chain = links((leaf, CROSS), OURS.anchors_der)
    assert chain.anchored
    assert [facts.fingerprint for facts in chain.path[1:]] == [read_facts(CROSS).fingerprint, OURS.facts.fingerprint]


def test_what_clients_are_given_is_the_constrained_form_and_the_raw_one_bears_a_warning() -> None:
    content = constrained_content(FIRMWARE.certificate_der, OURS.anchors_der, (CROSS,))
    assert pem_to_ders(content["data"]["ca.crt"].encode()) == (OURS.certificate_der, CROSS)
    assert pem_to_ders(content["data"]["firmware-ca.crt"].encode()) == (FIRMWARE.certificate_der,)
    assert set(content["binaryData"]) == {"cacert.crt", "constrained.crt", "firmware-cacert.crt"}
    assert "firmware-ca.crt" in content["data"]["WARNING"]
    raw = firmware_content(FIRMWARE.certificate_der)
    assert set(raw["data"]) == {"firmware-ca.crt", "WARNING"}, "nothing unlimited where people look first"
    assert pem_to_ders(raw["data"]["firmware-ca.crt"].encode()) == (FIRMWARE.certificate_der,)
    assert base64.b64decode(raw["binaryData"]["firmware-cacert.crt"]) == FIRMWARE.certificate_der
    assert "constrainedBy" in raw["data"]["WARNING"]
    assert "constrainedBy" not in content["data"]["WARNING"]
