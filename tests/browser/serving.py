"""Puts an offer on a loopback address and asks those whose opinion counts."""

import asyncio
import socket
import socketserver
import ssl
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from device_cert_operator.clock import SystemClock
from device_cert_operator.core.model import NotServed, Served, is_ip
from device_cert_operator.core.verdict import Verdict, judge
from device_cert_operator.net.tls_probe import probe
from device_cert_operator.pki.facts import pem_to_ders, read_facts
from device_cert_operator.pki.verify import links
from tests.browser.offers import Offer
from tests.net.servers import http_reply, server_context
from tests.support import ca
from tests.support.browser import Browser, Page

FOR_NAMES = "127.0.0.1"  # where the browser looks for *.example
PATIENCE = timedelta(seconds=10)


@dataclass(frozen=True)
class Opinions:
    """What Chromium, `openssl verify` (`OK`, or its complaint) and our verdict make of an offer."""

    chromium: Page
    openssl: str
    verdict: Verdict


@dataclass(frozen=True)
class _Identity:
    """What `server_context` loads."""

    chain_pem: bytes
    key_pem: bytes


async def ask_about(offer: Offer, browser: Browser, folder: Path) -> Opinions:
    """Serve it, and ask all three about it. folder: empty. AssertionError where our probe sees nothing."""
    address = offer.host if is_ip(offer.host) else FOR_NAMES
    async with serving(offer, address) as port:
        host = f"[{offer.host}]" if ":" in offer.host else offer.host
        page = await browser.visit(f"https://{host}:{port}/")
        served = await probe(address, port, server_name=offer.host, timeout=PATIENCE)
    if offer.unseen:
        assert isinstance(served, NotServed), served
        served = _as_it_would_show(offer)
    assert not isinstance(served, NotServed), served
    now = SystemClock().now()
    chain = links(served.chain_der, pem_to_ders(offer.anchors_pem))
    said = await asyncio.to_thread(
        ca.openssl_verify,
        folder,
        anchors=offer.anchors_pem,
        sent=offer.sent_pem,
        host=offer.host.rstrip("."),
        at=now,
        strict=False,
    )
    return Opinions(page, said, judge(served, chain, offer.host, now))


def _as_it_would_show(offer: Offer) -> Served:
    chain_der = pem_to_ders(offer.sent_pem)
    chain = tuple(read_facts(der) for der in chain_der)
    return Served(offer.host, 0, chain[0], chain_der[0], chain, chain_der, "TLSv1.2", "", browser_grade=True)


@asynccontextmanager
async def serving(offer: Offer, address: str) -> AsyncIterator[int]:
    """The port where the offer is served; an empty page, for every request."""
    identity = _Identity(offer.sent_pem, offer.sent[0].key_pem)
    if offer.arguments:
        async with _openssl_serving(identity, address, offer.arguments) as port:
            yield port
        return
    context = server_context(identity, newest=offer.newest, ciphers=offer.ciphers)  # type: ignore[arg-type]  # it loads PEM
    if offer.curve is not None:
        context.set_ecdh_curve(offer.curve)
    with _Server(address, context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            await asyncio.to_thread(server.shutdown)


class _Server(socketserver.ThreadingTCPServer):
    """Serves an empty page from blocking sockets: asyncio's TLS server hangs up without the alert that says why."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, context: ssl.SSLContext) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._context = context
        super().__init__((address, 0), socketserver.BaseRequestHandler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(PATIENCE.total_seconds())
        with suppress(OSError), self._context.wrap_socket(request, server_side=True) as tls:
            while (heard := tls.recv(65536)) and b"\r\n\r\n" not in heard:
                pass
            if heard:
                tls.sendall(http_reply(200, b"", "Content-Type: text/html", "Connection: close"))


@asynccontextmanager
async def _openssl_serving(identity: _Identity, address: str, arguments: tuple[str, ...]) -> AsyncIterator[int]:
    with _files(identity) as (pem, empty):
        process = await asyncio.create_subprocess_exec(
            *("openssl", "s_server", "-accept", f"{address}:0", "-www", "-cert", pem, *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "OPENSSL_CONF": empty},
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                said = b""
                while not (said := await process.stdout.readline()).startswith(b"ACCEPT"):
                    assert said, "openssl s_server does not start"
            yield int(said.rpartition(b":")[2])
        finally:
            process.kill()
            await process.communicate()


@contextmanager
def _files(identity: _Identity) -> Iterator[tuple[str, str]]:
    """(certificates and key in one file, an empty configuration)."""
    with tempfile.TemporaryDirectory() as folder:
        pem, empty = Path(folder, "all.pem"), Path(folder, "empty.cnf")
        pem.write_bytes(identity.chain_pem + identity.key_pem)
        empty.write_text("")
        yield str(pem), str(empty)
