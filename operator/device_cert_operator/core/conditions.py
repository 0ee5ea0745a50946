"""From findings to conditions: what each is, why, since when, and what kstatus reads from it.

`STALLED` and `RECONCILING` together hold every reason that can make something not Ready (a test sees to it): Stalled
means a person must act, or nothing is heard of the device for ten minutes; everything else comes by itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from device_cert_operator.core.model import Condition
from device_cert_operator.reasons import Reason

WELL = frozenset(
    {
        Reason.ANSWERS,
        Reason.KEY_KNOWN,
        Reason.LEARNED_ON_FIRST_USE,
        Reason.LOGGED_IN,
        Reason.CLOCK_IN_SYNC,
        Reason.ADDRESS_ANSWERS,
        Reason.TRUSTED,
        Reason.ISSUED,
        Reason.INSTALLED,
        Reason.READY,
        Reason.SETTLED,
        Reason.NOT_STALLED,
        Reason.NOT_REQUESTED,
        Reason.OLD_OBJECT_REMOVED,
        Reason.OLD_OBJECT_KEPT,
        Reason.REVISION_DELETED,
        Reason.MOVED,
        Reason.ADDRESS_SET,
        Reason.CLOCK_SET,
        Reason.HTTPS_ENABLED,
        Reason.REBOOTED,
        Reason.AUTHORITY_LEGACY_FORM,
        Reason.NOT_FOR_APPLE,
        Reason.AUTHORITY_EXPIRES_SOON,
        Reason.RENEWAL_DUE,
        Reason.NAMES_CHANGED,
        Reason.SPEC_CHANGED,
        Reason.RENEW_REQUESTED,
        Reason.KEY_DOES_NOT_FIT,
        Reason.FIRST_ISSUE,
        Reason.AUTHORITY_MADE,
        Reason.AUTHORITY_ADOPTED,
        Reason.WELL_FORMED,
        Reason.AUTHORITY_UNCONSTRAINED,
        Reason.AUTHORITY_WITHOUT_KEY_USAGE,
        Reason.AUTHORITY_BASIC_CONSTRAINTS_NOT_CRITICAL,
        Reason.AUTHORITY_FOR_ANY_PURPOSE,
        Reason.AUTHORITY_CANNOT_CROSS_SIGN,
        Reason.UP_TO_DATE,
        Reason.ROTATION_PENDING,
        Reason.ROTATION_STARTED,
        Reason.ROTATING,
        Reason.ROTATION_DONE,
        Reason.CONFIRMATION_NEEDED,
        Reason.TRUST_PUBLISHED,
        Reason.CHAIN_NOT_TAKEN,
        Reason.REPLACEMENT_PROVIDED,
        Reason.CSR_MADE,
        Reason.FIRMWARE_ISSUES,
        Reason.FIRMWARE_RESTORED,
        Reason.SHARED_AUTHORITY,
        Reason.PUBLIC_AUTHORITY_CANNOT_SIGN,
    }
)

# what is wrong with the certificate that is served: it comes right by another one
CLOSED_BY_A_CHANGE = frozenset(
    {
        Reason.ADDRESS_NOT_IN_CERTIFICATE,
        Reason.NAME_ONLY_IN_COMMON_NAME,
        Reason.CERTIFICATE_EXPIRED,
        Reason.CERTIFICATE_NOT_YET_VALID,
        Reason.ISSUER_MISMATCH,
        Reason.CHAIN_INCOMPLETE,
        Reason.SIGNATURE_INVALID,
        Reason.NOT_FOR_SERVERS,
        Reason.KEY_USAGE_UNFIT,
        Reason.KEY_TYPE_NOT_IN_BROWSERS,
        Reason.WEAK_KEY,
        Reason.WEAK_SIGNATURE,
        Reason.NAME_CONSTRAINED,
        Reason.EMPTY_SUBJECT_SAN_NOT_CRITICAL,
        Reason.CERTIFICATE_UNREADABLE,
    }
)

# what keeps the next certificate from a device whose present one is still good: told by Ready, which stays True
HOLDS_THE_NEXT = frozenset({Reason.GAP_NOT_ALLOWED, Reason.KEY_TYPE_REFUSED, Reason.UNSUPPORTED})

RECONCILING = frozenset(
    {
        Reason.NOT_CHECKED,
        Reason.NOT_LOGGED_IN,
        Reason.WORKING,
        Reason.DEVICE_RESTARTING,
        Reason.DEVICE_BUSY,
        Reason.LOGIN_LOCKED,
        Reason.LOGIN_UNANSWERED,
        Reason.WAITING_FOR_TURN,
        Reason.WAITING_FOR_DEVICE,
        Reason.WAITING_FOR_CERTIFICATE,
        Reason.WAITING_FOR_CSR,
        Reason.DEVICE_KEY_LOST,
        Reason.WAITING_FOR_APPROVAL,
        Reason.WAITING_FOR_ISSUER,
        Reason.WAITING_FOR_WINDOW,
        Reason.REQUEST_FAILED,
        Reason.CERT_MANAGER_MISSING,
        Reason.INSTALLING,
        Reason.ROLLING_BACK,
        Reason.RENEWING,
        Reason.CONFLICT,
        Reason.CLUSTER_UNAVAILABLE,
        Reason.NOT_LEADING,
        Reason.DEVICE_UNREACHABLE,
        Reason.ADDRESS_UNKNOWN,
        Reason.CLOCK_UNREAD,
        Reason.PROTOCOL_VIOLATION,
        Reason.ISSUER_UNAVAILABLE,
        Reason.INTERNAL_ERROR,
        Reason.DEVICE_MISSING,
        Reason.SECRET_MISSING,
        Reason.CONFIG_MAP_MISSING,
        Reason.CA_MISSING,
        Reason.AUTHORITY_MISSING,
        Reason.AUTHORITY_NOT_READY,
        *CLOSED_BY_A_CHANGE,
    }
)

STALLED = frozenset(set(Reason) - WELL - RECONCILING)


@dataclass(frozen=True, slots=True)
class Claim:
    """What one condition should say now; times and generation come with `merge`."""

    type: str
    status: str
    reason: Reason
    message: str


def yes(kind: str, reason: Reason, message: str) -> Claim:
    """The condition holds."""
    return Claim(kind, "True", reason, message)


def no(kind: str, reason: Reason, message: str) -> Claim:
    """The condition does not hold."""
    return Claim(kind, "False", reason, message)


def unknown(kind: str, reason: Reason, message: str) -> Claim:
    """Nobody can tell."""
    return Claim(kind, "Unknown", reason, message)


def merge(old: Iterable[Condition], claims: Iterable[Claim], generation: int, now: datetime) -> tuple[Condition, ...]:
    """The complete list: a transition time changes only with the status (Kubernetes API conventions)."""
    before = {condition.type: condition for condition in old}
    merged = []
    for claim in claims:
        previous = before.get(claim.type)
        since = previous.last_transition_at if previous and previous.status == claim.status else now
        merged.append(Condition(claim.type, claim.status, str(claim.reason), claim.message[:1024], generation, since))
    return tuple(merged)


def summary(ready: Claim, *, at_rest: bool, stalled_early: bool = False) -> tuple[Claim, Claim, Claim]:
    """Ready with Reconciling and Stalled beside it, as kstatus reads them.

    at_rest: nothing is under way. stalled_early: the object has been unable for long enough to need a person, whatever
    the reason.
    """
    if ready.status == "True":
        return (
            ready,
            no("Reconciling", Reason.SETTLED, "Nothing is under way."),
            no("Stalled", Reason.NOT_STALLED, "No person is needed."),
        )
    if ready.reason in STALLED or stalled_early:
        return (
            ready,
            no("Reconciling", ready.reason, "Nothing goes on before somebody acts."),
            yes("Stalled", ready.reason, ready.message),
        )
    doing = "It will be tried again." if at_rest else "Work is under way."
    return (
        ready,
        yes("Reconciling", ready.reason, ready.message or doing),
        no("Stalled", Reason.NOT_STALLED, "No person is needed."),
    )


def status_of(conditions: Iterable[Condition], kind: str) -> str:
    """`True`, `False` or `Unknown` (also when the condition is absent)."""
    return next((condition.status for condition in conditions if condition.type == kind), "Unknown")


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of this type, if it is there."""
    return next((condition for condition in conditions if condition.type == kind), None)


def kept(old: Iterable[Condition], kind: str, otherwise: Claim) -> Claim:
    """What the condition said before, where this look could not tell; `otherwise` if it never said anything."""
    previous = find(old, kind)
    if previous is None or previous.reason not in set(Reason):
        return otherwise
    return replace(otherwise, status=previous.status, reason=Reason(previous.reason), message=previous.message)
