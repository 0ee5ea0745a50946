"""People who stand where a device stood: a stranger with a key of his own, a relay that passes TLS through."""

import asyncio
import contextlib
import re
from collections.abc import Callable
from datetime import datetime

from device_simulator.tls import context_for, self_signed

ASKS_FOR_A_LOGIN = (
    b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n"
    b'WWW-Authenticate: Digest realm="x", qop="auth", nonce="chosen", algorithm=MD5\r\n\r\n'
)
_LENGTH = re.compile(rb"(?im)^content-length:\s*(\d+)\s*$")
_LOGIN = re.compile(rb"(?im)^authorization:[^\r\n]*|<(?:\w+:)?UsernameToken\b.*?</(?:\w+:)?UsernameToken>", re.DOTALL)


class Listener:
    """Somebody at an address who is not the device. received: every byte that was sent to him, after TLS."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.received = bytearray()
        self.connections = 0
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def saw_a_login(self) -> bool:
        """Whether credentials in any form were sent to him."""
        return bool(self.logins) or b"UsernameToken" in self.received

    @property
    def logins(self) -> list[str]:
        """Each Authorization header and each UsernameToken that was sent to him, whole."""
        return [found.group().decode(errors="replace") for found in _LOGIN.finditer(bytes(self.received))]

    async def close(self) -> None:
        """Leave."""
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def listen_plain(self, address: str, port: int) -> None:
        """Ask for a Digest log-in on a port, and keep what comes. Raises OSError."""
        self._servers.append(await asyncio.start_server(self._collect, address, port, reuse_address=True))

    async def listen_tls(self, address: str, port: int, now: datetime) -> None:
        """The same under a key of his own. Raises OSError."""
        context = context_for(self_signed("stranger", now))
        self._servers.append(await asyncio.start_server(self._collect, address, port, ssl=context, reuse_address=True))

    async def relay(self, address: str, port: int, to: Callable[[], tuple[str, int]]) -> None:
        """Pass TLS through, untouched, to wherever the device is by then. Raises OSError."""

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._begin()
            try:
                there, back = await asyncio.open_connection(*to())
                await asyncio.gather(_pump(reader, back), _pump(there, writer))
            except OSError:
                writer.close()

        self._servers.append(await asyncio.start_server(accept, address, port, reuse_address=True))

    async def _collect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._begin()
        with contextlib.suppress(OSError):
            while await self._read_request(reader):
                writer.write(ASKS_FOR_A_LOGIN)
                await writer.drain()
        writer.close()

    async def _read_request(self, reader: asyncio.StreamReader) -> bool:
        """Whether a whole one came; whatever came is kept."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.received += head
            length = _LENGTH.search(head)
            self.received += await reader.readexactly(int(length[1]) if length else 0)
        except asyncio.IncompleteReadError as error:
            self.received += error.partial
            return False
        except asyncio.LimitOverrunError:
            self.received += await reader.read(1 << 20)
            return False
        return True

    def _begin(self) -> None:
        self.connections += 1
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
