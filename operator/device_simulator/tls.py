"""Keys, certificates and TLS contexts of simulated devices."""

import datetime
import ssl
import tempfile
import warnings
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
DER = serialization.Encoding.DER
PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class KeyAndChain:
    """What a TLS server shows: a key and certificates, leaf first."""

    key: Key
    chain: tuple[x509.Certificate, ...]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the leaf, hex."""
        return self.chain[0].fingerprint(hashes.SHA256()).hex()

    @property
    def public_key_sha256(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, hex."""
        return spki_sha256(self.key.public_key())


def spki_sha256(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of the SubjectPublicKeyInfo, hex."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(key.public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo))
    return digest.finalize().hex()


def kind_of(key: Key) -> str:
    """`RSA-2048`, `ECDSA-P256`, …"""
    if isinstance(key, rsa.RSAPrivateKey):
        return f"RSA-{key.key_size}"
    return f"ECDSA-P{key.key_size}"


def make_key(kind: str) -> Key:
    """A key of a kind as above."""
    if kind.startswith("RSA-"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("RSA-")))
    return ec.generate_private_key({"ECDSA-P256": ec.SECP256R1, "ECDSA-P384": ec.SECP384R1}[kind]())


def self_signed(
    common_name: str, now: datetime.datetime, key: Key | None = None, *, address: str | None = None
) -> KeyAndChain:
    """As factories make them: a CN that is no address, twenty years; a SAN only for an address that is given."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    return KeyAndChain(key, (certificate_for(key, name, now, address=address),))


def certificate_for(
    key: Key,
    name: x509.Name,
    now: datetime.datetime,
    *,
    address: str | None = None,
    starts: datetime.datetime | None = None,
    ends: datetime.datetime | None = None,
) -> x509.Certificate:
    """A self-signed certificate over a key; from yesterday on and for twenty years unless told. Raises ValueError."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts or now - datetime.timedelta(days=1))
        .not_valid_after(ends or now + datetime.timedelta(days=7300))
    )
    if address is not None:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256())


def allow_versions(context: ssl.SSLContext, *, tls_1_0_only: bool) -> None:
    """TLS 1.0 and nothing else, or 1.2 and newer, for handshakes that begin from now on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old on purpose
        if tls_1_0_only:
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1
        else:
            context.maximum_version = ssl.TLSVersion.MAXIMUM_SUPPORTED
            context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ALL:@SECLEVEL=0" if tls_1_0_only else "DEFAULT")


def context_for(identity: KeyAndChain) -> ssl.SSLContext:
    """A server context that shows this identity."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "server.pem"
        file.touch(mode=0o600)
        file.write_bytes(
            identity.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + b"".join(certificate.public_bytes(PEM) for certificate in identity.chain)
        )
        context.load_cert_chain(file)
    return context
