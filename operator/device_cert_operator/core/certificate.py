"""What to do for one DeviceCertificate now: which names, whether to issue, whose turn it is, what may go.

Whether to issue is decided from the wanted revision, the spec and the proven addresses, never from what happens to be
served: a device that somebody tampered with gets its revision again, not a new one.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from device_cert_operator.core.allowed import why_not_allowed
from device_cert_operator.core.authority_model import AllowedNames
from device_cert_operator.core.conditions import find, status_of
from device_cert_operator.core.installation import key_type_of
from device_cert_operator.core.model import (
    AddressPolicy,
    CertManagerIssuer,
    DesiredCertificate,
    DesiredDevice,
    ExternalIssuer,
    KeyAlgorithm,
    KeySource,
    KeyType,
    Names,
    ProvidedIssuer,
    Revision,
    RevisionRef,
    names_of,
)
from device_cert_operator.core.requests import (
    Answer,
    CSRState,
    NotSigned,
    Signed,
    csr_is_answered,
    makes_requests,
    signs_itself,
    why_csr_unfit,
    why_stale,
)
from device_cert_operator.core.schedule import TURN_LASTS, effective_renew_before, fraction_of, renewal_time
from device_cert_operator.core.status import CertificateStatus, DeviceStatus, MemberStatus, RequestStatus
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.errors import OperatorError
from device_cert_operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Member:
    """One device that the DeviceCertificate lists. desired None: there is no such Device.

    claimed_by: the name of another DeviceCertificate that holds the Device.
    """

    name: str
    desired: DesiredDevice | None = None
    status: DeviceStatus = DeviceStatus()
    claimed_by: str | None = None
    holds: bool = False

    @property
    def identified(self) -> bool:
        return self.desired is not None and status_of(self.status.conditions, "Identified") == "True"

    @property
    def stalled(self) -> bool:
        return status_of(self.status.conditions, "Stalled") == "True"

    @property
    def beyond_help(self) -> bool:
        """Stalled for another reason than the certificate it has: another certificate would not get there."""
        parts = ("Reachable", "Identified", "Authenticated")
        off = self.desired is None or self.desired.paused
        return self.stalled and (off or any(status_of(self.status.conditions, part) == "False" for part in parts))

    @property
    def secure(self) -> bool:
        return status_of(self.status.conditions, "Secure") == "True"

    @property
    def key_types(self) -> frozenset[str]:
        return frozenset(self.status.capabilities) & {str(kind) for kind in KeyType}

    @property
    def makes_key_types(self) -> frozenset[str]:
        """Kinds of key that the device makes itself."""
        return frozenset(str(kind) for kind in KeyType if f"Make{kind}" in self.status.capabilities)

    def names(self) -> Names:
        """The address where the device was proven; before that, the declared one. Policy Report: the declared one."""
        if self.desired is None:
            return Names()
        proven = self.status.address.current
        follows = self.desired.address_policy is AddressPolicy.FOLLOW
        return names_of(proven if proven and follows else self.desired.host)


@dataclass(frozen=True, slots=True)
class AuthorityState:
    """The CA as far as decisions go. problem: why it cannot be used. warnings: (reason, sentence).

    cross: fingerprint of the cross-certificate that devices have to send beside the leaf. allowed: the names that it
    may sign, None for all. changed_at, spread: what is not as it should be is issued anew within `spread` of then.
    """

    fingerprint: str | None = None
    not_after: datetime | None = None
    problem: OperatorError | None = None
    warnings: tuple[tuple[Reason, str], ...] = ()
    cross: str | None = None
    allowed: AllowedNames | None = None
    changed_at: datetime | None = None
    spread: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class CertificateSituation:
    """One look. revisions: all that exist, by number. copied: the fingerprint in `secretName`, None when absent.

    live_uids: Devices of the namespace that exist. csr: what stands in the CSR's ConfigMap. answer: of whoever signs,
    to the open request; with a provided certificate always. pending_keys: Secrets with keys that no request needs now.
    highest: the highest number that a revision of this name ever had, whoever owned it.
    """

    desired: DesiredCertificate
    status: CertificateStatus
    now: datetime
    members: tuple[Member, ...]
    revisions: tuple[Revision, ...]
    authority: AuthorityState
    live_uids: frozenset[str] = frozenset()
    copied: str | None = None
    csr: CSRState | None = None
    answer: Answer | None = None
    pending_keys: tuple[str, ...] = ()
    highest: int = 0

    @property
    def wanted(self) -> Revision | None:
        return self.revisions[-1] if self.revisions else None


# ------------------------------------------------------------------------------------------------ steps


@dataclass(frozen=True, slots=True)
class RecordRenew:
    """Remember the renew request as handled; it is part of the inputs, so a new revision follows."""

    request: str


@dataclass(frozen=True, slots=True)
class Issue:
    """Sign and publish a new revision."""

    reason: Reason
    message: str
    names: Names
    key_type: KeyType
    input_hash: str


@dataclass(frozen=True, slots=True)
class GiveTurn:
    """Let this device install the wanted revision: its uid goes onto the revision, then its turn into the status."""

    device: str
    device_uid: str
    revision: Revision


@dataclass(frozen=True, slots=True)
class DeleteRevision:
    """Delete a revision that no device needs any more."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class WriteCopy:
    """Write the proven key pair to `spec.secretName`."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class BeginRequest:
    """Ask for a CSR: of the device, or of ourselves. It is remembered first."""

    reason: Reason
    message: str
    request: RequestStatus


@dataclass(frozen=True, slots=True)
class MakeCSR:
    """Make a key, store it, and publish a CSR for it."""

    request: RequestStatus


@dataclass(frozen=True, slots=True)
class RecordCSR:
    """The CSR is there: remember its key."""

    request: RequestStatus


@dataclass(frozen=True, slots=True)
class IssueForCSR:
    """Sign the CSR with our own CA, and publish the revision."""

    reason: Reason
    message: str
    request: RequestStatus


@dataclass(frozen=True, slots=True)
class Submit:
    """Hand the CSR to cert-manager."""

    request: RequestStatus


@dataclass(frozen=True, slots=True)
class NoteFailure:
    """Whoever signs failed, not for good: count it, so that another try comes after a while."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Resubmit:
    """Hand the same CSR to cert-manager once more, in place of the request that failed."""

    request: RequestStatus


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish the chain that came back, or that was provided (request None), as a revision."""

    reason: Reason
    message: str
    request: RequestStatus | None
    input_hash: str


@dataclass(frozen=True, slots=True)
class DropRequest:
    """The revision of the open request is published, or nobody needs one: forget it."""


@dataclass(frozen=True, slots=True)
class DropKey:
    """Delete a stored key that no request needs."""

    secret: str


CertificateStep = (
    RecordRenew
    | Issue
    | GiveTurn
    | DeleteRevision
    | WriteCopy
    | BeginRequest
    | MakeCSR
    | RecordCSR
    | IssueForCSR
    | Submit
    | NoteFailure
    | Resubmit
    | Publish
    | DropRequest
    | DropKey
)


@dataclass(frozen=True, slots=True)
class CertificatePlan:
    """next: one step, or the rest. members: the complete list for the status, turns included."""

    next: CertificateStep | Rest
    members: tuple[MemberStatus, ...]


def decide_certificate(s: CertificateSituation) -> CertificatePlan:
    """The first thing to do; the status of the members is computed on every path."""
    members = tuple(_member_status(member, s) for member in sorted(s.members, key=lambda member: member.name))
    for choose in CHOICES:
        if (choice := choose(s, members)) is not None:
            return CertificatePlan(choice, members)
    return CertificatePlan(Rest(State.SETTLED, Reason.SETTLED, "Nothing is left to do."), members)


# ------------------------------------------------------------------------------------------------ names


def wanted_names(s: CertificateSituation) -> Names:
    """What the SAN has to hold: from the spec, and from addresses where devices were proven; nothing else."""
    names = names_of(*s.desired.dns_names, *s.desired.ip_addresses)
    if s.desired.include_device_addresses:
        for member in s.members:
            names = names | member.names()
    return names


def choose_key_type(s: CertificateSituation) -> KeyType:
    """Auto: ECDSA P-256 where every device lists it, else RSA; a device never asked counts as RSA."""
    algorithm, size = s.desired.algorithm, s.desired.key_size
    if algorithm is KeyAlgorithm.AUTO:
        every = all(KeyType.ECDSA_P256 in _fitting(member, s) for member in s.members if member.desired is not None)
        return KeyType.ECDSA_P256 if every else KeyType.RSA_2048
    if algorithm is KeyAlgorithm.ECDSA:
        return KeyType(f"ECDSA-P{size or 256}")
    return KeyType(f"RSA-{size or 2048}")


def input_hash(s: CertificateSituation, names: Names) -> str:
    """`<spec>-<names>`: equal inputs make an equal revision. The first half tells that the spec changed.

    The spec half holds everything that shapes the certificate but the devices' addresses and the CA: subject, extra
    names, key parameters, duration and the last handled renew request.
    """
    desired = s.desired
    shape = {
        "subject": asdict(desired.subject),
        "names": sorted((*desired.dns_names, *desired.ip_addresses)),
        "addresses": desired.include_device_addresses,
        "devices": sorted(desired.devices),
        "key": [desired.algorithm, desired.key_size, desired.key_source],
        "issuer": _issuer_words(desired),
        "duration": desired.duration.total_seconds(),
        "renew": s.status.handled_renew,
    }
    return f"{_digest(shape)}-{_digest([*names.all, s.authority.fingerprint])}"


def _issuer_words(desired: DesiredCertificate) -> list[str]:
    """What of the issuer makes a new certificate when it changes. A CA's certificate is in the other half."""
    match desired.issuer:
        case CertManagerIssuer(name, kind, group):
            return ["cert-manager", name, kind, group]
        case ExternalIssuer():
            return ["external"]
        case ProvidedIssuer():
            return ["provided"]
        case _:
            return ["ca"]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


