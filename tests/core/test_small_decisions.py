"""Identity, log-in budget, schedule, conditions, names: small decisions with large consequences."""

from dataclasses import replace
from datetime import timedelta

import pytest

from device_cert_operator.core import identity
from device_cert_operator.core.conditions import (
    RECONCILING,
    STALLED,
    WELL,
    find,
    kept,
    merge,
    no,
    status_of,
    summary,
    unknown,
    yes,
)
from device_cert_operator.core.decide import decide
from device_cert_operator.core.device_conditions import claims, events_between
from device_cert_operator.core.model import (
    ClockReading,
    ClockSource,
    Condition,
    DeviceIdentity,
    IdentityPins,
    Inventory,
    Management,
    Names,
    ObjectKey,
    OnKeyChange,
    Security,
    canonical_host,
    is_ip,
    names_of,
)
from device_cert_operator.core.policy import ADDRESS_CHANGE, DATES, why_not_reboot, with_reboot
from device_cert_operator.core.schedule import (
    backoff_for,
    effective_renew_before,
    poll_after,
    renewal_time,
    retry_after,
)
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import (
    Activating,
    AddressStatus,
    DeviceStatus,
    IdentityStatus,
    RebootStatus,
    RevisionState,
)
from device_cert_operator.core.verdict import ALL, Fault, Verdict
from device_cert_operator.errors import DeviceBusy, DeviceUnreachable, MissingReference, Retry, UnknownDriver
from device_cert_operator.reasons import Reason
from tests.support.situations import (
    AWAY,
    KNOWN,
    NOW,
    STRANGER,
    assignment,
    desired,
    facts,
    report,
    revision,
    served,
    situation,
    stored,
)

# --------------------------------------------------------------------------------------------- identity

R1 = revision(1, "a")
SHARED = revision(1, "a", given_to=frozenset({"uid-gate", "uid-other"}))
LEARNED = DeviceStatus(identity=IdentityStatus(public_key_sha256="key-a"))


@pytest.mark.parametrize(
    ("why", "proven_by"),
    [
        ({"given": (R1,)}, "Revision"),
        ({"given": (SHARED,)}, "Revision"),
        ({"given": (SHARED,), "address": "10.0.0.9"}, None),
        ({"others": ("yard",)}, None),
        ({"desired": desired(pins=IdentityPins(public_key_sha256="key-a"))}, "Pin"),
        (
            {"desired": desired(accepted_key="key-a"), "status": DeviceStatus(), "given": (revision(1, "b"),)},
            "Accepted",
        ),
        ({"status": LEARNED}, "Learned"),
        ({"desired": desired(security=Security.VERIFIED), "verified": True}, "Verified"),
        ({"desired": desired(security=Security.VERIFIED)}, None),
        ({}, "Learned"),
        ({"given": (revision(1, "b"),)}, None),
        ({"status": DeviceStatus(identity=IdentityStatus(public_key_sha256="key-b"))}, None),
        ({"desired": desired(pins=IdentityPins(public_key_sha256="key-b"))}, None),
        (
            {
                "desired": desired(on_key_change=OnKeyChange.ACCEPT),
                "status": DeviceStatus(identity=IdentityStatus(public_key_sha256="key-b")),
            },
            "Accepted",
        ),
        ({"desired": desired(security=Security.PLAINTEXT), "given": (revision(1, "b"),)}, "Learned"),
        (
            {
                "desired": desired(security=Security.PLAINTEXT),
                "status": DeviceStatus(revision=RevisionState(installed=revision(1, "b").ref)),
            },
            None,
        ),
    ],
)
def test_who_is_recognised(why: dict, proven_by: str | None) -> None:  # type: ignore[type-arg]
    seen = identity.recognise(
        why.get("desired", desired()),
        why.get("status", DeviceStatus()),
        why.get("given", ()),
        served("a", why.get("address", "10.0.0.1")),
        why.get("others", ()),
        why.get("verified", False),
    )
    assert seen.proven_by == proven_by
    assert seen.may_log_in is (proven_by is not None)
    assert seen.message


