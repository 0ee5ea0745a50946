"""Signing a leaf: a profile decided in `core/profile.py` becomes X.509 (RFC 5280)."""

import secrets

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from device_cert_operator.core.profile import LeafProfile
from device_cert_operator.pki.authority import Authority
from device_cert_operator.pki.facts import load
from device_cert_operator.pki.keys import PrivateKey, PublicKey, hash_for
from device_cert_operator.pki.names import alternative_names, subject_name


def sign_leaf(authority: Authority, key: PublicKey, profile: LeafProfile) -> bytes:
    """The DER of the TLS server certificate that the profile describes, for a key of ours or out of a CSR.

    128 random bits of serial number, SHA-256 or what the CA's curve calls for, AKI and SKI.
    """
    ca = load(authority.certificate_der)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject_name(profile.subject))
        .issuer_name(ca.subject)
        .public_key(key.key)
        .serial_number((1 << 128) | secrets.randbits(128))
        .not_valid_before(profile.not_before)
        .not_valid_after(profile.not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(key_encipherment=profile.key_encipherment), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(alternative_names(profile.names), critical=profile.san_critical)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.key), critical=False)
        .add_extension(authority_key_identifier(ca, authority.key), critical=False)
    )
    return builder.sign(authority.key.key, hash_for(authority.key.key)).public_bytes(serialization.Encoding.DER)


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


def authority_key_identifier(ca: x509.Certificate, key: PrivateKey) -> x509.AuthorityKeyIdentifier:
    """The CA's own SKI where it has one (RFC 5280, 4.2.1.1)."""
    try:
        own = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.key.public_key())
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
