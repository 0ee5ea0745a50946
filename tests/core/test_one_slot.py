"""Devices with one slot: what is remembered before an upload, and the way back."""

from dataclasses import replace

import pytest

from device_cert_operator.core.aliases import alias_of
from device_cert_operator.core.decide import decide
from device_cert_operator.core.device_conditions import claims
from device_cert_operator.core.identity import BY_DEVICE_CA, Recognition
from device_cert_operator.core.installation import after_failure
from device_cert_operator.core.model import DeviceIdentity, StoredCertificate
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import Activating, IdentityStatus
from device_cert_operator.core.steps import (
    Activate,
    BeginActivation,
    BeginRollBack,
    Install,
    ReadInventory,
    RecordFailed,
    RecordInstalled,
    Rest,
    State,
)
from device_cert_operator.reasons import Reason
from tests.support.situations import (
    KEY,
    NOW,
    assignment,
    inventory,
    report,
    revision,
    served,
    situation,
    stored,
    with_revision_state,
)

R1, R2 = revision(1, "a"), revision(2, "b")
ONE_SLOT = report(capabilities=replace(report().capabilities, replaces_in_place=True, can_reboot=False))
CLEARS = replace(ONE_SLOT, capabilities=replace(ONE_SLOT.capabilities, clears_first=True))
OWN = StoredCertificate("firmware", "", ("f" * 64,), True, in_use_by_tls=False, built_in=True)
OWN_IN_USE = replace(OWN, in_use_by_tls=True)
WITH_R1 = inventory(OWN, stored("uploaded", "a", "dc-r1", tls=True))
WITH_R2 = inventory(OWN, stored("uploaded", "b", "dc-r2", tls=True))
EMPTY = inventory(OWN_IN_USE)
TURN = situation(assignment=assignment(R2, R1), report=ONE_SLOT)
ACTIVATING = Activating(R2.ref, NOW, "uploaded", R1.facts.fingerprint)
ROLLING = replace(ACTIVATING, rolling_back=True)
FROM_OWN = replace(ROLLING, previous_handle="firmware", previous_fingerprint="f" * 64)
UNDER_WAY = with_revision_state(TURN, activating=ACTIVATING)
BACK = with_revision_state(TURN, activating=ROLLING, installed=R1.ref)
BACK_TO_OWN = with_revision_state(TURN, activating=FROM_OWN)
BROKEN = served("c")
INSTALLED_ONCE = frozenset({Install})
GAP = replace(TURN, assignment=replace(assignment(R2, R1), allow_gap=True), report=CLEARS, inventory=WITH_R1)


BARE = revision(1, "a", has_key=False)
BACK_BARE = replace(BACK, served=BROKEN, assignment=assignment(R2, BARE))


@pytest.mark.parametrize(
    ("sentence", "s", "step"),
    [
        ("the slot is looked at first", TURN, ReadInventory()),
        ("what to go back to is remembered before the upload", replace(TURN, inventory=WITH_R1), BeginActivation(R2)),
        ("a first upload leaves no gap", replace(TURN, report=CLEARS, inventory=EMPTY), BeginActivation(R2)),
        ("a gap that is allowed", GAP, BeginActivation(R2)),
        ("remembered, and uploaded then", replace(UNDER_WAY, inventory=WITH_R1), Install(R2)),
        ("served: proven", replace(UNDER_WAY, served=served("b")), RecordInstalled(R2)),
        (
            "uploaded and lost",
            replace(UNDER_WAY, inventory=WITH_R1, done=INSTALLED_ONCE),
            RecordFailed(Reason.NOT_SERVED),
        ),
        (
            "the revision is gone meanwhile",
            replace(UNDER_WAY, inventory=WITH_R1, assignment=assignment(R1)),
            RecordFailed(Reason.NOT_SERVED),
        ),
        ("the earlier revision is uploaded again", replace(BACK, served=BROKEN, inventory=WITH_R2), Install(R1)),
        ("and proven", BACK, RecordFailed(Reason.ROLLED_BACK)),
        (
            "a revision whose key the device made is uploaded again while that is there",
            replace(BACK_BARE, inventory=replace(WITH_R2, keys=frozenset({alias_of(KEY, 1)}))),
            Install(BARE),
        ),
        ("else the device's own comes back", replace(BACK_BARE, inventory=WITH_R2), Activate("firmware")),
        (
            "which is what there is to go back to",
            replace(BACK_BARE, served=served("f"), inventory=EMPTY),
            RecordFailed(Reason.ROLLED_BACK),
        ),
        (
            "but not where the earlier revision can still come back",
            replace(BACK, served=served("f"), inventory=EMPTY),
            Install(R1),
        ),
        ("the device's own comes back", replace(BACK_TO_OWN, served=BROKEN, inventory=WITH_R2), Activate("firmware")),
    ],
)
def test_what_is_done_next(sentence: str, s: object, step: object) -> None:
    assert decide(s).next == step, sentence  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "s",
    [
        replace(BACK, served=BROKEN, inventory=WITH_R2, done=INSTALLED_ONCE),
        replace(BACK, served=BROKEN, inventory=WITH_R1),
        replace(BACK_BARE, inventory=WITH_R1),
        replace(BACK_TO_OWN, served=BROKEN, inventory=EMPTY),
        replace(BACK_TO_OWN, served=BROKEN, inventory=inventory(stored("uploaded", "b", "dc-r2", tls=True))),
    ],
)
def test_what_was_put_back_is_waited_for(s: object) -> None:
    plan = decide(s)  # type: ignore[arg-type]
    assert isinstance(plan.next, Rest)
    assert plan.next.reason is Reason.ROLLING_BACK


