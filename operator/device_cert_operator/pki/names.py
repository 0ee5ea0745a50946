"""Names as X.509 writes them: subjects and SANs out of values."""

import ipaddress

from cryptography import x509
from cryptography.x509.oid import NameOID

from device_cert_operator.core.model import Names

_OIDS = {
    "country": NameOID.COUNTRY_NAME,
    "state": NameOID.STATE_OR_PROVINCE_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizational_unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "common_name": NameOID.COMMON_NAME,
}
_OPENSSL_ORDER = ("country", "state", "locality", "organization", "organizational_unit", "common_name")


def subject_name(subject: tuple[tuple[str, str], ...]) -> x509.Name:
    """subject: (field of `SubjectFields`, value), in the order in which it is written."""
    return x509.Name([x509.NameAttribute(_OIDS[field], value) for field, value in subject])


def subject_text(subject: tuple[tuple[str, str], ...]) -> str:
    """The subject as RFC 4514 writes it, CN first, e.g. `CN=10.0.0.1,O=Example,C=JP`; empty for an empty one."""
    ordered = sorted(subject, key=lambda part: _OPENSSL_ORDER.index(part[0]))
    return subject_name(tuple(ordered)).rfc4514_string()


def alternative_names(names: Names) -> x509.SubjectAlternativeName:
    """The SAN (RFC 5280, 4.2.1.6): addresses as iPAddress, all else as dNSName."""
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in names.ip_addresses]
    return x509.SubjectAlternativeName([*(x509.DNSName(name) for name in names.dns_names), *addresses])


def alternative_names_der(names: Names) -> bytes:
    """The value of that extension: DER of GeneralNames."""
    return alternative_names(names).public_bytes()
