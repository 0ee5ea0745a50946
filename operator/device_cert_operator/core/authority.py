"""What to do for one CertificateAuthority now: make or adopt its root, publish it, replace it in time.

A root that was there once is never replaced in silence: neither by an edit of the spec, nor because it is gone.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import Enum, auto
from typing import assert_never

from device_cert_operator.core.authority_model import AuthorityStatus, DesiredAuthority, Origin, Phase, RotationStatus
from device_cert_operator.core.authority_steps import (
    AuthorityStep,
    BeginRotation,
    DeleteNext,
    EnterPhase,
    Finish,
    MakeNext,
    MakeRoot,
    MarkPublished,
    Promote,
    RecordRequests,
    RememberNext,
    RememberRoot,
    WriteBundle,
)
from device_cert_operator.core.model import CertificateFacts, Names, SubjectFields
from device_cert_operator.core.naming import not_permitted
from device_cert_operator.core.profile import subject_text
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.errors import OperatorError
from device_cert_operator.reasons import Reason

_NUMBERED = re.compile(r"\sG([0-9]{1,6})\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class FoundRoot:
    """A CA Secret as it was found. facts None: it is missing or cannot be used, `problem` says why.

    ours: made by this CertificateAuthority, of this `shape`. expired: usable in everything but its dates.
    warnings: (reason, sentence) about its form.
    """

    facts: CertificateFacts | None = None
    problem: OperatorError | None = None
    missing: bool = False
    ours: bool = False
    shape: str | None = None
    expired: bool = False
    warnings: tuple[tuple[Reason, str], ...] = ()

    @property
    def fingerprint(self) -> str | None:
        return self.facts.fingerprint if self.facts else None


@dataclass(frozen=True, slots=True)
class Holder:
    """A Device that has a certificate of the present root, or is getting it.

    sends_cross: with a cross-certificate. takes_chain: it is able to, as far as its driver and what it serves tell.
    by_secret: whoever issues for it names the CA Secret itself, and follows only when that holds the new root.
    """

    device: str
    sends_cross: bool
    takes_chain: bool
    stalled: bool
    by_secret: bool = False


class Bundle(Enum):
    """The trust bundle beside what it ought to be. UNKNOWN: what it ought to be cannot be told now."""

    SAME = auto()
    DIFFERS = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class AuthoritySituation:
    """One look. following: the root that is to replace the present one. holders: see `Holder`, by name.

    names_in_use: of the certificates of the present root that are wanted now. alone_under_next: Devices that have a
    certificate of the root that follows, and do not send the cross-certificate with it.
    """

    desired: DesiredAuthority
    status: AuthorityStatus
    now: datetime
    current: FoundRoot
    following: FoundRoot
    bundle: Bundle
    holders: tuple[Holder, ...] = ()
    names_in_use: Names = Names()
    alone_under_next: tuple[str, ...] = ()

    @property
    def rotation(self) -> RotationStatus | None:
        return self.status.rotation

    @property
    def without_chain(self) -> tuple[str, ...]:
        before = {holder.device for holder in self.holders if not holder.takes_chain}
        return tuple(sorted(before | set(self.alone_under_next)))


def decide_authority(s: AuthoritySituation) -> AuthorityStep | Rest:
    """The first thing to do."""
    for choose in CHOICES:
        if (choice := choose(s)) is not None:
            return choice
    return Rest(State.SETTLED, Reason.SETTLED, "Nothing is left to do.")


# ---------------------------------------------------------------------------------------------- the root


def root_subject(subject: SubjectFields, name: str, number: int) -> tuple[tuple[str, str], ...]:
    """(field, value) in the order in which they are written. Raises InvalidSpec.

    number: of the root. A later one needs another name: a certificate between two of the same name looks self-signed,
    and devices and clients drop it from a chain.
    """
    if number > 1:
        suffix = f" G{number}"
        subject = replace(subject, common_name=(subject.common_name or name)[: 64 - len(suffix)] + suffix)
    given = ((field.name, getattr(subject, field.name)) for field in fields(SubjectFields))
    return tuple((name, subject_text(name, value)) for name, value in given if value is not None)


def number_of(facts: CertificateFacts | None) -> int:
    """The number in a root's own name; 1 where there is none."""
    told = _NUMBERED.search((facts.common_name if facts else None) or "")
    return int(told[1]) if told else 1


def number_of_next(s: AuthoritySituation) -> int:
    """Of the root that is to follow: behind the present one's name as well, which tells more than a lost status."""
    return max(s.status.number, number_of(s.current.facts)) + 1


def is_edited(s: AuthoritySituation) -> bool:
    """The spec asks for another root than the one there is."""
    return s.status.shape is not None and s.status.shape != s.desired.shape.digest


