"""Signing a leaf: a profile decided in `core/profile.py` becomes X.509 (RFC 5280)."""

import ipaddress
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from device_cert_operator.core.model import Names
from device_cert_operator.core.profile import LeafProfile
from device_cert_operator.pki.authority import Authority
from device_cert_operator.pki.facts import load
from device_cert_operator.pki.keys import PrivateKey

_OIDS = {
    "country": NameOID.COUNTRY_NAME,
    "state": NameOID.STATE_OR_PROVINCE_NAME,
    "locality": NameOID.LOCALITY_NAME,
    "organization": NameOID.ORGANIZATION_NAME,
    "organizational_unit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "common_name": NameOID.COMMON_NAME,
}


def sign_leaf(authority: Authority, key: PrivateKey, profile: LeafProfile) -> bytes:
    """The DER of the TLS server certificate that the profile describes.

    128 random bits of serial number, SHA-256 or what the CA's curve calls for, AKI and SKI.
    """
    ca = load(authority.certificate_der)
    public = key.key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(_OIDS[field], value) for field, value in profile.subject]))
        .issuer_name(ca.subject)
        .public_key(public)
        .serial_number((1 << 128) | secrets.randbits(128))
        .not_valid_before(profile.not_before)
        .not_valid_after(profile.not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(key_encipherment=profile.key_encipherment), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(_general_names(profile.names)), critical=profile.san_critical)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(_authority_key_identifier(ca, authority.key), critical=False)
    )
    return builder.sign(authority.key.key, _hash_for(authority.key)).public_bytes(serialization.Encoding.DER)


def _general_names(names: Names) -> list[x509.GeneralName]:
    addresses = [x509.IPAddress(ipaddress.ip_address(address)) for address in names.ip_addresses]
    return [*(x509.DNSName(name) for name in names.dns_names), *addresses]


def _key_usage(*, key_encipherment: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_key_identifier(ca: x509.Certificate, key: PrivateKey) -> x509.AuthorityKeyIdentifier:
    """The CA's own SKI where it has one (RFC 5280, 4.2.1.1)."""
    try:
        own = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _hash_for(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    if isinstance(key.key, rsa.RSAPrivateKey) or isinstance(key.key.curve, ec.SECP256R1):
        return hashes.SHA256()
    return hashes.SHA384() if isinstance(key.key.curve, ec.SECP384R1) else hashes.SHA512()