def test_nobody_is_recognised_by_a_ca_that_cannot_be_read() -> None:
    seen = identity.not_vouched_for(MissingReference("There is no vendor-ca.", reason=Reason.CONFIG_MAP_MISSING))
    assert (seen.proven_by, seen.may_log_in, seen.reason) == (None, False, Reason.CONFIG_MAP_MISSING)
    assert "There is no vendor-ca." in seen.message


def test_a_device_is_found_again_only_by_keys_of_its_own() -> None:
    status = DeviceStatus(identity=IdentityStatus(public_key_sha256="learned"))
    keys = identity.keys_of(desired(pins=IdentityPins(public_key_sha256="pinned")), status, (R1, SHARED))
    assert keys == {"key-a", "learned", "pinned"}
    assert identity.keys_of(desired(), DeviceStatus(), (SHARED,)) == frozenset()


@pytest.mark.parametrize(
    ("pins", "known", "told"),
    [
        (IdentityPins(), DeviceIdentity(), None),
        (IdentityPins(serial_number="SER"), DeviceIdentity(), None),
        (IdentityPins(serial_number="X"), DeviceIdentity(), "serial number SER is not X"),
        (IdentityPins(), DeviceIdentity(serial_number="X"), "serial number SER is not X"),
        (IdentityPins(mac_address="02:00:00:00:00:01"), DeviceIdentity(), None),
        (IdentityPins(mac_address="02:00:00:00:00:09"), DeviceIdentity(), "none of its MAC addresses"),
    ],
)
def test_pins_are_held_against_what_the_device_says(
    pins: IdentityPins, known: DeviceIdentity, told: str | None
) -> None:
    why = identity.pins_broken(pins, known, report().identity)
    assert (why is None) if told is None else (told in (why or ""))


def test_plain_http_entitles_to_a_key_only_if_that_is_allowed() -> None:
    assert not identity.plain_http(desired()).may_send_key
    assert identity.plain_http(desired(allow_plaintext_key=True)).may_send_key


# -------------------------------------------------------------------------------------------- schedule


@pytest.mark.parametrize(
    ("retry", "failures", "least", "most"),
    [
        (Retry.AGAIN, 1, 0, 0),
        (Retry.AGAIN, 9, 2, 2),
        (Retry.SOON, 1, 2, 2),
        (Retry.SOON, 30, 60, 60),
        (Retry.BACKOFF, 1, 4, 5),
        (Retry.BACKOFF, 50, 480, 600),
        (Retry.SLOW, 1, 2880, 3600),
        (Retry.ON_CHANGE, 1, 600, 600),
    ],
)
def test_when_to_try_again(retry: Retry, failures: int, least: float, most: float) -> None:
    assert least <= retry_after(retry, failures, "uid").total_seconds() <= most


def test_the_other_side_may_say_when_within_reason() -> None:
    assert retry_after(Retry.SLOW, 1, "u", asked_for=timedelta(seconds=7)) == timedelta(seconds=7)
    assert retry_after(Retry.SOON, 1, "u", asked_for=timedelta(days=9)) == timedelta(hours=1)
    assert retry_after(Retry.SOON, 1, "u", asked_for=timedelta(0)) == timedelta(seconds=1)


def test_backoff_is_the_same_for_one_object_and_differs_between_objects() -> None:
    assert backoff_for(3, "a") == backoff_for(3, "a")
    assert backoff_for(3, "a") != backoff_for(3, "b")


@pytest.mark.parametrize(
    ("before", "percentage", "wanted"),
    [
        (None, None, 30),
        (timedelta(days=10), None, 10),
        (timedelta(days=80), None, 30),
        (None, 10, 9),
        (None, 90, 30),
    ],
)
def test_renewal_is_at_most_a_third_before_the_end(
    before: timedelta | None, percentage: int | None, wanted: int
) -> None:
    assert effective_renew_before(timedelta(days=90), before, percentage) == timedelta(days=wanted)