def rotates_at(s: AuthoritySituation) -> datetime | None:
    """When the root is replaced by itself."""
    before, facts = s.desired.rotation.before, s.status.certificate
    return facts.not_after - before if before is not None and facts is not None else None


def _paused(s: AuthoritySituation) -> Rest | None:
    if s.desired.paused:
        return Rest(State.HELD, Reason.PAUSED, f"Paused by {s.desired.paused_by}; remove it to go on.")
    return None


def _no_root_yet(s: AuthoritySituation) -> MakeRoot | RememberRoot | Rest | None:
    if s.status.certificate is not None:
        return None
    if s.current.missing:
        return MakeRoot()
    if s.current.problem is not None:
        return Rest(State.HELD, s.current.problem.reason, s.current.problem.message)
    return _as_it_is(s)


def _half_remembered(s: AuthoritySituation) -> RememberRoot | None:
    """An older version, or somebody, left out where the root is from and of what: no edit would ever be told of it."""
    known = s.status.certificate
    whole = s.status.shape is not None and s.status.origin is not None
    same = known is not None and known.fingerprint == s.current.fingerprint
    return _as_it_is(s) if same and not whole and s.rotation is None else None


def _as_it_is(s: AuthoritySituation) -> RememberRoot:
    if s.current.ours:
        return RememberRoot(Origin.MADE, s.current.shape or s.desired.shape.digest)
    return RememberRoot(Origin.ADOPTED, s.desired.shape.digest)


def _finish(s: AuthoritySituation) -> Finish | Rest | None:
    """Not before those have followed who read the Secret: the bundle holds both roots as long."""
    rotation = s.rotation
    if rotation is None or rotation.phase is not Phase.RETIRING or s.current.fingerprint != rotation.fingerprint:
        return None
    return _waits(s, still_by_secret(s)) if still_by_secret(s) else Finish()


def _root_is_not_ours(s: AuthoritySituation) -> Rest | None:
    """Gone, damaged or another one: told, and nothing is done about it."""
    known, where = s.status.certificate, f"{s.desired.key.namespace}/{s.desired.secret_name}"
    if known is None:
        return None
    restore = (
        f"Restore it from a backup. If it is lost: delete and create CertificateAuthority {s.desired.key.name}, and "
        "have every client trust the root that it then uses."
    )
    if s.current.missing:
        message = f"CA Secret {where} is gone; it held {known.subject} (SHA-256 {known.fingerprint[:16]}…). {restore}"
        return Rest(State.HELD, Reason.CA_DELETED, message)
    if s.current.fingerprint is not None and s.current.fingerprint != known.fingerprint:
        message = (
            f"CA Secret {where} holds another certificate than the one that clients trust, {known.subject} "
            f"(SHA-256 {known.fingerprint[:16]}…); nothing is signed with it. {restore}"
        )
        return Rest(State.HELD, Reason.CA_REPLACED, message)
    if s.current.problem is not None and not s.current.expired:
        return Rest(State.HELD, s.current.problem.reason, f"{s.current.problem.message} {restore}")
    return None


# ---------------------------------------------------------------------------------------------- rotation


def _next_root(s: AuthoritySituation) -> MakeNext | RememberNext | Rest | None:
    rotation, found = s.rotation, s.following
    if rotation is None:
        return None
    where = f"{s.desired.key.namespace}/{s.desired.next_secret}"
    if rotation.fingerprint is None:
        if found.missing:
            return MakeNext()
        if found.ours and found.facts is not None:
            return RememberNext()
        message = f"Secret {where} exists and is not ours: delete it, so that the new root can be kept there."
        return Rest(State.HELD, Reason.SECRET_NOT_OURS, message)
    if found.fingerprint == rotation.fingerprint:
        return None
    reason = Reason.CA_DELETED if found.missing else Reason.CA_REPLACED
    what = "is gone" if found.missing else "is damaged, or holds another certificate"
    message = f"Secret {where} with the new root of this rotation {what}: restore it from a backup."
    return Rest(State.HELD, reason, message)


def _requested(s: AuthoritySituation) -> BeginRotation | RecordRequests | Rest | None:
    request = s.desired.rotate_request
    first_pass = s.status.observed_generation < 0  # it may come from a backup, or from Git, and is only remembered
    if request is None or first_pass or request == s.status.handled_rotate:
        return None
    if s.rotation is not None:
        return RecordRequests(request, s.status.handled_trust)
    return _would_leave_out(s) or BeginRotation("A rotation was asked for", request)


