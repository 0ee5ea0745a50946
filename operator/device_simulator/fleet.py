"""Many devices in one process, and the people who stand in for them."""

import asyncio
import contextlib
import resource
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType

from device_simulator.device import SimulatedDevice
from device_simulator.spec import DeviceSpec
from device_simulator.tls import context_for, self_signed

DESCRIPTORS = 65_536


def system_clock() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)  # noqa: TID251  # the simulator's clock unless a test passes one


class Listener:
    """Somebody at an address who is not the device. received: every byte that was sent to him, after TLS."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.connections = 0
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def saw_a_login(self) -> bool:
        """Whether credentials in any form were sent to him."""
        return b"authorization:" in bytes(self.received).lower() or b"UsernameToken" in self.received

    async def close(self) -> None:
        """Leave."""
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def listen_plain(self, address: str, port: int) -> None:
        """Ask for a Digest log-in on a port, and keep what comes."""
        self._servers.append(await asyncio.start_server(self._collect, address, port, reuse_address=True))

    async def listen_tls(self, address: str, port: int) -> None:
        """The same under a key of his own."""
        context = context_for(self_signed("stranger", system_clock()))
        self._servers.append(await asyncio.start_server(self._collect, address, port, ssl=context, reuse_address=True))

    async def relay(self, address: str, port: int, to: tuple[str, int]) -> None:
        """Pass TLS through, untouched."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            self._own()
            with contextlib.suppress(OSError):
                there, back = await asyncio.open_connection(*to)
                await asyncio.gather(_pump(reader, back), _pump(there, writer))

        self._servers.append(await asyncio.start_server(accept, address, port, reuse_address=True))

    async def _collect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._own()
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                self.received += data
                writer.write(
                    b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
                    b'WWW-Authenticate: Digest realm="x", qop="auth", nonce="chosen", algorithm=MD5\r\n\r\n'
                )
                await writer.drain()
            writer.close()

    def _own(self) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


class Simulator:
    """An async context manager that owns every device and listener. clock: aware UTC; the machine's unless given."""

    def __init__(self, *, seed: int = 0, hostility: float = 0.02, clock: Callable[[], datetime] | None = None) -> None:
        self.seed = seed
        self.hostility = hostility
        self.devices: dict[str, SimulatedDevice] = {}
        self.listeners: list[Listener] = []
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
        device = SimulatedDevice(spec, self._clock, len(self.devices) + 1, self.hostility, self.seed)
        await device.start()
        self.devices[spec.name] = device
        return device

    async def stranger_at(self, address: str, port: int, *, http_port: int | None = None) -> Listener:
        """Somebody else at an address, with a key of his own."""
        listener = Listener()
        self.listeners.append(listener)
        await listener.listen_tls(address, port)
        if http_port is not None:
            await listener.listen_plain(address, http_port)
        return listener

    async def relay_at(self, address: str, port: int, *, to: SimulatedDevice, http_port: int | None = None) -> Listener:
        """Somebody who passes TLS through to the device, and answers himself on the HTTP port."""
        listener = Listener()
        self.listeners.append(listener)
        await listener.relay(address, port, (to.address, to.spec.https_port))
        if http_port is not None:
            await listener.listen_plain(address, http_port)
        return listener
