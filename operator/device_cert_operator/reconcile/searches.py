"""Searches for lost devices: few at once, who was lost first is looked for first, and no pass waits for its turn.

One sweep through subnets looks for every device that was lost there before it began. A device whose search is not over
soon rests, and is woken at its end.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from device_cert_operator.clock import Clock
from device_cert_operator.core.model import DesiredDevice, ObjectKey, Served

AT_ONCE = 2
PATIENCE = timedelta(seconds=10)  # how long a pass stays for its own sweep: most are over by then
KEPT_FOR = timedelta(minutes=2)  # woken passes may have to wait for a worker
LONGEST_HANDSHAKE = timedelta(seconds=2)


class Sweeper(Protocol):
    """`net.locate.locate` with the process's rate limiter."""

    async def __call__(
        self, key_sha256s: frozenset[str], subnets: tuple[str, ...], port: int, *, near: str, timeout: timedelta
    ) -> tuple[Served, ...]: ...


@dataclass(frozen=True, slots=True)
class Place:
    """What one sweep walks through."""

    subnets: tuple[str, ...]
    port: int


@dataclass(slots=True, eq=False)
class Sweep:
    """One walk. keys: of all who are looked for. askers: to be woken at its end. found, error: what came of it."""

    place: Place
    near: str
    timeout: timedelta
    keys: frozenset[str]
    askers: set[ObjectKey]
    task: asyncio.Task[None] | None = None
    ended_at: datetime | None = None
    found: tuple[Served, ...] = ()
    error: Exception | None = None

    def answers(self, desired: DesiredDevice, keys: frozenset[str], now: datetime) -> bool:
        """Whether this is, or will be, what a device that is known by these keys asks for."""
        fresh = self.ended_at is None or now - self.ended_at < KEPT_FOR
        return fresh and self.place == place_of(desired) and keys <= self.keys

    def with_one_of(self, keys: frozenset[str]) -> tuple[Served, ...]:
        """Who was found with these keys. Raises what the sweep failed with."""
        if self.error is not None:
            raise self.error
        return tuple(served for served in self.found if served.leaf.public_key_sha256 in keys)


def place_of(desired: DesiredDevice) -> Place:
    """Where a device is looked for."""
    return Place(tuple(sorted(set(desired.locate_subnets))), desired.https_port)


class Searches:
    """All of one process. wake: has the Device looked at again."""

    def __init__(self, sweep: Sweeper, wake: Callable[[ObjectKey], None], clock: Clock) -> None:
        self._sweep = sweep
        self._wake = wake
        self._clock = clock
        self._line: list[Sweep] = []
        self._under_way: list[Sweep] = []

    async def ask(self, desired: DesiredDevice, keys: frozenset[str], near: str) -> Sweep:
        """Have the device looked for. near: where it was. Returns soon, with a sweep that may not be over, or begun.

        Only one that has not begun is joined: the device may have come up behind the others.
        """
        place, timeout = place_of(desired), min(desired.timeout, LONGEST_HANDSHAKE)
        if (joined := next((one for one in self._line if one.place == place), None)) is not None:
            joined.askers.add(desired.key)
            joined.keys |= keys
            joined.timeout = max(joined.timeout, timeout)
            return joined
        sweep = Sweep(place, near, timeout, keys, {desired.key})
        self._line.append(sweep)
        self._begin()
        if sweep.task is not None:
            sweep.askers.discard(desired.key)  # it sees the end itself
            await asyncio.wait([sweep.task], timeout=PATIENCE.total_seconds())
            if sweep.ended_at is None:
                sweep.askers.add(desired.key)
        return sweep

    async def halt(self) -> None:
        """Cancel what is under way and forget who waits; return when it is over."""
        tasks = [one.task for one in self._under_way if one.task is not None]
        self._line, self._under_way = [], []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self) -> None:
        """As many as there are places for, in the order of the line; not two at once through the same subnets."""
        for sweep in tuple(self._line):
            if len(self._under_way) >= AT_ONCE:
                return
            if any(other.place == sweep.place for other in self._under_way):
                continue
            self._line.remove(sweep)
            if sweep.askers:  # they may all have been found meanwhile
                self._under_way.append(sweep)
                sweep.task = asyncio.create_task(self._walk(sweep), name="search")

    async def _walk(self, sweep: Sweep) -> None:
        place = sweep.place
        try:
            sweep.found = await self._sweep(
                sweep.keys, place.subnets, place.port, near=sweep.near, timeout=sweep.timeout
            )
        except Exception as error:  # each of the askers tells it
            sweep.error = error
        sweep.ended_at = self._clock.now()
        self._under_way.remove(sweep)
        self._begin()
        for key in sweep.askers:
            self._wake(key)
