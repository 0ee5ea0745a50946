"""Workers: a bounded number of passes at once, and what becomes of each."""

import asyncio
import hashlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Generic, TypeVar

from device_cert_operator.clock import Clock
from device_cert_operator.engine.queue import KeyedQueue
from device_cert_operator.errors import Conflict, NotLeading, OperatorError, Retry

LOG = logging.getLogger(__name__)
K = TypeVar("K", bound=Hashable)
FIRST_BUG_DELAY = 5.0
LAST_BUG_DELAY = 600.0


class Workers(Generic[K]):
    """Takes due keys and runs `reconcile` on them; a bug in one pass backs that key off and harms no other."""

    def __init__(
        self,
        queue: KeyedQueue[K],
        reconcile: Callable[[K], Awaitable[timedelta | None]],
        count: int,
        clock: Clock,
        on_result: Callable[[K, str, float], None] = lambda _key, _result, _seconds: None,
    ) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._count = count
        self._clock = clock
        self._on_result = on_result
        self.tasks: list[asyncio.Task[None]] = []
        self._failures: dict[K, int] = {}
        self._stopping = False

    def start(self) -> None:
        """Start the workers in the running loop; after `halt`, anew."""
        self.tasks = [asyncio.create_task(self._work(), name=f"worker-{number}") for number in range(self._count)]

    async def drain(self, within: timedelta) -> None:
        """Take no more keys; give running passes this long, then cancel them."""
        self._stopping = True
        busy = [task for task in self.tasks if not task.done()]
        if busy:
            deadline = self._clock.monotonic() + within.total_seconds()
            while self._queue.busy_longest() is not None and self._clock.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def halt(self) -> None:
        """Cancel everything at its present await; return when it is over."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks = []

    def stuck(self, longer_than: timedelta) -> str | None:
        """The key that a worker has been busy with for too long, as text."""
        longest = self._queue.busy_longest()
        if longest is None or longest[1] <= longer_than.total_seconds():
            return None
        return f"{longest[0]} for {longest[1]:.0f} s"

    @property
    def alive(self) -> bool:
        """Whether no worker has ended."""
        return bool(self.tasks) and not any(task.done() for task in self.tasks)

    async def _work(self) -> None:
        while not self._stopping:
            key = await self._queue.get()
            started = self._clock.monotonic()
            again: float | None = None
            result = "ok"
            try:
                if self._stopping:
                    continue
                due = await self._reconcile(key)
                again = due.total_seconds() if due is not None else None
                self._failures.pop(key, None)
            except OperatorError as error:
                result = str(error.reason)
                again = self._delay(key, quick=error.retry in {Retry.AGAIN, Retry.SOON})
                level = logging.DEBUG if isinstance(error, Conflict | NotLeading) else logging.WARNING
                LOG.log(level, "%s", error.message, extra={"object": str(key), "reason": result})
            except asyncio.CancelledError:
                result = "cut-short"
                raise
            except Exception:
                result = "bug"
                again = self._delay(key, quick=False)
                LOG.exception("A bug; the object is tried again in %.0f s", again, extra={"object": str(key)})
            finally:
                self._on_result(key, result, self._clock.monotonic() - started)
                if again is not None:
                    self._queue.add(key, again)
                self._queue.done(key)

    def _delay(self, key: K, *, quick: bool) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        if quick:
            return min(0.1 * (1 << min(failures, 8)), 10.0)
        return min(FIRST_BUG_DELAY * (1 << min(failures - 1, 10)), LAST_BUG_DELAY) * (1 - spread(str(key), 0.2))


class Limits:
    """How many device conversations go on at once: altogether, and per /24 (IPv6: /64)."""

    def __init__(self, most: int, most_per_subnet: int) -> None:
        self._all = asyncio.Semaphore(most)
        self._per_subnet = most_per_subnet
        self._groups: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(most_per_subnet))

    @asynccontextmanager
    async def session(self, address: str) -> AsyncIterator[None]:
        """Hold one place; waits while there is none."""
        async with self._groups[group_of(address)], self._all:
            yield


def group_of(address: str) -> str:
    """The subnet that shares a limit; a DNS name is a group of its own."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((parsed, 24 if parsed.version == 4 else 64), strict=False))


def spread(text: str, over: float) -> float:
    """A number in [0, over) that is always the same for this text: so that a start is no stampede."""
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 * over
