"""Key pairs as the operator hands them to drivers."""

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from device_cert_operator.core.model import CertificateBundle, CSRRequest, KeyType, names_of
from tests.net.certificates import FROM, UNTIL, Identity, make

NAMES = names_of("127.0.0.1", "cam.example")
SUBJECT = (("organization", "Example"), ("common_name", "127.0.0.1"))


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


def csr_request(number: int, key_type: KeyType, *, series: str = "0a1b2c3d") -> CSRRequest:
    """Request `number` of one device."""
    return CSRRequest(f"dc-{series}-r{number}", NAMES, SUBJECT, key_type)


def signed_for(
    csr: bytes, number: int, *, issuer: Identity | None = None, series: str = "0a1b2c3d"
) -> CertificateBundle:
    """Revision `number` as an outside CA signs it for a CSR: without a key. csr: DER."""
    key = x509.load_der_x509_csr(csr).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
    return for_key(key, number, issuer=issuer, series=series)


def for_key(
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey,
    number: int,
    *,
    issuer: Identity | None = None,
    series: str = "0a1b2c3d",
) -> CertificateBundle:
    """The same for any key."""
    signer = issuer or make("outside CA", ca=True, usages=())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"revision {number}")])
    serial = x509.random_serial_number()
    builder = x509.CertificateBuilder(signer.certificate.subject, subject, key, serial, FROM, UNTIL)
    leaf = builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    chain = (signer.certificate, *signer.issuers)
    return CertificateBundle(
        alias=f"dc-{series}-r{number}",
        fingerprint=fingerprint(leaf),
        leaf_der=leaf,
        chain_der=tuple(one.public_bytes(serialization.Encoding.DER) for one in chain),
    )
