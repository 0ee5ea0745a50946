"""What an error means for a Device: which condition it makes untrue, by what kind it is and the step it struck in."""

from collections.abc import Mapping
from typing import get_args

from device_cert_operator.core.findings import Finding, blocked, waiting
from device_cert_operator.core.steps import (
    CertificateWork,
    EnableHTTPS,
    ExportCA,
    Locate,
    LogIn,
    LookAtDeclared,
    PublishCA,
    ReadInventory,
    RecordRetryLogin,
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
    OperatorError,
    PermissionMissing,
)
from device_cert_operator.reasons import Reason

# what a step is for; the others, restarts, only reach the device. A device is logged in to after it was seen: what goes
# wrong then does not make it unreachable, but for an answer that does not come.
CLOSES: Mapping[type, str] = {
    **dict.fromkeys((LogIn, RecordRetryLogin), "Authenticated"),
    **dict.fromkeys((SetClock, UseNTP), "ClockInSync"),
    **dict.fromkeys((Locate, LookAtDeclared, SetAddress), "AddressCurrent"),
    **dict.fromkeys((EnableHTTPS, ExportCA, PublishCA, ReadInventory, *get_args(CertificateWork)), "Secure"),
}
NEXT_MOVE: Mapping[Reason, str] = {
    Reason.DEVICE_UNREACHABLE: "It is tried again; if it stays so, see to its power and network.",
    Reason.PROTOCOL_VIOLATION: "It is tried again; if it stays so, see what answers there, and whether its firmware "
    "needs an update.",
    Reason.KEY_TYPE_REFUSED: "Choose another kind of key with spec.privateKey.algorithm of the DeviceCertificate.",
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
        case IdentityMismatch():
            condition = "Identified"
        case DeviceUnreachable():
            condition = "Reachable"
        case _:
            condition = CLOSES.get(type(step), "Reachable")
    return blocked(condition, error.reason, _with_a_move(error))


def _with_a_move(error: OperatorError) -> str:
    """Drivers say what a device did; what a person can do about it is said here."""
    move = NEXT_MOVE.get(error.reason)
    return error.message if move is None else f"{error.message.rstrip('.')}. {move}"