def test_renewal_is_spread_and_never_before_the_beginning() -> None:
    end = NOW + timedelta(days=90)
    moment = renewal_time(NOW, end, timedelta(days=30), "uid")
    assert end - timedelta(days=33) <= moment <= end - timedelta(days=30)
    assert renewal_time(NOW, NOW, timedelta(days=30), "uid") == NOW


def test_polling_slows_down() -> None:
    assert poll_after(timedelta(0)) == timedelta(seconds=0.2)
    assert poll_after(timedelta(minutes=5)) == timedelta(seconds=5)


# ------------------------------------------------------------------------------------------ conditions


def test_every_reason_is_well_reconciling_or_stalled_and_only_one_of_them() -> None:
    assert set(Reason) == WELL | RECONCILING | STALLED
    assert not WELL & RECONCILING
    assert not (WELL | RECONCILING) & STALLED


def test_a_transition_time_changes_with_the_status_only() -> None:
    first = merge((), [no("Ready", Reason.WORKING, "x")], 1, NOW)
    later = NOW + timedelta(hours=1)
    same = merge(first, [no("Ready", Reason.HTTPS_OFF, "y")], 2, later)
    assert same[0].last_transition_at == NOW
    assert same[0].reason == "HTTPSOff"
    assert merge(same, [yes("Ready", Reason.READY, "z")], 2, later)[0].last_transition_at == later


def test_kstatus_reads_one_of_three() -> None:
    ready, working, stalled = summary(yes("Ready", Reason.READY, ""), at_rest=True)
    assert (ready.status, working.status, stalled.status) == ("True", "False", "False")
    assert [one.status for one in summary(no("Ready", Reason.HTTPS_OFF, "m"), at_rest=True)] == [
        "False",
        "False",
        "True",
    ]
    assert [one.status for one in summary(no("Ready", Reason.WORKING, ""), at_rest=False)] == ["False", "True", "False"]
    assert summary(no("Ready", Reason.WORKING, ""), at_rest=True)[1].message == "It will be tried again."
    lost = summary(no("Ready", Reason.DEVICE_UNREACHABLE, "m"), at_rest=True, stalled_early=True)
    assert lost[2].status == "True"


def test_what_a_look_could_not_tell_is_kept() -> None:
    old = (Condition("A", "True", "LoggedIn", "yes", 1, NOW), Condition("B", "True", "Strange", "", 1, NOW))
    fallback = unknown("A", Reason.NOT_CHECKED, "?")
    assert kept(old, "A", fallback).reason is Reason.LOGGED_IN
    assert kept(old, "B", fallback).reason is Reason.NOT_CHECKED
    assert kept(old, "C", fallback) == fallback
    assert find(old, "C") is None
    assert status_of(old, "C") == "Unknown"


def said(s: Situation) -> dict[str, tuple[str, Reason]]:
    return {one.type: (one.status, one.reason) for one in claims(s, decide(s))}


WELL_SITUATION = situation(
    report=report(), status=replace(situation().status, address=AddressStatus(current="10.0.0.1"))
)
READY = Condition("Ready", "True", "Ready", "", 1, NOW)


