"""One simulated device: its address, clock, keystore, listeners, and what was done to it."""

import asyncio
import contextlib
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from aiohttp import web

from device_simulator.auth import Guard
from device_simulator.faults import Fault, FaultBox
from device_simulator.keystore import Keystore
from device_simulator.tls import KeyAndChain, context_for, self_signed

RESET_CLOCK = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class DeviceSpec:
    """How a device is made. reboot_for: seconds it is away. hostility: rate of small troubles, 0 to 1;
    None: the simulator's."""

    name: str
    address: str
    http_port: int = 8080
    https_port: int = 8443
    username: str = "admin"
    password: str = "secret"  # noqa: S105  # a simulated device's factory password
    manufacturer: str = "Simulated"
    model: str = "SIM-1"
    serial_number: str | None = None
    mac_address: str | None = None
    faults: Iterable[Fault] | Mapping[Fault, int] = ()
    hostility: float | None = None
    seed: int = 0
    https_enabled: bool = True
    key_types: tuple[str, ...] = ("RSA-2048", "RSA-3072", "ECDSA-P256")
    digest_algorithms: tuple[str, ...] = ("SHA-256", "MD5")
    username_token: bool = True
    reboot_for: float = 0.3
    key_generation_for: float = 1.0
    most_keys: int = 8
    most_paths: int = 4
    time_zone: str = "CET-1CEST,M3.5.0,M10.5.0/3"
    on_ntp: bool = False


@dataclass(frozen=True)
class Entry:
    """One request as the device remembers it."""

    at: float
    operation: str
    ok: bool


@dataclass
class Journal:
    """What tests ask a device afterwards."""

    entries: list[Entry] = field(default_factory=list)
    operations: "Counter[str]" = field(default_factory=Counter)
    changes_under_way: int = 0
    overlaps: int = 0
    reboots: int = 0
    handshakes: int = 0

    def note(self, operation: str, *, ok: bool) -> None:
        """Remember a request."""
        self.operations[operation] += 1
        self.entries.append(Entry(time.monotonic(), operation, ok))
        del self.entries[:-500]


