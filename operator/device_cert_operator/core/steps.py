"""The vocabulary of change: everything that the Device story may do to, or ask of, a device and its status.

Steps are values. `reconcile/act.py` carries them out; the driver's methods have the same words.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from device_cert_operator.core.model import CSRRequest, Revision, StaticAddress
from device_cert_operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Locate:
    """Have the device looked for in `locate.subnets` by the keys it is known by, and take what was found."""


@dataclass(frozen=True, slots=True)
class LookAtDeclared:
    """See whether somebody has the address that the device is to be set back to."""


@dataclass(frozen=True, slots=True)
class LogIn:
    """Log in and ask for identity, clock, addresses and capabilities."""


@dataclass(frozen=True, slots=True)
class RecordRetryLogin:
    """Remember that a log-in was asked for, with the try that this wins."""

    request: str


@dataclass(frozen=True, slots=True)
class ReadInventory:
    """Read what is in the device's certificate store."""


@dataclass(frozen=True, slots=True)
class RecordReboot:
    """Remember the reboot request as handled, before it is carried out."""

    request: str


@dataclass(frozen=True, slots=True)
class Reboot:
    """Restart the device. cause: a reason or the request's value; at most two a day for one cause."""

    cause: str


@dataclass(frozen=True, slots=True)
class SetClock:
    """Set the device's clock to ours."""


@dataclass(frozen=True, slots=True)
class UseNTP:
    """Put the device on the NTP servers asked for."""


@dataclass(frozen=True, slots=True)
class SetAddress:
    """Tell the device to take this address, unless somebody has it by now."""

    address: StaticAddress


@dataclass(frozen=True, slots=True)
class EnableHTTPS:
    """Switch the device's HTTPS server on."""


@dataclass(frozen=True, slots=True)
class MakeDeviceCSR:
    """Have the device make a key and a CSR, and put the CSR where its DeviceCertificate looks for it."""

    number: int
    request: CSRRequest


@dataclass(frozen=True, slots=True)
class WithdrawCSR:
    """Take the CSR back: the device no longer holds its key."""


@dataclass(frozen=True, slots=True)
class Install:
    """Put the revision into the device's store."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class BeginActivation:
    """Persist that the revision is about to be activated, and what to go back to."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class Activate:
    """Make the HTTPS server use the store's path with this handle."""

    handle: str


@dataclass(frozen=True, slots=True)
class BeginRollBack:
    """Persist that the activation has failed and is being taken back."""

    why: str


@dataclass(frozen=True, slots=True)
class RecordInstalled:
    """The handshake shows the revision: it is installed."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class RecordFailed:
    """The revision could not be proven on this device; it is bound by a back-off."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove an old object of ours from the device's store."""

    handle: str
    alias: str


@dataclass(frozen=True, slots=True)
class ForgetPrevious:
    """Nothing of the previous revision is left on the device."""


@dataclass(frozen=True, slots=True)
class ExportCA:
    """Ask the device for the certificate of the CA in its firmware."""


@dataclass(frozen=True, slots=True)
class PublishCA:
    """Put the pinned CA where clients find it: the ConfigMap `<device>-ca`."""


@dataclass(frozen=True, slots=True)
class ForgetRevisions:
    """The firmware's certificate is served again: no revision is on the device any more."""


# what is done to the device, and to the certificate on it
DeviceWork = (
    Locate
    | LookAtDeclared
    | LogIn
    | RecordRetryLogin
    | ReadInventory
    | RecordReboot
    | Reboot
    | SetClock
    | UseNTP
    | SetAddress
    | EnableHTTPS
    | ExportCA
    | PublishCA
)
CertificateWork = (
    MakeDeviceCSR
    | WithdrawCSR
    | Install
    | BeginActivation
    | Activate
    | BeginRollBack
    | RecordInstalled
    | RecordFailed
    | Remove
    | ForgetPrevious
    | ForgetRevisions
)
Step = DeviceWork | CertificateWork

# after these, what the last handshake showed still holds; where a search took a while, it says so itself
LEAVES_SIGHT = (
    *(Locate, LookAtDeclared, LogIn, RecordRetryLogin, ReadInventory, RecordReboot, BeginActivation, RecordInstalled),
    *(RecordFailed, ForgetPrevious, ExportCA, PublishCA, ForgetRevisions),
)
CHANGES_DEVICE = (Reboot, SetClock, UseNTP, SetAddress, EnableHTTPS, MakeDeviceCSR, Install, Activate, Remove)


class State(Enum):
    """How a pass ends."""

    SETTLED = auto()  # nothing to do
    WAITING = auto()  # for something that comes by itself
    HELD = auto()  # a gap that is not closed now: by policy, by a person, or after an error


@dataclass(frozen=True, slots=True)
class Rest:
    """There is nothing to do now, and why. until: when that changes by itself, where it is known."""

    state: State
    reason: Reason
    message: str
    until: datetime | None = None
