"""What a certificate says, as values; also of certificates that no library likes."""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtensionOID, NameOID

from device_cert_operator.core.model import CertificateFacts, NameConstraints
from device_cert_operator.errors import ProtocolViolation
from device_cert_operator.reasons import Reason

MOST_NAMES = 128  # as many as one DeviceCertificate can ask for: 64 devices and 64 names; else ours would look cut
UNREADABLE = (ValueError, TypeError, x509.InvalidVersion, x509.UnsupportedGeneralNameType)
_PROCESSED = frozenset(  # what a critical extension may be: those that verifiers process
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
    }
)
_one_at_a_time = Lock()
_Extensions = dict[x509.ObjectIdentifier, x509.Extension[x509.ExtensionType]]
_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}


@contextmanager
def quietly() -> Iterator[None]:
    """Without warnings of odd certificates. Filters belong to the process, and issuing runs in a thread."""
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def load(der: bytes) -> x509.Certificate:
    """Parse; negative or zero serial numbers are looked at all the same. Raises ProtocolViolation."""
    try:
        with quietly():
            return x509.load_der_x509_certificate(der)
    except UNREADABLE as error:
        raise _unreadable("A certificate cannot be read", error) from None


def read_facts(der: bytes) -> CertificateFacts:
    """The facts of one certificate (RFC 5280). Raises ProtocolViolation (CertificateUnreadable) for what is none."""
    certificate = load(der)
    try:
        return _facts(certificate, der)
    except UNREADABLE as error:
        raise _unreadable("A certificate cannot be read", error) from None


def pem_to_ders(pem: bytes) -> tuple[bytes, ...]:
    """All certificates of a PEM text, in order. Raises ProtocolViolation when there is none, or one is broken."""
    try:
        with quietly():
            certificates = x509.load_pem_x509_certificates(pem)
    except UNREADABLE as error:
        raise _unreadable("No PEM certificate can be read", error) from None
    return tuple(certificate.public_bytes(serialization.Encoding.DER) for certificate in certificates)


def certificates_in(data: bytes) -> tuple[bytes, ...]:
    """The certificates (DER) of a file as CAs send it: PEM, with whatever else is in it, or one in DER.

    Raises ProtocolViolation (CertificateUnreadable).
    """
    if b"-----BEGIN" in data:
        return pem_to_ders(data)
    load(data)
    return (data,)


def ders_to_pem(*ders: bytes) -> bytes:
    """PEM of several certificates, in order."""
    return b"".join(load(der).public_bytes(serialization.Encoding.PEM) for der in ders)


def fingerprint(der: bytes) -> str:
    """SHA-256 over the DER, lower-case hex."""
    return hashlib.sha256(der).hexdigest()


def _unreadable(what: str, error: Exception) -> ProtocolViolation:
    return ProtocolViolation(f"{what} ({str(error)[:120]}).", reason=Reason.CERTIFICATE_UNREADABLE)


