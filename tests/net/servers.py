"""Raw servers on loopback addresses that do what devices and attackers do, in the test's own process."""

import asyncio
import hashlib
import re
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
    context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")  # before loading: the level decides what may be loaded
    load_into(context, identity)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    if newest is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # an old device is what is meant
            context.maximum_version = newest
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
    def method(self) -> str:
        return self.head.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.head.split(" ", 2)[1]

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


@dataclass
class DigestServer:
    """Checks Digest as a device does. spent_after: requests until a nonce is spent; says_stale: whether it tells."""

    challenges: tuple[str, ...] = ('Digest realm="cam", qop="auth", nonce="{nonce}", algorithm=MD5',)
    spent_after: int = 1_000
    says_stale: bool = True
    forbidden_from: int = 1_000
    password: str = "correct horse"
    inner: Callable[[Request], bytes] = lambda _: http_reply(200, b"done")
    requests: int = 0
    refusals: int = 0
    served: int = 0
    nonce: int = 1
    used: int = 0

    def __call__(self, request: Request) -> bytes:
        self.requests += 1
        given = request.authorization
        if given is None:
            return self._challenge()
        if f'nonce="{self.nonce}"' not in given or self.used >= self.spent_after:
            self.nonce, self.used = self.nonce + 1, 0
            return self._challenge(stale=self.says_stale)
        if not self._right(given, request) or self.served >= self.forbidden_from:
            self.refusals += 1
            return self._challenge()
        self.used += 1
        self.served += 1
        return self.inner(request)

    def _challenge(self, *, stale: bool = False) -> bytes:
        end = ", stale=true" if stale else ""
        offers = (f"WWW-Authenticate: {one.format(nonce=self.nonce)}{end}" for one in self.challenges)
        return http_reply(401, b"who?", *offers)

    def _right(self, given: str, request: Request) -> bool:
        fields = dict(re.findall(r'(\w+)="?([^",]*)', given))
        name = "sha256" if fields.get("algorithm") == "SHA-256" else "md5"
        digest: Callable[[str], str] = lambda text: hashlib.new(name, text.encode()).hexdigest()  # noqa: E731
        first, second = digest(f"admin:cam:{self.password}"), digest(f"{request.method}:{fields['uri']}")
        expected = digest(f"{first}:{fields['nonce']}:{fields['nc']}:{fields['cnonce']}:{fields['qop']}:{second}")
        return fields["response"] == expected
