"""Which signatures hold between the certificates a device sent and the CAs that are intended."""

from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from device_cert_operator.core.verdict import ChainFacts
from device_cert_operator.pki.facts import load, read_facts

LONGEST_PATH = 8


@lru_cache(maxsize=4096)
def links(chain_der: tuple[bytes, ...], anchors_der: tuple[bytes, ...]) -> ChainFacts:
    """Follow the signatures from the leaf upwards until an anchor; the anchor need not be sent, nor the rest in order.

    chain_der: as sent, leaf first. anchors_der: the intended CAs. The answer for equal input is kept: what a device
    serves seldom changes. Raises ProtocolViolation for what cannot be parsed.
    """
    anchors = [load(der) for der in anchors_der]
    sent = [load(der) for der in chain_der[1:]]
    path = [load(chain_der[0])]
    broken = False
    while len(path) < LONGEST_PATH:
        if path[-1] in anchors:
            return _facts(path, anchors, anchored=True)
        signer, named = _signer(path[-1], [*anchors, *(one for one in sent if one not in path)])
        broken = broken or (named and signer is None)
        if signer is None or signer in path:
            break
        path.append(signer)
    return _facts(path, anchors, anchored=False, broken=broken)


def _signer(child: x509.Certificate, candidates: list[x509.Certificate]) -> tuple[x509.Certificate | None, bool]:
    """(who signed it, whether anybody bears the issuer's name)."""
    named = [one for one in candidates if one.subject == child.issuer]
    return next((one for one in named if signed_by(child, one)), None), bool(named)


def signed_by(child: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether the issuer's key made the signature on the child."""
    try:
        child.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _facts(
    path: list[x509.Certificate], anchors: list[x509.Certificate], *, anchored: bool, broken: bool = False
) -> ChainFacts:
    from cryptography.hazmat.primitives.serialization import Encoding

    return ChainFacts(
        tuple(read_facts(one.public_bytes(Encoding.DER)) for one in path),
        anchored,
        tuple(one.subject.rfc4514_string() for one in anchors),
        broken,
    )
