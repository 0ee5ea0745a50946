"""Many devices in one process, and the people who stand in for them."""

import resource
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType

from device_simulator.device import SimulatedDevice
from device_simulator.kinds import make_device
from device_simulator.spec import DeviceSpec, on_this_machine
from device_simulator.strangers import Listener
from device_simulator.surroundings import FirmwareCAs, Surroundings

DESCRIPTORS = 65_536


def system_clock() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)  # noqa: TID251  # the simulator's clock unless a test passes one


class Simulator:
    """An async context manager that owns every device and listener. clock: aware UTC; the machine's unless given."""

    def __init__(self, *, seed: int = 0, hostility: float = 0.02, clock: Callable[[], datetime] | None = None) -> None:
        self.seed = seed
        self.hostility = hostility
        self.devices: dict[str, SimulatedDevice] = {}
        self.listeners: list[Listener] = []
        self.firmware_cas = FirmwareCAs()
        self._clock = clock or system_clock

    async def __aenter__(self) -> "Simulator":
        now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = min(DESCRIPTORS, most) if most != resource.RLIM_INFINITY else DESCRIPTORS
        if now != resource.RLIM_INFINITY and now < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for listener in self.listeners:
            await listener.close()
        for device in self.devices.values():
            await device.close()

    async def add(self, spec: DeviceSpec) -> SimulatedDevice:
        """Make a device and let it listen. Raises ValueError for a name in use, OSError when its ports are taken."""
        if spec.name in self.devices:
            raise ValueError(f"there is a device {spec.name} already")
        device = make_device(spec, self._surroundings(), len(self.devices) + 1)
        await device.start()
        self.devices[spec.name] = device
        return device

    def _surroundings(self) -> Surroundings:
        return Surroundings(self._clock, self.hostility, self.seed, self.firmware_cas)

    async def stranger_at(self, address: str, port: int, *, http_port: int | None = None) -> Listener:
        """Somebody else at an address, with a key of his own."""
        listener = self._new_listener(address)
        await listener.listen_tls(address, port, self._clock())
        if http_port is not None:
            await listener.listen_plain(address, http_port)
        return listener

    async def relay_at(self, address: str, port: int, *, to: SimulatedDevice, http_port: int | None = None) -> Listener:
        """Somebody who passes TLS through to the device, and answers himself on the HTTP port."""
        listener = self._new_listener(address)
        await listener.relay(address, port, lambda: (to.address, to.spec.https_port))
        if http_port is not None:
            await listener.listen_plain(address, http_port)
        return listener

    def _new_listener(self, address: str) -> Listener:
        listener = Listener(on_this_machine(address))
        self.listeners.append(listener)
        return listener
