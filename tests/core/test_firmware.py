"""Certificates that a firmware makes: what comes next for the device, for its DeviceCertificate, and who it is."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from device_cert_operator.core import identity
from device_cert_operator.core.aliases import alias_prefix
from device_cert_operator.core.allowed import why_ranges_not_allowed
from device_cert_operator.core.authority_model import AllowedNames
from device_cert_operator.core.certificate_model import (
    AuthorityState,
    CertificateSituation,
    DeleteRevision,
    DropKey,
    DropRequest,
    Member,
)
from device_cert_operator.core.conditions import find, merge
from device_cert_operator.core.decide import decide
from device_cert_operator.core.device_conditions import claims
from device_cert_operator.core.firmware_certificate import (
    decide_firmware,
    earliest_served,
    firmware_claims,
    is_firmware,
)
from device_cert_operator.core.model import (
    AddressLook,
    AddressPolicy,
    Capabilities,
    ClockPolicy,
    ClockReading,
    ClockSource,
    Condition,
    DeviceCAIssuer,
    DeviceIdentity,
    EnforcedNetwork,
    IdentityPins,
    KeyType,
    Management,
    NotServed,
    OnKeyChange,
    RebootPolicy,
    Security,
)
from device_cert_operator.core.policy import ADDRESS_CHANGE, DATES, TAKEN_OFF
from device_cert_operator.core.situation import Assignment, FirmwareWanted, Situation
from device_cert_operator.core.status import (
    AddressStatus,
    CertificateStatus,
    ClockStatus,
    DeviceStatus,
    FirmwareCAStatus,
    IdentityStatus,
    OwnerRef,
    RebootStatus,
    RequestStatus,
    RevisionState,
    ServedStatus,
)
from device_cert_operator.core.steps import (
    Activate,
    ExportCA,
    ForgetRevisions,
    LogIn,
    PublishCA,
    ReadInventory,
    Reboot,
    Rest,
    SetClock,
    State,
)
from device_cert_operator.core.verdict import ALL, Fault, Verdict
from device_cert_operator.errors import DeviceRefused, InvalidSpec, MissingReference
from device_cert_operator.reasons import Reason
from tests.support.situations import KEY, NOW, certificate, desired, facts, inventory, report, revision, served, stored
from tests.support.situations import situation as any_situation

PIN, OTHER = "c" * 64, "d" * 64
R1 = revision(1, "a")
ABLE = ("ExportCA", "Reboot")
AT_REST = DeviceStatus(
    observed_generation=1, firmware_ca=FirmwareCAStatus(PIN, "CN=Device CA", "gate-ca"), capabilities=ABLE
)
CAN = Capabilities(can_export_ca=True, can_reboot=True, can_set_clock=True)
LOGGED_IN = report(capabilities=CAN)
EXPORTED = frozenset({ExportCA})


def assigned(*kept: Any, **more: Any) -> Assignment:
    given: dict[str, Any] = {"issuer": DeviceCAIssuer(PIN), "known": True, "own": True, "published": True}
    return Assignment(OwnerRef("gate", "uid-cert"), kept=kept, firmware=FirmwareWanted(**{**given, **more}))


def situation(**more: Any) -> Situation:
    """A device that serves its firmware's own certificate, secure, at rest."""
    return any_situation(**{"status": AT_REST, "assignment": assigned(), **more})


def refused(reason: Reason) -> Verdict:
    return Verdict((Fault(reason, f"It is {reason}.", ALL),))


def out_of_date(**more: Any) -> Situation:
    leaf = facts("a", not_after=NOW - timedelta(days=1))
    return situation(
        **{"served": replace(served(), leaf=leaf), "verdict": refused(Reason.CERTIFICATE_EXPIRED), "done": EXPORTED}
        | more
    )


def clock(offset: timedelta | None, source: ClockSource = ClockSource.MANUAL) -> ClockReading:
    return ClockReading(source, offset)


