"""Issuing from a CA Secret: what comes out, what is refused, what the gate stops."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from device_cert_operator.core.authority_conditions import remarks_on
from device_cert_operator.core.model import (
    CASecretIssuer,
    DesiredCertificate,
    KeyType,
    Names,
    ObjectKey,
    SubjectFields,
    names_of,
)
from device_cert_operator.errors import InvalidSpec, IssuanceDenied, UnacceptableCertificate
from device_cert_operator.issuers import ca as issuer
from device_cert_operator.issuers.ca import Issued, issue, issue_for_csr
from device_cert_operator.pki.authority import Authority, read_authority
from device_cert_operator.pki.csr import build_csr, csr_to_pem
from device_cert_operator.pki.facts import pem_to_ders, read_facts
from device_cert_operator.pki.gate import why_unacceptable
from device_cert_operator.pki.keys import PrivateKey, PublicKey, make_key, read_key
from device_cert_operator.reasons import Reason
from tests.issuers.linting import lint
from tests.support import ca
from tests.support.ca import NOW, Pair

ROOT = ca.root()
BELOW = ca.root("Example below", issuer=ROOT)
NARROW = ca.root("Narrow", constraints=ca.permit("10.0.0.0/8"))
ONE = names_of("10.0.0.1")
WANTED = DesiredCertificate(
    key=ObjectKey("DeviceCertificate", "cams", "gate"),
    uid="uid",
    generation=1,
    created_at=NOW,
    devices=("gate",),
    issuer=CASecretIssuer("root-ca"),
)


def authority(*chain: Pair) -> Authority:
    return read_authority("cams/root-ca", b"".join(one.cert_pem for one in chain), chain[0].key_pem, NOW)


def issued(
    *chain: Pair, names: Names = ONE, kind: KeyType = KeyType.ECDSA_P256, subject: SubjectFields | None = None
) -> Issued:
    return issue(authority(*(chain or (ROOT,))), replace(WANTED, subject=subject or SubjectFields()), names, kind, NOW)


def leaf_of(made: Issued) -> x509.Certificate:
    return x509.load_pem_x509_certificate(made.tls_crt)


def test_a_leaf_of_the_strict_profile() -> None:
    leaf = leaf_of(issued(names=names_of("10.0.0.1", "gate.example", "fe80::1")))
    said = {extension.oid: extension for extension in leaf.extensions}
    assert leaf.version is x509.Version.v3
    assert leaf.subject.rfc4514_string() == "CN=gate.example"
    assert leaf.issuer == ROOT.certificate.subject
    assert leaf.serial_number.bit_length() == 129
    assert isinstance(leaf.signature_hash_algorithm, hashes.SHA256)
    assert [(oid._name, one.critical) for oid, one in said.items()] == [
        ("basicConstraints", True),
        ("keyUsage", True),
        ("extendedKeyUsage", False),
        ("subjectAltName", False),
        ("subjectKeyIdentifier", False),
        ("authorityKeyIdentifier", False),
    ]
    assert said[x509.SubjectAlternativeName.oid].value == ca.san("gate.example", "fe80::1", "10.0.0.1")
    assert said[x509.KeyUsage.oid].value == ca.key_usage("digital_signature")
    assert said[x509.ExtendedKeyUsage.oid].value == ca.server_auth()
    root_id = ROOT.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    identifier = said[x509.AuthorityKeyIdentifier.oid].value
    assert isinstance(identifier, x509.AuthorityKeyIdentifier)
    assert identifier.key_identifier == root_id


def test_no_two_serial_numbers_are_alike() -> None:
    assert len({leaf_of(issued()).serial_number for _ in range(5)}) == 5


@pytest.mark.parametrize("kind", [KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.RSA_2048, KeyType.RSA_3072])
def test_the_key_is_of_the_kind_asked_for_and_fits(kind: KeyType) -> None:
    made = issued(kind=kind)
    key = read_key(made.tls_key)
    assert key.kind == kind
    assert key.public_key_sha256 == made.facts.public_key_sha256
    assert made.facts.key_usage is not None
    assert ("keyEncipherment" in made.facts.key_usage) is kind.startswith("RSA")


@pytest.mark.parametrize(
    ("curve", "algorithm"),
    [(ec.SECP256R1(), hashes.SHA256), (ec.SECP384R1(), hashes.SHA384), (ec.SECP521R1(), hashes.SHA512)],
)
def test_the_hash_follows_the_curve_of_the_ca(curve: ec.EllipticCurve, algorithm: type[hashes.HashAlgorithm]) -> None:
    leaf = leaf_of(issued(ca.root("Curved", key=ec.generate_private_key(curve))))
    assert isinstance(leaf.signature_hash_algorithm, algorithm)


def test_an_rsa_ca_signs_with_sha256() -> None:
    assert isinstance(leaf_of(issued(ca.root("RSA", key=ca.rsa_key()))).signature_hash_algorithm, hashes.SHA256)


def test_a_name_too_long_for_a_cn_leaves_the_subject_empty_and_the_san_critical() -> None:
    made = issued(names=names_of("a" * 60 + ".example"))
    assert (made.facts.subject, made.facts.subject_is_empty, made.facts.san_critical) == ("", True, True)


def test_nothing_issued_shows_its_key() -> None:
    made = issued()
    assert "PRIVATE" not in repr(made)
    assert "tls_key" not in repr(made)


def test_the_device_gets_leaf_and_intermediates_and_clients_the_root() -> None:
    made = issued(BELOW, ROOT)
    leaf, *others = pem_to_ders(made.tls_crt)
    assert others == [BELOW.der]
    assert pem_to_ders(made.ca_crt) == (ROOT.der,)
    assert made.facts.issuer == "O=Example below"
    assert leaf not in others


def test_under_a_ca_without_its_root_clients_trust_the_ca_itself() -> None:
    made = issued(BELOW)
    assert pem_to_ders(made.ca_crt) == (BELOW.der,)
    assert pem_to_ders(made.tls_crt)[1:] == (BELOW.der,)
    assert [reason for reason, _ in made.warnings] == [Reason.CHAIN_INCOMPLETE]


def test_the_warnings_of_ca_and_certificate_come_together(tmp_path: Path) -> None:
    pair = ca.openssl_v1_root(tmp_path)
    now = pair.certificate.not_valid_before_utc + timedelta(seconds=1)
    old = read_authority("cams/root-ca", pair.cert_pem, pair.key_pem, now)
    made = issue(old, replace(WANTED, duration=timedelta(days=1000)), ONE, KeyType.ECDSA_P256, now)
    assert [reason for reason, _ in made.warnings] == [Reason.AUTHORITY_LEGACY_FORM, Reason.NOT_FOR_APPLE]


# --------------------------------------------------------------------------------------- constrained CAs


def test_a_constrained_ca_signs_inside_its_range_without_a_cn() -> None:
    made = issued(NARROW, subject=SubjectFields(organization="Example"))
    assert (made.facts.subject, made.facts.common_name) == ("O=Example", None)


def test_a_constrained_ca_signs_nothing_outside() -> None:
    for names in (names_of("192.168.0.1"), names_of("10.0.0.1", "gate.example")):
        with pytest.raises(IssuanceDenied) as caught:
            issued(NARROW, names=names)
        assert caught.value.reason is Reason.CA_NAME_NOT_PERMITTED
        assert "10.0.0.1" not in caught.value.message


def test_the_constraints_of_the_root_bind_the_ca_below_it() -> None:
    below = ca.root("Below narrow", issuer=NARROW)
    assert issued(below, NARROW).facts.common_name is None
    with pytest.raises(IssuanceDenied):
        issued(below, NARROW, names=names_of("192.168.0.1"))


def test_a_refusal_makes_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuer, "make_key", lambda kind: pytest.fail("a key was made"))
    with pytest.raises(InvalidSpec):
        issued(names=Names())


# --------------------------------------------------------------------------------------- adopted roots

_BY_REQ = ("subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid", "basicConstraints=critical,CA:TRUE")
_NOT_CRITICAL = ("basicConstraints=CA:TRUE", "keyUsage=keyCertSign,cRLSign", "subjectKeyIdentifier=hash")
FORMS: list[tuple[str, Callable[[Path], Pair], bool]] = [
    ("v1, by x509 -req -signkey", ca.openssl_v1_root, False),
    ("as req -x509 makes it", lambda folder: ca.openssl_root(folder, extensions=_BY_REQ), False),
    ("basicConstraints not critical", lambda folder: ca.openssl_root(folder, extensions=_NOT_CRITICAL), False),
    ("conforming", ca.openssl_root, True),
    ("conforming, P-384", lambda folder: ca.openssl_root(folder, key="EC:P-384"), True),
]


@pytest.mark.parametrize(("form", "make", "strict"), FORMS, ids=[form for form, _, _ in FORMS])
@pytest.mark.parametrize("kind", [KeyType.ECDSA_P256, KeyType.RSA_2048])
def test_openssl_and_the_linter_take_what_is_issued_under_it(
    tmp_path: Path, form: str, make: Callable[[Path], Pair], strict: bool, kind: KeyType
) -> None:
    pair = make(tmp_path)
    now = pair.certificate.not_valid_before_utc + timedelta(seconds=1)
    names = names_of("192.168.1.5", "fd00::5", "gate.cams.example", "cam_2.cams.example", "*.doors.example")
    made = issue(read_authority("cams/root-ca", pair.cert_pem, pair.key_pem, now), WANTED, names, kind, now)
    assert lint(pem_to_ders(made.tls_crt)[0]) == [], form
    for host in ("192.168.1.5", "fd00::5", "gate.cams.example", "a.doors.example"):
        said = ca.openssl_verify(tmp_path, anchors=made.ca_crt, sent=made.tls_crt, host=host, at=now, strict=strict)
        assert said == "OK", f"{form}: {host}"


_IS_CA, _NOT_FOR_ALL = "basicConstraints=critical,CA:TRUE", "extendedKeyUsage=anyExtendedKeyUsage"
_SIGNS = ("keyUsage=critical,keyCertSign,cRLSign", "subjectKeyIdentifier=hash")
_OF_OTHER_THINGS = {Reason.AUTHORITY_UNCONSTRAINED, Reason.AUTHORITY_EXPIRES_SOON}
REMARKED: list[tuple[str, tuple[str, ...], Reason | None, bool, bool]] = [
    ("conforming", (_IS_CA, *_SIGNS), None, True, True),
    ("not critical", _NOT_CRITICAL, Reason.AUTHORITY_BASIC_CONSTRAINTS_NOT_CRITICAL, True, False),
    ("without keyUsage", _BY_REQ[::2], Reason.AUTHORITY_WITHOUT_KEY_USAGE, True, False),
    ("any purpose", (_IS_CA, *_SIGNS, _NOT_FOR_ALL), Reason.AUTHORITY_FOR_ANY_PURPOSE, False, False),
    ("any purpose, and servers", (_IS_CA, *_SIGNS, f"{_NOT_FOR_ALL},serverAuth"), None, True, True),
]


@pytest.mark.parametrize(
    ("extensions", "reason", "plain", "strict"), [row[1:] for row in REMARKED], ids=[row[0] for row in REMARKED]
)
def test_what_is_remarked_of_an_adopted_root_is_what_openssl_does(
    tmp_path: Path, extensions: tuple[str, ...], reason: Reason | None, plain: bool, strict: bool
) -> None:
    pair = ca.openssl_root(tmp_path, extensions=extensions)
    now = pair.certificate.not_valid_before_utc + timedelta(seconds=1)
    made = issue(read_authority("cams/root-ca", pair.cert_pem, pair.key_pem, now), WANTED, ONE, KeyType.ECDSA_P256, now)
    for is_strict, accepted in ((False, plain), (True, strict)):
        sent = {"anchors": made.ca_crt, "sent": made.tls_crt, "host": "10.0.0.1", "at": now}
        said = ca.openssl_verify(tmp_path, **sent, strict=is_strict)
        assert (said == "OK") is accepted, said
    told = [one for one, _ in remarks_on(read_facts(pair.der), now) if one not in _OF_OTHER_THINGS]
    assert told == ([] if reason is None else [reason])


def test_openssl_refuses_a_host_that_was_not_asked_for(tmp_path: Path) -> None:
    made = issued()
    said = ca.openssl_verify(tmp_path, anchors=made.ca_crt, sent=made.tls_crt, host="10.0.0.2", at=NOW)
    assert "IP address mismatch" in said


def test_openssl_takes_a_chain_and_a_constrained_root(tmp_path: Path) -> None:
    below = ca.root("Below narrow", issuer=NARROW)
    made = issued(below, NARROW)
    assert ca.openssl_verify(tmp_path, anchors=made.ca_crt, sent=made.tls_crt, host="10.0.0.1", at=NOW) == "OK"


def test_a_ca_whose_subject_is_in_an_old_encoding_is_named_byte_for_byte() -> None:
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Example", x509.name._ASN1Type.PrintableString),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, "Wurzel", x509.name._ASN1Type.BMPString),
        ]
    )
    old = ca.certificate(subject, key=ca.ec_key(), extensions=ca.ca_extensions(ca.ec_key()))
    assert leaf_of(issued(old)).issuer.public_bytes() == old.certificate.subject.public_bytes()


# ------------------------------------------------------------------------------------------------ gate


def test_the_linter_bites() -> None:
    leaf = ca.certificate(extensions=[(x509.BasicConstraints(ca=True, path_length=None), False)])
    assert any("ERROR" in found for found in lint(leaf.der))


def spoil(monkeypatch: pytest.MonkeyPatch, *extensions: tuple[x509.ExtensionType, bool], until: int = 90) -> None:
    """Signing goes wrong from here on: other extensions than planned, or another lifetime."""

    made: list[PrivateKey] = []

    def make(kind: KeyType) -> PrivateKey:
        made.append(make_key(kind))
        return made[-1]

    def sign(authority: Authority, key: PublicKey, profile: object) -> bytes:
        return ca.certificate(
            "gate", issuer=ROOT, key=made[-1].key, extensions=extensions, until=NOW + timedelta(days=until)
        ).der

    monkeypatch.setattr(issuer, "make_key", make)
    monkeypatch.setattr(issuer, "sign_leaf", sign)


GOOD = ((ca.san("10.0.0.1"), False), (ca.server_auth(), False), (ca.key_usage("digital_signature"), True))


@pytest.mark.parametrize(
    ("what", "extensions", "until", "why"),
    [
        ("no SAN", GOOD[1:], 90, "it does not hold 10.0.0.1"),
        ("another name", ((ca.san("10.0.0.2"), False), *GOOD[1:]), 90, "it does not hold 10.0.0.1"),
        ("for nobody", (GOOD[0], (x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.2.3")]), False)), 90, "TLS servers"),
        ("no signatures", (*GOOD[:2], (ca.key_usage("key_agreement"), True)), 90, "lacks digitalSignature"),
        ("expired", GOOD, 0, "expired"),
        ("no AKI", GOOD, 90, "2.5.29.35"),
    ],
)
def test_a_bug_of_ours_stops_at_the_gate(
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...],
    until: int,
    why: str,
) -> None:
    later = NOW + timedelta(seconds=1)
    spoil(monkeypatch, *extensions, until=until)
    with pytest.raises(UnacceptableCertificate) as caught:
        issue(authority(ROOT), WANTED, ONE, KeyType.ECDSA_P256, later)
    assert why in caught.value.message, what
    assert caught.value.message.startswith("The certificate just made is not good enough to be used: ")
    assert not caught.value.message.endswith("..")


def test_another_key_stops_at_the_gate() -> None:
    made = issued()
    why = why_unacceptable(pem_to_ders(made.tls_crt), ROOT.der, ONE, make_key(KeyType.ECDSA_P256).public, NOW)
    assert why == "its key is not the one that it was made for"


def test_another_signer_stops_at_the_gate() -> None:
    made, stranger = issued(), ca.root("Stranger")
    why = why_unacceptable(pem_to_ders(made.tls_crt), stranger.der, ONE, read_key(made.tls_key).public, NOW)
    assert why == "The served certificate was issued by O=Example root; wanted is one of O=Stranger"


# ----------------------------------------------------------------------------------- for a device's CSR

ASKED = (("organization", "Somebody"), ("common_name", "10.9.9.9"))


def for_csr(csr: bytes, names: Names = ONE, *, subject: SubjectFields | None = None) -> Issued:
    return issue_for_csr(authority(BELOW, ROOT), replace(WANTED, subject=subject or SubjectFields()), names, csr, NOW)


@pytest.mark.parametrize("kind", KeyType)
def test_only_the_key_is_taken_from_a_csr(kind: KeyType) -> None:
    key = make_key(kind)
    csr = build_csr(key, names_of("10.9.9.9", "evil.example"), ASKED)
    made = for_csr(csr, subject=SubjectFields(organization="Ours"))
    assert made.facts.public_key_sha256 == key.public_key_sha256
    assert (made.facts.subject, made.facts.dns_names, made.facts.ip_addresses) == (
        "CN=10.0.0.1,O=Ours",
        (),
        ("10.0.0.1",),
    )
    assert made.tls_key == b""
    assert len(pem_to_ders(made.tls_crt)) == 2
    assert lint(pem_to_ders(made.tls_crt)[0]) == []


def test_a_csr_without_names_gets_them() -> None:
    csr = ca_csr(ca.rsa_key())
    assert for_csr(csr).facts.ip_addresses == ("10.0.0.1",)
    assert for_csr(csr_to_pem(csr)).facts.key_type == "RSA"


def test_a_csr_that_its_key_did_not_sign_is_not_signed() -> None:
    csr = build_csr(make_key(KeyType.ECDSA_P256), ONE, ASKED)
    with pytest.raises(IssuanceDenied, match="not signed by its own key") as caught:
        for_csr(csr[:-1] + bytes([csr[-1] ^ 1]))
    assert caught.value.reason is Reason.CSR_UNACCEPTABLE


@pytest.mark.parametrize("key", [ca.rsa_key(1024), ec.generate_private_key(ec.SECP521R1())], ids=["1024", "P-521"])
def test_a_key_that_clients_refuse_is_not_signed_for(key: ca.Key) -> None:
    with pytest.raises(IssuanceDenied) as caught:
        for_csr(ca_csr(key))
    assert caught.value.reason is Reason.KEY_TYPE_REFUSED


def test_the_names_of_a_csr_are_checked_as_any() -> None:
    csr = build_csr(make_key(KeyType.ECDSA_P256), ONE, ASKED)
    with pytest.raises(IssuanceDenied) as caught:
        issue_for_csr(authority(NARROW), WANTED, names_of("192.168.0.1"), csr, NOW)
    assert caught.value.reason is Reason.CA_NAME_NOT_PERMITTED


def ca_csr(key: ca.Key) -> bytes:
    made = x509.CertificateSigningRequestBuilder().subject_name(ca.name_of("device")).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)
