"""What the stories may touch, filled by wiring; and what they remember between passes without needing it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from device_cert_operator.clock import Clock
from device_cert_operator.core.authority_model import DesiredAuthority
from device_cert_operator.core.certificate_model import AuthorityState
from device_cert_operator.core.model import (
    Capabilities,
    Credentials,
    DesiredCertificate,
    DesiredDevice,
    Issuer,
    NotServed,
    ObjectKey,
    Served,
)
from device_cert_operator.core.requests import CSRState
from device_cert_operator.core.status import CredentialsState
from device_cert_operator.drivers.base import DeviceConnection, Driver
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.cert_manager import CertManager
from device_cert_operator.kube.client import Cluster
from device_cert_operator.kube.csrs import CSRs
from device_cert_operator.kube.events import Events
from device_cert_operator.kube.roots import Roots
from device_cert_operator.kube.secrets import Secrets
from device_cert_operator.reconcile.searches import Searches, Sweep
from device_cert_operator.settings import Settings

D = TypeVar("D", DesiredDevice, DesiredCertificate, DesiredAuthority)


class Counters(Protocol):
    """What is counted as it happens; everything else is collected at scrape time."""

    def device_operation(self, driver: str, operation: str, result: str, seconds: float) -> None: ...


class Probe(Protocol):
    """`net.tls_probe.probe`."""

    async def __call__(
        self, address: str, port: int, *, server_name: str | None, timeout: timedelta
    ) -> Served | NotServed: ...


class Occupied(Protocol):
    """`net.occupied.probe_occupied`."""

    async def __call__(self, address: str, ports: tuple[int, ...], *, timeout: timedelta) -> str | None: ...


class Guard(Protocol):
    """`net.http.LoginGuard`."""

    async def before_login(self) -> None: ...

    async def refused(self) -> None: ...

    async def unjudged(self) -> None: ...

    async def locked(self, wait: timedelta) -> None: ...

    async def accepted(self) -> None: ...


class Connector(Protocol):
    """`net.http.open_connection` with the process's clock."""

    def __call__(
        self,
        address: str,
        port: int,
        *,
        pin_der: bytes | None,
        credentials: Credentials,
        guard: Guard,
        timeout: timedelta,
        show_password: bool,
    ) -> AbstractAsyncContextManager[DeviceConnection]: ...


@dataclass(frozen=True, slots=True)
class ConstrainedTrust:
    """What clients import instead of a firmware's CA. shape: of what it was made.

    anchors_der: roots of ours. path_der: what stands between them and what the firmware signs.
    """

    shape: str
    anchors_der: tuple[bytes, ...] = field(repr=False)
    path_der: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Search:
    """The last one, for a device that is not at this address. found_at: under policy Report, where it is."""

    address: str
    found_at: str | None = None


@dataclass(slots=True)
class DeviceMemory:
    """What one process knows of one Device beside its status. Losing it costs a log-in, never correctness.

    looked_at: the last finished check. last_full_pass, passes: counted for the routine log-in, which showed the device
    that is meant; full_check_of: the generation of the spec that it was compared with then. sweep: the search that
    it was promised. located_at: the end of the last one. search: what came of it, until the device is proven where it
    should be. offset, capabilities: as last reported. constrained: what clients are given of its firmware's CA.
    named: for which certificate the names were last tried, and those under which another one was shown.
    unwritten_login: what came of a log-in, until it stands in the status.
    """

    passes: int = 0
    last_full_pass: int | None = None
    full_check_of: int | None = None
    looked_at: datetime | None = None
    sweep: Sweep | None = None
    located_at: datetime | None = None
    search: Search | None = None
    offset: timedelta | None = None
    capabilities: Capabilities | None = None
    constrained: ConstrainedTrust | None = None
    named: tuple[str, tuple[str, ...]] | None = None
    unwritten_login: CredentialsState | None = None
    failures: int = 0


@dataclass(slots=True)
class Memory:
    """By uid; forgotten with the object. firmware_cas: certificates (DER) of pinned CAs, by their SHA-256."""

    devices: dict[str, DeviceMemory] = field(default_factory=dict)
    failures: dict[ObjectKey, int] = field(default_factory=dict)
    read_csrs: dict[tuple[str, str], tuple[str, CSRState]] = field(default_factory=dict)
    firmware_cas: dict[str, bytes] = field(default_factory=dict)
    checked_authorities: dict[tuple[str, Issuer], tuple[str, AuthorityState]] = field(default_factory=dict)

    def of(self, uid: str) -> DeviceMemory:
        """What is remembered of a Device."""
        return self.devices.setdefault(uid, DeviceMemory())

    def clear(self) -> None:
        """Forget everything: another replica acts meanwhile."""
        for known in (self.devices, self.failures, self.read_csrs, self.checked_authorities):
            known.clear()

    def forget_all_but(self, exists: Callable[[str], bool]) -> None:
        """Forget Devices that are gone."""
        for uid in [uid for uid in self.devices if not exists(uid)]:
            del self.devices[uid]


def held_if_all_are(desired: D, settings: Settings) -> D:
    """What an object asks for, paused where the whole operator is, or the object itself on its way out."""
    if desired.deleting:
        return replace(desired, paused=True, paused_by="its deletion, which somebody's finalizer holds up")
    if settings.paused:
        return replace(desired, paused=True, paused_by="the operator's setting DEVICECERT_PAUSED")
    return desired


@dataclass(frozen=True, slots=True)
class Tools:
    """Everything a story may touch.

    setting_address: held by the one pass that tells a device its address. ending: the process is told to end, so
    nothing new is begun.
    """

    cache: Cache
    cluster: Cluster
    secrets: Secrets
    roots: Roots
    events: Events
    csrs: CSRs
    cert_manager: CertManager
    clock: Clock
    settings: Settings
    probe: Probe
    searches: Searches
    occupied: Occupied
    connect: Connector
    driver_for: Callable[[str, DeviceConnection], Driver]
    session: Callable[[str], AbstractAsyncContextManager[None]]
    counters: Counters
    sleep: Callable[[float], Awaitable[None]]
    memory: Memory = field(default_factory=Memory)
    setting_address: asyncio.Lock = field(default_factory=asyncio.Lock)
    ending: Callable[[], bool] = lambda: False
