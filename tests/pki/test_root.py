"""Roots of our own: nobody can fault them, and either of two vouches for the other."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from device_cert_operator.core.authority_model import RootShape
from device_cert_operator.core.model import KeyType, SubjectFields, names_of
from device_cert_operator.core.profile import plan_leaf
from device_cert_operator.pki.authority import Authority, read_authority
from device_cert_operator.pki.facts import ders_to_pem, load, read_facts
from device_cert_operator.pki.gate import why_unacceptable
from device_cert_operator.pki.issue import sign_leaf
from device_cert_operator.pki.keys import PrivateKey, make_key
from device_cert_operator.pki.root import cross_sign, sign_root
from tests.issuers.linting import lint
from tests.issuers.test_ca import WANTED
from tests.support import ca
from tests.support.ca import NOW, openssl_verify

LIFETIME = timedelta(days=3650)


def shape(**more: object) -> RootShape:
    given: dict[str, object] = {"subject": SubjectFields(common_name="site-ca"), "key_type": KeyType.ECDSA_P256}
    return RootShape(**{**given, **more})  # type: ignore[arg-type]  # names are those of the fields


def made(name: str = "site-ca", wanted: RootShape | None = None, at: datetime = NOW) -> Authority:
    wanted = wanted or shape()
    key = make_key(wanted.key_type)
    der = sign_root(key, (("organization", "Example"), ("common_name", name)), wanted.constraints, LIFETIME, at)
    return read_authority(f"cams/{name}", ders_to_pem(der), key.pkcs8_pem(), at)


def adopted(pair: ca.Pair) -> Authority:
    """By the clock of the machine that made it."""
    return read_authority("cams/adopted", pair.cert_pem, pair.key_pem, read_facts(pair.der).not_before)


def leaf_under(
    authority: Authority, *names: str, at: datetime = NOW, beside: Authority | None = None
) -> tuple[bytes, PrivateKey]:
    wanted, key = names_of(*names), make_key(KeyType.ECDSA_P256)
    if beside is not None:
        authority = replace(authority, other_anchors_der=beside.anchors_der)
    profile = plan_leaf(WANTED, wanted, authority.limits, KeyType.ECDSA_P256, at)
    return sign_leaf(authority, key.public, profile), key


def test_a_root_has_the_strict_form() -> None:
    root = load(made().certificate_der)
    said = {extension.oid: extension for extension in root.extensions}
    assert root.version is x509.Version.v3
    assert root.subject == root.issuer
    assert root.subject.rfc4514_string() == "CN=site-ca,O=Example"
    assert root.not_valid_before_utc == NOW - timedelta(hours=24)
    assert root.not_valid_after_utc == NOW + LIFETIME
    assert root.serial_number.bit_length() == 129
    assert isinstance(root.signature_hash_algorithm, hashes.SHA256)
    basic = said[x509.BasicConstraints.oid]
    assert (basic.critical, basic.value) == (True, x509.BasicConstraints(ca=True, path_length=1))
    usage = said[x509.KeyUsage.oid]
    assert (usage.critical, usage.value) == (True, ca.key_usage("key_cert_sign", "crl_sign"))
    assert said[x509.NameConstraints.oid].critical
    assert said[x509.SubjectKeyIdentifier.oid].value == x509.SubjectKeyIdentifier.from_public_key(root.public_key())


@pytest.mark.parametrize("kind", [KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.RSA_2048])
def test_no_linter_faults_a_root_or_a_cross_certificate(kind: KeyType) -> None:
    old, new = made("old", shape(key_type=kind)), made("new", shape(key_type=kind))
    assert lint(old.certificate_der) == []
    assert lint(cross_sign(new.certificate_der, old)) == []


# what the shape permits → what is accepted, what is refused
CONSTRAINTS = [
    ("private addresses by default", {}, ["10.1.2.3", "192.168.1.9", "fd00::1", "fe80::1"], ["192.0.2.1", "a.example"]),
    ("a domain beside them", {"permitted_dns": ("example",)}, ["a.example", "10.1.2.3"], ["a.invalid", "192.0.2.1"]),
    (
        "a domain alone",
        {"permitted_dns": ("cams.example",), "permitted_ip": ()},
        ["a.cams.example", "cams.example"],
        ["10.1.2.3", "fe80::1", "example"],
    ),
    ("IPv4 alone", {"permitted_ip": ("192.0.2.0/24",)}, ["192.0.2.1"], ["198.51.100.1", "fe80::1", "a.example"]),
]


@pytest.mark.parametrize(("more", "good", "bad"), [row[1:] for row in CONSTRAINTS], ids=[row[0] for row in CONSTRAINTS])
def test_a_kind_of_name_that_is_not_permitted_is_excluded(
    more: dict[str, object], good: list[str], bad: list[str], tmp_path: Path
) -> None:
    """Asked of openssl, with leaves that a root without constraints of the same name and key would sign."""
    key = make_key(KeyType.ECDSA_P256)
    subject = (("common_name", "root"),)
    root = sign_root(key, subject, shape(**more).constraints, LIFETIME, NOW)
    everything = shape(permitted_dns=("example", "invalid"), permitted_ip=("0.0.0.0/0", "::/0")).constraints
    twin = sign_root(key, subject, everything, LIFETIME, NOW)
    careless = read_authority("cams/twin", ders_to_pem(twin), key.pkcs8_pem(), NOW)
    for name in (*good, *bad):
        leaf, _ = leaf_under(careless, name)
        told = openssl_verify(tmp_path, anchors=ders_to_pem(root), sent=ders_to_pem(leaf), host=name, at=NOW)
        assert (told == "OK") is (name in good), f"{name}: {told}"


@pytest.mark.parametrize("form", ["ours", "openssl", "v1"])
def test_who_trusts_either_root_accepts_a_leaf_of_the_other(form: str, tmp_path: Path) -> None:
    """Both directions, by openssl and by our own gate; also when the old root was made by hand."""
    match form:
        case "ours":
            old = made("site-ca")
        case "openssl":
            old = adopted(ca.openssl_root(tmp_path))
        case _:
            old = adopted(ca.openssl_v1_root(tmp_path))
    at = old.facts.not_before + timedelta(hours=25)
    new = made("site-ca G2", at=at)
    for signer, other in ((new, old), (old, new)):
        leaf, key = leaf_under(signer, "10.1.2.3", at=at, beside=other)
        sent = (leaf, cross_sign(signer.certificate_der, other))
        for trusted in (signer, other):
            strict = trusted.facts.version == 3
            told = openssl_verify(
                tmp_path,
                anchors=ders_to_pem(trusted.certificate_der),
                sent=ders_to_pem(*sent),
                host="10.1.2.3",
                at=at,
                strict=strict,
            )
            assert told == "OK"
            assert why_unacceptable(sent, trusted.certificate_der, names_of("10.1.2.3"), key.public, at) is None
        alone = openssl_verify(
            tmp_path, anchors=ders_to_pem(other.certificate_der), sent=ders_to_pem(leaf), host="10.1.2.3", at=at
        )
        assert alone != "OK", "without the cross-certificate this would prove nothing"


def test_a_cross_certificate_ends_with_the_first_root_that_ends() -> None:
    old, new = adopted(ca.root("old", until=NOW + timedelta(days=9))), made("new")
    facts = read_facts(cross_sign(new.certificate_der, old))
    assert facts.not_after == NOW + timedelta(days=9)
    assert facts.path_length == 0
    assert facts.name_constraints == new.facts.name_constraints
    assert facts.public_key_sha256 == new.facts.public_key_sha256
    assert (facts.subject, facts.issuer) == (new.facts.subject, old.facts.subject)