class SimulatedDevice:
    """State and listeners. Made by `Simulator.add`."""

    def __init__(self, spec: DeviceSpec, clock: Callable[[], datetime], number: int, hostility: float) -> None:
        self.spec = spec
        self.address = spec.address
        self.number = number
        self.serial_number = spec.serial_number or f"SIM{number:06d}"
        self.mac_address = (
            spec.mac_address or f"02:00:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        )
        self.faults = FaultBox(
            spec.faults, hostility if spec.hostility is None else spec.hostility, f"{spec.seed}/{spec.name}"
        )
        self.journal = Journal()
        self.keystore = Keystore()
        self.guard = Guard(spec.username, spec.password, realm=spec.model)
        self.ntp_servers: tuple[str, ...] = ("pool.ntp.org",) if spec.on_ntp else ()
        self.on_ntp = spec.on_ntp
        self.time_zone = spec.time_zone
        self.daylight_saving = False
        self.https_enabled = spec.https_enabled
        self.powered = True
        self._clock = clock
        self._offset = timedelta(0)
        self._shown: KeyAndChain | None = None
        self._web = web.Server(self._handle, access_log=None, keepalive_timeout=60)
        self._listeners: list[asyncio.Server] = []
        self._background: set[asyncio.Task[None]] = set()
        self._away = asyncio.Event()
        self._make_factory_state()

    # --------------------------------------------------------------------------------------------- clock

    def now(self) -> datetime:
        """What the device takes for UTC."""
        return self._clock() + (timedelta(0) if self.on_ntp else self._offset)

    def set_clock(self, to: datetime) -> None:
        """Set it by hand."""
        self._offset = to - self._clock()

    def skew_clock(self, by: timedelta) -> None:
        """Put it off by so much more; a device on NTP is taken off it."""
        self.on_ntp = False
        self._offset += by

    # ------------------------------------------------------------------------------------- what is shown

    @property
    def shown(self) -> KeyAndChain | None:
        """What the TLS server shows now; None when it shows nothing."""
        return self._shown

    @property
    def served_fingerprint(self) -> str | None:
        """SHA-256 of the leaf shown."""
        return self._shown.fingerprint if self._shown else None

    def show_assigned(self) -> None:
        """Take over what is assigned, as far as the faults let it."""
        wanted = self.keystore.identity(self.keystore.assigned)
        if wanted is not None:
            self._shown = wanted

    def _make_factory_state(self) -> None:
        identity = self_signed(self.spec.model, self._clock())
        self.keystore = Keystore(most_keys=self.spec.most_keys, most_paths=self.spec.most_paths)
        self.guard.username, self.guard.password = self.spec.username, self.spec.password
        self.guard.algorithms = self.spec.digest_algorithms
        self.keystore.add_key(identity.key, "factory", external=False)
        certificate = self.keystore.add_certificate(identity.chain[0], "factory")
        self.keystore.assigned = self.keystore.add_path((certificate,), "factory")
        self._shown = identity

    # ---------------------------------------------------------------------------------------- listeners

    async def start(self) -> None:
        """Listen on both ports of the present address. Raises OSError."""
        loop = asyncio.get_running_loop()
        plain = await loop.create_server(
            self._web, self.address, self.spec.http_port, reuse_address=True, start_serving=False
        )
        self._listeners = [plain]
        if self.https_enabled:
            self._listeners.append(
                await loop.create_server(
                    self._web,
                    self.address,
                    self.spec.https_port,
                    ssl=self._tls_context(),
                    ssl_handshake_timeout=5,
                    reuse_address=True,
                    start_serving=False,
                )
            )
        for listener in self._listeners:
            await listener.start_serving()

    async def stop(self) -> None:
        """Close the ports and drop every connection."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []
        for connection in list(self._web.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Stop for good."""
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.stop()
        await self._web.shutdown(0)

    async def restart_listeners(self, away_for: float = 0.0) -> None:
        """Away for so many seconds, then back, wherever the address is by then."""
        await self.stop()
        await asyncio.sleep(away_for)
        if self.powered:
            await self.start()

    def _tls_context(self) -> ssl.SSLContext:
        """One context for listening; each handshake gets the one for what is shown at that moment."""
        shown = self._shown
        assert shown is not None, "a device with HTTPS on has something to show"  # noqa: S101
        if self.faults.on(Fault.TLS_1_0_ONLY):
            return context_for(shown, tls_1_0_only=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = self._choose_context
        return context

    def _choose_context(self, tls: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int | None:
        self.journal.handshakes += 1
        broken = self.faults.on(Fault.CANNOT_SERVE) and self.keystore.assigned != self._good_path
        if self._shown is None or broken:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        tls.context = context_for(self._shown)
        return None

    @property
    def _good_path(self) -> str | None:
        """The path that can be served under `cannot-serve`: the one that was assigned when it was switched on."""
        if not hasattr(self, "_kept_path"):
            self._kept_path = self.keystore.assigned
        return self._kept_path

    # ------------------------------------------------------------------------------- what happens to it

    async def move(self, address: str) -> None:
        """DHCP gave it another address."""
        await self.stop()
        self.address = address
        if self.powered:
            await self.start()

    async def power_off(self) -> None:
        """Gone from the network."""
        self.powered = False
        await self.stop()

    async def power_on(self) -> None:
        """Back, with what was assigned."""
        self.powered = True
        self.show_assigned()
        await self.start()

    async def reboot(self) -> None:
        """Away for `reboot_for` seconds; connections drop."""
        self.journal.reboots += 1
        await self.stop()
        if self.faults.strikes(Fault.CLOCK_RESETS_ON_REBOOT):
            self.set_clock(RESET_CLOCK)
        await asyncio.sleep(self.spec.reboot_for)
        self.show_assigned()
        if self.powered:
            await self.start()

    async def factory_reset(self) -> None:
        """Keystore emptied, credentials back to default, a new factory certificate."""
        self._make_factory_state()
        self.https_enabled = self.spec.https_enabled
        await self.restart_listeners()

    def change_password(self, password: str) -> None:
        """Somebody changed it."""
        self.guard.password = password

    async def replace_certificate(self) -> None:
        """Somebody put a certificate of his own on it, with a key of its own."""
        identity = self_signed("somebody else's", self._clock())
        self.keystore.add_key(identity.key, "stranger")
        certificate = self.keystore.add_certificate(identity.chain[0], "stranger")
        self.keystore.assigned = self.keystore.add_path((certificate,), "stranger")
        self.show_assigned()

    # ----------------------------------------------------------------------- what services ask to happen

    def later(self, what: "asyncio.Future[None] | object", after: float = 0.05) -> None:
        """Do something after the present answer is out."""

        async def wait() -> None:
            await asyncio.sleep(after)
            with contextlib.suppress(asyncio.CancelledError):
                await what  # type: ignore[misc]

        task = asyncio.create_task(wait())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def assign(self, path_id: str) -> None:
        """The API's assignment, with the faults that come with it."""
        _ = self._good_path
        self.keystore.assigned = path_id
        held_back = self.faults.strikes(Fault.STORED_NOT_SERVED) or self.faults.on(Fault.NEEDS_REBOOT)
        if not held_back:
            self.show_assigned()
        self.maybe_restart_web()

    def maybe_restart_web(self) -> None:
        """Web daemons restart after a change: always under the fault, now and then under hostility."""
        if self.faults.strikes(Fault.WEB_DAEMON_RESTARTS) or self.faults.by_chance():
            self.later(self.restart_listeners(0.5))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        from device_simulator.onvif.server import answer

        return await answer(self, request)