def _facts(certificate: x509.Certificate, der: bytes) -> CertificateFacts:
    written = asn1_x509.Certificate.load(der)["tbs_certificate"]
    extensions, problem = _extensions(certificate)
    san = extensions.get(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    dns_names, addresses, cut = san_values(san.value if san else None)
    usage = extensions.get(ExtensionOID.KEY_USAGE)
    basic = extensions.get(ExtensionOID.BASIC_CONSTRAINTS)
    purposes = extensions.get(ExtensionOID.EXTENDED_KEY_USAGE)
    constraints = extensions.get(ExtensionOID.NAME_CONSTRAINTS)
    kind, curve, bits = key_facts(certificate)
    common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return CertificateFacts(
        fingerprint=fingerprint(der),
        public_key_sha256=hashlib.sha256(written["subject_public_key_info"].dump()).hexdigest(),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial_number=f"{written['serial_number'].native:x}",  # cryptography's own warns of negative ones
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        common_name=str(common[-1].value) if common else None,
        dns_names=dns_names,
        ip_addresses=addresses,
        key_type=kind,
        curve=curve,
        key_bits=bits,
        signature_hash=_signature_hash(certificate),
        version=3 if certificate.version is x509.Version.v3 else 1,
        is_ca=basic.value.ca if basic and isinstance(basic.value, x509.BasicConstraints) else None,
        path_length=basic.value.path_length if basic and isinstance(basic.value, x509.BasicConstraints) else None,
        key_usage=_usages(usage.value) if usage and isinstance(usage.value, x509.KeyUsage) else None,
        extended_key_usage=tuple(oid.dotted_string for oid in purposes.value)
        if purposes and isinstance(purposes.value, x509.ExtendedKeyUsage)
        else None,
        has_san=san is not None,
        san_critical=bool(san and san.critical),
        subject_is_empty=not list(certificate.subject),
        name_constraints=_constraints(constraints.value)
        if constraints and isinstance(constraints.value, x509.NameConstraints)
        else None,
        names_cut=cut,
        extensions_problem=problem,
        ca_critical=basic is None or basic.critical,
    )


def _extensions(certificate: x509.Certificate) -> tuple[_Extensions, str | None]:
    """Those that can be read, and why clients refuse them, if so. A broken one hides the others, as for browsers."""
    try:
        with quietly():
            found = {extension.oid: extension for extension in certificate.extensions}
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        return {}, f"its extensions cannot be read ({str(error)[:120]})"
    unknown = next((one.oid for one in found.values() if one.critical and one.oid not in _PROCESSED), None)
    return found, f"clients do not know its critical extension {unknown.dotted_string}" if unknown else None


def san_values(san: x509.ExtensionType | None) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """(DNS names, addresses, whether there were more than are told) of a SAN; nothing of anything else."""
    if not isinstance(san, x509.SubjectAlternativeName):
        return (), (), False
    dns_names = [name.lower() for name in san.get_values_for_type(x509.DNSName)]
    addresses = [address.compressed for address in san.get_values_for_type(x509.IPAddress)]
    cut = len(dns_names) > MOST_NAMES or len(addresses) > MOST_NAMES
    return tuple(dns_names[:MOST_NAMES]), tuple(addresses[:MOST_NAMES]), cut


def key_facts(holder: x509.Certificate | x509.CertificateSigningRequest) -> tuple[str, str | None, int]:
    """(type, curve, bits) of its key, as in `CertificateFacts`."""
    try:
        key = holder.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "unknown", None, 0
    match key:
        case rsa.RSAPublicKey():
            return "RSA", None, key.key_size
        case ec.EllipticCurvePublicKey():
            return "EC", key.curve.name, key.key_size
        case ed25519.Ed25519PublicKey():
            return "Ed25519", None, 256
        case ed448.Ed448PublicKey():
            return "Ed448", None, 456
        case dsa.DSAPublicKey():
            return "DSA", None, key.key_size
        case _:
            return "unknown", None, 0


def _signature_hash(certificate: x509.Certificate) -> str | None:
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    return algorithm.name if algorithm else None


def _usages(usage: x509.KeyUsage) -> frozenset[str]:
    return frozenset(word for attribute, word in _USAGES.items() if getattr(usage, attribute))


def _constraints(value: x509.NameConstraints) -> NameConstraints:
    def texts(names: list[x509.GeneralName] | None, kind: type) -> tuple[str, ...] | None:
        if names is None:
            return None
        return tuple(str(name.value).lower() for name in names if isinstance(name, kind)) or None

    return NameConstraints(
        permitted_dns=texts(value.permitted_subtrees, x509.DNSName),
        excluded_dns=texts(value.excluded_subtrees, x509.DNSName),
        permitted_ip=texts(value.permitted_subtrees, x509.IPAddress),
        excluded_ip=texts(value.excluded_subtrees, x509.IPAddress),
        permitted_directory=_directories(value.permitted_subtrees),
        excluded_directory=_directories(value.excluded_subtrees),
    )


def _directories(names: list[x509.GeneralName] | None) -> tuple[str, ...] | None:
    return tuple(name.value.rfc4514_string() for name in names or () if isinstance(name, x509.DirectoryName)) or None
