"""Certificate signing requests (PKCS#10, RFC 2986): made for keys of ours, read from devices. Hostile input."""

import hashlib

from asn1crypto import csr as asn1_csr
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtensionOID, NameOID

from device_cert_operator.core.model import CSRFacts, Names
from device_cert_operator.errors import ProtocolViolation
from device_cert_operator.pki.facts import UNREADABLE, key_facts, quietly, san_values
from device_cert_operator.pki.keys import PrivateKey, PublicKey, hash_for, public_key_of
from device_cert_operator.pki.names import alternative_names, subject_name
from device_cert_operator.reasons import Reason

MOST_BYTES = 64 * 1024
_ODD = (*UNREADABLE, UnsupportedAlgorithm, x509.DuplicateExtension)


def build_csr(key: PrivateKey, names: Names, subject: tuple[tuple[str, str], ...]) -> bytes:
    """DER of a CSR for a key of ours. subject: as in `LeafProfile`. The SAN is critical where the subject is empty."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject_name(subject))
    builder = builder.add_extension(alternative_names(names), critical=not subject)
    return builder.sign(key.key, hash_for(key.key)).public_bytes(serialization.Encoding.DER)


def read_csr(data: bytes) -> CSRFacts:
    """What a CSR says. data: DER or PEM, at most 64 KiB. A wrong signature is a fact, no error.

    Raises ProtocolViolation (CSRUnacceptable) for what is none.
    """
    request = _load(data)
    try:
        return _facts(request)
    except _ODD as error:
        raise _unreadable(str(error)) from None


def csr_public_key(data: bytes) -> PublicKey:
    """The key that a CSR is for. Raises ProtocolViolation (CSRUnacceptable) unless it is RSA or ECDSA."""
    request = _load(data)
    try:
        return public_key_of(request.public_key())
    except _ODD as error:
        raise _unreadable(str(error)) from None


def csr_to_pem(data: bytes) -> bytes:
    """PEM, `-----BEGIN CERTIFICATE REQUEST-----`, of a CSR in DER or PEM. Raises ProtocolViolation."""
    return _load(data).public_bytes(serialization.Encoding.PEM)


def csr_to_der(data: bytes) -> bytes:
    """DER of a CSR in DER or PEM. Raises ProtocolViolation."""
    return _load(data).public_bytes(serialization.Encoding.DER)


def _load(data: bytes) -> x509.CertificateSigningRequest:
    if len(data) > MOST_BYTES:
        raise _unreadable(f"it has {len(data)} bytes, more than any CSR")
    try:
        with quietly():
            pem = b"-----BEGIN" in data
            return x509.load_pem_x509_csr(data) if pem else x509.load_der_x509_csr(data)
    except _ODD as error:
        raise _unreadable(str(error)) from None


def _unreadable(why: str) -> ProtocolViolation:
    return ProtocolViolation(f"A certificate request cannot be read ({why[:120]}).", reason=Reason.CSR_UNACCEPTABLE)


def _facts(request: x509.CertificateSigningRequest) -> CSRFacts:
    der = request.public_bytes(serialization.Encoding.DER)
    written = asn1_csr.CertificationRequest.load(der)["certification_request_info"]["subject_pk_info"]
    extensions, problem = _extensions(request)
    san = extensions.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    dns_names, addresses, cut = san_values(san)
    kind, curve, bits = key_facts(request)
    common = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return CSRFacts(
        public_key_sha256=hashlib.sha256(written.dump()).hexdigest(),
        key_type=kind,
        curve=curve,
        key_bits=bits,
        subject=request.subject.rfc4514_string(),
        common_name=str(common[-1].value) if common else None,
        dns_names=dns_names,
        ip_addresses=addresses,
        has_san=san is not None,
        signature_valid=_is_signed(request),
        names_cut=cut,
        extensions_problem=problem,
    )


def _extensions(
    request: x509.CertificateSigningRequest,
) -> tuple[dict[x509.ObjectIdentifier, x509.ExtensionType], str | None]:
    try:
        with quietly():
            return {extension.oid: extension.value for extension in request.extensions}, None
    except _ODD as error:
        return {}, f"its extensions cannot be read ({str(error)[:120]})"


def _is_signed(request: x509.CertificateSigningRequest) -> bool:
    """Whether whoever made it holds the key (RFC 2986, section 3); what cannot be checked counts as no."""
    try:
        return request.is_signature_valid
    except _ODD:
        return False