@pytest.mark.parametrize(
    ("s", "kind", "wanted"),
    [
        (WELL_SITUATION, "Ready", ("True", Reason.READY)),
        (WELL_SITUATION, "Secure", ("True", Reason.TRUSTED)),
        (situation(), "Authenticated", ("Unknown", Reason.NOT_LOGGED_IN)),
        (situation(), "ClockInSync", ("Unknown", Reason.CLOCK_UNREAD)),
        (situation(), "Ready", ("False", Reason.NOT_LOGGED_IN)),
        (situation(assignment=None, report=report()), "Ready", ("True", Reason.READY)),
        (situation(assignment=None), "Secure", ("Unknown", Reason.NOT_REQUESTED)),
        (situation(served=AWAY, recognition=None), "Reachable", ("False", Reason.DEVICE_UNREACHABLE)),
        (situation(served=AWAY, recognition=None), "Identified", ("Unknown", Reason.NOT_CHECKED)),
        (situation(served=AWAY, recognition=None), "Secure", ("Unknown", Reason.DEVICE_UNREACHABLE)),
        (situation(served=AWAY, recognition=None, searched=True), "AddressCurrent", ("False", Reason.ADDRESS_UNKNOWN)),
        (situation(served=AWAY, recognition=None, searching=True), "AddressCurrent", ("Unknown", Reason.NOT_CHECKED)),
        (
            situation(
                served=AWAY,
                recognition=None,
                searching=True,
                status=replace(
                    situation().status,
                    conditions=(READY,),
                    revision=RevisionState(activating=Activating(R1.ref, NOW - timedelta(hours=1))),
                ),
            ),
            "Reachable",
            ("False", Reason.DEVICE_UNREACHABLE),
        ),
        (
            situation(
                assignment=None,
                served=AWAY,
                plain_answers=True,
                recognition=replace(KNOWN, proven_by="Plaintext"),
                report=report(https_enabled=False),
                desired=desired(security=Security.PLAINTEXT, ensure_https=False),
            ),
            "Secure",
            ("False", Reason.HTTPS_OFF),
        ),
        (situation(recognition=STRANGER), "Identified", ("False", Reason.IDENTITY_UNCONFIRMED)),
        (situation(recognition=replace(KNOWN, learn=True)), "Identified", ("Unknown", Reason.NOT_LOGGED_IN)),
        (situation(login_error=DeviceBusy("later")), "Reachable", ("True", Reason.ANSWERS)),
        (situation(login_error=UnknownDriver("telnet")), "Reachable", ("True", Reason.ANSWERS)),
        (situation(login_error=UnknownDriver("telnet")), "Ready", ("False", Reason.UNKNOWN_DRIVER)),
        (situation(login_error=DeviceUnreachable("gone")), "Reachable", ("False", Reason.DEVICE_UNREACHABLE)),
        (situation(desired=desired(paused=True), report=report()), "Ready", ("False", Reason.PAUSED)),
        (
            situation(report=report(clock=ClockReading(ClockSource.MANUAL, None))),
            "ClockInSync",
            ("Unknown", Reason.CLOCK_UNREAD),
        ),
        (situation(report=report(clock=ClockReading(ClockSource.MANUAL, None))), "Ready", ("True", Reason.READY)),
        (
            situation(verdict=Verdict((Fault(Reason.CERTIFICATE_EXPIRED, "old", ALL),)), report=report()),
            "Ready",
            ("False", Reason.CERTIFICATE_EXPIRED),
        ),
        (situation(verdict=None, report=report()), "Secure", ("True", Reason.TRUSTED)),
        (
            situation(
                served=AWAY,
                recognition=None,
                status=replace(situation().status, unreachable_since=NOW - timedelta(minutes=11)),
            ),
            "Stalled",
            ("True", Reason.DEVICE_UNREACHABLE),
        ),
        (
            situation(
                served=AWAY,
                recognition=None,
                status=replace(
                    situation().status,
                    conditions=(READY,),
                    revision=RevisionState(activating=Activating(R1.ref, NOW)),
                ),
            ),
            "Ready",
            ("True", Reason.READY),
        ),
    ],
)
def test_what_a_device_says_of_itself(s: Situation, kind: str, wanted: tuple[str, Reason]) -> None:
    assert said(s)[kind] == wanted


EXPIRED = situation(verdict=Verdict((Fault(Reason.CERTIFICATE_EXPIRED, "old.", ALL),)), report=report())
FAST = situation(report=report(clock=ClockReading(ClockSource.MANUAL, timedelta(hours=1))))