def _due(s: AuthoritySituation) -> BeginRotation | Rest | None:
    at = rotates_at(s)
    if s.rotation is not None or at is None or s.now < at:
        return None
    return _would_leave_out(s) or BeginRotation(f"It is time, since {at:%Y-%m-%d %H:%M} UTC", None)


def _would_leave_out(s: AuthoritySituation) -> Rest | None:
    """A new root that does not permit what is in use would leave devices behind: better not begun."""
    constraints = s.desired.shape.constraints
    names = not_permitted(constraints, s.names_in_use.dns_names, s.names_in_use.ip_addresses)
    if not names:
        return None
    message = (
        f"The rotation does not begin: a root as spec.nameConstraints asks for does not permit {', '.join(names[:4])}, "
        "which certificates of the present one are for. Permit it, or take the name out."
    )
    return Rest(State.HELD, Reason.CA_NAME_NOT_PERMITTED, message)


def _publish(s: AuthoritySituation) -> WriteBundle | None:
    return WriteBundle() if s.bundle is Bundle.DIFFERS else None


def _advance(s: AuthoritySituation) -> MarkPublished | EnterPhase | Promote | Rest | None:
    if (rotation := s.rotation) is None:
        return None
    match rotation.phase:
        case Phase.PREPARING:
            done = s.current.expired or not still_unprepared(s)
            return EnterPhase(Phase.DISTRIBUTING) if done else _waits(s, still_unprepared(s))
        case Phase.DISTRIBUTING:
            return _distributing(s, rotation)
        case Phase.SWITCHING:
            return _waits(s, still_old(s)) if still_old(s) else EnterPhase(Phase.RETIRING)
        case Phase.RETIRING:
            return Promote()
        case _:
            assert_never(rotation.phase)


def still_unprepared(s: AuthoritySituation) -> tuple[str, ...]:
    """Devices that could send a cross-certificate and do not yet; none is waited for longer than an overlap."""
    rotation = s.rotation
    if rotation is None or s.now - rotation.started_at >= s.desired.rotation.overlap:
        return ()
    return tuple(one.device for one in s.holders if one.takes_chain and not one.sends_cross and not one.stalled)


def still_old(s: AuthoritySituation) -> tuple[str, ...]:
    """Devices that have a certificate of the old root; one that is away keeps it from being retired."""
    return tuple(holder.device for holder in s.holders if not holder.by_secret)


def still_by_secret(s: AuthoritySituation) -> tuple[str, ...]:
    """Those that could not follow before the new root was in `spec.secretName`."""
    return tuple(holder.device for holder in s.holders if holder.by_secret)


def _distributing(s: AuthoritySituation, rotation: RotationStatus) -> MarkPublished | EnterPhase | Rest:
    if rotation.published_at is None:
        return MarkPublished()
    until = rotation.published_at + s.desired.rotation.overlap
    if s.current.expired:  # nobody accepts the old one any more
        return EnterPhase(Phase.SWITCHING)
    if s.now < until:
        message = f"Both roots are published; the new one signs from {until:%Y-%m-%d %H:%M} UTC on."
        return Rest(State.WAITING, Reason.ROTATING, message)
    if s.desired.rotation.require_confirmation and not is_confirmed(s):
        message = (
            "Have every client trust both roots, then: kubectl -n "
            f"{s.desired.key.namespace} annotate dca {s.desired.key.name} --overwrite "
            f"devicecert.io/trust-distributed={(rotation.fingerprint or '')[:16]}"
        )
        return Rest(State.WAITING, Reason.CONFIRMATION_NEEDED, message)
    return EnterPhase(Phase.SWITCHING)


def is_confirmed(s: AuthoritySituation) -> bool:
    """`trust-distributed` has another value than when the rotation began."""
    return s.desired.trust_distributed is not None and s.desired.trust_distributed != s.status.handled_trust


def _waits(s: AuthoritySituation, devices: tuple[str, ...]) -> Rest:
    told = ", ".join(devices[:4]) + ("…" if len(devices) > 4 else "")
    return Rest(State.WAITING, Reason.ROTATING, f"New certificates go out; still to come: {told}.")


def _left_over(s: AuthoritySituation) -> DeleteNext | None:
    """The copy of a root that has taken its place."""
    known = s.status.certificate
    same = known is not None and s.following.fingerprint == known.fingerprint == s.current.fingerprint
    return DeleteNext() if s.rotation is None and same and s.following.ours else None


CHOICES: tuple[Callable[[AuthoritySituation], AuthorityStep | Rest | None], ...] = (
    _paused,
    _no_root_yet,
    _half_remembered,
    _finish,
    _root_is_not_ours,
    _publish,
    _next_root,
    _requested,
    _due,
    _advance,
    _left_over,
)
