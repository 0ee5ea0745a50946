"""The conditions of a Device, from one situation and its plan."""

from device_cert_operator.core.conditions import (
    CLOSED_BY_A_CHANGE,
    HOLDS_THE_NEXT,
    Claim,
    find,
    kept,
    no,
    status_of,
    summary,
    unknown,
    yes,
)
from device_cert_operator.core.decide import Plan
from device_cert_operator.core.model import Condition, Served
from device_cert_operator.core.policy import changes_forbidden_by
from device_cert_operator.core.schedule import STALLED_WHEN_UNREACHABLE_FOR
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.reasons import Reason

# told by the condition, and no news worth an event: it passes by itself
UNDER_WAY = frozenset(
    {
        Reason.NOT_CHECKED,
        Reason.NOT_LOGGED_IN,
        Reason.WORKING,
        Reason.WAITING_FOR_TURN,
        Reason.WAITING_FOR_DEVICE,
        Reason.WAITING_FOR_CERTIFICATE,
        Reason.WAITING_FOR_CSR,
        Reason.WAITING_FOR_ISSUER,
        Reason.WAITING_FOR_APPROVAL,
        Reason.INSTALLING,
        Reason.RENEWING,
        Reason.AUTHORITY_NOT_READY,
        Reason.ROTATING,
    }
)
PARTS = ("Reachable", "Identified", "Authenticated", "ClockInSync", "AddressCurrent", "Secure")


def claims(s: Situation, plan: Plan) -> tuple[Claim, ...]:
    """All nine, in the order people read them. A renewal under way on a Ready device leaves everything as it was."""
    old = s.status.conditions
    if _routine(s, plan) and status_of(old, "Ready") == "True":
        return tuple(kept(old, kind, unknown(kind, Reason.NOT_CHECKED, "")) for kind in _all_kinds())
    parts = tuple(_part(kind, s, plan) for kind in PARTS)
    away = s.status.unreachable_since
    lost = away is not None and s.now - away >= STALLED_WHEN_UNREACHABLE_FOR
    lost = lost or any(finding.person for finding in plan.findings)
    at_rest = isinstance(plan.next, Rest) and plan.next.state is not State.WAITING
    return parts + summary(_observed(_ready(parts, s, plan), s, plan), at_rest=at_rest, stalled_early=lost)


def _all_kinds() -> tuple[str, ...]:
    return (*PARTS, "Ready", "Reconciling", "Stalled")


def _routine(s: Situation, plan: Plan) -> bool:
    """An activation that is still within its time: the device may be restarting, and that is no news."""
    return (
        s.status.revision.activating is not None
        and not s.searching
        and not s.status.revision.activating.rolling_back
        and isinstance(plan.next, Rest)
        and plan.next.state is State.WAITING
    )


def _part(kind: str, s: Situation, plan: Plan) -> Claim:
    finding = next((finding for finding in plan.findings if finding.condition == kind), None)
    if finding is not None:
        return no(kind, finding.reason, finding.message)
    match kind:
        case "Reachable":
            return yes(kind, Reason.ANSWERS, f"The device answers at {s.address}.")
        case "Identified":
            return _identified(s)
        case "Authenticated":
            return _authenticated(s)
        case "ClockInSync":
            return _clock(s)
        case "AddressCurrent":
            return _address(s)
        case _:
            return _secure(s)


def _identified(s: Situation) -> Claim:
    if (told := s.told_as_another) is not None:
        return no("Identified", Reason.IDENTITY_MISMATCH, told.message)
    if s.recognition is None:
        return unknown("Identified", Reason.NOT_CHECKED, "The device does not answer.")
    if s.recognition.learn and not s.key_is_learned:
        return unknown("Identified", Reason.NOT_LOGGED_IN, "The device's key is learned with the first log-in.")
    return yes("Identified", s.recognition.reason, s.recognition.message)


def _authenticated(s: Situation) -> Claim:
    if s.report is not None:
        return yes("Authenticated", Reason.LOGGED_IN, "The device takes the credentials.")
    return kept(
        s.status.conditions,
        "Authenticated",
        unknown("Authenticated", Reason.NOT_LOGGED_IN, "No log-in has been sent yet."),
    )


def _clock(s: Situation) -> Claim:
    never = unknown("ClockInSync", Reason.CLOCK_UNREAD, "The device's clock has not been read yet.")
    if s.report is None:
        return kept(s.status.conditions, "ClockInSync", never)
    if s.report.clock.offset is None:
        return unknown("ClockInSync", Reason.CLOCK_UNREAD, "The device does not tell its time.")
    limit = int(s.desired.max_clock_offset.total_seconds())
    return yes("ClockInSync", Reason.CLOCK_IN_SYNC, f"The device's clock is within {limit} s of the operator's.")


