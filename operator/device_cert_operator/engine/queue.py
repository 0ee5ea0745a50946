"""A queue of keys with due times: each key is in it once, worked on by one worker at a time, earlier wins.

After client-go's work queue: what is added while it is being worked on is due again afterwards.
"""

import asyncio
import heapq
import itertools
from collections.abc import Hashable
from typing import Generic, TypeVar

from device_cert_operator.clock import Clock

K = TypeVar("K", bound=Hashable)


class KeyedQueue(Generic[K]):
    """For one event loop."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._working: dict[K, float] = {}
        self._again: dict[K, float] = {}
        self._count = itertools.count()
        self._changed = asyncio.Event()

    def add(self, key: K, after: float = 0.0) -> None:
        """The key is due in so many seconds, unless it is due earlier anyway."""
        due = self._clock.monotonic() + max(after, 0.0)
        if key in self._working:
            self._again[key] = min(due, self._again.get(key, due))
            return
        if key in self._due and self._due[key] <= due:
            return
        self._due[key] = due
        heapq.heappush(self._heap, (due, next(self._count), key))
        self._changed.set()

    def forget(self, key: K) -> None:
        """The key is no longer due; a pass under way goes on."""
        self._due.pop(key, None)
        self._again.pop(key, None)

    def clear(self) -> None:
        """Nothing is due any more; passes under way go on."""
        self._due.clear()
        self._again.clear()
        self._heap.clear()

    async def get(self) -> K:
        """Wait for the next due key and take it; `done` must follow."""
        while True:
            if (key := self._pop_due()) is not None:
                self._working[key] = self._clock.monotonic()
                return key
            self._changed.clear()
            wait = self._heap[0][0] - self._clock.monotonic() if self._heap else None
            try:
                async with asyncio.timeout(max(wait, 0.0) if wait is not None else None):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, key: K) -> None:
        """The pass over the key is over; what was added meanwhile counts now."""
        self._working.pop(key, None)
        due = self._again.pop(key, None)
        if due is not None:
            self.add(key, due - self._clock.monotonic())
        self._changed.set()

    def kick(self) -> None:
        """Look at the clock again: it was turned."""
        self._changed.set()

    @property
    def depth(self) -> int:
        """Keys that are due and wait for a worker."""
        now = self._clock.monotonic()
        return sum(1 for due in tuple(self._due.values()) if due <= now)  # a copy: metrics ask from a thread

    @property
    def oldest_due_seconds(self) -> float:
        """How long the longest waiting key has been due."""
        now = self._clock.monotonic()
        return max((now - due for due in tuple(self._due.values()) if due <= now), default=0.0)

    def busy_longest(self) -> tuple[K, float] | None:
        """The key that has been worked on longest, and for how many seconds."""
        if not self._working:
            return None
        key = min(self._working, key=lambda one: self._working[one])
        return key, self._clock.monotonic() - self._working[key]

    @property
    def idle(self) -> bool:
        """Nothing is due and nothing is worked on."""
        return not self._working and self.depth == 0

    def _pop_due(self) -> K | None:
        while self._heap and self._heap[0][0] <= self._clock.monotonic():
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                return key
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return None