def test_a_slot_that_was_cleared_in_vain_gets_the_earlier_revision_back() -> None:
    s = replace(UNDER_WAY, served=served("f"), inventory=EMPTY, done=INSTALLED_ONCE)
    assert isinstance(decide(s).next, BeginRollBack)


OWN_INSTEAD = replace(ROLLING, previous_handle="firmware", previous_fingerprint="f" * 64)


@pytest.mark.parametrize(
    ("s", "activating", "then"),
    [
        (replace(UNDER_WAY, inventory=WITH_R1), ACTIVATING, ROLLING),
        (replace(UNDER_WAY, inventory=WITH_R1), replace(ACTIVATING, previous_handle=None), "rolling back"),
        (replace(BACK, inventory=WITH_R2), ROLLING, OWN_INSTEAD),
        (replace(BACK_TO_OWN, inventory=WITH_R2), FROM_OWN, None),
        (replace(BACK, inventory=inventory(stored("uploaded", "b", tls=True))), ROLLING, None),
        (BACK, ROLLING, None),
    ],
    ids=["forward", "from nothing", "back", "back to its own", "it has none of its own", "nothing is known"],
)
def test_what_is_tried_after_a_refusal(s: Situation, activating: Activating, then: Activating | str | None) -> None:
    expected = replace(activating, rolling_back=True) if then == "rolling back" else then
    assert after_failure(s, activating) == expected


def test_no_certificate_is_cleared_without_leave() -> None:
    s = replace(GAP, assignment=assignment(R2, R1))
    plan = decide(s)
    assert isinstance(plan.next, Rest)
    assert plan.next.reason is Reason.GAP_NOT_ALLOWED
    assert "allowGap: true" in plan.next.message
    assert not any(
        finding.condition == "Secure" and finding.reason is Reason.GAP_NOT_ALLOWED for finding in plan.findings
    )
    told = decide(replace(s, verdict=None))
    assert any(finding.condition == "Secure" and finding.reason is Reason.GAP_NOT_ALLOWED for finding in told.findings)


def test_a_renewal_that_needs_leave_is_told_although_the_device_is_secure() -> None:
    s = replace(GAP, assignment=assignment(R2, R1))
    found = {one.type: one for one in claims(s, decide(s))}
    assert (found["Ready"].status, found["Ready"].reason) == ("True", Reason.GAP_NOT_ALLOWED)
    assert "allowGap: true" in found["Ready"].message
    assert (found["Secure"].status, found["Stalled"].status) == ("True", "False")


def test_what_cannot_be_proven_in_time_is_taken_back() -> None:
    late = with_revision_state(
        TURN, activating=replace(ACTIVATING, since=NOW - ONE_SLOT.capabilities.restart_for), installed=R1.ref
    )
    s = replace(late, served=BROKEN, inventory=WITH_R2)
    assert isinstance(decide(s).next, BeginRollBack)


KNOWN_SERIAL = IdentityStatus(DeviceIdentity(serial_number="SER"), "key-a", "DeviceCA")
BY_FIRMWARE = Recognition(BY_DEVICE_CA, Reason.KEY_KNOWN, "its firmware's CA", may_log_in=True)
IN_THE_CLEAR = Recognition("Plaintext", Reason.KEY_KNOWN, "unencrypted", may_log_in=True)


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        (BY_FIRMWARE, Reason.IDENTITY_UNCONFIRMED),
        (IN_THE_CLEAR, Reason.PLAINTEXT_KEY_REFUSED),
    ],
)
@pytest.mark.parametrize(
    "s",
    [
        replace(UNDER_WAY, inventory=WITH_R1),
        replace(BACK, served=BROKEN, inventory=WITH_R2),
    ],
    ids=["forward", "back"],
)
def test_an_activation_that_goes_on_later_sends_no_key_to_a_device_that_may_not_have_it(
    s: Situation, who: Recognition, reason: Reason
) -> None:
    plan = decide(replace(s, recognition=who, status=replace(s.status, identity=KNOWN_SERIAL)))
    assert isinstance(plan.next, Rest)
    assert (plan.next.state, plan.next.reason) == (State.HELD, reason)


def test_a_certificate_alone_goes_to_whoever_may_log_in() -> None:
    bare = revision(2, "b", has_key=False)
    s = replace(UNDER_WAY, inventory=WITH_R1, assignment=assignment(bare, R1), recognition=BY_FIRMWARE)
    s = replace(s, status=replace(s.status, identity=KNOWN_SERIAL))
    assert decide(s).next == Install(bare)