MOVED = situation(
    address="10.0.0.9", verdict=refused(Reason.ADDRESS_NOT_IN_CERTIFICATE), report=LOGGED_IN, done=EXPORTED
)
ELSEWHERE = replace(
    MOVED,
    desired=desired(address_policy=AddressPolicy.ENFORCE, enforced=EnforcedNetwork(24)),
    declared_look=AddressLook("10.0.0.7", "a stranger is there"),
)
OFF = replace(LOGGED_IN, clock=clock(timedelta(days=900)))
UNPINNED = assigned(issuer=DeviceCAIssuer(), known=False, own=False, published=False)
UNKNOWN = assigned(known=False, own=False, published=False)
UPLOADED = situation(
    assignment=assigned(R1, own=False), verdict=refused(Reason.ISSUER_MISMATCH), report=LOGGED_IN, done=EXPORTED
)
OURS = stored("uploaded", "a", alias_prefix(KEY) + "r1", tls=True)
OWN = replace(stored("firmware", "f", "firmware"), built_in=True)
LATELY = RebootStatus(NOW - timedelta(seconds=5), ADDRESS_CHANGE, 1, NOW - timedelta(seconds=5))
TWICE = RebootStatus(NOW - timedelta(hours=1), ADDRESS_CHANGE, 2, NOW - timedelta(hours=2))


def rebooted(s: Situation, last: RebootStatus) -> Situation:
    return replace(s, status=replace(s.status, last_reboot=last))


def rest(reason: Reason, state: State = State.HELD) -> tuple[State, Reason]:
    return state, reason


