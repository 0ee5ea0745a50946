"""Certificate signing requests: made as openssl reads them, read whatever they are."""

from contextlib import suppress
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from device_cert_operator.core.model import CSRFacts, KeyType, names_of
from device_cert_operator.errors import OperatorError, ProtocolViolation
from device_cert_operator.pki.csr import MOST_BYTES, build_csr, csr_public_key, csr_to_der, csr_to_pem, read_csr
from device_cert_operator.pki.keys import make_key
from device_cert_operator.pki.names import subject_text
from device_cert_operator.reasons import Reason
from tests.support import ca

SUBJECT = (("organization", "Example"), ("common_name", "10.0.0.1"))
NAMES = names_of("10.0.0.1", "gate.example", "fe80::1")
KEY = make_key(KeyType.ECDSA_P256)
DER = build_csr(KEY, NAMES, SUBJECT)


def signed(key: object, *extensions: tuple[x509.ExtensionType, bool], subject: str = "device") -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(ca.name_of(subject))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KeyType)
def test_openssl_reads_and_verifies_what_is_made(tmp_path: Path, kind: KeyType) -> None:
    der = build_csr(make_key(kind), NAMES, SUBJECT)
    done = ca.try_openssl(tmp_path, "req", "-inform", "DER", "-verify", "-noout", "-text", given=der)
    assert done.returncode == 0
    said = done.stdout + done.stderr
    assert b"verify OK" in said
    assert b"O=Example, CN=10.0.0.1" in said.replace(b" = ", b"=")
    assert b"DNS:gate.example, IP Address:FE80:0:0:0:0:0:0:1, IP Address:10.0.0.1" in said


def test_what_is_made_is_read() -> None:
    assert read_csr(DER) == CSRFacts(
        public_key_sha256=KEY.public_key_sha256,
        key_type="EC",
        curve="secp256r1",
        key_bits=256,
        subject="CN=10.0.0.1,O=Example",
        common_name="10.0.0.1",
        dns_names=("gate.example",),
        ip_addresses=("fe80::1", "10.0.0.1"),
        has_san=True,
        signature_valid=True,
    )


def test_der_and_pem_are_the_same_request() -> None:
    pem = csr_to_pem(DER)
    assert pem.startswith(b"-----BEGIN CERTIFICATE REQUEST-----\n")
    assert csr_to_der(pem) == csr_to_der(DER) == DER
    assert read_csr(pem) == read_csr(DER)
    assert csr_to_der(pem.replace(b"CERTIFICATE REQUEST", b"NEW CERTIFICATE REQUEST")) == DER


def test_the_san_is_critical_only_under_an_empty_subject() -> None:
    for subject in ((), SUBJECT):
        request = x509.load_der_x509_csr(build_csr(KEY, NAMES, subject))
        san = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert san.critical is not bool(subject)


def test_an_openssl_request_without_names_has_no_san(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(ca.key_pem(ca.rsa_key()))
    pem = ca.openssl(tmp_path, "req", "-new", "-key", "key.pem", "-subj", "/C=JP/CN=10.0.0.9")
    facts = read_csr(pem)
    assert (facts.has_san, facts.names.all, facts.common_name) == (False, (), "10.0.0.9")
    assert (facts.key_type, facts.key_bits, facts.signature_valid) == ("RSA", 2048, True)


def test_a_request_that_its_key_did_not_sign_is_told() -> None:
    spoilt = DER[:-1] + bytes([DER[-1] ^ 1])
    assert not read_csr(spoilt).signature_valid
    assert read_csr(spoilt).public_key_sha256 == KEY.public_key_sha256


def test_odd_keys_are_read_and_not_signed_for() -> None:
    der = signed(ed25519.Ed25519PrivateKey.generate())
    assert read_csr(der).key_type == "Ed25519"
    with pytest.raises(ProtocolViolation) as caught:
        csr_public_key(der)
    assert caught.value.reason is Reason.KEY_TYPE_NOT_IN_BROWSERS
    assert csr_public_key(signed(ec.generate_private_key(ec.SECP521R1()))).kind == "ECDSA-P521"


def test_broken_extensions_are_a_fact() -> None:
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"\x30\x05hello")
    facts = read_csr(signed(ca.ec_key(), (broken, False)))
    assert not facts.has_san
    assert facts.extensions_problem is not None


def test_of_a_thousand_names_some_are_told() -> None:
    facts = read_csr(signed(ca.ec_key(), (ca.san(*(f"cam-{n}.example" for n in range(1000))), False)))
    assert facts.names_cut
    assert len(facts.dns_names) == 128


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"-----BEGIN CERTIFICATE REQUEST-----\n",
        ca.certificate().der,
        ca.certificate().cert_pem,
        b"0" * (MOST_BYTES + 1),
    ],
    ids=["nothing", "half a PEM", "a certificate", "a PEM certificate", "too much"],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        read_csr(data)
    assert caught.value.reason is Reason.CSR_UNACCEPTABLE


spliced = st.builds(
    lambda at, length, put: DER[:at] + put + DER[at + length :],
    st.integers(0, len(DER)),
    st.integers(0, 40),
    st.binary(max_size=40),
)


@settings(max_examples=400, deadline=None)
@given(data=st.binary(max_size=300) | spliced | spliced.map(lambda der: b"-----BEGIN X-----\n" + der))
def test_any_bytes_give_facts_or_an_error_of_ours(data: bytes) -> None:
    for read in (read_csr, csr_public_key, csr_to_der, csr_to_pem):
        with suppress(OperatorError):
            assert read(data) is not None


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ((), ""),
        (SUBJECT, "CN=10.0.0.1,O=Example"),
        ((("common_name", "a"), ("organization", "One, Two"), ("country", "JP")), "CN=a,O=One\\, Two,C=JP"),
    ],
)
def test_a_subject_as_text_has_its_common_name_first(subject: tuple[tuple[str, str], ...], text: str) -> None:
    assert subject_text(subject) == text