@pytest.mark.parametrize(
    ("s", "words"),
    [
        (EXPIRED, "old. Only a change would close that; {} forbids it."),
        (FAST, "The device's clock is 60 min ahead of the operator's. The next step would be SetClock; {} forbids it."),
    ],
)
@pytest.mark.parametrize("by", ["the operator's dry run", "spec.management: Observe"])
def test_a_gap_that_may_not_be_closed_waits_for_a_person(s: Situation, words: str, by: str) -> None:
    held = replace(s, dry_run=True) if "dry" in by else replace(s, desired=desired(management=Management.OBSERVE))
    found = {one.type: one for one in claims(held, decide(held))}
    assert (found["Ready"].reason, found["Ready"].message) == (Reason.OBSERVE_ONLY, words.format(by))
    assert (found["Stalled"].status, found["Reconciling"].status) == ("True", "False")
    own = found["Secure" if s is EXPIRED else "ClockInSync"]
    assert own.reason in {Reason.CERTIFICATE_EXPIRED, Reason.CLOCK_OFF}, "what is wrong is told as well"


def test_what_passes_by_itself_is_waited_for_by_one_who_only_looks_too() -> None:
    assert said(situation(dry_run=True))["Ready"] == ("False", Reason.NOT_LOGGED_IN)
    assert said(replace(WELL_SITUATION, dry_run=True))["Ready"] == ("True", Reason.READY)


def test_a_device_that_asks_for_patience_keeps_saying_what_its_next_certificate_needs() -> None:
    held = Condition("Ready", "True", "GapNotAllowed", "Allow it.", 1, NOW)
    known = tuple(Condition(kind, "True", "LoggedIn", "", 1, NOW) for kind in ("Authenticated", "ClockInSync"))
    s = replace(WELL_SITUATION, report=None, login_error=DeviceBusy("later"))
    busy = replace(s, status=replace(s.status, conditions=(*known, held)))
    assert said(busy)["Ready"] == ("True", Reason.GAP_NOT_ALLOWED)
    other = replace(busy, status=replace(busy.status, conditions=(*known, READY)))
    assert said(other)["Ready"] == ("True", Reason.READY)


def test_a_moved_device_names_its_declared_address() -> None:
    s = situation(address="10.0.0.9", report=report())
    told = next(one for one in claims(s, decide(s)) if one.type == "AddressCurrent")
    assert "declared: 10.0.0.1" in told.message


A, B = ADDRESS_CHANGE, DATES
HOUR = timedelta(hours=1)


def restarted(status: DeviceStatus, *causes: str) -> DeviceStatus:
    """For each cause, one hour after another; the last one an hour ago."""
    for number, cause in enumerate(causes):
        status = with_reboot(status, cause, NOW - (len(causes) - number) * HOUR)
    return status


@pytest.mark.parametrize(
    ("causes", "held"),
    [
        ((), frozenset()),
        ((A,), frozenset()),
        ((A, A), {A}),
        ((A, B, A), {A}),
        ((A, B, A, B), {A, B}),
        ((A, A, "a person's request"), {A}),
        ((A, "one request", A, "another"), {A}),
        ((A, A, *(f"request {number}" for number in range(9))), {A}),
    ],
)
def test_restarts_are_counted_for_each_cause(causes: tuple[str, ...], held: frozenset[str]) -> None:
    s = situation(status=restarted(DeviceStatus(), *causes))
    assert {cause for cause in (A, B) if why_not_reboot(cause, s) is not None} == held
    assert s.status.last_reboot is None or s.status.last_reboot.at == NOW - HOUR
    assert len(s.status.earlier_reboots) <= 2, "requests are a person's own, and not counted"


def test_a_restart_that_waits_for_tomorrow_says_how_often_and_for_what() -> None:
    held = why_not_reboot(A, situation(status=restarted(DeviceStatus(), A, A, B)))
    assert held is not None
    assert held.message == f"The device was restarted 2 times today for {A}; no more follows today."


