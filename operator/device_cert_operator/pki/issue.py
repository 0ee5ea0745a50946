"""Signing a leaf: the strict profile of what we issue (RFC 5280; CA/Browser forms where they do no harm)."""

import ipaddress
import secrets
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from device_cert_operator.core.model import Names, SubjectFields
from device_cert_operator.errors import InvalidSpec
from device_cert_operator.pki.authority import Authority
from device_cert_operator.pki.facts import load
from device_cert_operator.pki.keys import PrivateKey

BACKDATED = timedelta(hours=1)
MOST_CN = 64  # ub-common-name, RFC 5280, appendix A
_PARTS = (
    ("country", NameOID.COUNTRY_NAME),
    ("state", NameOID.STATE_OR_PROVINCE_NAME),
    ("locality", NameOID.LOCALITY_NAME),
    ("organization", NameOID.ORGANIZATION_NAME),
    ("organizational_unit", NameOID.ORGANIZATIONAL_UNIT_NAME),
)


def sign_leaf(
    authority: Authority, key: PrivateKey, names: Names, subject: SubjectFields, duration: timedelta, now: datetime
) -> bytes:
    """The DER of a TLS server certificate for these names: X.509 v3, serverAuth, SAN critical if the subject is empty.

    NotBefore an hour back, NotAfter never past the CA's; 128-bit random serial; SHA-256 or the CA curve's own hash.
    Raises InvalidSpec for a name or subject that no certificate can carry.
    """
    ca = load(authority.certificate_der)
    distinguished = _subject(subject, names, constrained=authority.facts.name_constraints is not None)
    public = key.key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(distinguished)
        .issuer_name(ca.subject)
        .public_key(public)
        .serial_number((1 << 126) | secrets.randbits(126))
        .not_valid_before(max(now - BACKDATED, authority.facts.not_before))
        .not_valid_after(min(now + duration, authority.facts.not_after))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(key), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=not list(distinguished))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(_authority_key_identifier(ca), critical=False)
    )
    made = builder.sign(authority.key.key, _hash_for(authority.key))
    return made.public_bytes(serialization.Encoding.DER)


def _subject(fields: SubjectFields, names: Names, *, constrained: bool) -> x509.Name:
    """CN: the one asked for if it is a SAN value, else the first that fits, else none; none under a constrained CA."""
    parts = [x509.NameAttribute(oid, value) for field, oid in _PARTS if (value := getattr(fields, field))]
    asked = fields.common_name
    if asked is not None and asked not in names.all:
        raise InvalidSpec(
            f"spec.subject.commonName {asked!r} is none of the certificate's names ({', '.join(names.all[:4])}): "
            "leave it out, or add it to spec.dnsNames."
        )
    common = asked or next((name for name in names.all if len(name) <= MOST_CN), None)
    try:
        if common is not None and len(common) <= MOST_CN and not constrained:
            parts.append(x509.NameAttribute(NameOID.COMMON_NAME, common))
        elif constrained and not parts:
            parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Device certificates"))
        return x509.Name(parts)
    except ValueError as error:
        raise InvalidSpec(f"spec.subject cannot be written into a certificate: {error}.") from None


def _general_names(names: Names) -> list[x509.GeneralName]:
    try:
        made: list[x509.GeneralName] = [x509.DNSName(name) for name in names.dns_names]
        made += [x509.IPAddress(ipaddress.ip_address(address)) for address in names.ip_addresses]
    except ValueError as error:
        raise InvalidSpec(f"A name cannot be written into a certificate: {error}.") from None
    if not made:
        raise InvalidSpec("There is no name to issue for: list spec.dnsNames, or set includeDeviceAddresses.")
    return made


def _key_usage(key: PrivateKey) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=isinstance(key.key, rsa.RSAPrivateKey),
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key_identifier(ca: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """The CA's own SKI where it has one (RFC 5280, 4.2.1.1)."""
    try:
        own = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        key = ca.public_key()
        if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise InvalidSpec("The CA's key is neither RSA nor ECDSA.") from None
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _hash_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384:
    return (
        hashes.SHA384()
        if isinstance(key.key, ec.EllipticCurvePrivateKey) and key.key.key_size > 256
        else hashes.SHA256()
    )