# ---------------------------------------------------------------------------------------------- issuing


def why_issue(s: CertificateSituation) -> tuple[Reason, str] | None:
    """Why a new revision is needed, if it is: the first of these."""
    revision = s.wanted
    if revision is None:
        return Reason.FIRST_ISSUE, "There is no certificate yet."
    if _another_is_provided(s, revision):
        return Reason.REPLACEMENT_PROVIDED, "Another certificate was provided."
    if (lost := _key_lost_by(s, revision)) is not None:
        return Reason.DEVICE_KEY_LOST, f"Device {lost} lost its key: no certificate for it will ever fit again."
    names = wanted_names(s)
    if missing := names.missing_from(revision.facts):
        return Reason.NAMES_CHANGED, f"The certificate does not cover {', '.join(missing[:4])}."
    if not _is_under(s, revision) and s.now >= (follow_at(s) or s.now):
        return Reason.AUTHORITY_CHANGED, "The issuer's CA certificate changed."
    if not _has_inputs(s, revision, names):
        return Reason.SPEC_CHANGED, "The spec changed, or a renewal was asked for."
    if (unfit := _unfit_device(s, revision)) is not None:
        return Reason.KEY_DOES_NOT_FIT, f"Device {unfit} takes no {key_type_of(revision)} keys."
    if s.now >= renewal_at(s.desired, revision):
        return Reason.RENEWAL_DUE, "The certificate is due for renewal."
    return None


