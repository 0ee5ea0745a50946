"""Keys that a device makes itself: when it is asked, when not, and what becomes of one that it lost."""

from dataclasses import replace

import pytest

from device_cert_operator.core.decide import decide
from device_cert_operator.core.device_conditions import claims
from device_cert_operator.core.model import Capabilities, CSRRequest, KeyType, names_of
from device_cert_operator.core.situation import CSRWanted, Situation
from device_cert_operator.core.status import FailedRevision
from device_cert_operator.core.steps import Install, LogIn, MakeDeviceCSR, ReadInventory, Rest, State, WithdrawCSR
from device_cert_operator.reasons import Reason
from tests.support.situations import (
    NOW,
    assignment,
    inventory,
    report,
    revision,
    served,
    situation,
    with_revision_state,
)

REQUEST = CSRRequest("dc-1-r2", names_of("10.0.0.1"), (("common_name", "10.0.0.1"),), KeyType.ECDSA_P256)
WANTED = CSRWanted(2, REQUEST)
ABLE = replace(
    report().capabilities, can_make_key=True, makes_key_types=frozenset({KeyType.ECDSA_P256}), csr_clears_first=False
)
REPORT = report(capabilities=ABLE)
ASKED = situation(assignment=replace(assignment(revision()), csr=WANTED))
LOGGED_IN = replace(ASKED, report=REPORT)
ANSWERED = replace(LOGGED_IN, assignment=replace(assignment(revision()), csr=replace(WANTED, answered=True)))


def able(s: Situation, **more: object) -> Situation:
    return replace(s, report=report(capabilities=replace(ABLE, **more)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sentence", "s", "step"),
    [
        ("it takes a log-in", ASKED, LogIn()),
        ("the device is asked", LOGGED_IN, MakeDeviceCSR(2, REQUEST)),
        ("kinds of key are not always told", able(ASKED, makes_key_types=frozenset()), MakeDeviceCSR(2, REQUEST)),
        (
            "a gap that is allowed",
            able(
                replace(ASKED, assignment=replace(assignment(revision()), csr=replace(WANTED, allow_gap=True))),
                csr_clears_first=True,
            ),
            MakeDeviceCSR(2, REQUEST),
        ),
        ("while it waits for its signature the key is looked for", ANSWERED, ReadInventory()),
        ("a lost key takes its CSR back", replace(ANSWERED, inventory=inventory()), WithdrawCSR()),
    ],
)
def test_what_is_done(sentence: str, s: Situation, step: object) -> None:
    assert decide(s).next == step, sentence


def test_a_key_that_was_just_made_and_is_not_under_its_name_is_not_called_lost() -> None:
    plan = decide(replace(ANSWERED, inventory=inventory(), done=frozenset({MakeDeviceCSR})))
    assert isinstance(plan.next, Rest)
    assert (plan.next.state, plan.next.reason) == (State.HELD, Reason.UNSUPPORTED)
    assert "source of the DeviceCertificate to Operator" in plan.next.message


def test_a_key_that_is_there_is_left_alone() -> None:
    s = replace(ANSWERED, inventory=replace(inventory(), keys=frozenset({"dc-1-r2"})))
    plan = decide(s)
    assert isinstance(plan.next, Rest) and plan.next.state is State.SETTLED
    assert isinstance(decide(replace(ANSWERED, report=None)).next, Rest), "between full checks nothing is asked"


@pytest.mark.parametrize(
    ("s", "reason", "words"),
    [
        (able(ASKED, can_make_key=False), Reason.UNSUPPORTED, "source of the DeviceCertificate to Operator"),
        (able(ASKED, makes_key_types=frozenset({KeyType.RSA_2048})), Reason.KEY_TYPE_REFUSED, "only RSA-2048"),
        (able(ASKED, csr_clears_first=True), Reason.GAP_NOT_ALLOWED, "spec.allowGap: true"),
    ],
)
def test_why_a_device_is_not_asked_is_told(s: Situation, reason: Reason, words: str) -> None:
    plan = decide(s)
    assert isinstance(plan.next, Rest)
    assert (plan.next.state, plan.next.reason) == (State.HELD, reason)
    assert words in plan.next.message
    assert not any(finding.condition == "Secure" for finding in plan.findings), "it is secure all the same"
    ready = next(one for one in claims(s, plan) if one.type == "Ready")
    assert (ready.status, ready.reason) == ("True", reason)
    assert words in ready.message
    first = decide(replace(s, verdict=None))
    assert any(finding.condition == "Secure" and finding.reason is reason for finding in first.findings)


# ----------------------------------------------------------------------------------- certificate only

NEW = revision(2, "b", has_key=False)
TURN = situation(assignment=assignment(NEW, revision()), report=REPORT, inventory=inventory())


def test_a_certificate_goes_alone_to_the_device_that_holds_its_key() -> None:
    assert decide(TURN).next == Install(NEW)
    none = decide(replace(TURN, report=report(capabilities=Capabilities())))
    assert isinstance(none.next, Rest) and none.next.reason is Reason.UNSUPPORTED


def test_a_certificate_whose_key_is_lost_is_not_tried_again() -> None:
    failed = FailedRevision(NEW.ref, "DeviceKeyLost", 1, NOW)
    s = with_revision_state(replace(TURN, served=served("c")), failed=failed)
    plan = decide(s)
    assert isinstance(plan.next, Rest)
    assert plan.next.reason is Reason.DEVICE_KEY_LOST
    assert "never fit again" in plan.next.message