HELD_BY_CLOCK = rest(Reason.ADDRESS_NOT_IN_CERTIFICATE)
CASES: list[tuple[str, Situation, object]] = [
    ("secure and at rest", situation(), rest(Reason.SETTLED, State.SETTLED)),
    ("each log-in asks for the CA", situation(report=LOGGED_IN), ExportCA()),
    ("once", situation(report=LOGGED_IN, done=EXPORTED), rest(Reason.SETTLED, State.SETTLED)),
    # pinned
    ("the CA was never read", situation(assignment=UNPINNED, status=DeviceStatus(observed_generation=1)), LogIn()),
    ("it is read, and nobody pinned it", situation(assignment=UNPINNED), rest(Reason.PIN_NEEDED)),
    (
        "the device has none to give",
        situation(assignment=UNPINNED, status=DeviceStatus(observed_generation=1, capabilities=("SetClock",))),
        rest(Reason.UNSUPPORTED),
    ),
    (
        "the device gives another than the pinned one",
        situation(status=replace(AT_REST, firmware_ca=FirmwareCAStatus(OTHER, "CN=New"))),
        rest(Reason.AUTHORITY_CHANGED),
    ),
    ("pinned, and not at hand", situation(assignment=UNKNOWN), LogIn()),
    (
        "pinned, not at hand, and no device can give it",
        situation(assignment=UNKNOWN, status=replace(AT_REST, firmware_ca=None, capabilities=("SetClock",))),
        rest(Reason.UNSUPPORTED),
    ),
    (
        "the copy is no good",
        situation(
            assignment=assigned(known=False, own=False, problem=MissingReference("no", reason=Reason.PIN_MISMATCH)),
            report=LOGGED_IN,
            done=EXPORTED,
        ),
        rest(Reason.PIN_MISMATCH),
    ),
    ("it is published", situation(assignment=assigned(published=False)), PublishCA()),
    (
        "unless it cannot be",
        situation(
            assignment=assigned(
                published=False, unpublishable=MissingReference("no", reason=Reason.AUTHORITY_NOT_READY)
            )
        ),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "once a pass",
        situation(assignment=assigned(published=False), done=frozenset({PublishCA})),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    # another address
    ("it moved: a log-in first", replace(MOVED, report=None, done=frozenset()), LogIn()),
    ("then a restart", MOVED, Reboot(ADDRESS_CHANGE)),
    ("which takes its time", rebooted(MOVED, LATELY), rest(Reason.DEVICE_RESTARTING, State.WAITING)),
    (
        "without a log-in meanwhile",
        rebooted(replace(MOVED, report=None, done=frozenset()), LATELY),
        rest(Reason.DEVICE_RESTARTING, State.WAITING),
    ),
    ("at most twice a day", rebooted(MOVED, TWICE), rest(Reason.REBOOT_NEEDED)),
    (
        "and without log-ins for it",
        rebooted(replace(MOVED, report=None, done=frozenset()), TWICE),
        rest(Reason.REBOOT_NEEDED),
    ),
    ("never, where a person says so", replace(MOVED, desired=desired(reboot_policy=RebootPolicy.NEVER)), None),
    (
        "nor where it cannot be asked for",
        replace(MOVED, report=report(capabilities=Capabilities(can_export_ca=True))),
        rest(Reason.REBOOT_NEEDED),
    ),
    (
        "nor an observed one",
        replace(MOVED, desired=desired(management=Management.OBSERVE)),
        rest(Reason.OBSERVE_ONLY),
    ),
    (
        "which is not logged in to for it",
        replace(MOVED, report=None, done=frozenset(), desired=desired(management=Management.OBSERVE)),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    (
        "behind NAT a restart is no help",
        replace(MOVED, report=replace(LOGGED_IN, reported_addresses=("192.168.7.7",))),
        rest(Reason.ADDRESS_NOT_IN_CERTIFICATE),
    ),
    (
        "nor where a DNS name was dialled",
        replace(MOVED, address="cam.example"),
        rest(Reason.ADDRESS_NOT_IN_CERTIFICATE),
    ),
    ("nor where it is to be set back from", ELSEWHERE, rest(Reason.SETTLED, State.SETTLED)),
    (
        "which is not logged in to for it either",
        replace(ELSEWHERE, report=None, done=frozenset()),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    # dates
    ("out of date: a log-in first", out_of_date(done=frozenset()), LogIn()),
    ("the clock is right: a restart", out_of_date(report=LOGGED_IN), Reboot(DATES)),
    (
        "the clock is off: it is set first",
        out_of_date(report=replace(LOGGED_IN, clock=clock(timedelta(days=-900)))),
        SetClock(),
    ),
    (
        "then the device is asked again",
        out_of_date(
            status=replace(AT_REST, clock=ClockStatus(offset=timedelta(days=-900))), done=frozenset({SetClock})
        ),
        LogIn(),
    ),
    (
        "the clock was not let be set: no restart",
        out_of_date(report=replace(LOGGED_IN, clock=clock(timedelta(days=-900))), clock_refusal=DeviceRefused("no")),
        rest(Reason.CERTIFICATE_EXPIRED),
    ),
    ("nor for another address", replace(MOVED, report=OFF, clock_refusal=DeviceRefused("no")), HELD_BY_CLOCK),
    (
        "nor where the device does not say who sets it",
        replace(MOVED, report=replace(LOGGED_IN, clock=clock(timedelta(days=900), ClockSource.UNKNOWN))),
        HELD_BY_CLOCK,
    ),
    (
        "nor to take an upload off",
        replace(UPLOADED, report=OFF, clock_refusal=DeviceRefused("no"), inventory=inventory(OWN)),
        rest(Reason.ISSUER_MISMATCH),
    ),
    (
        "but where it may be off",
        replace(MOVED, report=OFF, desired=desired(clock_policy=ClockPolicy.REPORT)),
        Reboot(ADDRESS_CHANGE),
    ),
    (
        "the clock was not let be set and is right by now",
        replace(MOVED, clock_refusal=DeviceRefused("no")),
        Reboot(ADDRESS_CHANGE),
    ),
    (
        "the clock may not be set: no restart",
        out_of_date(
            report=replace(LOGGED_IN, clock=clock(timedelta(days=-900))),
            desired=desired(clock_policy=ClockPolicy.REPORT),
        ),
        rest(Reason.CERTIFICATE_EXPIRED),
    ),
    (
        "nor log-ins for it",
        out_of_date(
            status=replace(AT_REST, clock=ClockStatus(offset=timedelta(days=-900))),
            desired=desired(clock_policy=ClockPolicy.REPORT),
        ),
        rest(Reason.CERTIFICATE_EXPIRED),
    ),
    (
        "a device that does not tell its time gets a try",
        out_of_date(report=replace(LOGGED_IN, clock=clock(None))),
        Reboot(DATES),
    ),
    (
        "the clock is off and the certificate in time: only the clock is set",
        situation(report=replace(LOGGED_IN, clock=clock(timedelta(days=900))), done=frozenset({ExportCA, SetClock})),
        rest(Reason.SETTLED, State.SETTLED),
    ),
    # uploads
    ("ours is looked for", UPLOADED, ReadInventory()),
    ("and taken off", replace(UPLOADED, inventory=inventory(OURS, OWN)), Activate("firmware")),
    (
        "with a restart where that did nothing",
        replace(UPLOADED, inventory=inventory(replace(OURS, in_use_by_tls=False), OWN)),
        Reboot(TAKEN_OFF),
    ),
    ("or where it is gone from the store", replace(UPLOADED, inventory=inventory(OWN)), Reboot(TAKEN_OFF)),
    (
        "once a pass",
        replace(UPLOADED, inventory=inventory(OURS, OWN), done=frozenset({ExportCA, Activate})),
        Reboot(TAKEN_OFF),
    ),
    ("a log-in is made for that", replace(UPLOADED, report=None, done=frozenset()), LogIn()),
    (
        "remembered by the status alone it is ours as well",
        replace(
            UPLOADED,
            report=None,
            assignment=assigned(own=False),
            status=replace(AT_REST, revision=RevisionState(installed=R1.ref)),
        ),
        LogIn(),
    ),
    (
        "under a name that is not ours it stays",
        replace(UPLOADED, inventory=inventory(replace(OURS, alias="vpn"), OWN)),
        rest(Reason.ISSUER_MISMATCH),
    ),
    (
        "so it does where there is no way back",
        replace(UPLOADED, inventory=inventory(OURS)),
        rest(Reason.ISSUER_MISMATCH),
    ),
    ("somebody else's stays", replace(UPLOADED, assignment=assigned(own=False)), rest(Reason.ISSUER_MISMATCH)),
    (
        "and is no reason to log in",
        replace(UPLOADED, assignment=assigned(own=False), report=None, done=frozenset()),
        rest(Reason.ISSUER_MISMATCH),
    ),
    (
        "a CA of the same name may be a new one",
        replace(UPLOADED, assignment=assigned(own=False), verdict=refused(Reason.SIGNATURE_INVALID)),
        rest(Reason.SIGNATURE_INVALID),
    ),
    (
        "what was installed before is forgotten",
        situation(status=replace(AT_REST, revision=RevisionState(installed=R1.ref)), assignment=assigned(R1)),
        ForgetRevisions(),
    ),
    (
        "an address that clients were not given",
        situation(verdict=refused(Reason.NAME_CONSTRAINED)),
        rest(Reason.NAME_CONSTRAINED),
    ),
    (
        "away",
        situation(served=NotServed("10.0.0.1", 443, "refused", answers=False), recognition=None, verdict=None),
        rest(Reason.DEVICE_UNREACHABLE),
    ),
]


@pytest.mark.parametrize(("s", "wanted"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_the_next_step(s: Situation, wanted: object) -> None:
    plan = decide(s)
    if wanted is None:
        wanted = rest(Reason.REBOOT_NEEDED)
    if isinstance(wanted, tuple):
        assert isinstance(plan.next, Rest), plan.next
        assert (plan.next.state, plan.next.reason) == wanted, plan.next
    else:
        assert plan.next == wanted


def told(s: Situation, kind: str) -> Condition:
    found = find(merge((), claims(s, decide(s)), 1, NOW), kind)
    assert found is not None
    return found


def test_what_it_reported_before_it_moved_is_not_taken_for_nat_while_it_restarts() -> None:
    before = replace(AT_REST, address=AddressStatus("10.0.0.7", "10.0.0.9", ("10.0.0.7",)))
    moved = replace(MOVED, report=None, done=frozenset({LogIn, Reboot}), status=before)
    found = told(rebooted(moved, LATELY), "Secure")
    assert (found.reason, "NAT" in found.message) == ("DeviceRestarting", False)
    late = told(rebooted(moved, replace(LATELY, at=NOW - timedelta(hours=1))), "Secure")
    assert "The device has the address 10.0.0.7 itself (NAT?)" in late.message


def test_an_unpinned_ca_is_told_with_the_line_to_run() -> None:
    found = told(situation(assignment=UNPINNED, verdict=None), "Secure")
    line = f'kubectl -n cams patch dcert gate --type=merge -p \'{{"spec":{{"issuer":{{"deviceCA":{{"sha256":"{PIN}'
    assert (found.status, found.reason) == ("False", "PinNeeded")
    assert line in found.message
    assert told(situation(assignment=UNPINNED, verdict=None), "Stalled").status == "True"


def test_a_device_whose_ca_is_not_known_yet_is_not_called_secure() -> None:
    s = situation(assignment=UNKNOWN, verdict=None, report=LOGGED_IN, done=EXPORTED)
    assert (told(s, "Secure").status, told(s, "Secure").reason) == ("False", "Working")
    s = situation(assignment=assigned(published=False), verdict=None, done=frozenset({PublishCA}))
    assert (told(s, "Secure").status, told(s, "Secure").reason) == ("False", "Working")


def test_a_foreign_upload_needs_a_person_although_an_issuer_mismatch_mostly_does_not() -> None:
    foreign = replace(UPLOADED, assignment=assigned(own=False))
    assert told(foreign, "Stalled").status == "True"
    assert told(foreign, "Secure").reason == "IssuerMismatch"
    assert told(UPLOADED, "Stalled").status == "False"


# --------------------------------------------------------------------------------------------- identity

KNOWN_SERIAL = IdentityStatus(DeviceIdentity(serial_number="SER"), "key-b", "Learned")
ACCEPTS = desired(on_key_change=OnKeyChange.ACCEPT_DEVICE_CA)
NEW_KEY: dict[str, Any] = {"desired": ACCEPTS, "status": DeviceStatus(identity=KNOWN_SERIAL), "by_firmware": True}

IDENTITIES: list[tuple[str, dict[str, Any], str | None]] = [
    ("a new key under the pinned CA, for this address", {}, "DeviceCA"),
    ("the same under Refuse", {"desired": desired()}, None),
    ("under another CA, or for another address", {"by_firmware": False}, None),
    (
        "of a device of which nothing is known",
        {"status": DeviceStatus(identity=IdentityStatus(public_key_sha256="key-b"))},
        None,
    ),
    (
        "of which the spec tells the serial number",
        {
            "status": DeviceStatus(identity=IdentityStatus(public_key_sha256="key-b")),
            "desired": replace(ACCEPTS, pins=IdentityPins(serial_number="SER")),
        },
        "DeviceCA",
    ),
    ("whose key is pinned", {"desired": replace(ACCEPTS, pins=IdentityPins(public_key_sha256="key-b"))}, None),
    ("with the key of another Device", {"others": ("yard",)}, None),
    (
        "with a key that a person accepted",
        {"desired": replace(ACCEPTS, accepted_key="key-a")},
        "Accepted",
    ),
    (
        "Verified by the firmware's CA is no more than that",
        {"desired": desired(security=Security.VERIFIED), "given_ca": True},
        "DeviceCA",
    ),
    (
        "and nothing where nothing else is known",
        {"desired": desired(security=Security.VERIFIED), "given_ca": True, "status": DeviceStatus()},
        None,
    ),
]


def recognised(**more: Any) -> identity.Recognition:
    given = {**NEW_KEY, **more}
    return identity.recognise(
        given["desired"],
        given["status"],
        (),
        served(),
        given.get("others", ()),
        given.get("given_ca", False),
        given["by_firmware"],
    )


@pytest.mark.parametrize(("why", "proven_by"), [row[1:] for row in IDENTITIES], ids=[row[0] for row in IDENTITIES])
def test_who_is_recognised_by_a_new_key(why: dict[str, Any], proven_by: str | None) -> None:
    seen = recognised(**why)
    assert seen.proven_by == proven_by
    assert seen.may_log_in is (proven_by is not None)
    assert seen.may_send_key is (proven_by == "Accepted"), "never for chaining to a firmware's CA"
    assert seen.may_show_password is (proven_by != "DeviceCA")


def test_a_key_accepted_for_its_ca_earns_no_private_key_later_on() -> None:
    learned = DeviceStatus(identity=replace(KNOWN_SERIAL, public_key_sha256="key-a", proven_by="DeviceCA"))
    seen = recognised(status=learned, by_firmware=False)
    assert (seen.proven_by, seen.may_log_in, seen.may_send_key, seen.learn) == ("DeviceCA", True, False, False)
    s = any_situation(
        assignment=Assignment(OwnerRef("gate", "uid-cert"), R1, R1, (R1,)),
        recognition=seen,
        served=served("b"),
        report=report(),
        status=learned,
    )
    plan = decide(s)
    assert isinstance(plan.next, Rest)
    assert plan.next.reason is Reason.IDENTITY_UNCONFIRMED
    assert "accept-key=sha256:key-b" in plan.next.message


def test_who_is_refused_is_told_of_the_way_to_accept_it_each_time() -> None:
    assert "AcceptDeviceCA" in recognised(desired=desired()).message
    assert "AcceptDeviceCA" not in recognised(desired=desired(), by_firmware=False).message


SEEN = DeviceIdentity(serial_number="SER", mac_addresses=("02:00:00:00:00:01",))


@pytest.mark.parametrize(
    ("pins", "known", "seen", "fits"),
    [
        (IdentityPins(), SEEN, SEEN, True),
        (IdentityPins(), SEEN, replace(SEEN, serial_number="X"), False),
        (IdentityPins(), SEEN, replace(SEEN, serial_number=""), False),
        (IdentityPins(serial_number="SER"), DeviceIdentity(), SEEN, True),
        (IdentityPins(mac_address="02:00:00:00:00:01"), DeviceIdentity(), SEEN, True),
        (IdentityPins(mac_address="02:00:00:00:00:01"), DeviceIdentity(), replace(SEEN, mac_addresses=()), False),
        (IdentityPins(mac_address="02:00:00:00:00:02"), DeviceIdentity(), SEEN, False),
        (IdentityPins(), DeviceIdentity(), SEEN, False),
    ],
)
def test_after_log_in_the_identity_has_to_fit_in_so_many_words(
    pins: IdentityPins, known: DeviceIdentity, seen: DeviceIdentity, fits: bool
) -> None:
    assert (identity.why_another("DeviceCA", pins, known, seen) is None) is fits


def test_a_key_that_is_known_otherwise_asks_for_no_more_than_before() -> None:
    assert identity.why_another("Learned", IdentityPins(), SEEN, DeviceIdentity()) is None


# -------------------------------------------------------------------------------- the DeviceCertificate


def condition(kind: str, status: str, reason: str = "Trusted", message: str = "") -> Condition:
    return Condition(kind, status, reason, message, 1, NOW)


def member(*conditions: Condition, **more: Any) -> Member:
    status = replace(AT_REST, conditions=conditions or (condition("Secure", "True"),), **more.pop("status", {}))
    return Member(**{"name": "gate", "desired": desired(), "status": status, "holds": True, **more})


def wish(*members: Member, **more: Any) -> CertificateSituation:
    given: dict[str, Any] = {
        "desired": certificate(issuer=DeviceCAIssuer(PIN)),
        "status": certificate_status(),
        "now": NOW,
        "members": members or (member(),),
        "revisions": (),
        "authority": AuthorityState(),
        "live": {"uid-gate": DeviceStatus()},
    }
    return CertificateSituation(**{**given, **more})


def certificate_status(**more: Any) -> CertificateStatus:
    return CertificateStatus(**more)


ELSEWHERE = DeviceStatus(
    served=ServedStatus("f" * 64, "CN=x", "CN=y", "1", NOW, NOW), conditions=(condition("Identified", "True"),)
)
REQUEST = RequestStatus(2, (), KeyType.RSA_2048, "x", NOW)
WRONG = condition("Secure", "False", "AddressNotInCertificate", "not for it")
LOST = condition("Secure", "False", "IssuerMismatch", "another")
WISHES: list[tuple[str, CertificateSituation, object]] = [
    ("every device is secure", wish(), Reason.SETTLED),
    ("paused", wish(desired=certificate(issuer=DeviceCAIssuer(PIN), paused=True)), Reason.PAUSED),
    ("an open request is dropped", wish(status=certificate_status(request=REQUEST)), DropRequest()),
    ("and its key", wish(pending_keys=("gate-r2-key",)), DropKey("gate-r2-key")),
    ("an earlier issuer's revision goes", wish(revisions=(R1,)), DeleteRevision(R1)),
    ("not while a device has it", wish(member(WRONG), revisions=(R1,)), Reason.ADDRESS_NOT_IN_CERTIFICATE),
    (
        "nor while one remembers it",
        wish(member(status={"revision": RevisionState(installed=R1.ref)}), revisions=(R1,)),
        Reason.WAITING_FOR_DEVICE,
    ),
    (
        "nor while one exists that is not listed",
        wish(member(name="yard", desired=None), revisions=(R1,)),
        Reason.DEVICE_MISSING,
    ),
    (
        "but when that serves another",
        wish(member(name="yard", desired=None), revisions=(R1,), live={"uid-gate": ELSEWHERE}),
        DeleteRevision(R1),
    ),
    ("and when nobody has it any more", wish(live={}, revisions=(R1,)), DeleteRevision(R1)),
    ("a device is not secure", wish(member(LOST)), Reason.ISSUER_MISMATCH),
    ("a device is claimed", wish(member(claimed_by="other", holds=False)), Reason.DEVICE_ALREADY_CLAIMED),
    (
        "what a device says is of another pin",
        wish(desired=certificate(issuer=DeviceCAIssuer("0" * 64))),
        Reason.WAITING_FOR_DEVICE,
    ),
    ("a device is new", wish(member(condition("Secure", "Unknown"))), Reason.WAITING_FOR_DEVICE),
]


@pytest.mark.parametrize(("s", "wanted"), [row[1:] for row in WISHES], ids=[row[0] for row in WISHES])
def test_the_next_step_of_the_certificate(s: CertificateSituation, wanted: object) -> None:
    plan = decide_firmware(s)
    assert is_firmware(s)
    if isinstance(wanted, Reason):
        assert isinstance(plan.next, Rest)
        assert plan.next.reason is wanted
    else:
        assert plan.next == wanted


def conditions_of(s: CertificateSituation) -> dict[str, tuple[str, str]]:
    found = firmware_claims(s, decide_firmware(s))
    return {claim.type: (claim.status, str(claim.reason)) for claim in found}


UNPINNED_WISH = certificate(issuer=DeviceCAIssuer())
STALLED = (LOST, condition("Stalled", "True"))


@pytest.mark.parametrize(
    ("s", "wanted"),
    [
        (
            wish(),
            {"Issued": ("True", "FirmwareIssues"), "Installed": ("True", "Installed"), "Ready": ("True", "Ready")},
        ),
        (
            wish(member(WRONG)),
            {
                "Installed": ("True", "Installed"),
                "Secure": ("False", "AddressNotInCertificate"),
                "Ready": ("False", "AddressNotInCertificate"),
            },
        ),
        (wish(member(LOST)), {"Installed": ("False", "IssuerMismatch"), "Stalled": ("False", "NotStalled")}),
        (wish(member(*STALLED)), {"Stalled": ("True", "IssuerMismatch")}),
        (
            wish(member(WRONG), desired=UNPINNED_WISH),
            {"Issued": ("False", "PinNeeded"), "Ready": ("False", "PinNeeded"), "Stalled": ("True", "PinNeeded")},
        ),
        (wish(member(WRONG, status={"firmware_ca": None}), desired=UNPINNED_WISH), {"Issued": ("False", "Working")}),
        (wish(desired=certificate(issuer=DeviceCAIssuer(PIN), paused=True)), {"Ready": ("False", "Paused")}),
        (replace(wish(), members=()), {"Secure": ("Unknown", "DeviceMissing")}),
        (wish(member(desired=None)), {"Secure": ("False", "DeviceMissing"), "Stalled": ("False", "NotStalled")}),
        (
            wish(member(desired=None, problem=InvalidSpec("no"))),
            {"Secure": ("False", "InvalidSpec"), "Stalled": ("True", "InvalidSpec")},
        ),
        (wish(member(WRONG), member(LOST, name="yard")), {"Secure": ("False", "AddressNotInCertificate")}),
    ],
)
def test_the_conditions_of_the_certificate(s: CertificateSituation, wanted: dict[str, tuple[str, str]]) -> None:
    assert wanted.items() <= conditions_of(s).items()


def test_who_pauses_the_certificate_is_told() -> None:
    """The annotation, the whole operator, or somebody's deletion."""
    by = "the operator's setting DEVICECERT_PAUSED"
    s = wish(desired=certificate(issuer=DeviceCAIssuer(PIN), paused=True, paused_by=by))
    plan = decide_firmware(s)
    assert isinstance(plan.next, Rest)
    assert plan.next.message == f"Paused by {by}; remove it to go on."
    [ready] = [claim for claim in firmware_claims(s, plan) if claim.type == "Ready"]
    assert ready.message == f"Paused by {by}."


def test_several_kinds_of_devices_are_told_apart_before_one_ca_is_pinned() -> None:
    other = member(WRONG, name="yard", status={"firmware_ca": FirmwareCAStatus(OTHER)})
    s = wish(member(WRONG), other, desired=UNPINNED_WISH)
    [issued] = [claim for claim in firmware_claims(s, decide_firmware(s)) if claim.type == "Issued"]
    assert "2 different ones" in issued.message


def test_what_ends_first_is_shown() -> None:
    def one(days: int) -> dict[str, Any]:
        return {"served": ServedStatus(str(days), "", "", "1", NOW, NOW + timedelta(days=days))}

    shown = earliest_served(wish(member(status=one(9)), member(name="yard", status=one(3))))
    assert shown is not None
    assert shown.fingerprint == "3"
    assert earliest_served(wish(member(holds=False, status=one(1)))) is None


@pytest.mark.parametrize(
    ("ranges", "fits"),
    [
        (("10.1.0.0/16",), True),
        (("10.0.0.0/8", "fd00::/64"), True),
        (("0.0.0.0/0",), False),
        (("fc00::/7",), False),
        (("192.168.1.0/24",), False),
    ],
)
def test_ranges_are_constrained_within_what_the_authority_may_sign(ranges: tuple[str, ...], fits: bool) -> None:
    allowed = AllowedNames(ip_ranges=("10.0.0.0/8", "fd00::/8"))
    assert (why_ranges_not_allowed(allowed, ranges) is None) is fits
    assert why_ranges_not_allowed(None, ranges) is None


def test_a_device_that_moved_is_judged_by_where_it_is_not_by_what_it_said_before() -> None:
    before = replace(AT_REST, address=AddressStatus("10.0.0.1", "10.0.0.1", ("10.0.0.1",)))
    assert decide(replace(MOVED, report=None, done=frozenset(), status=before)).next == LogIn()