def _has_inputs(s: CertificateSituation, revision: Revision, names: Names) -> bool:
    """Made from the spec as it is. One that is provided is what it is: while it fits, an edit asks for no other."""
    if isinstance(s.desired.issuer, ProvidedIssuer) and isinstance(s.answer, Signed):
        return True
    return revision.input_hash.partition("-")[0] == input_hash(s, names).partition("-")[0]


def follow_at(s: CertificateSituation) -> datetime | None:
    """When this certificate follows a CA that changed: a fleet does not do so all at once."""
    if s.authority.changed_at is None:
        return None
    return s.authority.changed_at + s.authority.spread * fraction_of(s.desired.uid, "authority")


def _is_under(s: CertificateSituation, revision: Revision) -> bool:
    """Signed by the CA that signs now, with its cross-certificate where a device of it takes one."""
    authority = s.authority
    if authority.fingerprint is None:
        return True
    if revision.authority_fingerprint != authority.fingerprint:
        return False
    takes_chain = any("Chain" in member.status.capabilities for member in s.members)
    return authority.cross is None or authority.cross in revision.sent or not takes_chain


def with_allowed_names(s: CertificateSituation) -> CertificateSituation:
    """The same, with a name that the CertificateAuthority may not sign as the authority's problem."""
    if s.authority.allowed is None or s.authority.problem is not None:
        return s
    if (problem := why_not_allowed(s.authority.allowed, wanted_names(s))) is None:
        return s
    return replace(s, authority=replace(s.authority, problem=problem))


