"""PKCS#12 files in the encryption that a device lists (RFC 7292, RFC 8018).

`cryptography` writes AES-256 and 3DES only, ONVIF's baseline is PBES2 with AES-128-CBC: the structure is encoded with
`asn1crypto`, the ciphers are `cryptography`'s.
"""

import hashlib
import hmac
import os
from dataclasses import dataclass

from asn1crypto import algos, cms, core, keys, pkcs12, x509
from cryptography import x509 as c_x509
from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import pkcs12 as c_pkcs12

from device_cert_operator.core.model import CertificateBundle, Pkcs12Encryption

ITERATIONS = 4096
_KEY_BYTES = {Pkcs12Encryption.PBES2_AES128_CBC: 16, Pkcs12Encryption.PBES2_AES256_CBC: 32}
WRITABLE = (Pkcs12Encryption.PBES2_AES128_CBC, Pkcs12Encryption.PBES2_AES256_CBC, Pkcs12Encryption.PBE_SHA1_3DES)


def build_pkcs12(bundle: CertificateBundle, passphrase: str, encryption: Pkcs12Encryption) -> bytes:
    """A PFX with the key, the leaf (localKeyID, friendlyName = alias) and the chain; MAC with SHA-256 (3DES: SHA-1)."""
    if encryption is Pkcs12Encryption.PBE_SHA1_3DES:
        return _legacy(bundle, passphrase)
    cipher = _Pbes2(passphrase, _KEY_BYTES[encryption])
    key_id = hashlib.sha256(bundle.leaf_der).digest()[:20]
    key_bag = pkcs12.SafeBag(
        {
            "bag_id": "pkcs8_shrouded_key_bag",
            "bag_value": keys.EncryptedPrivateKeyInfo(
                {
                    "encryption_algorithm": (made := cipher.encrypt(bundle.key_der)).algorithm,
                    "encrypted_data": made.data,
                }
            ),
            "bag_attributes": _attributes(bundle.alias, key_id),
        }
    )
    bags = [_certificate_bag(bundle.leaf_der, _attributes(bundle.alias, key_id))]
    bags += [_certificate_bag(der, None) for der in bundle.chain_der]
    safe = pkcs12.AuthenticatedSafe(
        [_encrypted_content(pkcs12.SafeContents(bags).dump(), cipher), _content(pkcs12.SafeContents([key_bag]).dump())]
    )
    content = safe.dump()
    pfx = pkcs12.Pfx({"version": "v3", "auth_safe": _content(content), "mac_data": _mac(content, passphrase)})
    return bytes(pfx.dump())


@dataclass(frozen=True, slots=True)
class _Encrypted:
    algorithm: algos.EncryptionAlgorithm
    data: bytes


class _Pbes2:
    """PBKDF2-HMAC-SHA256 and AES-CBC (RFC 8018, section 6.2); a fresh salt and IV for each content."""

    def __init__(self, passphrase: str, key_bytes: int) -> None:
        self._passphrase = passphrase.encode("utf-8")
        self._key_bytes = key_bytes

    def encrypt(self, data: bytes) -> _Encrypted:
        salt, iv = os.urandom(16), os.urandom(16)
        key = hashlib.pbkdf2_hmac("sha256", self._passphrase, salt, ITERATIONS, self._key_bytes)
        padder = padding.PKCS7(128).padder()
        encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
        sealed = encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()
        derivation = {
            "algorithm": "pbkdf2",
            "parameters": {
                "salt": algos.Pbkdf2Salt(name="specified", value=salt),
                "iteration_count": ITERATIONS,
                "prf": {"algorithm": "sha256", "parameters": core.Null()},
            },
        }
        scheme = {"algorithm": f"aes{self._key_bytes * 8}_cbc", "parameters": iv}
        algorithm = algos.EncryptionAlgorithm(
            {
                "algorithm": "pbes2",
                "parameters": {"key_derivation_func": derivation, "encryption_scheme": scheme},
            }
        )
        return _Encrypted(algorithm, sealed)


def _certificate_bag(der: bytes, attributes: pkcs12.Attributes | None) -> pkcs12.SafeBag:
    bag = {
        "bag_id": "cert_bag",
        "bag_value": pkcs12.CertBag(
            {"cert_id": "x509", "cert_value": core.ParsableOctetString(x509.Certificate.load(der).dump())}
        ),
    }
    if attributes is not None:
        bag["bag_attributes"] = attributes
    return pkcs12.SafeBag(bag)


def _attributes(alias: str, key_id: bytes) -> pkcs12.Attributes:
    return pkcs12.Attributes(
        [
            pkcs12.Attribute({"type": "local_key_id", "values": [core.OctetString(key_id)]}),
            pkcs12.Attribute({"type": "friendly_name", "values": [core.BMPString(alias)]}),
        ]
    )


def _content(data: bytes) -> cms.ContentInfo:
    return cms.ContentInfo({"content_type": "data", "content": core.OctetString(data)})


def _encrypted_content(data: bytes, cipher: _Pbes2) -> cms.ContentInfo:
    made = cipher.encrypt(data)
    return cms.ContentInfo(
        {
            "content_type": "encrypted_data",
            "content": cms.EncryptedData(
                {
                    "version": "v0",
                    "encrypted_content_info": {
                        "content_type": "data",
                        "content_encryption_algorithm": made.algorithm,
                        "encrypted_content": made.data,
                    },
                }
            ),
        }
    )


def _mac(content: bytes, passphrase: str) -> pkcs12.MacData:
    salt = os.urandom(16)
    key = derive_mac_key(passphrase, salt, ITERATIONS)
    return pkcs12.MacData(
        {
            "mac": {
                "digest_algorithm": {"algorithm": "sha256", "parameters": core.Null()},
                "digest": hmac.digest(key, content, "sha256"),
            },
            "mac_salt": salt,
            "iterations": ITERATIONS,
        }
    )


def derive_mac_key(passphrase: str, salt: bytes, iterations: int) -> bytes:
    """The PKCS#12 key derivation with SHA-256 for the MAC key, 32 bytes (RFC 7292, appendix B.2, ID 3)."""
    block = 64
    password = (passphrase + "\0").encode("utf-16-be")
    filled = _fill(salt, block) + _fill(password, block)
    digest = hashlib.sha256(bytes([3]) * block + filled).digest()
    for _ in range(iterations - 1):
        digest = hashlib.sha256(digest).digest()
    return digest


def _fill(data: bytes, block: int) -> bytes:
    length = block * -(-len(data) // block)
    return (data * (length // len(data) + 1))[:length] if data else b""


def _legacy(bundle: CertificateBundle, passphrase: str) -> bytes:
    sealing = (
        serialization.PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(ITERATIONS)
        .key_cert_algorithm(c_pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303  # what such devices can check
        .build(passphrase.encode("utf-8"))
    )
    key = serialization.load_der_private_key(bundle.key_der, password=None)
    chain = [c_x509.load_der_x509_certificate(der) for der in bundle.chain_der]
    return c_pkcs12.serialize_key_and_certificates(
        bundle.alias.encode(),
        key,  # type: ignore[arg-type]  # RSA and EC keys are what bundles hold
        c_x509.load_der_x509_certificate(bundle.leaf_der),
        chain,
        sealing,
    )
