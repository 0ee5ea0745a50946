"""PKCS#12 files as a device reads them: only in the encryptions that it lists, and the chain in order.

RFC 7292; ONVIF Security Service Specification 26.06, 5.2.5 (key pairs in PKCS#12).
"""

import itertools
from dataclasses import dataclass

from asn1crypto import core
from asn1crypto import pkcs12 as asn1_pkcs12
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from device_simulator.tls import Key

PBES2 = "1.2.840.113549.1.5.13"
CIPHERS = {
    "PBES2": "2.16.840.1.101.3.4.1.2",  # the baseline: AES-128-CBC
    "PBES2-AES256-CBC": "2.16.840.1.101.3.4.1.42",
    "pbeWithSHAAnd3-KeyTripleDES-CBC": "1.2.840.113549.1.12.1.3",
}


class StoreFault(Exception):
    """A refusal; its text is the SOAP subcodes, outermost first, separated by blanks."""


@dataclass(frozen=True)
class Contents:
    """A key and its certificates, leaf first."""

    key: Key
    chain: tuple[x509.Certificate, ...]


def read_pfx(data: bytes, passphrase: str | None, accepted: tuple[str, ...], *, leaf_only: bool = False) -> Contents:
    """accepted: names of CIPHERS. Raises StoreFault."""
    used = ciphers_of(data)
    if not used <= {CIPHERS[name] for name in accepted}:
        raise StoreFault("InvalidArgVal DecryptionFailed")
    try:
        store = pkcs12.load_pkcs12(data, passphrase.encode() if passphrase is not None else None)
    except ValueError:
        raise StoreFault("InvalidArgVal DecryptionFailed") from None
    if not isinstance(store.key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise StoreFault("InvalidArgVal BadPKCS12File" if store.key is None else _UNSUPPORTED)
    if store.cert is None:
        raise StoreFault("InvalidArgVal BadPKCS12File")
    others = [] if leaf_only else [one.certificate for one in store.additional_certs]
    return Contents(store.key, in_order(store.cert.certificate, others))


_UNSUPPORTED = "InvalidArgVal UnsupportedPublicKeyAlgorithm"


def in_order(leaf: x509.Certificate, others: list[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Leaf first, each followed by its issuer. Raises StoreFault for one that belongs nowhere."""
    chain, left = [leaf], list(others)
    while left:
        issuer = next((one for one in left if is_issued_by(chain[-1], one)), None)
        if issuer is None:
            raise StoreFault("InvalidArgVal BadPKCS12File")
        chain.append(issuer)
        left.remove(issuer)
    return tuple(chain)


def chain_is_broken(chain: list[x509.Certificate]) -> bool:
    """Whether one is not signed by the next."""
    return not all(is_issued_by(child, issuer) for child, issuer in itertools.pairwise(chain))


def is_issued_by(child: x509.Certificate, issuer: x509.Certificate) -> bool:
    """By name and signature."""
    try:
        child.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def ciphers_of(data: bytes) -> set[str]:
    """The OIDs of the ciphers over certificates and keys; PBES2 is told by its cipher. Raises StoreFault."""
    try:
        found: set[str] = set()
        for content in asn1_pkcs12.Pfx.load(data, strict=True).authenticated_safe:
            if content["content_type"].native == "encrypted_data":
                found.add(_cipher(content["content"]["encrypted_content_info"]["content_encryption_algorithm"]))
            elif content["content_type"].native == "data":
                found |= {
                    _cipher(bag["bag_value"]["encryption_algorithm"])
                    for bag in asn1_pkcs12.SafeContents.load(content["content"].native)
                    if bag["bag_id"].native == "pkcs8_shrouded_key_bag"
                }
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StoreFault("InvalidArgVal BadPKCS12File") from None
    return found


def _cipher(algorithm: core.Sequence) -> str:
    scheme = algorithm["algorithm"].dotted
    return str(algorithm["parameters"]["encryption_scheme"]["algorithm"].dotted if scheme == PBES2 else scheme)