def _another_is_provided(s: CertificateSituation, revision: Revision) -> bool:
    return (
        isinstance(s.desired.issuer, ProvidedIssuer)
        and isinstance(s.answer, Signed)
        and s.answer.facts.fingerprint != revision.facts.fingerprint
    )


def renewal_at(desired: DesiredCertificate, revision: Revision) -> datetime:
    """When this revision is renewed."""
    facts = revision.facts
    before = effective_renew_before(
        facts.not_after - facts.not_before, desired.renew_before, desired.renew_before_percentage
    )
    return renewal_time(facts.not_before, facts.not_after, before, desired.uid)


def _unfit_device(s: CertificateSituation, revision: Revision) -> str | None:
    if s.desired.algorithm is not KeyAlgorithm.AUTO:
        return None
    kind = key_type_of(revision)
    return next((member.name for member in s.members if _fitting(member, s) and kind not in _fitting(member, s)), None)


def _fitting(member: Member, s: CertificateSituation) -> frozenset[str]:
    """Kinds of key that fit the device: those it takes, or those it makes."""
    return member.makes_key_types if s.desired.key_source is KeySource.DEVICE else member.key_types


def _paused(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> Rest | None:
    if s.desired.paused:
        return Rest(State.HELD, Reason.PAUSED, f"Paused by {s.desired.paused_by}; remove it to go on.")
    return None


def _renew_request(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> RecordRenew | None:
    request = s.desired.renew_request
    return RecordRenew(request) if request is not None and request != s.status.handled_renew else None


def plan_issue(s: CertificateSituation) -> CertificateStep | Rest | None:
    """The next step towards a new revision, or what it waits for; None when none is wanted, or not yet again."""
    why = why_issue(s)
    if why is None:
        return None
    if not any(member.identified for member in s.members if not member.claimed_by):
        return None if s.wanted else _no_device(s)
    if isinstance(s.desired.issuer, ProvidedIssuer):
        return _provided(s, s.desired.issuer.secret, why)
    if s.authority.problem is not None:
        return Rest(State.HELD, s.authority.problem.reason, s.authority.problem.message)
    if _is_too_soon(s):
        return _last_failure(s)
    if makes_requests(s.desired):
        return _next_for_request(s, why)
    names = wanted_names(s)
    return Issue(why[0], why[1], names, choose_key_type(s), input_hash(s, names))


def _issue(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> CertificateStep | None:
    """A step towards a new revision. What only waits does not keep an older revision from being served."""
    step = plan_issue(s)
    return None if isinstance(step, Rest) else step


def _held_issue(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> Rest | None:
    """The first revision cannot be made now."""
    step = plan_issue(s) if s.wanted is None else None
    return step if isinstance(step, Rest) else None


def _is_too_soon(s: CertificateSituation) -> bool:
    """After a failure; an edited spec waits for nothing."""
    edited = s.status.observed_generation < s.desired.generation
    return s.status.attempts.next_at is not None and s.now < s.status.attempts.next_at and not edited


def _last_failure(s: CertificateSituation) -> Rest:
    failed = find(s.status.conditions, "Issued")
    message = failed.message if failed else "The last attempt failed; another follows."
    reason = Reason(failed.reason) if failed and failed.reason in set(Reason) else Reason.ISSUANCE_FAILED
    return Rest(State.WAITING, reason, message)


def _provided(s: CertificateSituation, secret: str, why: tuple[Reason, str]) -> CertificateStep | Rest:
    """Nothing is renewed here: somebody else puts another certificate into the Secret, in time."""
    if (answer := s.answer) is None:
        return Rest(State.WAITING, Reason.WORKING, "The provided certificate is being read.")
    if isinstance(answer, NotSigned):
        return Rest(State.HELD, answer.reason, answer.message)
    if answer.problem is not None:
        return Rest(State.HELD, answer.problem.reason, answer.problem.message)
    if s.wanted is None or answer.facts.fingerprint != s.wanted.facts.fingerprint:
        return Publish(why[0], why[1], None, input_hash(s, wanted_names(s)))
    return Rest(
        State.HELD,
        Reason.REPLACEMENT_NEEDED,
        f"{why[1]} It is valid until {answer.facts.not_after:%Y-%m-%d %H:%M} UTC: put another one, with its key, into "
        f"Secret {s.desired.key.namespace}/{secret}.",
    )


def _next_for_request(s: CertificateSituation, why: tuple[Reason, str]) -> CertificateStep | Rest:
    """CSR asked for → there → recorded → fit → signed → published; a stale request begins anew."""
    names = wanted_names(s)
    hashed = input_hash(s, names)
    request = s.status.request
    if request is None or (s.wanted is not None and request.number <= s.wanted.number):
        return BeginRequest(why[0], why[1], _new_request(s, names, hashed))
    if (stale := why_stale(request, s.csr, s.desired, names, hashed)) is not None:
        return BeginRequest(stale[0], stale[1], _new_request(s, names, hashed))
    by_device = s.desired.key_source is KeySource.DEVICE
    if s.csr is None or not csr_is_answered(request, s.csr, _device_uid(s) if by_device else ""):
        if not by_device:
            return MakeCSR(request)
        return Rest(State.WAITING, Reason.WAITING_FOR_CSR, f"Device {s.members[0].name} is to make a key and a CSR.")
    if (unfit := why_csr_unfit(s.csr, request, s.desired)) is not None:
        return Rest(State.HELD, *unfit)
    if s.csr.facts is not None and request.public_key_sha256 != s.csr.facts.public_key_sha256:
        return RecordCSR(replace(request, public_key_sha256=s.csr.facts.public_key_sha256))
    if signs_itself(s.desired):
        return IssueForCSR(why[0], why[1], request)
    if (answer := s.answer) is None:
        return Submit(request)
    if isinstance(answer, NotSigned):
        if answer.again:
            return Resubmit(request) if _is_counted(s, answer.reason) else NoteFailure(answer.reason, answer.message)
        return Rest(State.HELD if answer.final else State.WAITING, answer.reason, answer.message)
    if answer.problem is not None:
        return Rest(State.HELD, answer.problem.reason, answer.problem.message)
    return Publish(why[0], why[1], request, request.input_hash)


def _is_counted(s: CertificateSituation, reason: Reason) -> bool:
    """This failure was told and counted, and its back-off is over: a new try takes `next_at` away."""
    told = find(s.status.conditions, "Issued")
    return s.status.attempts.next_at is not None and told is not None and told.reason == reason


def _new_request(s: CertificateSituation, names: Names, hashed: str) -> RequestStatus:
    """The next number: above every revision's and every earlier request's."""
    last = s.status.request.number if s.status.request else 0
    return RequestStatus(
        max(last, s.highest, *(revision.number for revision in s.revisions)) + 1,
        names.all,
        str(choose_key_type(s)),
        hashed,
        s.now,
        config_map=f"{s.desired.key.name}-csr",
    )


def _device_uid(s: CertificateSituation) -> str:
    device = s.members[0].desired if s.members else None
    return device.uid if device else "?"


def _key_lost_by(s: CertificateSituation, revision: Revision) -> str | None:
    """The device that says that it holds no key for this certificate."""
    for member in s.members:
        failed = member.status.revision.failed
        if failed is not None and failed.reason == Reason.DEVICE_KEY_LOST and failed.revision == revision.ref:
            return member.name
    return None


def _done_request(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> DropRequest | DropKey | None:
    """What a request leaves behind once its revision is published, or another one took its place."""
    request = s.status.request
    if request is not None and (
        not makes_requests(s.desired) or (s.wanted is not None and request.number <= s.wanted.number)
    ):
        return DropRequest()
    return DropKey(s.pending_keys[0]) if s.pending_keys else None


def _no_device(s: CertificateSituation) -> Rest:
    others = [member for member in s.members if member.claimed_by]
    if others and len(others) == len(s.members):
        return Rest(
            State.HELD,
            Reason.DEVICE_ALREADY_CLAIMED,
            f"Device {others[0].name} is held by DeviceCertificate {others[0].claimed_by}: remove it from one of them.",
        )
    missing = [member.name for member in s.members if member.desired is None]
    if missing and len(missing) == len(s.members):
        return Rest(State.WAITING, Reason.DEVICE_MISSING, f"There is no Device {', '.join(missing[:4])} here.")
    return Rest(State.WAITING, Reason.WAITING_FOR_DEVICE, "No device has answered and been recognised yet.")


# ------------------------------------------------------------------------------------------------ turns


def _turn(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> GiveTurn | None:
    """One device after another; a device that another kept revision still satisfies is left alone."""
    wanted = s.wanted
    if wanted is None or any(_turn_is_open(status, member, s) for status, member in _paired(s, members)):
        return None
    if any(_failed_on(member, wanted) for member in s.members):
        return None  # halted until a retry succeeds or a new revision exists
    for status, member in _paired(s, members):
        device = member.desired
        if device is None or not _may_have_turn(member) or _satisfied(member, s):
            continue
        if status.turn != wanted.number or device.uid not in wanted.given_to:
            return GiveTurn(member.name, device.uid, wanted)
    return None


def _may_have_turn(member: Member) -> bool:
    return member.identified and member.holds and not member.beyond_help


def _turn_is_open(status: MemberStatus, member: Member, s: CertificateSituation) -> bool:
    """The device has its turn and has not ended it: installed and Secure, failed, Stalled, gone, or too late."""
    wanted = s.wanted
    if wanted is None or status.turn != wanted.number or member.desired is None or not member.holds:
        return False
    if _has(member, wanted) or _failed_on(member, wanted) or member.stalled:
        return False
    return status.turn_since is None or s.now - status.turn_since < TURN_LASTS


def _has(member: Member, revision: Revision) -> bool:
    return member.status.revision.installed == revision.ref and member.secure


def _failed_on(member: Member, revision: Revision) -> bool:
    failed = member.status.revision.failed
    return failed is not None and failed.revision.fingerprint == revision.facts.fingerprint


def _satisfied(member: Member, s: CertificateSituation) -> bool:
    """An older kept revision on this device still says what is wanted of it and is not due."""
    revision = next((kept for kept in s.revisions if kept.ref == member.status.revision.installed), None)
    if revision is None or revision is s.wanted or not member.secure or isinstance(s.desired.issuer, ProvidedIssuer):
        return False  # whoever provides another pair wants it everywhere
    return (
        not (names_of(*s.desired.dns_names, *s.desired.ip_addresses) | member.names()).missing_from(revision.facts)
        and revision.input_hash.partition("-")[0] == input_hash(s, Names()).partition("-")[0]
        and _is_under(s, revision)
        and s.now < renewal_at(s.desired, revision)
    )


def _paired(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> list[tuple[MemberStatus, Member]]:
    by_name = {member.name: member for member in s.members}
    return [(status, by_name[status.name]) for status in members]


def _member_status(member: Member, s: CertificateSituation) -> MemberStatus:
    before = next((status for status in s.status.members if status.name == member.name), MemberStatus(member.name))
    installed = member.status.revision.installed
    number = installed.number if installed and any(kept.ref == installed for kept in s.revisions) else None
    secure = number is not None and member.secure  # an older revision counts: a renewal under way disturbs nobody
    if not any(revision.number == before.turn for revision in s.revisions):  # its revision is gone, and so is the turn
        before = replace(before, turn=None, turn_since=None)
    reason, message = (Reason.TRUSTED, "") if secure else _why_not_secure(member, before, s)
    return replace(before, installed=number, secure=secure, reason=str(reason), message=message[:256])


def _why_not_secure(member: Member, before: MemberStatus, s: CertificateSituation) -> tuple[Reason, str]:
    if member.desired is None:
        return Reason.DEVICE_MISSING, f"There is no Device {member.name} in this namespace."
    if member.claimed_by:
        return (
            Reason.DEVICE_ALREADY_CLAIMED,
            f"DeviceCertificate {member.claimed_by} holds this device: remove it from one of them.",
        )
    for kind in ("Reachable", "Identified", "Authenticated", "Secure"):
        condition = find(member.status.conditions, kind)
        if condition is not None and condition.status == "False" and condition.reason in set(Reason):
            return Reason(condition.reason), condition.message
    if s.wanted is None:
        return Reason.WAITING_FOR_CERTIFICATE, "No certificate has been issued yet."
    if not member.identified:
        return Reason.WAITING_FOR_DEVICE, "The device has not been recognised yet."
    if before.turn == s.wanted.number:
        return Reason.INSTALLING, f"Revision {s.wanted.number} is being installed."
    return Reason.WAITING_FOR_TURN, "Another device is being worked on first."


# --------------------------------------------------------------------------------------------- tidying


def _old_revision(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> DeleteRevision | None:
    """An unwanted revision goes when every device it was given to was since seen with another, or is gone."""
    for revision in s.revisions[:-1]:
        if not any(_needs(member, revision) for member in s.members) and _given_elsewhere(s, revision):
            return DeleteRevision(revision)
    return None


def _needs(member: Member, revision: Revision) -> bool:
    state = member.status.revision
    refs: tuple[RevisionRef | None, ...] = (
        state.installed,
        state.previous,
        state.activating.revision if state.activating else None,
    )
    return any(ref is not None and ref.fingerprint == revision.facts.fingerprint for ref in refs)


def _given_elsewhere(s: CertificateSituation, revision: Revision) -> bool:
    """Every uid on it is gone, or a member that has another revision installed."""
    by_uid = {member.desired.uid: member for member in s.members if member.desired is not None}
    for uid in revision.given_to & s.live_uids:
        member = by_uid.get(uid)
        installed = member.status.revision.installed if member else None
        if member is not None and (installed is None or installed.fingerprint == revision.facts.fingerprint):
            return False
    return True


def _copy(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> WriteCopy | None:
    """The copy follows only what is proven on every device."""
    wanted = s.wanted
    if s.desired.secret_name is None or wanted is None or s.copied == wanted.facts.fingerprint:
        return None
    return WriteCopy(wanted) if members and all(_has(member, wanted) for member in s.members) else None


def _waits(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> Rest | None:
    """Not everything is secure yet: the first device that is not says why."""
    open_member = next((status for status in members if not status.secure), None)
    if open_member is None:
        return _renews(s)
    return Rest(State.WAITING, Reason(open_member.reason), f"Device {open_member.name}: {open_member.message}")


def _renews(s: CertificateSituation) -> Rest | None:
    """Everything is secure, and some devices have the wanted revision still to come."""
    for member in s.members:
        if s.wanted is not None and not _has(member, s.wanted) and not _satisfied(member, s):
            return Rest(
                State.WAITING, Reason.RENEWING, f"Device {member.name} serves an older revision until its turn."
            )
    return None


CHOICES: tuple[Callable[[CertificateSituation, tuple[MemberStatus, ...]], CertificateStep | Rest | None], ...] = (
    _paused,
    _renew_request,
    _done_request,
    _issue,
    _held_issue,
    _turn,
    _old_revision,
    _copy,
    _waits,
)
