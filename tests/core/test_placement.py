"""Policy Enforce: when a device is set back to its address, when it is left alone, and what is told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from device_cert_operator.core.addresses import (
    CHANGE_OF_ADDRESS,
    in_effect_since,
    is_changing,
    where_else,
    where_to_dial,
)
from device_cert_operator.core.decide import decide
from device_cert_operator.core.device_conditions import claims
from device_cert_operator.core.model import (
    AddressLook,
    AddressPolicy,
    EnforcedNetwork,
    MaintenanceWindow,
    Management,
    RebootPolicy,
    StaticAddress,
)
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import AddressChange, AddressStatus, DeviceStatus, RebootStatus
from device_cert_operator.core.steps import LogIn, LookAtDeclared, Reboot, Rest, SetAddress, State, Step
from device_cert_operator.reasons import Reason
from tests.support.situations import AWAY, NOW, STRANGER, desired, report, served, situation

HOME, AWAY_AT = "10.0.0.1", "10.0.0.9"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
NETWORK = EnforcedNetwork(24, "10.0.0.254")
FREE, TAKEN = AddressLook(HOME), AddressLook(HOME, "something answers at 10.0.0.1:443")
ABLE = report(capabilities=replace(report().capabilities, can_set_address=True))
SET_BACK = SetAddress(StaticAddress(HOME, 24, AWAY_AT, "10.0.0.254"))
NIGHT = MaintenanceWindow("0 2 * * *", timedelta(hours=2), "Asia/Tokyo")


def enforced(**more: Any) -> Any:
    return desired(address_policy=AddressPolicy.ENFORCE, enforced=NETWORK, locate_subnets=("10.0.0.0/24",), **more)


def told(**more: Any) -> DeviceStatus:
    """It was told to take its address."""
    change = AddressChange(**{"to": HOME, "since": NOW - 2 * SECOND, **more})
    old = situation().status
    return replace(old, address=AddressStatus(HOME, AWAY_AT, change=change))


def restarted(status: DeviceStatus, ago: timedelta, count: int = 1) -> DeviceStatus:
    return replace(status, last_reboot=RebootStatus(NOW - ago, CHANGE_OF_ADDRESS, count, NOW - ago))


def rest(reason: Reason, state: State = State.HELD) -> tuple[State, Reason]:
    return state, reason


DISPLACED = situation(
    desired=enforced(),
    address=AWAY_AT,
    served=served(address=AWAY_AT),
    declared_look=FREE,
    report=ABLE,
    status=replace(situation().status, address=AddressStatus(HOME, AWAY_AT)),
)
OVERDUE = told(since=NOW - 10 * MINUTE)
WAITS_FOR_RESTART = told(since=NOW - MINUTE, restart_needed=True)

ROWS: list[tuple[str, Situation, Step | tuple[State, Reason]]] = [
    ("at its address nothing is asked", situation(desired=enforced()), rest(Reason.SETTLED, State.SETTLED)),
    (
        "elsewhere, its address is looked at first",
        replace(DISPLACED, declared_look=None, report=None),
        LookAtDeclared(),
    ),
    ("then it is logged in to", replace(DISPLACED, report=None), LogIn()),
    ("then it is set back", DISPLACED, SET_BACK),
    ("not where its address is taken", replace(DISPLACED, declared_look=TAKEN), rest(Reason.SETTLED, State.SETTLED)),
    (
        "for which nobody logs in",
        replace(DISPLACED, declared_look=TAKEN, report=None),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    ("not when it takes no address", replace(DISPLACED, report=report()), rest(Reason.SETTLED, State.SETTLED)),
    (
        "not while another one is on its way",
        replace(DISPLACED, changing_now="yard"),
        rest(Reason.WAITING_FOR_TURN, State.WAITING),
    ),
    (
        "nor is it logged in to meanwhile",
        replace(DISPLACED, changing_now="yard", report=None),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    ("not twice in a pass", replace(DISPLACED, done=frozenset({SetAddress})), rest(Reason.SETTLED, State.SETTLED)),
    (
        "not when only looked after",
        replace(DISPLACED, desired=enforced(management=Management.OBSERVE)),
        rest(Reason.OBSERVE_ONLY),
    ),
    (
        "for which nobody logs in either",
        replace(DISPLACED, desired=enforced(management=Management.OBSERVE), report=None),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    ("not in a dry run", replace(DISPLACED, dry_run=True), rest(Reason.OBSERVE_ONLY)),
    ("not when paused", replace(DISPLACED, desired=enforced(paused=True)), rest(Reason.PAUSED)),
    ("not by a stranger's key", replace(DISPLACED, recognition=STRANGER), rest(Reason.IDENTITY_UNCONFIRMED)),
    (
        "not under policy Follow",
        replace(DISPLACED, desired=replace(enforced(), address_policy=AddressPolicy.FOLLOW)),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "told a moment ago it is waited for",
        replace(DISPLACED, status=told()),
        rest(Reason.DEVICE_RESTARTING, State.WAITING),
    ),
    (
        "without looking at its address meanwhile",
        replace(DISPLACED, status=told(), declared_look=None, report=None),
        rest(Reason.DEVICE_RESTARTING, State.WAITING),
    ),
    ("in vain it is told again", replace(DISPLACED, status=OVERDUE), SET_BACK),
    (
        "less and less often",
        replace(DISPLACED, status=told(since=NOW - MINUTE, attempts=9)),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "what it refused is tried again later",
        replace(DISPLACED, status=told(problem="no")),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    ("and then is tried", replace(DISPLACED, status=told(since=NOW - MINUTE, problem="no")), SET_BACK),
    (
        "a restart that it needs for it is asked for",
        replace(DISPLACED, status=WAITS_FOR_RESTART),
        Reboot(CHANGE_OF_ADDRESS),
    ),
    ("after a log-in", replace(DISPLACED, status=WAITS_FOR_RESTART, report=None), LogIn()),
    (
        "not where somebody has the address by now",
        replace(DISPLACED, status=WAITS_FOR_RESTART, declared_look=TAKEN),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "not where the driver restarts nothing",
        replace(
            DISPLACED,
            status=WAITS_FOR_RESTART,
            report=report(capabilities=replace(ABLE.capabilities, can_reboot=False)),
        ),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "not where a person restarts it",
        replace(DISPLACED, status=WAITS_FOR_RESTART, desired=enforced(reboot_policy=RebootPolicy.NEVER)),
        rest(Reason.REBOOT_NEEDED),
    ),
    (
        "not before its window opens",
        replace(
            DISPLACED,
            status=WAITS_FOR_RESTART,
            desired=enforced(reboot_policy=RebootPolicy.IN_WINDOW, windows=(NIGHT,)),
        ),
        rest(Reason.WAITING_FOR_WINDOW),
    ),
    (
        "but then",
        replace(
            DISPLACED,
            now=NOW + timedelta(hours=6),
            status=WAITS_FOR_RESTART,
            desired=enforced(reboot_policy=RebootPolicy.IN_WINDOW, windows=(NIGHT,)),
        ),
        Reboot(CHANGE_OF_ADDRESS),
    ),
    (
        "never without a window",
        replace(DISPLACED, status=WAITS_FOR_RESTART, desired=enforced(reboot_policy=RebootPolicy.IN_WINDOW)),
        rest(Reason.REBOOT_NEEDED),
    ),
    (
        "a person's request waits for no window",
        replace(
            DISPLACED,
            reboot_now="now",
            desired=enforced(reboot_policy=RebootPolicy.IN_WINDOW, windows=(NIGHT,), reboot_request="now"),
        ),
        Reboot("now"),
    ),
    (
        "restarted it is waited for",
        replace(DISPLACED, status=restarted(WAITS_FOR_RESTART, 30 * SECOND)),
        rest(Reason.DEVICE_RESTARTING, State.WAITING),
    ),
    (
        "restarted in vain it is told again",
        replace(DISPLACED, status=restarted(told(since=NOW - 5 * MINUTE, restart_needed=True), 4 * MINUTE)),
        SET_BACK,
    ),
    (
        "and restarted twice a day at most",
        replace(DISPLACED, status=restarted(WAITS_FOR_RESTART, 5 * MINUTE, count=2)),
        rest(Reason.REBOOT_NEEDED),
    ),
    (
        "away on its way it is restarting",
        replace(DISPLACED, address=HOME, served=AWAY, recognition=None, report=None, status=told()),
        rest(Reason.DEVICE_RESTARTING, State.WAITING),
    ),
]


@pytest.mark.parametrize(("s", "wanted"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_is_done_for_a_device_that_is_not_at_its_address(
    s: Situation, wanted: Step | tuple[State, Reason]
) -> None:
    step = decide(s).next
    assert (step.state, step.reason) == wanted if isinstance(step, Rest) else step == wanted


TOLD: list[tuple[str, Situation, Reason, str]] = [
    ("taken", replace(DISPLACED, declared_look=TAKEN), Reason.ADDRESS_TAKEN, "something answers at 10.0.0.1:443"),
    ("unable", replace(DISPLACED, report=report()), Reason.UNSUPPORTED, "set it by hand"),
    ("refused", replace(DISPLACED, status=told(problem="no NAT")), Reason.ADDRESS_NOT_APPLIED, "no NAT (1 tries)"),
    (
        "disobeyed",
        replace(DISPLACED, status=told(since=NOW - MINUTE, attempts=9)),
        Reason.ADDRESS_NOT_APPLIED,
        "although it was told to (9 tries); the next try is at 2026-11-24 12:",
    ),
    ("turn", replace(DISPLACED, changing_now="yard"), Reason.WAITING_FOR_TURN, "Device yard is set back first"),
    ("not asked yet", replace(DISPLACED, report=None, declared_look=None), Reason.ADDRESS_CHANGED, HOME),
    (
        "looked after",
        replace(DISPLACED, report=None, desired=enforced(management=Management.OBSERVE)),
        Reason.ADDRESS_CHANGED,
        f"answers at {AWAY_AT}, not at its address {HOME}",
    ),
    (
        "no restart",
        replace(
            DISPLACED,
            status=WAITS_FOR_RESTART,
            report=report(capabilities=replace(ABLE.capabilities, can_reboot=False)),
        ),
        Reason.REBOOT_NEEDED,
        "takes that address with its next restart: restart it",
    ),
    (
        "window",
        replace(
            DISPLACED,
            status=WAITS_FOR_RESTART,
            desired=enforced(reboot_policy=RebootPolicy.IN_WINDOW, windows=(NIGHT,)),
        ),
        Reason.WAITING_FOR_WINDOW,
        "the next maintenance window opens at 2026-11-24 17:00 UTC (0 2 * * * in Asia/Tokyo)",
    ),
    ("paused", replace(DISPLACED, desired=enforced(paused=True), report=None), Reason.ADDRESS_CHANGED, HOME),
]


@pytest.mark.parametrize(("s", "reason", "words"), [row[1:] for row in TOLD], ids=[row[0] for row in TOLD])
def test_why_a_device_is_not_at_its_address_is_told(s: Situation, reason: Reason, words: str) -> None:
    claim = next(one for one in claims(s, decide(s)) if one.type == "AddressCurrent")
    assert (claim.status, claim.reason) == ("False", reason)
    assert words in claim.message


def test_a_restart_that_waits_for_its_window_says_until_when_and_is_told_by_what_waits() -> None:
    waits = replace(
        DISPLACED,
        status=WAITS_FOR_RESTART,
        desired=enforced(reboot_policy=RebootPolicy.IN_WINDOW, windows=(NIGHT,)),
    )
    step = decide(waits).next
    assert isinstance(step, Rest)
    assert step.until == NOW + timedelta(hours=5)
    ready = next(one for one in claims(waits, decide(waits)) if one.type == "Ready")
    assert (ready.status, ready.reason) == ("False", Reason.WAITING_FOR_WINDOW)


@pytest.mark.parametrize(
    ("status", "dialled", "otherwise"),
    [
        (DeviceStatus(), HOME, None),
        (DeviceStatus(address=AddressStatus(HOME, AWAY_AT)), AWAY_AT, HOME),
        (DeviceStatus(address=AddressStatus("10.0.0.5", AWAY_AT)), HOME, AWAY_AT),
        (DeviceStatus(address=AddressStatus(HOME, HOME)), HOME, None),
        (told(), HOME, AWAY_AT),
        (told(problem="no"), AWAY_AT, HOME),
        (told(to="10.0.0.5"), AWAY_AT, HOME),
        (WAITS_FOR_RESTART, AWAY_AT, HOME),
        (restarted(WAITS_FOR_RESTART, SECOND), HOME, AWAY_AT),
        (restarted(WAITS_FOR_RESTART, 2 * MINUTE), AWAY_AT, HOME),
    ],
)
def test_where_an_enforced_device_is_dialled(status: DeviceStatus, dialled: str, otherwise: str | None) -> None:
    assert where_to_dial(enforced(), status) == dialled
    assert where_else(enforced(), status, dialled) == otherwise
    assert where_else(desired(), status, dialled) is None


def test_what_was_told_is_in_effect_until_it_is_refused_or_five_minutes_have_passed() -> None:
    assert is_changing(enforced(), told(), NOW)
    assert not is_changing(enforced(), told(), NOW + 5 * MINUTE)
    assert not is_changing(enforced(), told(problem="no"), NOW)
    assert not is_changing(enforced(), WAITS_FOR_RESTART, NOW)
    assert is_changing(enforced(), restarted(WAITS_FOR_RESTART, SECOND), NOW)
    assert not is_changing(enforced(), DeviceStatus(), NOW)
    assert not is_changing(desired(), told(), NOW)
    assert in_effect_since(AddressChange(HOME, NOW), DeviceStatus()) == NOW


def test_a_ready_device_says_that_it_waits_for_its_window() -> None:
    waits = situation(desired=desired(reboot_policy=RebootPolicy.IN_WINDOW, windows=(NIGHT,)))
    plan = decide(waits)
    held = replace(plan, next=Rest(State.HELD, Reason.WAITING_FOR_WINDOW, "it waits"))
    ready = next(one for one in claims(replace(waits, report=report()), held) if one.type == "Ready")
    assert (ready.status, ready.message) == ("True", "it waits")