def _address(s: Situation) -> Claim:
    if s.recognition is not None and s.recognition.may_log_in:
        moved = "" if s.address == s.desired.host else f" (declared: {s.desired.host})"
        return yes("AddressCurrent", Reason.ADDRESS_ANSWERS, f"The device was proven at {s.address}{moved}.")
    if s.searched:
        return no("AddressCurrent", Reason.ADDRESS_UNKNOWN, "The device was not found at any address it may have.")
    return unknown("AddressCurrent", Reason.NOT_CHECKED, "The device has not been proven at an address in this check.")


def _secure(s: Situation) -> Claim:
    if s.assignment is None:
        return unknown("Secure", Reason.NOT_REQUESTED, "No DeviceCertificate names this Device.")
    if not isinstance(s.served, Served):
        return unknown("Secure", Reason.DEVICE_UNREACHABLE, "The device serves no HTTPS now.")
    message = s.verdict.message if s.verdict else ""
    return yes("Secure", Reason.TRUSTED, message or "Clients that trust the intended CA accept this device.")


def _ready(parts: tuple[Claim, ...], s: Situation, plan: Plan) -> Claim:
    denied = next((part for part in parts if part.status == "False"), None)
    if isinstance(plan.next, Rest) and plan.next.reason is Reason.PAUSED:
        return no("Ready", Reason.PAUSED, plan.next.message)
    if denied is not None:
        return no("Ready", denied.reason, denied.message)
    open_part = next(
        (part for part in parts if part.status == "Unknown" and part.reason is not Reason.NOT_REQUESTED), None
    )
    if open_part is not None and open_part.reason is not Reason.CLOCK_UNREAD:
        return no("Ready", open_part.reason, open_part.message)
    if s.unseen_edit and s.report is None:
        return no("Ready", Reason.NOT_LOGGED_IN, "The device has not been compared with the edited spec yet.")
    as_wanted = yes("Ready", Reason.READY, "The device is as wanted.")
    before = find(s.status.conditions, "Ready")
    match plan.next:
        case Rest(_, Reason.WAITING_FOR_WINDOW | Reason.REBOOT_NEEDED, message):
            return yes("Ready", Reason.READY, message)
        case Rest(_, reason, message) if reason in HOLDS_THE_NEXT:
            return yes("Ready", reason, message)  # its DeviceCertificate reads it here
        case Rest(_, Reason.DEVICE_BUSY) if before is not None and _holds_the_next(before):
            return kept((before,), "Ready", as_wanted)
        case _:
            return as_wanted


def _observed(ready: Claim, s: Situation, plan: Plan) -> Claim:
    """Where nothing may be changed, a gap that only a change closes waits for a person."""
    by = changes_forbidden_by(s)
    if by is None or ready.status == "True":
        return ready
    if isinstance(plan.next, Rest) and plan.next.reason is Reason.OBSERVE_ONLY:
        return no("Ready", Reason.OBSERVE_ONLY, f"{ready.message} {plan.next.message}")
    if ready.reason in CLOSED_BY_A_CHANGE:
        return no("Ready", Reason.OBSERVE_ONLY, f"{ready.message} Only a change would close that; {by} forbids it.")
    return ready


def _holds_the_next(ready: Condition) -> bool:
    return (ready.type, ready.status) == ("Ready", "True") and ready.reason in HOLDS_THE_NEXT


def events_between(old: tuple[Condition, ...], new: tuple[Condition, ...]) -> tuple[tuple[str, str, str], ...]:
    """(type, reason, message) of the events for transitions: Normal for good, Warning for bad."""
    before = {condition.type: condition for condition in old}
    events = []
    for condition in new:
        previous = before.get(condition.type)
        if _holds_the_next(condition) and (previous is None or not _holds_the_next(previous)):
            events.append(("Warning", condition.reason, condition.message))
        if condition.type in {"Reconciling", "Stalled", "Ready"} or (previous is None and condition.status != "False"):
            continue
        if previous is not None and (previous.status, previous.reason) == (condition.status, condition.reason):
            continue
        if condition.status == "False" and condition.reason not in UNDER_WAY:
            events.append(("Warning", condition.reason, condition.message))
        elif condition.status == "True" and previous is not None and previous.status != "True":
            events.append(("Normal", condition.reason, condition.message))
    return tuple(events)
