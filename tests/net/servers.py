"""Raw servers on loopback addresses that do what devices and attackers do, in the test's own process."""

import asyncio
import ssl
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.net.certificates import Identity

# a group of its own, as old devices have: 1024 bits, for nothing but these tests
_OLD_GROUP = """\
-----BEGIN DH PARAMETERS-----
MIGHAoGBAMRxg4dqHBfi6fk+nz1CeRbcTFvL8CXApNfSjriSZQO4WeimgFd4NG/m
s+uGQ7RlbJBjGvayvbRkpSl+X0rajhsQ1xns0FkQUhNIL+up21Nu08pmeZV7c+Sd
/1l2XS/PHN/bDgeVBQkNPvDsH6Olnowr9rd4kG5+ndKeG5qN29k3AgEC
-----END DH PARAMETERS-----
"""
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Listening:
    """Where a server listens, and what it has seen."""

    host: str
    port: int
    connections: int = 0
    received: bytearray = field(default_factory=bytearray)


@asynccontextmanager
async def listen(
    handler: Handler, *, host: str = "127.7.0.1", port: int = 0, context: ssl.SSLContext | None = None
) -> AsyncIterator[Listening]:
    """Run the handler for each connection; what it leaves running ends with the server."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []
    listening = Listening(host, 0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listening.connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await handler(Recording(reader, listening), writer)  # type: ignore[arg-type]
        finally:
            tasks.discard(task)
            writers.append(writer)
            writer.close()

    server = await asyncio.start_server(serve, host, port, ssl=context)
    listening.port = server.sockets[0].getsockname()[1]
    try:
        yield listening
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()


class Recording:
    """A reader that keeps what came."""

    def __init__(self, reader: asyncio.StreamReader, listening: Listening) -> None:
        self._reader = reader
        self._listening = listening

    async def readuntil(self, separator: bytes) -> bytes:
        data = await self._reader.readuntil(separator)
        self._listening.received += data
        return data

    async def readexactly(self, count: int) -> bytes:
        data = await self._reader.readexactly(count)
        self._listening.received += data
        return data

    async def read(self, count: int = -1) -> bytes:
        data = await self._reader.read(count)
        self._listening.received += data
        return data


def server_context(
    identity: Identity, *, newest: ssl.TLSVersion | None = None, ciphers: str | None = None
) -> ssl.SSLContext:
    """A TLS server's context. newest: the newest version it speaks. ciphers: below TLS 1.3."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_into(context, identity)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    if newest is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # an old device is what is meant
            context.maximum_version = newest
    context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
    if ciphers and ciphers.startswith("DHE"):
        with tempfile.TemporaryDirectory() as folder:
            parameters = Path(folder, "dh.pem")
            parameters.write_text(_OLD_GROUP)
            context.load_dh_params(parameters)
    return context


def load_into(context: ssl.SSLContext, identity: Identity) -> None:
    """Serve this certificate from the next handshake on."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = Path(folder, "chain.pem"), Path(folder, "key.pem")
        certificate.write_bytes(identity.chain_pem)
        key.write_bytes(identity.key_pem)
        context.load_cert_chain(certificate, key)


@dataclass(frozen=True)
class Request:
    """One HTTP request as it came."""

    head: str
    body: bytes

    @property
    def authorization(self) -> str | None:
        for line in self.head.split("\r\n")[1:]:
            name, _, value = line.partition(":")
            if name.lower() == "authorization":
                return value.strip()
        return None


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Raises IncompleteReadError at the end of the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = 0
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            length = int(value)
    return Request(head, await reader.readexactly(length))


def http_reply(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def answering(answer: Callable[[Request], bytes]) -> Handler:
    """A handler that answers each request of a kept-alive connection."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(answer(await read_request(reader)))
            await writer.drain()

    return handle
