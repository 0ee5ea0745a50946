"""Which condition tells an error: by what kind of error it is, and by what its step was for."""

from typing import get_args

import pytest

from device_cert_operator.core.failures import CLOSES, failure
from device_cert_operator.core.steps import (
    DeviceWork,
    EnableHTTPS,
    ExportCA,
    Locate,
    LogIn,
    PublishCA,
    Reboot,
    RecordReboot,
    RecordRetryLogin,
    SetClock,
    Step,
    UseNTP,
    WithdrawCSR,
)
from device_cert_operator.errors import (
    ClusterError,
    CredentialsRejected,
    DeviceBusy,
    DeviceRefused,
    DeviceUnreachable,
    IdentityMismatch,
    InvalidSpec,
    MissingReference,
    OperatorError,
    PermissionMissing,
    ProtocolViolation,
    UnknownDriver,
    Unsupported,
    VerificationFailed,
)
from device_cert_operator.reasons import Reason

SECRET_AWAY = MissingReference("no Secret", reason=Reason.SECRET_NOT_SHARED)


@pytest.mark.parametrize(
    ("error", "step", "condition"),
    [
        (CredentialsRejected("no"), LogIn(), "Authenticated"),
        (CredentialsRejected("no"), SetClock(), "Authenticated"),
        (PermissionMissing("no"), UseNTP(), "Authenticated"),
        (SECRET_AWAY, LogIn(), "Authenticated"),
        (SECRET_AWAY, WithdrawCSR(), "Secure"),
        (IdentityMismatch("another"), EnableHTTPS(), "Identified"),
        (DeviceUnreachable("gone"), WithdrawCSR(), "Reachable"),
        (DeviceUnreachable("gone"), LogIn(), "Reachable"),
        (ProtocolViolation("<html>"), LogIn(), "Authenticated"),
        (UnknownDriver("telnet"), LogIn(), "Authenticated"),
        (Unsupported("no service"), LogIn(), "Authenticated"),
        (InvalidSpec("no path"), LogIn(), "Authenticated"),
        (ClusterError("forbidden"), LogIn(), "Authenticated"),
        (ClusterError("away"), RecordRetryLogin("now"), "Authenticated"),
        (InvalidSpec("no subnet"), Locate(), "AddressCurrent"),
        (ProtocolViolation("<html>"), ExportCA(), "Secure"),
        (DeviceRefused("no"), SetClock(), "ClockInSync"),
        (DeviceRefused("no"), UseNTP(), "ClockInSync"),
        (DeviceRefused("no"), Reboot("verb"), "Reachable"),
        (Unsupported("no"), EnableHTTPS(), "Secure"),
        (VerificationFailed("another"), WithdrawCSR(), "Secure"),
        (ClusterError("away"), PublishCA(), "Secure"),
    ],
)
def test_an_error_is_told_by_one_condition(error: OperatorError, step: Step, condition: str) -> None:
    told = failure(error, step)
    assert (told.condition, told.reason) == (condition, error.reason)
    assert told.message.startswith(error.message)
    assert told.blocks and not told.waits


def test_what_a_device_does_wrong_on_the_wire_is_told_with_a_move() -> None:
    told = failure(ProtocolViolation("cam broke off."), LogIn()).message
    assert told == (
        "cam broke off. It is tried again; if it stays so, see what answers there, and whether its firmware needs an "
        "update."
    )
    assert "see to its power and network" in failure(DeviceUnreachable("cam is gone"), LogIn()).message
    assert failure(DeviceRefused("no"), SetClock()).message == "no"
    refused = DeviceRefused("no such key", reason=Reason.KEY_TYPE_REFUSED)
    assert failure(refused, SetClock()).message == (
        "no such key. Choose another kind of key with spec.privateKey.algorithm of the DeviceCertificate."
    )


@pytest.mark.parametrize("step", [LogIn(), SetClock(), WithdrawCSR()])
def test_a_busy_device_is_waited_for(step: Step) -> None:
    told = failure(DeviceBusy("later"), step)
    assert told.condition is None and told.waits and told.reason is Reason.DEVICE_BUSY


@pytest.mark.parametrize("reason", [Reason.LOGIN_LOCKED, Reason.LOGIN_UNANSWERED])
def test_a_device_that_gets_no_log_in_for_hours_is_not_authenticated(reason: Reason) -> None:
    told = failure(DeviceBusy("until noon", reason=reason), SetClock())
    assert (told.condition, told.reason, told.message) == ("Authenticated", reason, "until noon")
    assert told.blocks and not told.waits


def test_every_step_is_for_something_or_only_reaches_the_device() -> None:
    reaching = {RecordReboot, Reboot}
    assert {step for step in get_args(DeviceWork) if step not in CLOSES} == reaching
