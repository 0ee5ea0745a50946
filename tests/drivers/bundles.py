"""Key pairs as the operator hands them to drivers."""

import hashlib

from cryptography.hazmat.primitives import serialization

from device_cert_operator.core.model import CertificateBundle
from tests.net.certificates import Identity, make


def fingerprint(der: bytes) -> str:
    return hashlib.sha256(der).hexdigest()


def bundle(
    number: int, *, issuer: Identity | None = None, kind: str = "EC", series: str = "0a1b2c3d"
) -> CertificateBundle:
    """Revision `number` of one device. issuer: an intermediate; its chain goes along, root included."""
    identity = make(f"revision {number}", issuer=issuer, kind=kind)
    return CertificateBundle(
        alias=f"dc-{series}-r{number}",
        fingerprint=fingerprint(identity.leaf_der),
        leaf_der=identity.leaf_der,
        chain_der=tuple(one.public_bytes(serialization.Encoding.DER) for one in identity.issuers),
        key_der=identity.key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )
