"""Roots of our own: made, and signed by one another so that clients may trust either (RFC 5280; RFC 4210, 4.4)."""

import ipaddress
import secrets
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from device_cert_operator.core.model import NameConstraints
from device_cert_operator.pki.authority import Authority
from device_cert_operator.pki.facts import load
from device_cert_operator.pki.issue import authority_key_identifier
from device_cert_operator.pki.keys import PrivateKey, hash_for
from device_cert_operator.pki.names import subject_name

T = TypeVar("T", bound=x509.ExtensionType)
BACKDATED = timedelta(hours=24)  # a root is trusted on machines whose clocks nobody looks after
_CA_USAGE = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def sign_root(
    key: PrivateKey,
    subject: tuple[tuple[str, str], ...],
    constraints: NameConstraints,
    lifetime: timedelta,
    now: datetime,
) -> bytes:
    """The DER of a self-signed root: v3, pathlen 1, keyCertSign and cRLSign, constrained.

    subject: (field of `SubjectFields`, value). NotBefore is 24 hours back, NotAfter `lifetime` ahead, in whole seconds.
    """
    public, name = key.key.public_key(), subject_name(subject)
    now = now.replace(microsecond=0)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(_serial())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
        # one CA may follow: without it no cross-certificate works below this root
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(_extension(constraints), critical=True)
    )
    return builder.sign(key.key, hash_for(key.key)).public_bytes(serialization.Encoding.DER)


def cross_sign(subject_der: bytes, signer: Authority) -> bytes:
    """The DER of a certificate by `signer` over another root's name and key, with that root's own constraints.

    Valid while both are; pathlen 0. The leaves below the root then also chain to the signer.
    """
    return _cross_sign(subject_der, signer, _found(load(subject_der), x509.NameConstraints))


def constrain(foreign_der: bytes, signer: Authority, permitted_ip: tuple[str, ...]) -> bytes:
    """The DER of a certificate by `signer` over somebody else's CA, good for these addresses (CIDR) and no DNS name.

    Who trusts the signer's root, and has this certificate, accepts what the CA signed for those addresses alone
    (RFC 5280, section 4.2.1.10). Valid while both are; pathlen 0.
    """
    return _cross_sign(foreign_der, signer, _extension(NameConstraints(excluded_dns=("",), permitted_ip=permitted_ip)))


def _cross_sign(subject_der: bytes, signer: Authority, constraints: x509.NameConstraints | None) -> bytes:
    root, issuer = load(subject_der), load(signer.certificate_der)
    builder = (
        x509.CertificateBuilder()
        .subject_name(root.subject)
        .issuer_name(issuer.subject)
        .public_key(root.public_key())
        .serial_number(_serial())
        .not_valid_before(max(root.not_valid_before_utc, issuer.not_valid_before_utc))
        .not_valid_after(min(root.not_valid_after_utc, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_CA_USAGE, critical=True)
        .add_extension(_key_identifier(root), critical=False)
        .add_extension(authority_key_identifier(issuer, signer.key), critical=False)
    )
    if constraints is not None:
        builder = builder.add_extension(constraints, critical=True)
    return builder.sign(signer.key.key, hash_for(signer.key.key)).public_bytes(serialization.Encoding.DER)


def _serial() -> int:
    return (1 << 128) | secrets.randbits(128)


def _key_identifier(root: x509.Certificate) -> x509.SubjectKeyIdentifier:
    """The root's own where it has one: the leaves below it name it so."""
    own = _found(root, x509.SubjectKeyIdentifier)
    return own or x509.SubjectKeyIdentifier.from_public_key(root.public_key())


def _found(certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _extension(constraints: NameConstraints) -> x509.NameConstraints:
    return x509.NameConstraints(
        _general_names(constraints.permitted_dns, constraints.permitted_ip),
        _general_names(constraints.excluded_dns, constraints.excluded_ip),
    )


def _general_names(domains: tuple[str, ...] | None, ranges: tuple[str, ...] | None) -> list[x509.GeneralName] | None:
    names: list[x509.GeneralName] = [x509.DNSName(domain) for domain in domains or ()]
    names += [x509.IPAddress(ipaddress.ip_network(one)) for one in ranges or ()]
    return names or None
