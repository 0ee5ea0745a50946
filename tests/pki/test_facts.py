"""What certificates say, also those that no library likes."""

import ipaddress
import warnings
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from device_cert_operator.core.model import NameConstraints
from device_cert_operator.errors import ProtocolViolation
from device_cert_operator.pki.facts import MOST_NAMES, ders_to_pem, fingerprint, pem_to_ders, read_facts
from device_cert_operator.reasons import Reason
from tests.support import ca

LEAF = ca.certificate(
    x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Gate"), x509.NameAttribute(NameOID.COMMON_NAME, "10.0.0.1")]),
    issuer=ca.root(),
    extensions=[
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (ca.key_usage("digital_signature", "key_encipherment"), True),
        (ca.server_auth(), False),
        (ca.san("Cam.Example", "*.cams.example", "10.0.0.1", "fe80:0::1"), False),
    ],
)


def odd(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    """A certificate with one extension as given."""
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)
    return ca.certificate(extensions=[(extension, critical)]).der


def with_serial(number: int) -> bytes:
    """`cryptography` writes no serial number below 1, devices do. The signature breaks; nobody asks."""
    der, five = ca.certificate(serial=5).der, b"\x02\x01\x05"
    assert der.count(five) == 1
    return der.replace(five, b"\x02\x01" + number.to_bytes(1, "big", signed=True))


def test_a_leaf_is_read_whole() -> None:
    facts = read_facts(LEAF.der)
    assert (facts.subject, facts.issuer) == ("CN=10.0.0.1,CN=Gate", "O=Example root")
    assert facts.common_name == "10.0.0.1"
    assert facts.dns_names == ("cam.example", "*.cams.example")
    assert facts.ip_addresses == ("10.0.0.1", "fe80::1")
    assert (facts.key_type, facts.curve, facts.key_bits, facts.signature_hash) == ("EC", "secp256r1", 256, "sha256")
    assert (facts.version, facts.is_ca, facts.path_length) == (3, False, None)
    assert facts.key_usage == frozenset({"digitalSignature", "keyEncipherment"})
    assert facts.extended_key_usage == ("1.3.6.1.5.5.7.3.1",)
    assert (facts.has_san, facts.san_critical, facts.subject_is_empty) == (True, False, False)
    assert facts.ca_critical
    assert facts.not_before == datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert (facts.extensions_problem, facts.name_constraints, facts.names_cut) == (None, None, False)


def test_the_fingerprint_is_what_openssl_prints(tmp_path: Path) -> None:
    printed = ca.openssl(tmp_path, "x509", "-noout", "-fingerprint", "-sha256", given=LEAF.cert_pem).decode()
    assert read_facts(LEAF.der).fingerprint == printed.strip().partition("=")[2].replace(":", "").lower()
    assert fingerprint(LEAF.der) == read_facts(LEAF.der).fingerprint


def test_the_key_hash_is_what_openssl_computes(tmp_path: Path) -> None:
    public = ca.openssl(tmp_path, "x509", "-noout", "-pubkey", given=LEAF.cert_pem)
    spki = ca.openssl(tmp_path, "pkey", "-pubin", "-outform", "DER", given=public)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki)
    assert read_facts(LEAF.der).public_key_sha256 == digest.finalize().hex()


def test_a_ca_is_read_with_its_constraints() -> None:
    constraints = ca.permit("10.0.0.0/8", "fd00::/8", dns=["Cams.Example"])
    facts = read_facts(ca.root(constraints=constraints, path_length=1).der)
    assert (facts.is_ca, facts.path_length, facts.self_issued) == (True, 1, True)
    assert facts.key_usage == frozenset({"keyCertSign", "cRLSign"})
    assert facts.name_constraints == NameConstraints(("cams.example",), None, ("10.0.0.0/8", "fd00::/8"), None)


def test_constraints_on_one_type_leave_the_other_open() -> None:
    facts = read_facts(ca.root(constraints=ca.permit("10.0.0.0/8")).der)
    assert facts.name_constraints == NameConstraints(None, ("",), ("10.0.0.0/8",), None)


