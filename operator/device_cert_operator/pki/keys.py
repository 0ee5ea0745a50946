"""Private keys: made, read and written; never shown."""

import hashlib
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from device_cert_operator.core.model import KeyType
from device_cert_operator.errors import ProtocolViolation
from device_cert_operator.reasons import Reason

MOST_REMEMBERED = 10_000
_FOUND_SOUND: set[bytes] = set()  # SHA-256 of PEM files whose key was checked in this process
SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
VerifyingKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
_CURVES = {"secp256r1": "P256", "secp384r1": "P384", "secp521r1": "P521", "secp224r1": "P224"}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that a certificate can be made for: RSA, or ECDSA on any curve."""

    key: VerifyingKey

    @property
    def kind(self) -> str:
        """As in `KeyType` where it has a name there, e.g. `RSA-2048`, `ECDSA-P256`."""
        if isinstance(self.key, rsa.RSAPublicKey):
            return f"RSA-{self.key.key_size}"
        return f"ECDSA-{_CURVES.get(self.key.curve.name, self.key.curve.name)}"

    @property
    def public_key_sha256(self) -> str:
        """SHA-256 over the SubjectPublicKeyInfo, lower-case hex."""
        spki = self.key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(spki).hexdigest()


class PrivateKey:
    """A private key that redacts itself."""

    __slots__ = ("_key",)

    def __init__(self, key: SigningKey) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"PrivateKey({self.kind}, …)"

    @property
    def key(self) -> SigningKey:
        return self._key

    @property
    def kind(self) -> str:
        """As in `KeyType`, e.g. `RSA-2048`, `ECDSA-P256`."""
        return self.public.kind

    @property
    def public(self) -> PublicKey:
        return PublicKey(self._key.public_key())

    @property
    def public_key_sha256(self) -> str:
        """SHA-256 over the SubjectPublicKeyInfo, lower-case hex."""
        return self.public.public_key_sha256

    def pkcs8_pem(self) -> bytes:
        """Unencrypted PKCS#8 (RFC 5958) as PEM: for a Secret."""
        return self._write(serialization.Encoding.PEM)

    def pkcs8_der(self) -> bytes:
        """Unencrypted PKCS#8 (RFC 5958) as DER: for a device."""
        return self._write(serialization.Encoding.DER)

    def _write(self, encoding: serialization.Encoding) -> bytes:
        return self._key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def make_key(kind: KeyType) -> PrivateKey:
    """A new key pair. RSA takes 50 ms and more: call it in a thread."""
    match kind:
        case KeyType.ECDSA_P256:
            return PrivateKey(ec.generate_private_key(ec.SECP256R1()))
        case KeyType.ECDSA_P384:
            return PrivateKey(ec.generate_private_key(ec.SECP384R1()))
        case _:
            return PrivateKey(rsa.generate_private_key(65537, int(kind.removeprefix("RSA-"))))


def read_key(pem: bytes) -> PrivateKey:
    """Read an unencrypted PEM key. Raises ProtocolViolation, without a word of the content.

    Whether the parts of an RSA key belong together is checked once for the same bytes: that takes 40 ms, reading 0.1.
    """
    digest = hashlib.sha256(pem).digest()
    try:
        key = serialization.load_pem_private_key(
            pem, password=None, unsafe_skip_rsa_key_validation=digest in _FOUND_SOUND
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ProtocolViolation("tls.key holds no unencrypted PEM private key.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ProtocolViolation("tls.key is neither an RSA nor an ECDSA key.")
    if len(_FOUND_SOUND) >= MOST_REMEMBERED:
        _FOUND_SOUND.clear()
    _FOUND_SOUND.add(digest)
    return PrivateKey(key)


def public_key_of(key: object) -> PublicKey:
    """A library's public key as ours. Raises ProtocolViolation for what is neither RSA nor ECDSA."""
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise ProtocolViolation("The key is neither an RSA nor an ECDSA key.", reason=Reason.KEY_TYPE_NOT_IN_BROWSERS)
    return PublicKey(key)


def hash_for(key: SigningKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """The hash that a key signs with: SHA-256, or what its curve calls for."""
    if isinstance(key, rsa.RSAPrivateKey) or isinstance(key.curve, ec.SECP256R1):
        return hashes.SHA256()
    return hashes.SHA384() if isinstance(key.curve, ec.SECP384R1) else hashes.SHA512()
