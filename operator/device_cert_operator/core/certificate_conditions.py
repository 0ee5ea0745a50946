"""The conditions of a DeviceCertificate, from one situation, its plan, and what the last step ran into."""

from device_cert_operator.core.certificate_model import CertificatePlan, CertificateSituation
from device_cert_operator.core.conditions import Claim, find, no, summary, unknown, yes
from device_cert_operator.core.issuing import plan_issue
from device_cert_operator.core.profile import how_to_go_on, remarks_on_dates
from device_cert_operator.core.requests import NotSigned, Signed
from device_cert_operator.core.status import MemberStatus
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.core.wanted import renewal_at, why_issue
from device_cert_operator.errors import ClusterError, OperatorError
from device_cert_operator.reasons import Reason


def certificate_claims(
    s: CertificateSituation, plan: CertificatePlan, failure: OperatorError | None
) -> tuple[Claim, ...]:
    """Issued, Installed, Secure, then Ready, Reconciling and Stalled.

    failure: what the attempt of this pass ran into, if anything.
    """
    issued, installed, secure = _issued(s, plan, failure), _installed(s, plan), _secure(plan)
    at_rest = isinstance(plan.next, Rest) and plan.next.state is not State.WAITING
    held = issued.status == "False" and _edit_is_held(s, failure)
    ready = _ready(s, issued, secure, edit_is_held=held)
    needs_person = issued.status == "False" and (_only_a_person_helps(s) or _its_maker_stands_still(plan))
    needs_person |= ready.reason is Reason.CHAIN_INCOMPLETE and any(member.loses_chain for member in s.members)
    return (issued, installed, secure, *summary(ready, at_rest=at_rest, stalled_early=needs_person))


def _only_a_person_helps(s: CertificateSituation) -> bool:
    """What came back from outside cannot be used; nothing comes by itself but what is not there yet."""
    match s.answer:
        case Signed(_, problem):
            return problem is not None
        case NotSigned(reason, _, final):
            return final and reason is not Reason.SECRET_MISSING
        case _:
            return False


def _edit_is_held(s: CertificateSituation, failure: OperatorError | None) -> bool:
    """What the spec asks for by now cannot be issued. A renewal, or a CA that is being rotated, disturbs nobody."""
    if isinstance(failure or s.authority.problem, ClusterError):
        return False
    match why_issue(s):
        case (Reason.SPEC_CHANGED | Reason.NAMES_CHANGED, _):
            return True
        case (Reason.AUTHORITY_CHANGED, _):
            return s.authority.changed_at is None
        case None:
            return _is_edited_to_no_authority(s)
        case _:
            return False


def _is_edited_to_no_authority(s: CertificateSituation) -> bool:
    """The CA cannot be used since an edit, which may have named another; a revision does not say which it was.

    One that is lost between two edits keeps nobody from what was issued.
    """
    told = find(s.status.conditions, "Issued")
    edited = s.status.observed_generation < s.desired.generation
    return s.authority.problem is not None and (edited or (told is not None and told.status == "False"))


def _its_maker_stands_still(plan: CertificatePlan) -> bool:
    """The device that is to make the key waits for a person."""
    rest = plan.next
    return isinstance(rest, Rest) and (rest.state, rest.reason) == (State.HELD, Reason.WAITING_FOR_CSR)


def _issued(s: CertificateSituation, plan: CertificatePlan, failure: OperatorError | None) -> Claim:
    why = why_issue(s)
    if why is not None:
        problem = failure or s.authority.problem
        if problem is not None:
            return no("Issued", problem.reason, problem.message)
        waits = plan_issue(s)
        if isinstance(waits, Rest):
            return no("Issued", waits.reason, waits.message)
    if s.wanted is None:
        return no("Issued", Reason.WORKING, "The first certificate is being issued.")
    if failure is not None and not isinstance(failure, ClusterError):
        return no("Issued", failure.reason, failure.message)  # of what follows an issue: the copy in `secretName`
    if (problem := s.authority.problem) is not None and _edit_is_held(s, failure):
        return no("Issued", problem.reason, problem.message)
    reason, ends = Reason.ISSUED, s.authority.not_after
    remarks = (*s.authority.warnings, *(remarks_on_dates(s.desired, ends, s.now) if ends else ()))
    told = " ".join(message for _, message in remarks)
    if s.authority.problem is not None:
        told = f"No other could be issued now: {s.authority.problem.message}"
    elif ends is not None and why is None and s.now >= renewal_at(s.desired, s.wanted.facts):
        reason = Reason.AUTHORITY_EXPIRES_SOON
        told = f"A renewal would not last longer. {how_to_go_on(s.desired, ends)}"
    return yes("Issued", reason, f"Revision {s.wanted.number} is issued. {told}".strip())


def _installed(s: CertificateSituation, plan: CertificatePlan) -> Claim:
    if s.wanted is None:
        return no("Installed", Reason.WAITING_FOR_CERTIFICATE, "There is nothing to install yet.")
    behind = [member for member in plan.members if member.installed != s.wanted.number]
    if not behind:
        return yes("Installed", Reason.INSTALLED, f"Every device serves revision {s.wanted.number}.")
    if all(member.secure for member in behind):
        waiting = {member.name for member in behind}
        for member in s.members:
            if member.name in waiting and (held := s.why_held_back(member)) is not None:
                return no("Installed", held[0], f"Device {member.name}: {held[1]}")
        return no("Installed", Reason.RENEWING, f"{_names(behind)}: an older revision still serves.")
    first = next(member for member in behind if not member.secure)
    return no("Installed", Reason(first.reason), f"Device {first.name}: {first.message}")


def _secure(plan: CertificatePlan) -> Claim:
    behind = [member for member in plan.members if not member.secure]
    if not plan.members:
        return unknown("Secure", Reason.DEVICE_MISSING, "No device is listed.")
    if not behind:
        return yes("Secure", Reason.TRUSTED, "Clients that trust the CA accept every device.")
    first = behind[0]
    more = f" ({len(behind)} of {len(plan.members)} devices are not secure)" if len(behind) > 1 else ""
    return no("Secure", Reason(first.reason), f"Device {first.name}: {first.message}{more}")


def _ready(s: CertificateSituation, issued: Claim, secure: Claim, *, edit_is_held: bool) -> Claim:
    if s.desired.paused:
        return no("Ready", Reason.PAUSED, f"Paused by {s.desired.paused_by}.")
    if secure.status == "True" and not edit_is_held:
        return yes("Ready", Reason.READY, "Every device is secure.")
    if issued.status != "True":
        return no("Ready", issued.reason, issued.message)
    return no("Ready", secure.reason, secure.message)


def _names(members: list[MemberStatus]) -> str:
    return ", ".join(member.name for member in members[:4]) + ("…" if len(members) > 4 else "")
