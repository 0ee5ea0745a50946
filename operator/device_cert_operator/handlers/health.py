"""/healthz, /readyz and /metrics."""

import asyncio
from collections.abc import Callable

from aiohttp import web


class Health:
    """One small HTTP server. unwell: why the process should be restarted, or None. ready: caches are filled,
    and the state of the Lease in words.

    scrape: from an Accept header to the metrics and their content type.
    """

    def __init__(
        self,
        host: str,
        port: int,
        unwell: Callable[[], str | None],
        ready: Callable[[], tuple[bool, str]],
        scrape: Callable[[str], tuple[bytes, str]],
    ) -> None:
        self._host, self._port = host, port
        self._unwell, self._ready, self._scrape = unwell, ready, scrape
        self._runner: web.AppRunner | None = None
        self._scraping = asyncio.Lock()  # one at a time: it is the dearest request of all
        self.port = port

    async def start(self) -> None:
        """Listen; `port` is the real one when 0 was asked for. Raises OSError."""
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        why = self._unwell()
        return web.Response(text=why or "ok", status=503 if why else 200)

    async def _readyz(self, _request: web.Request) -> web.Response:
        ready, told = self._ready()
        return web.Response(text=f"ok: {told}" if ready else told, status=200 if ready else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        async with self._scraping:
            body, content_type = await asyncio.to_thread(self._scrape, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})