def test_a_v1_certificate_has_no_extensions(tmp_path: Path) -> None:
    facts = read_facts(ca.openssl_v1_root(tmp_path).der)
    assert (facts.version, facts.is_ca, facts.key_usage, facts.has_san) == (1, None, None, False)
    assert (facts.key_type, facts.key_bits) == ("RSA", 2048)


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (-1, "-1"), (-128, "-80"), (5, "5")])
def test_any_serial_number_is_read_without_a_warning(number: int, text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        der = with_serial(number)
        assert read_facts(der).serial_number == text
        assert pem_to_ders(ders_to_pem(der)) == (der,)


@pytest.mark.parametrize("version", [1, 5])
def test_a_version_that_is_none_is_unreadable(version: int) -> None:
    der = ca.certificate().der.replace(b"\xa0\x03\x02\x01\x02", bytes([0xA0, 3, 2, 1, version]), 1)
    with pytest.raises(ProtocolViolation) as caught:
        read_facts(der)
    assert caught.value.reason is Reason.CERTIFICATE_UNREADABLE


@pytest.mark.parametrize(
    ("what", "der", "problem"),
    [
        ("a SAN that is no ASN.1", odd("2.5.29.17", b"\xff\xff"), "its extensions cannot be read"),
        ("an address of six bytes", odd("2.5.29.17", b"\x30\x08\x87\x06abcdef"), "its extensions cannot be read"),
        ("constraints of no bytes", odd("2.5.29.30", b"\x30\x06\xa0\x04\x30\x02\x87\x00"), "cannot be read"),
        ("a critical stranger", odd("1.2.3.4", b"x", critical=True), "do not know its critical extension 1.2.3.4"),
    ],
)
def test_extensions_that_clients_refuse_are_told(what: str, der: bytes, problem: str) -> None:
    facts = read_facts(der)
    assert problem in (facts.extensions_problem or ""), what
    assert facts.subject == "O=device"


def test_an_extension_that_is_only_odd_is_no_problem() -> None:
    assert read_facts(odd("1.2.3.4", b"junk")).extensions_problem is None


def test_a_name_outside_ascii_survives() -> None:
    assert read_facts(odd("2.5.29.17", b"\x30\x05\x82\x03\xc3\xa4x")).dns_names == ("äx",)


def test_ten_thousand_names_are_cut() -> None:
    first = int(ipaddress.ip_address("10.0.0.0"))
    many = [x509.IPAddress(ipaddress.ip_address(first + number)) for number in range(10_000)]
    facts = read_facts(ca.certificate(extensions=[(x509.SubjectAlternativeName(many), False)]).der)
    assert (len(facts.ip_addresses), facts.names_cut) == (MOST_NAMES, True)
    assert facts.ip_addresses[0] == "10.0.0.0"


def test_a_key_that_is_not_for_tls_is_named() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    builder = x509.CertificateBuilder(
        ca.name_of("x"), ca.name_of("x"), key.public_key(), 1, ca.NOW, ca.NOW.replace(year=2027)
    )
    facts = read_facts(builder.sign(key, None).public_bytes(Encoding.DER))
    assert (facts.key_type, facts.curve, facts.signature_hash) == ("Ed25519", None, None)


def test_a_curve_is_named() -> None:
    facts = read_facts(ca.certificate(key=ec.generate_private_key(ec.SECP521R1())).der)
    assert (facts.key_type, facts.curve, facts.key_bits) == ("EC", "secp521r1", 521)


def test_a_chain_keeps_its_order() -> None:
    ders = (LEAF.der, ca.root().der)
    assert pem_to_ders(b"a word before\n" + ders_to_pem(*ders) + b"\n") == ders


@pytest.mark.parametrize("pem", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_pem_is_unreadable(pem: bytes) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        pem_to_ders(pem)
    assert caught.value.reason is Reason.CERTIFICATE_UNREADABLE


@given(st.binary(max_size=200))
def test_garbage_is_unreadable(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        read_facts(data)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(LEAF.der) - 1), st.integers(0, 255)), min_size=1, max_size=3))
def test_a_certificate_with_broken_bytes_is_read_or_refused(changes: list[tuple[int, int]]) -> None:
    broken = bytearray(LEAF.der)
    for place, value in changes:
        broken[place] = value
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with suppress(ProtocolViolation):
            read_facts(bytes(broken))
