"""The two listening sockets of a device, and the one TLS context they hand out."""

import asyncio
import ssl
from collections.abc import Callable

from aiohttp import web

from device_simulator.tls import allow_versions

type_of_choice = Callable[[ssl.SSLObject, str | None], ssl.SSLContext | None]


class Listeners:
    """Closed until opened. choose: the context for a handshake that begins now; None: it fails."""

    def __init__(self, server: web.Server, choose: type_of_choice) -> None:
        self._server = server
        self._choose = choose
        self._sockets: list[asyncio.Server] = []
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.num_tickets = 0  # a resumed session would not show a new certificate
        self.tls.options |= ssl.OP_NO_TICKET
        self.tls.sni_callback = self._begin_handshake
        allow_versions(self.tls, tls_1_0_only=False)

    @property
    def open(self) -> bool:
        """Whether anybody listens."""
        return bool(self._sockets)

    async def listen(self, address: str, http_port: int | None, https_port: int | None) -> None:
        """Listen on both ports; None: not on this one. Raises OSError and listens on none."""
        loop = asyncio.get_running_loop()
        made: list[asyncio.Server] = []
        try:
            if http_port is not None:
                made.append(await loop.create_server(self._server, address, http_port, reuse_address=True))
            if https_port is not None:
                made.append(
                    await loop.create_server(
                        self._server, address, https_port, ssl=self.tls, ssl_handshake_timeout=5, reuse_address=True
                    )
                )
        except OSError:
            for one in made:
                one.close()
            raise
        self._sockets = made

    async def close(self) -> None:
        """Close the ports and drop every connection."""
        for one in self._sockets:
            one.close()
        self._sockets = []
        for connection in list(self._server.connections):
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(0)

    def _begin_handshake(self, tls: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        chosen = self._choose(tls, name) if self.open else None
        if chosen is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        tls.context = chosen
        return None
