"""What is done for a Device: a sentence, a situation, the next step or the reason to rest."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from device_cert_operator.core.aliases import alias_prefix
from device_cert_operator.core.checks import clock_is_off, connection_is_not_secure, device_is_unreachable
from device_cert_operator.core.decide import decide
from device_cert_operator.core.device_conditions import PARTS, claims
from device_cert_operator.core.identity import Recognition
from device_cert_operator.core.installation import (
    ACTIVATION,
    after_failure,
    chain_as_seen,
    ends_step,
    key_type_of,
    wanted_is_installed,
)
from device_cert_operator.core.model import (
    AddressPolicy,
    Capabilities,
    ClockPolicy,
    ClockReading,
    ClockSource,
    Condition,
    DeviceIdentity,
    KeyType,
    MaintenanceWindow,
    Management,
    NotServed,
    RebootPolicy,
    Security,
    Served,
)
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import (
    Activating,
    ClockStatus,
    DeviceStatus,
    FailedRevision,
    RebootStatus,
    RevisionState,
    with_first_requests,
)
from device_cert_operator.core.steps import (
    Activate,
    BeginActivation,
    BeginRollBack,
    EnableHTTPS,
    ForgetPrevious,
    Install,
    Locate,
    LogIn,
    ReadInventory,
    Reboot,
    RecordFailed,
    RecordInstalled,
    RecordReboot,
    RecordRetryLogin,
    Remove,
    Rest,
    SetClock,
    State,
    UseNTP,
)
from device_cert_operator.core.verdict import ALL, Fault, Verdict
from device_cert_operator.core.zones import is_off_by_its_zone
from device_cert_operator.errors import (
    Conflict,
    CredentialsRejected,
    DeviceBusy,
    DeviceRefused,
    DeviceUnreachable,
    MissingReference,
    OperatorError,
    PermissionMissing,
    ProtocolViolation,
    Unsupported,
)
from device_cert_operator.reasons import Reason
from tests.support.situations import (
    AWAY,
    KEY,
    NOW,
    STRANGER,
    assignment,
    desired,
    facts,
    inventory,
    report,
    revision,
    served,
    situation,
    stored,
    with_revision_state,
)

R1, R2 = revision(1, "a"), revision(2, "b")
ALIAS = alias_prefix(KEY)
PLAIN = Recognition("Plaintext", Reason.KEY_KNOWN, "", may_log_in=True)
SUBNETS = {"locate_subnets": ("10.0.0.0/28",)}
LOOKED_FOR: dict[str, Any] = {
    "desired": desired(**SUBNETS),
    "can_be_found": True,
    "done": frozenset({Locate}),
    "searching": True,
}
INSTALLED = DeviceStatus(observed_generation=1, revision=RevisionState(installed=R1.ref))
WELL = tuple(Condition(kind, "True", Reason.ANSWERS, "Well.", 1, NOW) for kind in (*PARTS, "Ready"))
ANOTHER = Condition("Identified", "False", Reason.IDENTITY_MISMATCH, "It is another.", 1, NOW)
MISMATCHED = situation(
    status=replace(INSTALLED, conditions=tuple(ANOTHER if one.type == "Identified" else one for one in WELL))
)
NEW_TURN = situation(assignment=assignment(R2, R1), report=report())
ACTIVATING = Activating(R2.ref, NOW - timedelta(seconds=1), "path-1", "a" * 64)
UNDER_WAY = with_revision_state(NEW_TURN, activating=ACTIVATING)
LATE = with_revision_state(NEW_TURN, activating=replace(ACTIVATING, since=NOW - timedelta(seconds=30)))
TOO_LATE = with_revision_state(NEW_TURN, activating=replace(ACTIVATING, since=NOW - timedelta(minutes=5)))
ROLLING = replace(ACTIVATING, rolling_back=True)
STORE = inventory(stored("path-1", "a", ALIAS + "r1", tls=True), stored("path-2", "b", ALIAS + "r2"))
STORE_NEW = inventory(stored("path-1", "a", ALIAS + "r1"), stored("path-2", "b", ALIAS + "r2", tls=True))
NO_REBOOT = report(capabilities=replace(report().capabilities, can_reboot=False))
REBOOTED = RebootStatus(NOW - timedelta(minutes=3), ACTIVATION)
NIGHT = MaintenanceWindow("0 2 * * *", timedelta(hours=2))
NOT_SECURE = Verdict((Fault(Reason.ADDRESS_NOT_IN_CERTIFICATE, "no", ALL),))
NOON = MaintenanceWindow("30 11 * * *", timedelta(hours=2))


def at(offset: timedelta | None, source: ClockSource = ClockSource.MANUAL, *ntp: str) -> ClockReading:
    return ClockReading(source, offset, ntp_servers=ntp)


def rest(reason: Reason, state: State = State.HELD) -> tuple[State, Reason]:
    return state, reason


CASES = [
    ("a secure device at rest", situation(), rest(Reason.SETTLED, State.SETTLED)),
    ("paused", situation(desired=desired(paused=True)), rest(Reason.PAUSED)),
    # reaching it
    ("away, nowhere to look", situation(served=AWAY, recognition=None), rest(Reason.DEVICE_UNREACHABLE)),
    (
        "away, findable",
        situation(served=AWAY, recognition=None, desired=desired(**SUBNETS), can_be_found=True),
        Locate(),
    ),
    (
        "away, no key to find it by",
        situation(served=AWAY, recognition=None, desired=desired(**SUBNETS)),
        rest(Reason.DEVICE_UNREACHABLE),
    ),
    (
        "away, searched already",
        situation(
            served=AWAY,
            recognition=None,
            desired=desired(**SUBNETS),
            can_be_found=True,
            done=frozenset({Locate}),
            searched=True,
        ),
        rest(Reason.DEVICE_UNREACHABLE),
    ),
    (
        "away, others are looked for first",
        situation(served=AWAY, recognition=None, **LOOKED_FOR),
        rest(Reason.DEVICE_UNREACHABLE, State.WAITING),
    ),
    (
        "a stranger answers, others are looked for first",
        situation(recognition=STRANGER, **LOOKED_FOR),
        rest(Reason.IDENTITY_UNCONFIRMED, State.WAITING),
    ),
    (
        "away just after a reboot",
        situation(
            served=AWAY,
            recognition=None,
            status=replace(INSTALLED, last_reboot=RebootStatus(NOW - timedelta(seconds=9), "x")),
        ),
        rest(Reason.DEVICE_RESTARTING, State.WAITING),
    ),
    (
        "HTTP answers, HTTPS does not",
        situation(served=AWAY, recognition=None, plain_answers=True),
        rest(Reason.HTTPS_OFF),
    ),
    ("a stranger answers", situation(recognition=STRANGER), rest(Reason.IDENTITY_UNCONFIRMED)),
    (
        "a stranger answers, ours may be elsewhere",
        situation(recognition=STRANGER, desired=desired(**SUBNETS), can_be_found=True),
        Locate(),
    ),
    (
        "found elsewhere under Report",
        situation(
            served=AWAY,
            recognition=None,
            found_elsewhere="10.0.0.9",
            desired=desired(address_policy=AddressPolicy.REPORT),
        ),
        rest(Reason.DEVICE_UNREACHABLE),
    ),
    # logging in
    ("the routine log-in", situation(full_check_due=True), LogIn()),
    ("a log-in while another device was told", MISMATCHED, LogIn()),
    (
        "another device was told, and the log-in fails",
        replace(MISMATCHED, login_error=DeviceBusy("later")),
        rest(Reason.DEVICE_BUSY, State.WAITING),
    ),
    (
        "another device was told, and it is the right one now",
        replace(MISMATCHED, report=report()),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    ("a new turn wants a log-in", replace(NEW_TURN, report=None), LogIn()),
    (
        "a refused log-in",
        situation(login_error=CredentialsRejected("no")),
        rest(Reason.CREDENTIALS_REJECTED),
    ),
    ("a busy device", situation(login_error=DeviceBusy("later")), rest(Reason.DEVICE_BUSY, State.WAITING)),
    ("no answer to a log-in", situation(login_error=DeviceUnreachable("gone")), rest(Reason.DEVICE_UNREACHABLE)),
    (
        "another serial number than before",
        situation(
            report=report(),
            status=replace(INSTALLED, identity=replace(INSTALLED.identity, device=DeviceIdentity(serial_number="X"))),
        ),
        rest(Reason.IDENTITY_MISMATCH),
    ),
    # the clock
    ("a clock that is off", situation(report=report(clock=at(timedelta(hours=1)))), SetClock()),
    (
        "a clock that stays off",
        situation(report=report(clock=at(timedelta(hours=1))), done=frozenset({SetClock})),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "a clock that is only reported",
        situation(report=report(clock=at(timedelta(hours=1))), desired=desired(clock_policy=ClockPolicy.REPORT)),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "NTP is never turned into manual",
        situation(report=report(clock=at(timedelta(hours=1), ClockSource.NTP, "a"))),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "our own clock is off",
        situation(report=report(clock=at(timedelta(hours=1))), operator_clock_error=timedelta(minutes=2)),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "a clock that nobody may set as it does not say who sets it",
        situation(report=report(clock=at(timedelta(hours=1), ClockSource.UNKNOWN))),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "it may be put on NTP",
        situation(
            report=report(clock=at(timedelta(hours=1), ClockSource.UNKNOWN)), desired=desired(ntp_servers=("a",))
        ),
        UseNTP(),
    ),
    (
        "a clock that the device did not let be set: the certificate is seen to all the same",
        replace(NEW_TURN, report=report(clock=at(timedelta(hours=1))), clock_refusal=DeviceRefused("no")),
        ReadInventory(),
    ),
    (
        "nor be put on NTP",
        replace(NEW_TURN, desired=desired(ntp_servers=("a",)), clock_refusal=Unsupported("no")),
        ReadInventory(),
    ),
    ("a clock that nobody tells", situation(report=report(clock=at(None))), rest(Reason.SETTLED, State.SETTLED)),
    (
        "NTP servers are asked for",
        situation(report=report(), desired=desired(ntp_servers=("a",))),
        UseNTP(),
    ),
    (
        "NTP servers were just set and are not shown",
        situation(report=report(), desired=desired(ntp_servers=("a",)), done=frozenset({UseNTP})),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "NTP servers asked for under Report",
        situation(report=report(), desired=desired(ntp_servers=("a",), clock_policy=ClockPolicy.REPORT)),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    # requests
    (
        "a reboot is asked for",
        situation(report=report(), desired=desired(reboot_request="now")),
        RecordReboot("now"),
    ),
    (
        "a reboot asked for at the first pass",
        situation(
            report=report(), desired=desired(reboot_request="now"), status=replace(INSTALLED, observed_generation=-1)
        ),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "a reboot that was handled",
        situation(
            report=report(), desired=desired(reboot_request="now"), status=replace(INSTALLED, handled_reboot="now")
        ),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "a log-in is asked for, and the last one was refused",
        situation(desired=desired(retry_login_request="now"), login_error=CredentialsRejected("no")),
        RecordRetryLogin("now"),
    ),
    (
        "a log-in asked for at the first pass",
        situation(desired=desired(retry_login_request="now"), status=replace(INSTALLED, observed_generation=-1)),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "a log-in that was asked for follows at once",
        situation(
            desired=desired(retry_login_request="now"),
            status=replace(INSTALLED, handled_retry_login="now"),
            done=frozenset({RecordRetryLogin}),
        ),
        LogIn(),
    ),
    (
        "a stranger gets no log-in, whoever asks",
        situation(desired=desired(retry_login_request="now"), recognition=STRANGER),
        rest(Reason.IDENTITY_UNCONFIRMED),
    ),
    (
        "a log-in that was asked for once is not repeated",
        situation(desired=desired(retry_login_request="now"), status=replace(INSTALLED, handled_retry_login="now")),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "a locked account",
        situation(login_error=DeviceBusy("until noon", reason=Reason.LOGIN_LOCKED)),
        rest(Reason.LOGIN_LOCKED),
    ),
    ("a recorded reboot is carried out", situation(report=report(), reboot_now="now"), Reboot("now")),
    # HTTPS over HTTP
    (
        "HTTPS is switched on",
        situation(
            served=AWAY,
            plain_answers=True,
            recognition=PLAIN,
            report=report(https_enabled=False),
            desired=desired(security=Security.PLAINTEXT),
        ),
        EnableHTTPS(),
    ),
    (
        "HTTPS was switched on",
        situation(
            served=AWAY,
            plain_answers=True,
            recognition=PLAIN,
            report=report(https_enabled=False),
            desired=desired(security=Security.PLAINTEXT),
            done=frozenset({EnableHTTPS}),
        ),
        rest(Reason.DEVICE_RESTARTING, State.WAITING),
    ),
    (
        "HTTPS may not be switched on",
        situation(
            served=AWAY,
            plain_answers=True,
            recognition=PLAIN,
            report=report(https_enabled=False),
            desired=desired(security=Security.PLAINTEXT, ensure_https=False),
        ),
        rest(Reason.HTTPS_OFF),
    ),
    # installing
    ("a turn reads the store first", NEW_TURN, ReadInventory()),
    (
        "then uploads",
        replace(NEW_TURN, inventory=inventory(stored("path-1", "a", ALIAS + "r1", tls=True))),
        Install(R2),
    ),
    (
        "an upload that was not stored",
        replace(NEW_TURN, inventory=inventory(stored("p", "c", tls=True)), done=frozenset({Install})),
        RecordFailed(Reason.NOT_SERVED),
    ),
    (
        "a full store: an old one of ours makes room",
        replace(
            NEW_TURN,
            inventory=inventory(stored("p", "c", tls=True), stored("old", "a", ALIAS + "r1"), free=0),
        ),
        Remove("old", ALIAS + "r1"),
    ),
    (
        "a full store without anything of ours",
        replace(NEW_TURN, inventory=inventory(stored("p", "c", tls=True), free=0)),
        Install(R2),
    ),
    (
        "a full store whose old one stays for all its asking",
        replace(
            NEW_TURN,
            kept_objects=frozenset({"old"}),
            inventory=inventory(stored("p", "c", tls=True), stored("old", "a", ALIAS + "r1"), free=0),
        ),
        Install(R2),
    ),
    ("then persists the intent", replace(NEW_TURN, inventory=STORE), BeginActivation(R2)),
    (
        "over HTTP no key may travel",
        replace(NEW_TURN, recognition=PLAIN),
        rest(Reason.PLAINTEXT_KEY_REFUSED),
    ),
    (
        "a device that takes no keys",
        replace(NEW_TURN, report=report(capabilities=Capabilities())),
        rest(Reason.UNSUPPORTED),
    ),
    (
        "a device that takes RSA only",
        replace(
            NEW_TURN,
            report=report(
                capabilities=Capabilities(can_install_key_pair=True, key_types=frozenset({KeyType.RSA_2048}))
            ),
        ),
        rest(Reason.KEY_TYPE_REFUSED),
    ),
    (
        "a revision that failed waits",
        with_revision_state(NEW_TURN, failed=FailedRevision(R2.ref, "RolledBack", 2, NOW + timedelta(minutes=1))),
        rest(Reason.ROLLED_BACK),
    ),
    (
        "and is tried again",
        with_revision_state(NEW_TURN, failed=FailedRevision(R2.ref, "RolledBack", 2, NOW)),
        ReadInventory(),
    ),
    # activating
    ("an unfinished activation reads the store", UNDER_WAY, ReadInventory()),
    ("without a log-in it asks for one", replace(UNDER_WAY, report=None), LogIn()),
    (
        "with a log-in that failed it waits",
        replace(UNDER_WAY, report=None, recognition=None, served=NotServed("10.0.0.1", 443, "x", answers=True)),
        rest(Reason.DEVICE_RESTARTING, State.WAITING),
    ),
    ("it activates", replace(UNDER_WAY, inventory=STORE), Activate("path-2")),
    (
        "it waits a little",
        replace(UNDER_WAY, inventory=STORE_NEW, done=frozenset({Activate})),
        rest(Reason.INSTALLING, State.WAITING),
    ),
    ("then tries a restart", replace(LATE, inventory=STORE_NEW), Reboot(ACTIVATION)),
    (
        "at once where the device needs one",
        replace(
            UNDER_WAY,
            inventory=STORE_NEW,
            report=report(capabilities=replace(report().capabilities, needs_reboot=True)),
        ),
        Reboot(ACTIVATION),
    ),
    (
        "unless restarts are forbidden",
        replace(LATE, inventory=STORE_NEW, desired=desired(reboot_policy=RebootPolicy.NEVER)),
        rest(Reason.REBOOT_NEEDED),
    ),
    (
        "or wait for their window",
        replace(LATE, inventory=STORE_NEW, desired=desired(reboot_policy=RebootPolicy.IN_WINDOW, windows=(NIGHT,))),
        rest(Reason.WAITING_FOR_WINDOW),
    ),
    (
        "which is open",
        replace(LATE, inventory=STORE_NEW, desired=desired(reboot_policy=RebootPolicy.IN_WINDOW, windows=(NOON,))),
        Reboot(ACTIVATION),
    ),
    (
        "or there were two today",
        replace(
            LATE,
            inventory=STORE_NEW,
            status=replace(
                LATE.status,
                last_reboot=RebootStatus(NOW - timedelta(hours=2), ACTIVATION, 2, NOW - timedelta(hours=3)),
            ),
        ),
        rest(Reason.REBOOT_NEEDED),
    ),
    (
        "two yesterday do not count",
        replace(
            LATE,
            inventory=STORE_NEW,
            status=replace(
                LATE.status,
                last_reboot=RebootStatus(NOW - timedelta(hours=20), ACTIVATION, 2, NOW - timedelta(hours=30)),
            ),
        ),
        Reboot(ACTIVATION),
    ),
    (
        "after the restart it waits",
        replace(
            LATE,
            inventory=STORE_NEW,
            status=replace(LATE.status, last_reboot=RebootStatus(NOW - timedelta(seconds=5), ACTIVATION)),
        ),
        rest(Reason.INSTALLING, State.WAITING),
    ),
    ("then rolls back", replace(TOO_LATE, inventory=STORE_NEW, report=NO_REBOOT), None),
    (
        "with nothing to go back to it gives up",
        with_revision_state(
            replace(TOO_LATE, inventory=STORE_NEW, report=NO_REBOOT),
            activating=replace(ACTIVATING, since=NOW - timedelta(minutes=5), previous_handle=None),
        ),
        RecordFailed(Reason.NOT_SERVED),
    ),
    ("a lost certificate", replace(UNDER_WAY, inventory=inventory()), RecordFailed(Reason.NOT_SERVED)),
    ("the new one is served", replace(UNDER_WAY, served=served("b")), RecordInstalled(R2)),
    (
        "it is served and its Secret is gone",
        replace(UNDER_WAY, served=served("b"), assignment=assignment(R1)),
        RecordFailed(Reason.NOT_SERVED),
    ),
    (
        "the handshake fails while our session holds: roll back at once",
        replace(LATE, inventory=STORE_NEW, served=AWAY, session_alive=True, done=frozenset({Activate})),
        None,
    ),
    (
        "HTTP answering meanwhile changes nothing",
        replace(
            LATE, inventory=STORE_NEW, served=AWAY, session_alive=True, plain_answers=True, done=frozenset({Activate})
        ),
        None,
    ),
    # rolling back
    (
        "the previous one is put back",
        with_revision_state(replace(NEW_TURN, inventory=STORE_NEW, served=served("b")), activating=ROLLING),
        Activate("path-1"),
    ),
    (
        "the store is read for that",
        with_revision_state(replace(NEW_TURN, served=served("b")), activating=ROLLING),
        ReadInventory(),
    ),
    (
        "and a log-in is made",
        with_revision_state(replace(NEW_TURN, served=served("b"), report=None), activating=ROLLING),
        LogIn(),
    ),
    (
        "without a session it waits",
        with_revision_state(replace(NEW_TURN, served=served("c"), report=None, recognition=None), activating=ROLLING),
        rest(Reason.ROLLING_BACK, State.WAITING),
    ),
    ("the previous one is served", with_revision_state(NEW_TURN, activating=ROLLING), RecordFailed(Reason.ROLLED_BACK)),
    (
        "it waits for it",
        with_revision_state(replace(NEW_TURN, inventory=STORE, served=served("c")), activating=ROLLING),
        rest(Reason.ROLLING_BACK, State.WAITING),
    ),
    (
        "tries a restart",
        with_revision_state(
            replace(NEW_TURN, inventory=STORE, served=served("c")),
            activating=replace(ROLLING, since=NOW - timedelta(seconds=30)),
        ),
        Reboot(ACTIVATION),
    ),
    (
        "and gives up",
        with_revision_state(
            replace(NEW_TURN, inventory=STORE, served=served("c"), report=NO_REBOOT),
            activating=replace(ROLLING, since=NOW - timedelta(minutes=5)),
        ),
        RecordFailed(Reason.NOT_SERVED),
    ),
    # afterwards
    (
        "what is served is recorded",
        situation(status=DeviceStatus(observed_generation=1)),
        RecordInstalled(R1),
    ),
    (
        "old objects are looked for",
        with_revision_state(situation(report=report()), previous=R2.ref),
        ReadInventory(),
    ),
    (
        "and removed",
        with_revision_state(
            situation(
                report=report(), inventory=inventory(stored("p", "a", tls=True), stored("old", "b", ALIAS + "r2"))
            ),
            previous=R2.ref,
        ),
        Remove("old", ALIAS + "r2"),
    ),
    (
        "but not those that the device kept, nor those of others",
        with_revision_state(
            situation(
                report=report(),
                kept_objects=frozenset({"old"}),
                inventory=inventory(
                    stored("p", "a", ALIAS + "r1", tls=True),
                    stored("old", "b", ALIAS + "r2"),
                    stored("theirs", "b", "vpn"),
                    stored("used", "b", ALIAS + "r2", elsewhere=True),
                    stored("unknown", "d", ALIAS + "r9"),
                ),
            ),
            previous=R2.ref,
        ),
        ForgetPrevious(),
    ),
    (
        "nothing is removed before the verdict is good",
        with_revision_state(
            situation(report=report(), verdict=NOT_SECURE),
            previous=R2.ref,
        ),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "nothing is issued yet",
        situation(assignment=assignment(None), status=DeviceStatus(observed_generation=1)),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    # brakes
    (
        "an observed device is not changed",
        situation(report=report(clock=at(timedelta(hours=1))), desired=desired(management=Management.OBSERVE)),
        rest(Reason.OBSERVE_ONLY),
    ),
    (
        "nor any in a dry run",
        situation(report=report(clock=at(timedelta(hours=1))), dry_run=True),
        rest(Reason.OBSERVE_ONLY),
    ),
]


@pytest.mark.parametrize(("s", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_next_step(s: Situation, wanted: object) -> None:
    plan = decide(s)
    if wanted is None:
        assert isinstance(plan.next, BeginRollBack)
    elif isinstance(wanted, tuple):
        assert isinstance(plan.next, Rest), plan.next
        assert (plan.next.state, plan.next.reason) == wanted, plan.next
    else:
        assert plan.next == wanted


@pytest.mark.parametrize("s", [case[1] for case in CASES], ids=[case[0] for case in CASES])
def test_every_finding_has_a_sentence(s: Situation) -> None:
    for finding in decide(s).findings:
        assert finding.message.strip()
        assert isinstance(finding.reason, Reason)


@pytest.mark.parametrize(
    ("verdict", "misnamed", "wanted"),
    [
        (Verdict(()), (), None),
        (None, (), None),
        (Verdict(()), ("gate.test",), Reason.NAME_SERVED_DIFFERENTLY),
        (NOT_SECURE, ("gate.test",), NOT_SECURE.reason),
    ],
)
def test_a_device_is_secure_by_each_of_its_names(
    verdict: Verdict | None, misnamed: tuple[str, ...], wanted: Reason | None
) -> None:
    s = situation(assignment=assignment(None, R1), verdict=verdict, misnamed=misnamed)
    found = connection_is_not_secure(s)
    assert (found.reason if found else None) == wanted


CUT = Verdict((Fault(Reason.CHAIN_INCOMPLETE, "The device does not send O=below.", ALL),))


@pytest.mark.parametrize(
    ("sentence", "s", "person"),
    [
        ("it serves what is wanted", situation(verdict=CUT), True),
        ("not yet recorded", situation(verdict=CUT, status=DeviceStatus(observed_generation=1)), False),
        ("a newer one is wanted", situation(verdict=CUT, assignment=assignment(None, R1, R2)), False),
        ("somebody else's is served", situation(verdict=CUT, served=served("c")), False),
        ("being activated", with_revision_state(situation(verdict=CUT), activating=ACTIVATING), False),
        ("something else is wrong", situation(verdict=NOT_SECURE), False),
    ],
)
def test_a_chain_that_is_not_passed_on_is_for_a_person_once_nothing_more_is_done(
    sentence: str, s: Situation, person: bool
) -> None:
    found = connection_is_not_secure(s)
    assert found is not None
    assert found.person is person, sentence
    assert ("another firmware" in found.message) is person
    stalled = next(one for one in claims(s, decide(s)) if one.type == "Stalled")
    assert (stalled.status == "True") is person


def test_what_is_wanted_is_not_there_before_it_was_issued() -> None:
    assert not wanted_is_installed(situation(assignment=None))
    assert not wanted_is_installed(situation(assignment=assignment(None)))


ISSUED_BELOW = revision(1, "a", sent=frozenset({"d" * 64}))
ALONE = replace(served(), chain=(facts("a"),))
WHOLE = replace(served(), chain=(facts("a"), facts("e"), facts("d")))


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize(
    ("sentence", "shown", "cut"),
    [
        ("it sends the leaf alone", ALONE, True),
        ("it sends what it was given, and more", WHOLE, False),
        ("a certificate of another is served for a while", served("c"), None),
        ("it does not answer", AWAY, None),
    ],
)
def test_that_a_device_sends_no_chain_is_learned_from_what_it_serves(
    sentence: str, shown: Served | NotServed, cut: bool | None, before: bool
) -> None:
    s = situation(served=shown, assignment=assignment(ISSUED_BELOW))
    state = RevisionState(installed=ISSUED_BELOW.ref, chain_not_sent=before)
    assert chain_as_seen(s, state) is (before if cut is None else cut), sentence
    activating = replace(state, installed=R2.ref, activating=ACTIVATING)
    assert chain_as_seen(s, activating) is before, "what it says is of the installed revision"


@pytest.mark.parametrize(("verdict", "condition"), [(Verdict(()), None), (NOT_SECURE, "Secure")])
def test_a_restart_that_waits_is_told_by_secure_where_the_device_is_not(
    verdict: Verdict, condition: str | None
) -> None:
    waits = desired(reboot_policy=RebootPolicy.IN_WINDOW, windows=(NIGHT,))
    plan = decide(replace(LATE, inventory=STORE_NEW, desired=waits, verdict=verdict))
    told = next(one for one in plan.findings if one.reason is Reason.WAITING_FOR_WINDOW)
    assert told.condition == condition
    assert "to serve its certificate; the next maintenance window opens at 2026-11-25 02:00 UTC" in told.message


JAPAN = ClockReading(ClockSource.MANUAL, timedelta(hours=9, seconds=2), "JST-9")
CONFUSED = DeviceStatus(observed_generation=1, clock=ClockStatus(ClockSource.MANUAL, JAPAN.offset, zone_confused=True))


@pytest.mark.parametrize(
    ("clock", "status", "done", "wanted"),
    [
        (JAPAN, None, False, SetClock()),
        (JAPAN, None, True, Reason.CLOCK_ZONE_CONFUSED),
        (JAPAN, CONFUSED, False, Reason.CLOCK_ZONE_CONFUSED),
        (replace(JAPAN, offset=-timedelta(hours=9)), CONFUSED, False, Reason.CLOCK_ZONE_CONFUSED),
        (replace(JAPAN, offset=timedelta(hours=8)), CONFUSED, False, SetClock()),
        (replace(JAPAN, offset=timedelta(hours=8)), None, True, Reason.CLOCK_OFF),
        (replace(JAPAN, time_zone="UTC0"), CONFUSED, False, SetClock()),
        (replace(JAPAN, time_zone=None), None, True, Reason.CLOCK_OFF),
        (replace(JAPAN, offset=timedelta(0)), CONFUSED, False, None),
        (replace(JAPAN, offset=timedelta(hours=10), daylight_saving=True), None, True, Reason.CLOCK_ZONE_CONFUSED),
    ],
)
def test_a_clock_that_is_off_by_its_zone_is_set_once(
    clock: ClockReading, status: DeviceStatus | None, done: bool, wanted: Reason | SetClock | None
) -> None:
    s = situation(report=report(clock=clock), done=frozenset({SetClock} if done else ()))
    found = clock_is_off(replace(s, status=status) if status else s)
    if isinstance(wanted, SetClock):
        assert found is not None and found.step == wanted
    else:
        assert (found.reason if found else None) == wanted
        assert found is None or found.step is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DeviceRefused("No."), "No."),
        (PermissionMissing("Not you."), "Not you."),
        (ProtocolViolation("?"), "?. It is tried again; if it stays so, see what answers there"),
    ],
)
def test_a_clock_that_could_not_be_set_is_told_as_what_it_is(error: OperatorError, told: str) -> None:
    off = situation(report=report(clock=JAPAN), clock_refusal=error)
    found = clock_is_off(off)
    assert found is not None and (found.condition, found.reason) == ("ClockInSync", error.reason)
    assert found.message.startswith(told) and found.step is None and not found.blocks
    assert clock_is_off(replace(off, report=report())) is None, "it came right by itself"


def test_a_clock_that_does_not_say_who_sets_it_is_told_with_the_next_move() -> None:
    found = clock_is_off(situation(report=report(clock=at(timedelta(hours=1), ClockSource.UNKNOWN))))
    assert found is not None and found.reason is Reason.CLOCK_OFF
    assert "60 min ahead" in found.message and "spec.clock.ntpServers" in found.message


@pytest.mark.parametrize("step", [SetClock, UseNTP])
def test_a_clock_that_was_set_is_read_again_in_the_same_pass(step: type) -> None:
    assert decide(situation(done=frozenset({step}))).next == LogIn()
    assert isinstance(decide(situation()).next, Rest)


def test_a_device_that_tells_no_time_is_not_off_by_its_zone() -> None:
    assert not is_off_by_its_zone(replace(JAPAN, offset=None), timedelta(seconds=30))


def test_what_to_do_about_a_kind_of_key_that_is_refused_stands_beside_the_next_try() -> None:
    later = NOW + timedelta(minutes=1)
    rsa = replace(R2, facts=facts("r", key_type="RSA", curve=None, key_bits=2048))
    for one, kind, other in ((R2, "ECDSA-P256", "RSA"), (rsa, "RSA-2048", "ECDSA")):
        turn = replace(NEW_TURN, assignment=assignment(one, R1))
        s = with_revision_state(turn, failed=FailedRevision(one.ref, "KeyTypeRefused", 2, later))
        held = decide(s).next
        assert isinstance(held, Rest) and held.reason is Reason.KEY_TYPE_REFUSED
        assert f"(2 tries); the next try is at {later:%Y-%m-%d %H:%M} UTC" in held.message
        move = f"The device refuses {kind} keys, whatever it lists: set spec.privateKey.algorithm of the"
        assert f"{move} DeviceCertificate to {other}." in held.message


def test_the_key_type_of_a_revision_is_named_as_devices_list_it() -> None:
    assert key_type_of(R1) == KeyType.ECDSA_P256
    assert key_type_of(replace(R1, facts=facts(key_type="RSA", key_bits=2048, curve=None))) == KeyType.RSA_2048


@pytest.mark.parametrize(
    ("searched", "searching", "told", "untold"),
    [
        (False, True, "is not over yet", "not found"),
        (True, False, "It was not found", "not over"),
        (True, True, "It was not found", "not over"),  # the last time
        (False, False, "timed out.", "search"),
    ],
)
def test_only_who_was_looked_for_is_said_to_be_nowhere(searched: bool, searching: bool, told: str, untold: str) -> None:
    s = situation(served=AWAY, recognition=None, desired=desired(**SUBNETS), searched=searched, searching=searching)
    found = device_is_unreachable(s)
    assert found is not None
    assert told in found.message and untold not in found.message


@pytest.mark.parametrize(
    ("offset", "told"),
    [
        (timedelta(seconds=31), "31 s ahead of the operator's"),
        (timedelta(minutes=-5), "5 min behind the operator's"),
        (timedelta(hours=3), "3 h ahead of the operator's"),
        (timedelta(days=-365), "365 d behind the operator's"),
    ],
)
def test_an_offset_is_told_in_words(offset: timedelta, told: str) -> None:
    from device_cert_operator.core.checks import describe_offset

    assert describe_offset(offset) == told


def test_what_stands_there_at_the_first_pass_counts_as_handled_with_the_write_that_ends_it() -> None:
    seen = with_first_requests(DeviceStatus(), "old", "older")
    assert (seen.handled_reboot, seen.handled_retry_login) == ("old", "older")
    assert with_first_requests(INSTALLED, "new", None) == INSTALLED


@pytest.mark.parametrize(
    ("sentence", "more"),
    [
        ("it is being logged in to", {}),
        ("it is busy", {"login_error": DeviceBusy("later")}),
        ("it does not take the log-in", {"login_error": CredentialsRejected("no")}),
        ("it is away", {"served": AWAY, "recognition": None}),
    ],
)
def test_that_it_is_another_device_stays_told_until_a_login_shows_otherwise(
    sentence: str, more: dict[str, object]
) -> None:
    s = replace(MISMATCHED, **more)
    told = {claim.type: claim for claim in claims(s, decide(s))}
    assert (told["Identified"].status, told["Identified"].message) == ("False", "It is another."), sentence
    assert told["Ready"].status == "False"


def test_once_a_login_shows_the_right_device_it_is_identified() -> None:
    s = replace(MISMATCHED, report=report())
    told = {claim.type: claim.status for claim in claims(s, decide(s))}
    assert (told["Identified"], told["Ready"]) == ("True", "True")


def test_an_edit_counts_as_carried_out_only_after_a_login() -> None:
    edited = situation(unseen_edit=True, login_error=DeviceBusy("later"), status=replace(INSTALLED, conditions=WELL))
    told = {claim.type: claim for claim in claims(edited, decide(edited))}
    assert (told["Ready"].status, told["Ready"].reason) == ("False", Reason.NOT_LOGGED_IN)
    assert told["Reconciling"].status == "True"
    seen = replace(edited, login_error=None, report=report())
    assert next(one for one in claims(seen, decide(seen)) if one.type == "Ready").status == "True"


REFUSED = DeviceRefused("no")
BUSY = DeviceBusy("later")
LOCKED = DeviceBusy("nobody gets in", reason=Reason.LOGIN_LOCKED)


@pytest.mark.parametrize(
    ("s", "error", "ends"),
    [
        (UNDER_WAY, REFUSED, True),
        (UNDER_WAY, Unsupported("it cannot"), True),
        (UNDER_WAY, BUSY, False),
        (UNDER_WAY, ProtocolViolation("?"), False),
        (UNDER_WAY, DeviceUnreachable("away"), False),
        (TOO_LATE, BUSY, True),
        (TOO_LATE, ProtocolViolation("?"), True),
        (TOO_LATE, DeviceUnreachable("away"), True),
        (TOO_LATE, MissingReference("its Secret"), True),
        (TOO_LATE, LOCKED, False),
        (TOO_LATE, CredentialsRejected("wrong"), False),
        (TOO_LATE, Conflict("edited"), False),
        (NEW_TURN, REFUSED, False),
    ],
)
def test_which_errors_end_the_step_of_an_activation(s: Situation, error: OperatorError, ends: bool) -> None:
    assert ends_step(s, error) is ends


def test_an_activation_that_is_refused_is_taken_back_where_something_was_assigned_before() -> None:
    assert after_failure(UNDER_WAY, ACTIVATING) == ROLLING
    assert after_failure(UNDER_WAY, replace(ACTIVATING, previous_handle=None)) is None
    assert after_failure(UNDER_WAY, ROLLING) is None
