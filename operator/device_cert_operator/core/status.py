"""What a status holds, as values: the memory that survives a restart, and nothing that the device itself can tell.

`api/` turns these into the resources' `status` and back; `core/` decides over them; stories replace them whole.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from device_cert_operator.core.model import ClockSource, Condition, DeviceIdentity, KeyType, RevisionRef


@dataclass(frozen=True, slots=True)
class ServedStatus:
    """What the device serves now, as far as people ask for it. Lists are cut at 64 entries."""

    fingerprint: str
    subject: str
    issuer: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AddressChange:
    """An address that the device was told to take, written before it is told; gone once it is proven there.

    restart_needed: the device said that it takes it with its next restart. problem: why it refused, empty if not.
    """

    to: str
    since: datetime
    attempts: int = 1
    restart_needed: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class AddressStatus:
    """declared: `spec.address.host` of the last pass. current: where it was last proven. reported: its own word."""

    declared: str | None = None
    current: str | None = None
    reported: tuple[str, ...] = ()
    change: AddressChange | None = None


@dataclass(frozen=True, slots=True)
class IdentityStatus:
    """device: what it said after log-in. public_key_sha256: the learned or accepted key (not those of our revisions).

    proven_by: `Revision`, `Pin`, `Learned`, `Accepted`, `DeviceCA`, `Verified` or None while unproven.
    """

    device: DeviceIdentity = DeviceIdentity()
    public_key_sha256: str | None = None
    proven_by: str | None = None


@dataclass(frozen=True, slots=True)
class ClockStatus:
    """offset: device minus operator, written only when it crosses the threshold.

    zone_confused: setting the clock did not change that it is off by its own time zone.
    """

    source: ClockSource = ClockSource.UNKNOWN
    offset: timedelta | None = None
    zone_confused: bool = False


@dataclass(frozen=True, slots=True)
class Activating:
    """Persisted before a revision is activated: finished, roll-back included, before any newer turn.

    handle: the path on the device to go back to, where one was assigned. attempts: activations tried.
    """

    revision: RevisionRef
    since: datetime
    previous_handle: str | None = None
    previous_fingerprint: str | None = None
    rolling_back: bool = False


@dataclass(frozen=True, slots=True)
class FailedRevision:
    """A revision this device could not serve; binds that revision only."""

    revision: RevisionRef
    reason: str
    attempts: int
    next_attempt_at: datetime


@dataclass(frozen=True, slots=True)
class RevisionState:
    """Which revisions the device has, is getting, and could not take.

    chain_not_sent: what is served lacks certificates that the installed revision has above its leaf.
    """

    installed: RevisionRef | None = None
    previous: RevisionRef | None = None
    activating: Activating | None = None
    failed: FailedRevision | None = None
    chain_not_sent: bool = False


@dataclass(frozen=True, slots=True)
class CredentialsState:
    """The log-in budget of one credential version. state: `Untried`, `Accepted` or `Refused`.

    refused: refusals heard. unanswered: tries of which nothing was heard. locked_until: none is sent before.
    """

    version: str | None = None
    state: str = "Untried"
    refused: int = 0
    next_probe_at: datetime | None = None
    unanswered: int = 0
    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RebootStatus:
    """The last reboot we asked for, for one cause. count: how many for this cause within a day, since first_at."""

    at: datetime
    cause: str
    count: int = 1
    first_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FirmwareCAStatus:
    """The CA that the device exported last. config_map: where it is published; empty while it is not.

    shared: another device of the namespace had the same one then.
    """

    fingerprint: str
    subject: str = ""
    config_map: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True)
class OwnerRef:
    """The DeviceCertificate that holds this Device."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Attempts:
    """Back-off that a restart must not forget. failures in a row; none before `next_at`."""

    failures: int = 0
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """`Device.status`. observed_generation -1: never reconciled.

    earlier_reboots: the last one for each cause of ours other than that of `last_reboot`, as long as it counts.
    """

    observed_generation: int = -1
    address: AddressStatus = AddressStatus()
    identity: IdentityStatus = IdentityStatus()
    clock: ClockStatus = ClockStatus()
    served: ServedStatus | None = None
    certificate_ref: OwnerRef | None = None
    revision: RevisionState = RevisionState()
    capabilities: tuple[str, ...] = ()
    credentials: CredentialsState = CredentialsState()
    handled_reboot: str | None = None
    handled_retry_login: str | None = None
    last_reboot: RebootStatus | None = None
    earlier_reboots: tuple[RebootStatus, ...] = ()
    firmware_ca: FirmwareCAStatus | None = None
    unreachable_since: datetime | None = None
    conditions: tuple[Condition, ...] = field(default=())


def with_first_requests(status: DeviceStatus, reboot: str | None, retry_login: str | None) -> DeviceStatus:
    """In the write that ends the first pass, whatever that came to, what was asked for until then counts as handled.

    It may come from a backup, or from Git. Whoever reads `observed_generation` later may rely on it.
    """
    if status.observed_generation >= 0:
        return status
    return replace(status, handled_reboot=reboot, handled_retry_login=retry_login)


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """One device of a DeviceCertificate. turn: the revision number that this device may now install."""

    name: str
    turn: int | None = None
    turn_since: datetime | None = None
    installed: int | None = None
    secure: bool = False
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class EffectiveStatus:
    """What the spec's defaults came to."""

    duration: timedelta
    renew_before: timedelta
    algorithm: str


@dataclass(frozen=True, slots=True)
class RequestStatus:
    """A CSR that is asked for, or waits for its signature; gone once the revision of its number is published.

    names: asked for. input_hash: of the revision to be. public_key_sha256: of the CSR, once one
    was seen: if the CSR is gone afterwards, its key is lost. config_map: where the CSR stands, for people.
    key_lost: it was begun because the device lost the key of what came before.
    """

    number: int
    names: tuple[str, ...]
    key_type: KeyType
    input_hash: str
    since: datetime
    public_key_sha256: str | None = None
    config_map: str = ""
    key_lost: bool = False


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """`DeviceCertificate.status`. revision: the wanted one's number, 0 before the first. issuer_name: for people."""

    observed_generation: int = -1
    revision: int = 0
    certificate: ServedStatus | None = None
    effective: EffectiveStatus | None = None
    members: tuple[MemberStatus, ...] = ()
    renewal_at: datetime | None = None
    attempts: Attempts = Attempts()
    last_failure_at: datetime | None = None
    handled_renew: str | None = None
    request: RequestStatus | None = None
    issuer_name: str = ""
    conditions: tuple[Condition, ...] = field(default=())
