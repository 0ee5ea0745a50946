"""What an error means for a Device: which condition it makes untrue, by what kind it is and the step it struck in."""

from collections.abc import Mapping
from typing import get_args

from device_cert_operator.core.findings import Finding, blocked, waiting
from device_cert_operator.core.steps import (
    CertificateWork,
    EnableHTTPS,
    ExportCA,
    LogIn,
    LookAtDeclared,
    PublishCA,
    ReadInventory,
    Rest,
    SetAddress,
    SetClock,
    Step,
    UseNTP,
)
from device_cert_operator.errors import (
    CredentialsRejected,
    DeviceBusy,
    DeviceUnreachable,
    IdentityMismatch,
    MissingReference,
    OperatorError,
    PermissionMissing,
)
from device_cert_operator.reasons import Reason

# what a step is for; the others only reach the device
CLOSES: Mapping[type, str] = {
    **dict.fromkeys((SetClock, UseNTP), "ClockInSync"),
    **dict.fromkeys((LookAtDeclared, SetAddress), "AddressCurrent"),
    **dict.fromkeys((EnableHTTPS, ExportCA, PublishCA, ReadInventory, *get_args(CertificateWork)), "Secure"),
}
NO_LOGIN = frozenset({Reason.LOGIN_LOCKED, Reason.LOGIN_UNANSWERED})


def failure(error: OperatorError, step: Step | Rest) -> Finding:
    """The error as the gap it is. A device that says "later" is waited for, and nothing is untrue for that.

    Where it lets nobody in for hours, or never said whether it would, that is told.
    """
    match error:
        case DeviceBusy() if error.reason in NO_LOGIN:
            condition = "Authenticated"
        case DeviceBusy():
            return waiting(None, error.reason, error.message)
        case CredentialsRejected() | PermissionMissing():
            condition = "Authenticated"
        case MissingReference() if isinstance(step, LogIn):
            condition = "Authenticated"
        case IdentityMismatch():
            condition = "Identified"
        case DeviceUnreachable():
            condition = "Reachable"
        case _:
            condition = CLOSES.get(type(step), "Reachable")
    return blocked(condition, error.reason, error.message)
