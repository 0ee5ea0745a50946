"""Which signatures hold between the certificates a device sent and the CAs that are intended."""

from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from device_cert_operator.core.verdict import ChainFacts
from device_cert_operator.pki.facts import load, read_facts

LONGEST_PATH = 8


@lru_cache(maxsize=4096)
def links(
    chain_der: tuple[bytes, ...], anchors_der: tuple[bytes, ...], known_der: tuple[bytes, ...] = ()
) -> ChainFacts:
    """Follow the signatures from the leaf upwards until an anchor; the anchor need not be sent, nor the rest in order.

    chain_der: as sent, leaf first. anchors_der: the intended CAs. known_der: CAs below them; they prove nothing, but
    tell what the device does not send. The answer for equal input is kept: what a device serves seldom changes.
    Raises ProtocolViolation for what cannot be parsed.
    """
    anchors = [load(der) for der in anchors_der]
    sent = [load(der) for der in chain_der[1:]]
    leaf = load(chain_der[0])
    path, anchored, broken = _follow(leaf, anchors, sent)
    missing = None
    if not anchored and known_der:
        with_known, complete, _ = _follow(leaf, anchors, [*sent, *(load(der) for der in known_der)])
        if complete:
            missing = next(one.subject.rfc4514_string() for one in with_known[1:] if one not in sent)
    return ChainFacts(
        tuple(read_facts(one.public_bytes(Encoding.DER)) for one in path),
        anchored,
        tuple(one.subject.rfc4514_string() for one in anchors),
        broken,
        missing,
    )


def _follow(
    leaf: x509.Certificate, anchors: list[x509.Certificate], others: list[x509.Certificate]
) -> tuple[list[x509.Certificate], bool, bool]:
    """(the path, whether it reached an anchor, whether a name fitted whose key did not)."""
    path, broken = [leaf], False
    while path[-1] not in anchors and len(path) < LONGEST_PATH:
        signer, named = _signer(path[-1], [*anchors, *(one for one in others if one not in path)])
        if signer is None:
            broken = named
            break
        path.append(signer)
    return path, path[-1] in anchors, broken


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


def is_root(der: bytes) -> bool:
    """Whether a certificate bears its issuer's name and, as far as it says, its key.

    A cross-certificate between two roots of one name is none. Raises ProtocolViolation.
    """
    certificate = load(der)
    if certificate.subject != certificate.issuer:
        return False
    try:
        certificate.verify_directly_issued_by(certificate)
    except InvalidSignature:
        return False
    except (ValueError, TypeError, UnsupportedAlgorithm):  # a signature of an old form, or a key of another kind
        return not _names_another_key(certificate)
    return True


def _names_another_key(certificate: x509.Certificate) -> bool:
    try:
        signer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        own = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (ValueError, TypeError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False
    return signer is not None and signer != own
