"""What somebody else signed, checked before a device sees it: key, chain, dates, names, purpose, verdict."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path

import certifi

from device_cert_operator.core.model import CertificateFacts, Names, Served
from device_cert_operator.core.verdict import SERVER_AUTH, judge
from device_cert_operator.errors import ProtocolViolation, Retry, UnacceptableCertificate
from device_cert_operator.pki.facts import ders_to_pem, load, pem_to_ders, read_facts
from device_cert_operator.pki.verify import links, signed_by
from device_cert_operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Returned:
    """A chain that may be used. tls_crt: leaf and intermediates, leaf first; ca_crt: the CA clients have to trust."""

    facts: CertificateFacts
    anchor: CertificateFacts
    tls_crt: bytes = field(repr=False)
    ca_crt: bytes = field(repr=False)


def read_leaf(where: str, chain_pem: bytes) -> CertificateFacts:
    """The first certificate of a chain. where: for the sentence. Raises UnacceptableCertificate."""
    return read_facts(_ders(where, chain_pem)[0])


def check_returned(
    where: str, chain_pem: bytes, ca_pem: bytes | None, names: Names, key_sha256: str | None, now: datetime
) -> Returned:
    """Check what came back. where: the object it stands in, for the sentences.

    chain_pem: leaf first, each followed by its issuer; a root at its end counts as the trust anchor, as does ca_pem;
    a chain of a public CA needs neither. key_sha256: of the key that it must be for; None leaves that to the caller.
    Nothing is fetched. Raises UnacceptableCertificate: each wrong case has its reason.
    """
    sent = _ders(where, chain_pem)
    given = _ders(where, ca_pem) if ca_pem else ()
    leaf = read_facts(sent[0])
    if key_sha256 is not None and leaf.public_key_sha256 != key_sha256:
        raise _no(Reason.CERTIFICATE_FOR_ANOTHER_KEY, _another_key(where, sent, key_sha256))
    _check_order(where, sent)
    anchor = _anchor(where, sent, given)
    below = (sent[0], *(der for der in sent[1:] if der != anchor))
    if missing := names.missing_from(leaf):
        raise _no(
            Reason.ADDRESS_NOT_IN_CERTIFICATE,
            f"The certificate in {where} does not name {', '.join(missing[:4])} in its SAN: have it "
            "signed for all names.",
        )
    served = Served("", 0, leaf, sent[0], (leaf,), below, "TLSv1.3", "", browser_grade=True)
    chain = links(below, (anchor,))
    for name in names.all:
        verdict = judge(served, chain, name.replace("*", "any", 1), now)
        if not verdict.secure:
            raise _no(verdict.reason, f"The certificate in {where} cannot be used. {verdict.message}")
    if SERVER_AUTH not in (leaf.extended_key_usage or ()):  # browsers do without; OpenSSL or Apple's clients do not
        raise _no(
            Reason.NOT_FOR_SERVERS,
            f"The certificate in {where} is not expressly for TLS servers: have it signed with extendedKeyUsage "
            "serverAuth.",
        )
    return Returned(leaf, read_facts(anchor), ders_to_pem(*below), ders_to_pem(anchor))


def _ders(where: str, pem: bytes) -> tuple[bytes, ...]:
    try:
        ders = pem_to_ders(pem)
        for der in ders:
            read_facts(der)
    except ProtocolViolation as error:
        raise _no(
            Reason.CERTIFICATE_UNREADABLE, f"{where} holds no certificates as PEM ({error.message.rstrip('.')})."
        ) from None
    return ders


def _another_key(where: str, sent: tuple[bytes, ...], key_sha256: str) -> str:
    if any(read_facts(der).public_key_sha256 == key_sha256 for der in sent[1:]):
        return f"The certificate for this CSR is not the first in {where}: put the device's certificate first."
    return (
        f"The certificate in {where} is for another key than the CSR's: it was signed for an older CSR, or for another "
        "device. Have the present CSR signed."
    )


def _check_order(where: str, sent: tuple[bytes, ...]) -> None:
    """Each certificate is signed by the next one."""
    for lower, upper in pairwise(sent):
        if not signed_by(load(lower), load(upper)):
            raise _no(
                Reason.CHAIN_INCOMPLETE,
                f"The chain in {where} is not in order: {read_facts(upper).subject or 'the next one'} did not sign "
                f"{read_facts(lower).subject or 'what is before it'}. Put the device's certificate first, then each "
                "issuer.",
            )


def _anchor(where: str, sent: tuple[bytes, ...], given: tuple[bytes, ...]) -> bytes:
    """A root at the end of the chain, one given beside it, or a public one."""
    top = load(sent[-1])
    if len(sent) > 1 and read_facts(sent[-1]).self_issued:
        return sent[-1]
    for der in given:
        if der in sent[1:] or signed_by(top, load(der)):
            return der
    for der in _public_roots():
        if load(der).subject == top.issuer and signed_by(top, load(der)):
            return der
    raise _no(
        Reason.CHAIN_INCOMPLETE,
        f"{read_facts(sent[-1]).issuer or 'The CA'}, which issued the last certificate in {where}, is not there: add "
        "it, and those above it, to the chain, or the root as key ca.crt.",
    )


@cache
def _public_roots() -> tuple[bytes, ...]:
    """Mozilla's roots, as the package certifi ships them; read when first needed."""
    return pem_to_ders(Path(certifi.where()).read_bytes())


def _no(reason: Reason, message: str) -> UnacceptableCertificate:
    return UnacceptableCertificate(message, reason=reason, retry=Retry.ON_CHANGE)
