"""The log-in budget: what is sent, what is counted, and what is said where nothing more is sent."""

from dataclasses import replace
from datetime import timedelta

import pytest

from device_cert_operator.core import credentials as budget
from device_cert_operator.core.status import CredentialsState
from device_cert_operator.errors import CredentialsRejected, DeviceBusy, OperatorError
from device_cert_operator.reasons import Reason
from tests.support.situations import KEY, NOW

HOUR = timedelta(hours=1)
NEW = CredentialsState(version="v")
ASK = 'kubectl -n cams annotate dev gate --overwrite "devicecert.io/retry-login=$(date +%s)"'


def held(state: CredentialsState, after: timedelta = timedelta(0), most: int = 2) -> OperatorError | None:
    return budget.why_not(state, most, NOW + after, KEY, "login")


def lost(state: CredentialsState, after: timedelta = timedelta(0)) -> CredentialsState:
    """Sent, and nothing was heard: a lost reply, a crash."""
    return budget.try_counted(state, NOW + after)


def no(state: CredentialsState, after: timedelta = timedelta(0)) -> CredentialsState:
    """Sent and refused."""
    return budget.refused(lost(state, after) if budget.needs_recording_before(state) else state)


def tries(state: CredentialsState, most: int = 10) -> tuple[int, CredentialsState]:
    """How many refused log-ins a device would see now."""
    sent = 0
    while sent < most and held(state) is None:
        sent, state = sent + 1, no(state)
    return sent, state


def test_a_wrong_password_is_sent_twice_and_never_again() -> None:
    sent, state = tries(budget.for_version(CredentialsState(), "v1"))
    assert sent == 2
    refusal = held(state, timedelta(days=300))
    assert isinstance(refusal, CredentialsRejected)
    assert "refused user name or password of Secret cams/login 2 times;" in refusal.message
    assert refusal.message.endswith(ASK)
    assert held(budget.for_version(state, "v2")) is None


def test_a_crash_wins_no_further_try() -> None:
    state = lost(lost(NEW))
    assert isinstance(held(state), DeviceBusy)
    assert isinstance(held(no(lost(NEW))), CredentialsRejected), "what was lost may have been refused as well"


def test_what_was_never_answered_is_told_as_that_and_tried_again_ever_more_rarely() -> None:
    state, at = lost(lost(NEW)), timedelta(0)
    told = held(state)
    assert isinstance(told, DeviceBusy) and told.reason is Reason.LOGIN_UNANSWERED
    assert "Secret cams/login were sent 2 times without an answer" in told.message
    assert "2026-11-24 13:00 UTC" in told.message and told.message.endswith(ASK)
    assert told.retry_after == HOUR
    for hours in (1, 2, 4, 8, 16, 24, 24):
        assert held(state, at + hours * HOUR - timedelta(seconds=1)) is not None
        at += hours * HOUR
        assert held(state, at) is None
        state = lost(state, at)
    assert budget.accepted(state) == CredentialsState("v", "Accepted")


def test_the_first_refusal_heard_after_lost_tries_is_the_last() -> None:
    state = no(lost(lost(NEW)), HOUR)
    refusal = held(state, timedelta(days=300))
    assert isinstance(refusal, CredentialsRejected)
    assert "login once (2 more without an answer); nothing more is sent" in refusal.message


def test_what_was_no_refusal_does_not_count() -> None:
    state = NEW
    for _ in range(5):
        assert held(state) is None
        state = budget.unjudged(lost(state))
    assert tries(state)[0] == 2
    probe = budget.unjudged(lost(lost(lost(NEW)), HOUR))
    assert (probe.unanswered, held(probe, HOUR)) == (2, None)


def test_a_password_that_worked_gets_one_probe_after_an_hour_then_doubling() -> None:
    sent, state = tries(budget.accepted(NEW))
    assert sent == 2
    refusal = held(state)
    assert isinstance(refusal, CredentialsRejected)
    assert "worked before" in refusal.message
    assert refusal.message.endswith(ASK)
    assert held(state, HOUR) is None
    later = no(state, HOUR)
    assert later.next_probe_at == NOW + 3 * HOUR
    assert budget.accepted(later) == CredentialsState("v", "Accepted")


def test_a_password_that_works_is_not_counted_until_it_is_refused() -> None:
    assert not budget.needs_recording_before(budget.accepted(NEW))
    assert budget.needs_recording_before(no(budget.accepted(NEW)))
    assert budget.unjudged(budget.accepted(NEW)) == budget.accepted(NEW)


def test_a_device_that_locks_at_the_first_refusal_gets_one() -> None:
    assert held(no(NEW), most=1) is not None


@pytest.mark.parametrize("state", [NEW, lost(NEW), budget.accepted(NEW)])
def test_a_lock_is_waited_for_and_told(state: CredentialsState) -> None:
    locked = budget.locked(state, NOW + HOUR)
    told = held(locked, HOUR / 2)

    assert isinstance(told, DeviceBusy) and told.reason is Reason.LOGIN_LOCKED
    assert "none is sent before 2026-11-24 13:00:00 UTC" in told.message and told.message.endswith(ASK)
    assert told.retry_after == HOUR / 2
    assert held(locked, HOUR) is None
    assert lost(locked, HOUR).locked_until is None


@pytest.mark.parametrize(
    "state",
    [
        no(no(NEW)),
        lost(lost(NEW)),
        no(lost(lost(NEW))),
        no(no(no(budget.accepted(NEW)))),
        budget.locked(no(NEW), NOW + HOUR),
    ],
)
def test_whoever_asks_gets_one_more_try_at_once(state: CredentialsState) -> None:
    asked = budget.another_try(state)
    assert tries(asked)[0] == 1
    assert held(lost(asked)) is not None
    assert asked.state == state.state


def test_who_asks_while_nothing_is_wrong_changes_nothing() -> None:
    for state in (NEW, lost(NEW), budget.accepted(NEW)):
        assert budget.another_try(state) == replace(state)
