"""One simulated device: its address, clock, keystore, listeners, and what was done to it."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

from aiohttp import web

from device_simulator.auth import Guard
from device_simulator.faults import Fault, FaultBox
from device_simulator.journal import Counters, Journal
from device_simulator.keystore import Keystore
from device_simulator.listeners import Listeners
from device_simulator.spec import DeviceSpec, on_this_machine
from device_simulator.tls import KeyAndChain, allow_versions, context_for, make_key, self_signed

RESET_CLOCK = datetime(2000, 1, 1, tzinfo=UTC)
log = logging.getLogger(__name__)


class SimulatedDevice:
    """State and listeners. Made by `Simulator.add`."""

    def __init__(
        self, spec: DeviceSpec, clock: Callable[[], datetime], number: int, hostility: float, seed: int
    ) -> None:
        self.spec = spec
        self.address = spec.address
        self.number = number
        self.serial_number = spec.serial_number or f"SIM{number:06d}"
        self.mac_address = (
            spec.mac_address or f"02:00:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        )
        self.faults = FaultBox(
            spec.faults, hostility if spec.hostility is None else spec.hostility, f"{seed}/{spec.seed}/{spec.name}"
        )
        self.journal = Journal()
        self.keystore = Keystore()
        self.guard = Guard(spec.username, spec.password, spec.model, spec.digest_algorithms, self.faults)
        self.ntp_servers: tuple[str, ...] = ("pool.ntp.org",) if spec.on_ntp else ()
        self.on_ntp = spec.on_ntp
        self.time_zone = spec.time_zone
        self.daylight_saving = False
        self.http_enabled = True
        self.https_enabled = spec.https_enabled
        self.powered = True
        self._clock = clock
        self._offset = timedelta(0)
        self._shown: KeyAndChain | None = None
        self._context: ssl.SSLContext | None = None
        self._good_path: str | None = None
        self._web = web.Server(self._handle, access_log=None, keepalive_timeout=60)
        self._listeners = Listeners(self._web, self._choose_context)
        self._absences = 0
        self._closed = False
        self._settling = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self.faults.changed = self._fit_tls_versions
        self._fit_tls_versions()
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
        """What the TLS server shows now; None when no handshake succeeds."""
        return None if self._broken else self._shown

    @property
    def served_fingerprint(self) -> str | None:
        """SHA-256 of the leaf shown."""
        return self.shown.fingerprint if self.shown else None

    @property
    def counters(self) -> Counters:
        """What was done to it so far, as numbers."""
        told = self.journal
        return Counters(
            requests=dict(told.operations),
            logins_accepted=self.guard.accepted,
            logins_refused=self.guard.refused,
            overlapping_changes=told.overlaps,
            reboots=told.reboots,
            handshakes=told.handshakes,
        )

    def show_assigned(self) -> None:
        """Take over what is assigned, as far as the faults let it."""
        wanted = self.keystore.identity(self.keystore.assigned)
        if wanted is not None:
            self._show(wanted)

    def _show(self, identity: KeyAndChain) -> None:
        self._shown, self._context = identity, None

    @property
    def _broken(self) -> bool:
        return self._good_path is not None and self.keystore.assigned != self._good_path

    def _choose_context(self, _tls: ssl.SSLObject) -> ssl.SSLContext | None:
        self.journal.handshakes += 1
        if self.shown is None:
            return None
        if self._context is None:
            self._context = context_for(self.shown)
            allow_versions(self._context, tls_1_0_only=self.faults.on(Fault.TLS_1_0_ONLY))  # its level is taken as well
        return self._context

    def _fit_tls_versions(self) -> None:
        self._context = None
        allow_versions(self._listeners.tls, tls_1_0_only=self.faults.on(Fault.TLS_1_0_ONLY))

    def _make_factory_state(self) -> None:
        elliptic = any(kind.startswith("ECDSA") for kind in self.spec.key_types)
        key = make_key("ECDSA-P256" if elliptic else "RSA-2048")
        identity = self_signed(self.spec.model, self._clock(), key)
        self.keystore = Keystore(
            most_keys=self.spec.most_keys,
            most_certificates=self.spec.most_certificates,
            most_paths=self.spec.most_paths,
            encryptions=self.spec.encryptions,
            key_types=self.spec.key_types,
        )
        self.guard.username, self.guard.password = self.spec.username, self.spec.password
        self.http_enabled, self.https_enabled = True, self.spec.https_enabled
        self.keystore.add_key(identity.key, "factory", external=False)
        certificate = self.keystore.add_certificate(identity.chain[0], "factory")
        self.keystore.assigned = self.keystore.add_path((certificate,), "factory")
        self._good_path = None
        self._show(identity)

    # ---------------------------------------------------------------------------------------- listeners

    @property
    def listening(self) -> bool:
        """Whether its ports are open."""
        return self._listeners.open

    async def start(self) -> None:
        """Listen on the ports of the present address, unless it is off or away. Raises OSError."""
        async with self._settling:
            if self.powered and not self._absences and not self._closed and not self._listeners.open:
                http = self.spec.http_port if self.http_enabled else None
                await self._listeners.listen(self.address, http, self.spec.https_port if self.https_enabled else None)

    async def stop(self) -> None:
        """Close the ports and drop every connection."""
        async with self._settling:
            await self._listeners.close()

    async def close(self) -> None:
        """Stop for good."""
        self._closed = True
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.stop()
        await self._web.shutdown(0)

    @contextlib.asynccontextmanager
    async def _away(self) -> AsyncIterator[None]:
        """Nobody listens meanwhile; the last who returns opens the ports again, wherever the address is by then."""
        self._absences += 1
        try:
            await self.stop()
            yield
        finally:
            self._absences -= 1
        await self.start()

    async def restart_listeners(self, away_for: float = 0.0) -> None:
        """Away for so many seconds."""
        async with self._away():
            await asyncio.sleep(away_for)

    # ------------------------------------------------------------------------------- what happens to it

    async def move(self, address: str) -> None:
        """DHCP gave it another address. Raises OSError where it cannot listen there, ValueError off loopback."""
        on_this_machine(address)
        async with self._away():
            self.address = address

    async def power_off(self) -> None:
        """Gone from the network."""
        self.powered = False
        await self.stop()

    async def power_on(self) -> None:
        """Back, with what was assigned."""
        if not self.powered:
            self.powered = True
            self.show_assigned()
            await self.start()

    async def reboot(self) -> None:
        """Away for `reboot_for` seconds; connections drop."""
        self.journal.reboots += 1
        async with self._away():
            if self.faults.strikes(Fault.CLOCK_RESETS_ON_REBOOT):
                self.set_clock(RESET_CLOCK)
            await asyncio.sleep(self.spec.reboot_for)
            self.show_assigned()

    async def factory_reset(self) -> None:
        """Keystore emptied, credentials back to default, a new factory certificate."""
        async with self._away():
            self._make_factory_state()

    def change_password(self, password: str) -> None:
        """Somebody changed it."""
        self.guard.password = password

    async def replace_certificate(self) -> None:
        """Somebody put a certificate of his own on it, with a key of its own, in place of the one before."""
        identity = self_signed("somebody else's", self._clock())
        self.keystore.assigned = self.keystore.put_in_place_of(self.keystore.assigned, identity, "stranger")
        self._good_path = None
        self.show_assigned()

    # ----------------------------------------------------------------------- what services ask to happen

    def later(self, what: Callable[[], Awaitable[None]], after: float = 0.05) -> None:
        """Do something after the present answer is out."""

        async def wait() -> None:
            await asyncio.sleep(after)
            try:
                await what()
            except OSError as error:
                log.warning("%s cannot listen at %s: %s", self.spec.name, self.address, error)

        task = asyncio.create_task(wait())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def assign(self, path_id: str) -> None:
        """The API's assignment, with the faults that come with it."""
        before, self.keystore.assigned = self.keystore.assigned, path_id
        if path_id == self._good_path:
            self._good_path = None
        elif self._good_path is None and before is not None and self.faults.strikes(Fault.CANNOT_SERVE):
            self._good_path = before
        held_back = self.faults.on(Fault.NEEDS_REBOOT) or self.faults.strikes(Fault.STORED_NOT_SERVED)
        if not held_back:
            self.show_assigned()
        self.maybe_restart_web()

    def maybe_restart_web(self) -> None:
        """Web daemons restart after a change: always under the fault, now and then under hostility."""
        if self.faults.strikes(Fault.WEB_DAEMON_RESTARTS) or self.faults.by_chance():
            self.later(lambda: self.restart_listeners(self.spec.web_restart_for))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        from device_simulator.onvif.server import answer

        if not self.listening and request.transport is not None:
            request.transport.abort()  # it was in its handshake when the ports were closed
        return await answer(self, request)
