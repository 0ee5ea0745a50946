"""One simulated device: its address, clock, listeners, and what was done to it. Each kind adds what it serves."""

import asyncio
import contextlib
import logging
import ssl
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta

from aiohttp import web

from device_simulator.auth import Guard
from device_simulator.faults import Fault, FaultBox
from device_simulator.journal import Counters, Journal
from device_simulator.listeners import Listeners
from device_simulator.spec import DeviceSpec, on_this_machine
from device_simulator.surroundings import Surroundings
from device_simulator.tls import KeyAndChain, allow_versions, context_for, self_signed
from device_simulator.transport import transport_fault
from device_simulator.zones import ahead_of_utc

RESET_CLOCK = datetime(2000, 1, 1, tzinfo=UTC)
CLOCK_WITHOUT_BATTERY = datetime(1970, 1, 1, tzinfo=UTC)
log = logging.getLogger(__name__)


class SimulatedDevice(ABC):
    """State and listeners. Made by `Simulator.add`."""

    def __init__(self, spec: DeviceSpec, surroundings: Surroundings, number: int) -> None:
        self.spec = spec
        self.address = spec.address
        self.prefix_length = 24
        self.gateway: str | None = None
        self.number = number
        self.serial_number = spec.serial_number or f"SIM{number:06d}"
        self.mac_address = (
            spec.mac_address or f"02:00:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        )
        self.faults = FaultBox(
            spec.faults,
            surroundings.hostility if spec.hostility is None else spec.hostility,
            f"{surroundings.seed}/{spec.seed}/{spec.name}",
        )
        self.journal = Journal()
        self.guard = Guard(spec.username, spec.password, spec.model, spec.digest_algorithms, self.faults)
        self.ntp_servers: tuple[str, ...] = ("pool.ntp.org",) if spec.on_ntp else ()
        self.on_ntp = spec.on_ntp
        self.time_zone = spec.time_zone
        self.daylight_saving = False
        self.http_enabled = True
        self.https_enabled = spec.https_enabled
        self.powered = True
        self._surroundings = surroundings
        self._clock = surroundings.clock
        self._offset = timedelta(0)
        self._address_at_boot: str | None = None
        self._shown: KeyAndChain | None = None
        self._context: ssl.SSLContext | None = None
        self._web = web.Server(self._handle, access_log=None, keepalive_timeout=60)
        self._listeners = Listeners(self._web, self._choose_context)
        self._absences = 0
        self._closed = False
        self._settling = asyncio.Lock()
        self._background: set[asyncio.Task[None]] = set()
        self.faults.changed = self._fit_tls_versions
        self._fit_tls_versions()
        self.make_factory_state()

    # ------------------------------------------------------------------------------ what each kind decides

    @abstractmethod
    def make_factory_state(self) -> None:
        """Everything as it left the factory, and shown at once."""

    @abstractmethod
    def boot(self) -> None:
        """What the firmware does when it starts: decide what is shown."""

    @abstractmethod
    def take_foreign(self) -> None:
        """Somebody puts a certificate of his own on it, with a key of its own, in place of the one before."""

    @abstractmethod
    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """What it says to an HTTP request that got past the troubles of the transport."""

    @property
    def cannot_serve(self) -> bool:
        """Whether what it is set to show breaks its TLS server."""
        return False

    def make_new_firmware_ca(self) -> None:
        """Raises ValueError where the firmware has no CA."""
        raise ValueError(f"{self.spec.name} has no CA in its firmware")

    # --------------------------------------------------------------------------------------------- clock

    def now(self) -> datetime:
        """What the device takes for UTC."""
        return self._clock() + (timedelta(0) if self.on_ntp else self._offset)

    def told_as_utc(self) -> datetime:
        """What it tells when it is asked for UTC."""
        confused = self.faults.on(Fault.UTC_IS_LOCAL_TIME)
        ahead = ahead_of_utc(self.time_zone, daylight_saving=self.daylight_saving) if confused else timedelta(0)
        return self.now() + ahead

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
        return None if self.cannot_serve else self._shown

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

    def show(self, identity: KeyAndChain | None) -> None:
        """To every handshake from now on; None: each fails."""
        self._shown, self._context = identity, None

    @property
    def ports(self) -> tuple[int | None, int | None]:
        """HTTP's and HTTPS's; None: nobody listens."""
        return (
            self.spec.http_port if self.http_enabled else None,
            self.spec.https_port if self.https_enabled else None,
        )

    def _choose_context(self, _tls: ssl.SSLObject, name: str | None) -> ssl.SSLContext | None:
        self.journal.handshakes += 1
        if self.shown is None:
            return None
        if name is not None and self.faults.strikes(Fault.OTHER_BY_NAME):
            return context_for(self_signed("another site", self._clock()))
        if self._context is None:
            self._context = context_for(self.shown)
            allow_versions(self._context, tls_1_0_only=self.faults.on(Fault.TLS_1_0_ONLY))  # its level is taken as well
        return self._context

    def _fit_tls_versions(self) -> None:
        self._context = None
        allow_versions(self._listeners.tls, tls_1_0_only=self.faults.on(Fault.TLS_1_0_ONLY))

    def reset_settings(self) -> None:
        """Credentials and switches as they left the factory; the address stays, for it comes from outside."""
        self.guard.username, self.guard.password = self.spec.username, self.spec.password
        self.http_enabled, self.https_enabled = True, self.spec.https_enabled
        self._address_at_boot = None

    # ---------------------------------------------------------------------------------------- listeners

    @property
    def listening(self) -> bool:
        """Whether its ports are open."""
        return self._listeners.open

    async def start(self) -> None:
        """Listen on the ports of the present address, unless it is off or away. Raises OSError."""
        async with self._settling:
            if self.powered and not self._absences and not self._closed and not self._listeners.open:
                await self._listeners.listen(self.address, *self.ports)

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

    def set_network(self, address: str, prefix_length: int, gateway: str | None) -> bool:
        """Its own settings say so. True: the address is taken at the next boot; False: after a short gap.

        gateway None: as it is. Raises ValueError off loopback, or for a prefix that there is not.
        """
        on_this_machine(address)
        if not 1 <= prefix_length <= (128 if ":" in address else 32):
            raise ValueError(f"a prefix of {prefix_length} bits")
        self.prefix_length = prefix_length
        self.gateway = self.gateway if gateway is None else gateway
        if address == self.address:
            self._address_at_boot = None
            return False
        if self.faults.on(Fault.ADDRESS_CHANGE_NEEDS_REBOOT):
            self._address_at_boot = address
            return True
        self.later(lambda: self._change_address(address))
        return False

    async def _change_address(self, address: str) -> None:
        async with self._away():
            await asyncio.sleep(self.spec.web_restart_for)
            self.address = address

    async def power_off(self) -> None:
        """Gone from the network."""
        self.powered = False
        await self.stop()

    async def power_on(self) -> None:
        """Back, with what was stored; a clock without a battery has lost the time."""
        if not self.powered:
            self.powered = True
            if self.faults.strikes(Fault.CLOCK_RESETS_ON_POWER_LOSS):
                self.set_clock(CLOCK_WITHOUT_BATTERY)
            self._boot()
            await self.start()

    async def power_cycle(self) -> None:
        """Without power for `reboot_for` seconds."""
        await self.power_off()
        await asyncio.sleep(self.spec.reboot_for)
        await self.power_on()

    async def reboot(self) -> None:
        """Away for `reboot_for` seconds; connections drop."""
        self.journal.reboots += 1
        async with self._away():
            if self.faults.strikes(Fault.CLOCK_RESETS_ON_REBOOT):
                self.set_clock(RESET_CLOCK)
            await asyncio.sleep(self.spec.reboot_for)
            self._boot()

    def _boot(self) -> None:
        if self._address_at_boot is not None:
            self.address, self._address_at_boot = self._address_at_boot, None
        self.boot()

    def asked_to_reboot(self) -> None:
        """By its own interface, which has answered by then; some only say so."""
        if not self.faults.strikes(Fault.REBOOT_NOT_DONE):
            self.later(self.reboot)

    async def factory_reset(self, *, new_firmware_ca: bool = False) -> None:
        """Certificates and keys gone, credentials back to default, a new factory certificate.

        new_firmware_ca: of a CA that is made now and that no other device has. Raises ValueError without such a CA.
        """
        if new_firmware_ca:
            self.make_new_firmware_ca()
        async with self._away():
            self.make_factory_state()

    def change_password(self, password: str) -> None:
        """Somebody changed it."""
        self.guard.password = password

    async def replace_certificate(self) -> None:
        """Somebody put a certificate of his own on it, with a key of its own, in place of the one before."""
        self.take_foreign()

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

    def maybe_restart_web(self) -> None:
        """Web daemons restart after a change."""
        if self.faults.strikes(Fault.WEB_DAEMON_RESTARTS):
            self.later(lambda: self.restart_listeners(self.spec.web_restart_for))

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if not self.listening and request.transport is not None:
            request.transport.abort()  # it was in its handshake when the ports were closed
        if (odd := await transport_fault(self.faults, request)) is not None:
            return odd
        return await self.answer(request)
