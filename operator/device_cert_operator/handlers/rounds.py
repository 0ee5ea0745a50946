"""Rounds of lists: what the watches never told, and whether they live."""

import asyncio
import logging

from device_cert_operator.errors import ClusterError
from device_cert_operator.wiring import App

LOG = logging.getLogger(__name__)
SETTLES = 1.0  # seconds; a list is told object by object
BETWEEN_TRIES = 10.0


class Rounds:
    """A round every `relist_every`, and one after each list that a watch began with.

    A watch begins anew with a list when it was told 410 Gone or lost its connection: whatever was deleted before that
    it never tells.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._listed = asyncio.Event()
        self._told_at = 0.0

    def listed(self) -> None:
        """A watch told an object of its list."""
        self._told_at = asyncio.get_running_loop().time()
        self._listed.set()

    async def run(self) -> None:
        """Until cancelled."""
        every = self._app.settings.relist_every.total_seconds()
        now = asyncio.get_running_loop().time
        due = now() + every
        while True:
            timed = await self._wait(due)
            try:
                await self._round(timed=timed)
            except ClusterError as error:
                LOG.warning("The round of lists failed: %s", error.message)
                await asyncio.sleep(BETWEEN_TRIES)
                self._listed.set()
            if timed:
                due = now() + every

    async def _wait(self, due: float) -> bool:
        """Wait for what calls for a round. True: the time, not a list."""
        try:
            async with asyncio.timeout_at(due):
                await self._listed.wait()
                while (more := self._told_at + SETTLES - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110
                    await asyncio.sleep(more)
        except TimeoutError:
            return True
        self._listed.clear()
        return False

    async def _round(self, *, timed: bool) -> None:
        """Compare, forget what is gone, take what was missed. Only what a timed round finds speaks against a watch.

        Right after a list its objects may still be on their way.
        """
        app, missed = self._app, 0
        difference = await app.lister.compare()
        for kind, namespace, name in difference.gone:
            LOG.info("%s %s/%s is gone without a word", kind, namespace, name)
            app.intake.gone(kind, namespace, name)
        for kind, namespace, name in difference.unknown:
            if (obj := await app.lister.fetch(kind, namespace, name)) is not None:
                version = app.cache.versions(kind).get((namespace, name))
                missed += version != obj["metadata"]["resourceVersion"]
                app.intake.take(obj)
        if timed:
            app.note_round(missed)
        app.tools.memory.forget_all_but(app.cache.exists)
