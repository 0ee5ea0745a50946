"""Replicas in one process on a time that is turned: who holds the Lease, when what goes wrong."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from device_cert_operator.engine.lease import Election
from device_cert_operator.errors import ClusterError, Conflict

LASTS = timedelta(seconds=30)


class TurnedTime:
    """Seconds that pass when `pass_by` says so. Whoever is stopped is woken when it goes on."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.stopped: set[str] = set()
        self._waiting: list[tuple[float, int, str, asyncio.Event]] = []
        self._count = itertools.count()

    async def sleep(self, seconds: float, owner: str = "") -> None:
        woken = asyncio.Event()
        heapq.heappush(self._waiting, (self.now + seconds, next(self._count), owner, woken))
        await woken.wait()

    async def pass_by(self, seconds: float, check: Callable[[], None] = lambda: None) -> None:
        """check: called at every moment at which something may have changed."""
        until = self.now + seconds
        await _settle()
        while (due := [one for one in self._waiting if one[2] not in self.stopped and one[0] <= until]) != []:
            at, _, _, woken = first = min(due)
            self.now = max(self.now, at)
            self._waiting.remove(first)
            heapq.heapify(self._waiting)
            check()
            woken.set()
            await _settle()
            check()
        self.now = until
        check()


async def _settle() -> None:
    for _ in range(12):
        await asyncio.sleep(0)


@dataclass(frozen=True)
class StoredRecord:
    holder: str
    duration: timedelta
    token: str
    version: int


@dataclass
class Server:
    """The API server's part: one record, written over exactly what was read."""

    time: TurnedTime
    record: StoredRecord | None = None
    writes: int = 0

    def write(self, over: StoredRecord | None, holder: str, duration: timedelta) -> StoredRecord:
        if (over.version if over else None) != (self.record.version if self.record else None):
            raise Conflict("it is another meanwhile")
        self.writes += 1
        self.record = StoredRecord(holder, duration, f"renewal {self.writes}", self.writes)
        return self.record

    def touch(self) -> None:
        """Somebody puts a label on it."""
        assert self.record is not None
        self.writes += 1
        self.record = StoredRecord(self.record.holder, self.record.duration, self.record.token, self.writes)


@dataclass
class Line:
    """One replica's connection. trouble: `""`, `away`, `hangs`, or `loses answers` (of writes that were made)."""

    server: Server
    owner: str
    trouble: str = ""
    takes: float = 0.01

    async def read(self, within: timedelta) -> StoredRecord | None:
        await self._fail(within)
        await self.server.time.sleep(self.takes, self.owner)
        return self.server.record

    async def write(
        self, over: StoredRecord | None, holder: str, duration: timedelta, within: timedelta
    ) -> StoredRecord:
        await self._fail(within)
        await self.server.time.sleep(self.takes, self.owner)
        made = self.server.write(over, holder, duration)
        await self.server.time.sleep(self.takes, self.owner)
        if self.trouble == "loses answers":
            raise ClusterError("no answer")
        return made

    async def _fail(self, within: timedelta) -> None:
        if self.trouble == "away":
            raise ClusterError("connection refused")
        if self.trouble == "hangs":
            await self.server.time.sleep(within.total_seconds(), self.owner)
            raise ClusterError("no answer")


@dataclass
class Replica:
    """One process: its election, its line, and what it does while it leads. skew: what its clock shows too much."""

    name: str
    time: TurnedTime
    line: Line
    skew: float = 0.0
    acting: bool = False
    begun: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    ends_at_once: bool = True
    was_stopped: bool = False

    def __post_init__(self) -> None:
        self.election = Election(
            self.line,
            self.name,
            LASTS,
            clock=lambda: self.time.now + self.skew,
            sleep=lambda seconds: self.time.sleep(seconds, self.name),
        )
        self.task = asyncio.create_task(self.election.run(self))

    def begin(self) -> None:
        self.acting, self.was_stopped = True, False
        self.begun.append(self.time.now)

    async def end(self) -> None:
        if not self.ends_at_once:
            await asyncio.Event().wait()
        self.acting = self.was_stopped = False
        self.ended.append(self.time.now)


class Replicas:
    """`async with Replicas(n) as r`; `r.pass_by` fails when two may act at one moment."""

    def __init__(self, count: int, skews: tuple[float, ...] = ()) -> None:
        self.time = TurnedTime()
        self.server = Server(self.time)
        self._count = count
        self._skews = skews

    async def __aenter__(self) -> "Replicas":
        self.all = [
            Replica(name, self.time, Line(self.server, name), *self._skews[number : number + 1])
            for number, name in enumerate("abcdefg"[: self._count])
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self.all:
            one.task.cancel()
        await asyncio.gather(*(one.task for one in self.all), return_exceptions=True)

    def __getitem__(self, number: int) -> Replica:
        return self.all[number]

    def stop(self, replica: Replica) -> None:
        """As SIGSTOP does: what it was doing it takes up again when it wakes, before it can know the time."""
        self.time.stopped.add(replica.name)
        replica.was_stopped = True

    def wake(self, replica: Replica) -> None:
        """As SIGCONT does."""
        self.time.stopped.discard(replica.name)

    @property
    def leaders(self) -> list[str]:
        """Those who may start something now."""
        return [one.name for one in self.all if one.election.leading]

    def check(self) -> None:
        assert len(self.leaders) <= 1, f"two may act: {self.leaders}"
        acting = [one.name for one in self.all if one.acting and not one.was_stopped]
        assert len(acting) <= 1, f"two act: {acting}"

    async def pass_by(self, seconds: float) -> None:
        await self.time.pass_by(seconds, self.check)
