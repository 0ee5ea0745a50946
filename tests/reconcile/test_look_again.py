"""After how long a Device is looked at again."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from device_cert_operator.core.decide import Plan
from device_cert_operator.core.status import DeviceStatus, RebootStatus
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.device import _look_again
from device_cert_operator.reconcile.tools import DeviceMemory
from tests.support.situations import NOW, desired, situation

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("opens_in", "every", "least", "most"),
    [
        (HOUR, 24 * HOUR, HOUR, HOUR),
        (HOUR, timedelta(minutes=5), timedelta(minutes=4), timedelta(minutes=5)),
        (timedelta(0), 24 * HOUR, timedelta(seconds=1), timedelta(seconds=1)),
        (None, 24 * HOUR, 22 * HOUR, 24 * HOUR),
    ],
)
def test_a_restart_that_waits_for_its_window_is_looked_at_when_that_opens(
    opens_in: timedelta | None, every: timedelta, least: timedelta, most: timedelta
) -> None:
    s = situation(desired=desired(check_interval=every))
    until = NOW + opens_in if opens_in is not None else None
    plan = Plan(Rest(State.HELD, Reason.WAITING_FOR_WINDOW, "it waits", until), ())
    visit = SimpleNamespace(view=SimpleNamespace(uid="uid-gate"), memory=DeviceMemory(), status=s.status)
    assert least <= _look_again(cast("Any", visit), s, plan, None) <= most


def test_one_that_waits_for_its_turn_is_looked_at_soon() -> None:
    s = situation(desired=desired(check_interval=24 * HOUR))
    plan = Plan(Rest(State.WAITING, Reason.WAITING_FOR_TURN, "it waits"), ())
    visit = SimpleNamespace(view=SimpleNamespace(uid="uid-gate"), memory=DeviceMemory(), status=s.status)
    assert _look_again(cast("Any", visit), s, plan, None) == timedelta(seconds=5)


@pytest.mark.parametrize("reboot", [None, RebootStatus(NOW - timedelta(days=1), "x")])
def test_one_whose_search_is_not_over_is_looked_at_less_and_less_often(reboot: RebootStatus | None) -> None:
    """The search wakes it; until then it takes ever less of the workers' time."""
    status = DeviceStatus(last_reboot=reboot)
    s = situation(desired=desired(check_interval=24 * HOUR), status=status, searching=True)
    plan = Plan(Rest(State.WAITING, Reason.DEVICE_UNREACHABLE, "it is away"), ())
    visit = SimpleNamespace(view=SimpleNamespace(uid="uid-gate"), memory=DeviceMemory(), status=status)
    waits = [_look_again(cast("Any", visit), s, plan, None) for _ in range(4)]
    assert waits[0] <= timedelta(seconds=5)
    assert waits[3] > 30 * timedelta(seconds=1)
