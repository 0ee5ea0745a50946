"""What becomes of a certificate whose signature, or whose key, comes from elsewhere: CSR out, chain in. Pure.

One request at a time, by number: the number of the revision that it becomes. It is replaced only when it went stale:
other names, another spec, a key that the device lost.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import assert_never

from device_cert_operator.core.model import (
    AuthorityIssuer,
    CASecretIssuer,
    CertificateFacts,
    CertManagerIssuer,
    CSRFacts,
    DesiredCertificate,
    DeviceCAIssuer,
    ExternalIssuer,
    KeySource,
    Names,
    ProvidedIssuer,
    is_ip,
    names_of,
)
from device_cert_operator.core.status import RequestStatus
from device_cert_operator.errors import OperatorError
from device_cert_operator.reasons import Reason

CSR_KEY = "certreq.pem"
_NOT_PUBLIC = (".local", ".localhost", ".internal", ".lan", ".home.arpa", ".test", ".invalid", ".example")


@dataclass(frozen=True, slots=True)
class CSRState:
    """What stands in the ConfigMap `<name>-csr`. device_uid: who made it; empty when the operator did.

    problem: why it cannot be read, or is not signed by its own key.
    """

    number: int
    device_uid: str = ""
    facts: CSRFacts | None = None
    problem: OperatorError | None = None


@dataclass(frozen=True, slots=True)
class NotSigned:
    """No signature yet. final: none comes for this request. again: another request may do better, after a while."""

    reason: Reason
    message: str
    final: bool = False
    again: bool = False


@dataclass(frozen=True, slots=True)
class Signed:
    """A chain came back. problem: why it is not used."""

    facts: CertificateFacts
    problem: OperatorError | None = None


Answer = NotSigned | Signed


def issuer_name(desired: DesiredCertificate) -> str:
    """Who signs, in a word or two."""
    match desired.issuer:
        case CASecretIssuer(name) | AuthorityIssuer(name):
            return name
        case CertManagerIssuer(name, kind, _):
            return name if kind == "Issuer" else f"{kind}/{name}"
        case ExternalIssuer(reference):
            return f"external ({reference.name})"
        case ProvidedIssuer(secret):
            return f"provided ({secret})"
        case DeviceCAIssuer():
            return "firmware CA"
        case _:
            assert_never(desired.issuer)


def makes_requests(desired: DesiredCertificate) -> bool:
    """Whether a CSR is part of the way to a certificate."""
    return desired.key_source is KeySource.DEVICE or isinstance(desired.issuer, CertManagerIssuer | ExternalIssuer)


def signs_itself(desired: DesiredCertificate) -> bool:
    """Whether the CA is ours: then names and dates are ours as well, whatever a CSR says."""
    return not isinstance(desired.issuer, CertManagerIssuer | ExternalIssuer | ProvidedIssuer | DeviceCAIssuer)


def why_stale(
    request: RequestStatus, csr: CSRState | None, desired: DesiredCertificate, names: Names, input_hash: str
) -> tuple[Reason, str] | None:
    """Why an open request is replaced by another, if so. names, input_hash: as they would be now."""
    if missing := [name for name in names.all if name not in request.names]:
        return Reason.NAMES_CHANGED, f"The request does not ask for {', '.join(missing[:4])}."
    if request.input_hash.partition("-")[0] != input_hash.partition("-")[0]:
        return Reason.SPEC_CHANGED, "The spec changed, or a renewal was asked for."
    if desired.key_source is KeySource.DEVICE and _key_is_gone(request, csr):
        return Reason.DEVICE_KEY_LOST, (
            "The key of the request is gone from the device: a certificate for it will never fit again. A new request "
            "follows."
        )
    return None


def _key_is_gone(request: RequestStatus, csr: CSRState | None) -> bool:
    """The Device takes its CSR back when it no longer holds the key."""
    if request.public_key_sha256 is None:
        return False
    return (
        csr is None
        or csr.number != request.number
        or (csr.facts is not None and csr.facts.public_key_sha256 != request.public_key_sha256)
    )


def csr_is_answered(request: RequestStatus, csr: CSRState | None, device_uid: str) -> bool:
    """Whether the CSR in the ConfigMap is the one asked for. device_uid: empty when the operator makes it."""
    return csr is not None and (csr.number, csr.device_uid) == (request.number, device_uid)


def why_csr_unfit(csr: CSRState, request: RequestStatus, desired: DesiredCertificate) -> tuple[Reason, str] | None:
    """Why the CSR is not passed on. Only our own CA can add names that a CSR lacks."""
    if csr.problem is not None:
        return csr.problem.reason, csr.problem.message
    if csr.facts is None or signs_itself(desired):
        return None
    if missing := missing_from_csr(names_of(*request.names), csr.facts):
        return Reason.CSR_WITHOUT_SAN, (
            f"The device's CSR does not ask for {', '.join(missing[:4])} in its SAN, and an outside CA signs what it "
            "is asked for: use an own CA (authorityRef or caSecretRef), which adds it, or privateKey.source: Operator."
        )
    return None


def missing_from_csr(names: Names, facts: CSRFacts) -> tuple[str, ...]:
    """Those of the names that the CSR's SAN does not hold."""
    have = {name.lower() for name in facts.dns_names} | set(facts.ip_addresses)
    return tuple(name for name in names.all if name not in have)


def not_for_public_authorities(names: tuple[str, ...]) -> tuple[str, ...]:
    """Those that no public CA signs (CA/Browser Forum Baseline Requirements, 7.1.2.7.12): private and local ones."""
    return tuple(name for name in names if _is_private(name))


def _is_private(name: str) -> bool:
    if is_ip(name):
        return not ip_address(name).is_global
    return "." not in name or name.endswith(_NOT_PUBLIC)


def wants_answer(desired: DesiredCertificate, request: RequestStatus | None) -> bool:
    """Whether it is worth asking whoever signs: a provided certificate always, else once the CSR is known."""
    if isinstance(desired.issuer, ProvidedIssuer):
        return True
    return not signs_itself(desired) and request is not None and request.public_key_sha256 is not None
