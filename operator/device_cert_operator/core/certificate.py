"""What to do for one DeviceCertificate now: which names, whether to issue, whose turn it is, what may go.

Whether to issue is decided from the wanted revision, the spec and the proven addresses, never from what happens to be
served: a device that somebody tampered with gets its revision again, not a new one.
"""

from collections.abc import Callable

from device_cert_operator.core.certificate_model import (
    CertificatePlan,
    CertificateSituation,
    CertificateStep,
    DeleteRevision,
    DropKey,
    DropRequest,
    Member,
    RecordRenew,
    WriteCopy,
)
from device_cert_operator.core.issuing import plan_issue
from device_cert_operator.core.model import (
    Revision,
)
from device_cert_operator.core.requests import (
    makes_requests,
)
from device_cert_operator.core.status import MemberStatus
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.core.tidying import has_to_do_with, serves_another
from device_cert_operator.core.turns import has_revision, is_satisfied, member_status, next_turn
from device_cert_operator.reasons import Reason


def decide_certificate(s: CertificateSituation) -> CertificatePlan:
    """The first thing to do; the status of the members is computed on every path."""
    members = tuple(member_status(member, s) for member in sorted(s.members, key=lambda member: member.name))
    for choose in CHOICES:
        if (choice := choose(s, members)) is not None:
            return CertificatePlan(choice, members)
    return CertificatePlan(Rest(State.SETTLED, Reason.SETTLED, "Nothing is left to do."), members)


def _paused(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> Rest | None:
    if s.desired.paused:
        return Rest(State.HELD, Reason.PAUSED, f"Paused by {s.desired.paused_by}; remove it to go on.")
    return None


def _renew_request(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> RecordRenew | None:
    request = s.desired.renew_request
    return RecordRenew(request) if request is not None and request != s.status.handled_renew else None


def _issue(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> CertificateStep | None:
    """A step towards a new revision. What only waits does not keep an older revision from being served."""
    step = plan_issue(s)
    return None if isinstance(step, Rest) else step


def _held_issue(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> Rest | None:
    """The first revision cannot be made now."""
    step = plan_issue(s) if s.wanted is None else None
    return step if isinstance(step, Rest) else None


def _done_request(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> DropRequest | DropKey | None:
    """What a request leaves behind once its revision is published, or another one took its place."""
    request = s.status.request
    if request is not None and (
        not makes_requests(s.desired) or (s.wanted is not None and request.number <= s.wanted.number)
    ):
        return DropRequest()
    return DropKey(s.pending_keys[0]) if s.pending_keys else None


def _old_revision(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> DeleteRevision | None:
    """An unwanted revision goes when every device it was given to was since seen with another, or is gone."""
    for revision in s.revisions[:-1]:
        if not any(has_to_do_with(member.status, revision) for member in s.members) and _given_elsewhere(s, revision):
            return DeleteRevision(revision)
    return None


def _given_elsewhere(s: CertificateSituation, revision: Revision) -> bool:
    """Every uid on it is gone, a member that has another revision installed, or listed no more and serves another."""
    members = {member.desired.uid: member.status for member in s.members if member.desired is not None}
    return all(
        members[uid].revision.installed is not None if uid in members else serves_another(s.live[uid], revision)
        for uid in revision.given_to & s.live.keys()
    )


def _copy(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> WriteCopy | None:
    """The copy follows only what is proven, once no device waits for another certificate."""
    if s.desired.secret_name is None or any(_waits_for_wanted(member, s) for member in s.members):
        return None
    proven = _newest_proven(s)
    return WriteCopy(proven) if proven is not None and s.copied != proven.facts.fingerprint else None


def _newest_proven(s: CertificateSituation) -> Revision | None:
    """The wanted revision where a device has it; where all still do with older ones, the newest of these."""
    return next((kept for kept in reversed(s.revisions) if any(has_revision(one, kept) for one in s.members)), None)


def _waits_for_wanted(member: Member, s: CertificateSituation) -> bool:
    """It has not got the wanted revision, and an older one does not do for it."""
    return s.wanted is None or not (has_revision(member, s.wanted) or is_satisfied(member, s))


def _waits(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> Rest | None:
    """Not everything is secure yet: the first device that is not says why."""
    open_member = next((status for status in members if not status.secure), None)
    if open_member is None:
        return _renews(s)
    return Rest(State.WAITING, Reason(open_member.reason), f"Device {open_member.name}: {open_member.message}")


def _renews(s: CertificateSituation) -> Rest | None:
    """Everything is secure, and some devices have the wanted revision still to come."""
    for member in s.members:
        if _waits_for_wanted(member, s):
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
    next_turn,
    _old_revision,
    _copy,
    _waits,
)