def test_a_day_later_a_cause_counts_anew_and_is_forgotten() -> None:
    spent = restarted(DeviceStatus(), A, A, B, B)
    later = situation(status=spent, now=NOW + timedelta(hours=20, minutes=30))
    assert why_not_reboot(A, later) is None
    assert why_not_reboot(B, later) is not None
    again = with_reboot(spent, A, later.now)
    assert again.last_reboot == RebootStatus(later.now, A, 1, later.now)
    assert [one.cause for one in again.earlier_reboots] == [B]
    assert with_reboot(spent, "request", NOW + timedelta(days=2)).earlier_reboots == ()


def test_a_status_that_knows_one_restart_only_goes_on_counting() -> None:
    """As an earlier version wrote it; without the beginning of the day as well."""
    before = DeviceStatus(last_reboot=RebootStatus(NOW - HOUR, A))
    assert with_reboot(before, A, NOW).last_reboot == RebootStatus(NOW, A, 2, NOW - HOUR)
    status = with_reboot(before, B, NOW)
    assert status.last_reboot == RebootStatus(NOW, B, 1, NOW)
    assert status.earlier_reboots == (RebootStatus(NOW - HOUR, A),)
    assert with_reboot(status, A, NOW + HOUR).last_reboot == RebootStatus(NOW + HOUR, A, 2, NOW - HOUR)
    long = with_reboot(before, "x" * 99, NOW).last_reboot
    assert long is not None and long.cause == "x" * 64


def test_events_are_told_on_transitions_only() -> None:
    bad = (Condition("Secure", "False", "IssuerMismatch", "m", 1, NOW), READY)
    good = (Condition("Secure", "True", "Trusted", "m", 1, NOW), READY)
    assert events_between((), bad) == (("Warning", "IssuerMismatch", "m"),)
    assert events_between((), good) == ()
    assert events_between(bad, bad) == ()
    assert events_between(bad, good) == (("Normal", "Trusted", "m"),)
    waiting = (Condition("Secure", "False", "WaitingForTurn", "m", 1, NOW),)
    assert events_between((), waiting) == ()
    unsure = (Condition("Secure", "Unknown", "NotChecked", "m", 1, NOW),)
    assert events_between(good, unsure) == ()


def test_that_the_next_certificate_needs_leave_is_told_once() -> None:
    """The device is Ready as it is, and no other condition says so."""
    held = (Condition("Ready", "True", "GapNotAllowed", "m", 1, NOW),)
    assert events_between((READY,), held) == (("Warning", "GapNotAllowed", "m"),)
    assert events_between((), held) == (("Warning", "GapNotAllowed", "m"),)
    assert events_between(held, held) == ()
    assert events_between(held, (READY,)) == ()
    refused = (replace(held[0], status="False"),)
    assert events_between((READY,), refused) == (), "another condition tells it"


# ---------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("FE80:0:0::1", "fe80::1"),
        ("Gate.Example.Test.", "gate.example.test"),
        ("bücher.test", "xn--bcher-kva.test"),
    ],
)
def test_hosts_are_canonical(host: str, canonical: str) -> None:
    assert canonical_host(host) == canonical


def test_names_are_sorted_and_without_duplicates() -> None:
    assert names_of("b", "a", "B", "10.0.0.2", "10.0.0.1") == Names(("a", "b"), ("10.0.0.1", "10.0.0.2"))
    assert not is_ip("fe80::1%eth0")
    assert not is_ip("gate")


def test_small_values_speak_for_themselves() -> None:
    assert str(ObjectKey("Device", "cams", "gate")) == "Device cams/gate"
    assert facts(subject="CN=a", issuer="CN=a").self_issued
    assert Inventory(()).assigned is None
    assert Inventory((stored("p", "a"),)).with_fingerprint("z") is None
    assert assignment(None).wanted is None
    assert situation(recognition=None).plaintext is False
