"""Who may act now, and for how long: of several replicas the one that holds the Lease.

A holder counts from the moment before it sent its last renewal that succeeded; the others count from the moment after
they saw it. Each uses its own steady clock, so it does not matter what the replicas' clocks show, and the holder has
always stopped before another begins. What is written is conditional on what was read. It is not the client library's
elector: that one goes on leading when the connection drops.
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

from device_cert_operator.clock import steady_seconds
from device_cert_operator.errors import ClusterError, Conflict, NotLeading
from device_cert_operator.permit import ALWAYS, Permit

LOG = logging.getLogger(__name__)
END_WITHIN = 2.0  # for cancelled work to end, where the Lease leaves less
SHORTEST = timedelta(seconds=1)
GRAIN = 0.05  # seconds; less is not worth a sleep
NOBODY = ""


class Record(Protocol):
    """The Lease as stored. holder: empty when released. token: another one after each renewal."""

    @property
    def holder(self) -> str: ...

    @property
    def duration(self) -> timedelta: ...

    @property
    def token(self) -> str: ...


R = TypeVar("R", bound=Record)


class LeaseStore(Protocol[R]):
    """Where the Lease is kept; `kube.lease.KubeLease`. within: after that long a call has failed."""

    async def read(self, within: timedelta) -> R | None:
        """The Lease; None when it is not there. Raises ClusterError."""
        ...

    async def write(self, over: R | None, holder: str, duration: timedelta, within: timedelta) -> R:
        """Make it, or renew exactly what was read. Raises Conflict when it is another meanwhile, ClusterError."""
        ...


class Duty(Protocol):
    """What only the holder does."""

    def begin(self) -> None:
        """Start acting."""
        ...

    async def end(self) -> None:
        """Cancel whatever is being done; return when it is over."""
        ...


class Leadership(Permit, Protocol):
    """What the process asks: `Election`, or `Alone`."""

    @property
    def leading(self) -> bool: ...

    @property
    def told(self) -> str:
        """The state in words, for /readyz."""
        ...

    async def run(self, duty: Duty) -> None:
        """Let the duty begin and end as it has to, until cancelled. Raises LeaseOutlived."""
        ...

    async def release(self) -> None:
        """Give the Lease away, so that another need not wait for its end. The duty has ended before."""
        ...


class LeaseOutlived(Exception):
    """Cancelled work did not end with the Lease: only the end of the process ends it."""


class Alone:
    """One replica without a Lease: it acts as soon as it can."""

    told = "acting alone, without a Lease"

    def __init__(self) -> None:
        self.leading = False

    async def before(self, takes: timedelta) -> None:
        return await ALWAYS.before(takes)

    def check(self) -> None:
        return

    async def run(self, duty: Duty) -> None:
        self.leading = True
        duty.begin()
        await asyncio.Event().wait()

    async def release(self) -> None:
        return


class Election(Generic[R]):
    """Holds the Lease, or stands by for it.

    identity: of this process, never that of another, nor of the one before it. duration: from a renewal to the end,
    whole seconds. clock, sleep: seconds; replaced in tests.
    """

    def __init__(
        self,
        store: LeaseStore[R],
        identity: str,
        duration: timedelta,
        *,
        clock: Callable[[], float] = steady_seconds,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._identity = identity
        self._duration = duration
        self._clock = clock
        self._sleep = sleep
        self._lasts = duration.total_seconds()
        self._look_every = min(1.0, self._lasts / 6)
        self._renew_every = self._lasts / 6
        self._stop_before = self._lasts / 15  # the end: cancelling takes a moment
        self._longest = self._lasts - 2 * self._renew_every  # what may take longer is cut off with the Lease
        self._record: R | None = None
        self._expires_at = -math.inf
        self._seen: tuple[str, float] | None = None  # token, and when it was seen first
        self._met = False  # whether there was a Lease once
        self._changed = asyncio.Event()
        self._trouble = NOBODY

    # ------------------------------------------------------------------------------------------- asking

    @property
    def leading(self) -> bool:
        return self.remaining() > 0

    @property
    def told(self) -> str:
        if self.leading:
            return f"leading as {self._identity}"
        holder = self._record.holder if self._record is not None else NOBODY
        return f"standby; {holder or 'nobody'} leads"

    def remaining(self) -> float:
        """Seconds for which nobody else may act; negative when somebody may."""
        return self._expires_at - self._clock()

    async def before(self, takes: timedelta) -> None:
        """See `Permit`. While the Lease is too short for it, a renewal is waited for."""
        needed = min(takes.total_seconds(), self._longest)
        while self.remaining() <= needed:
            self.check()
            await self._changed.wait()

    def check(self) -> None:
        """See `Permit`."""
        if not self.leading:
            raise NotLeading("This process no longer holds the Lease; another one goes on.")

    # ------------------------------------------------------------------------------------------ running

    async def run(self, duty: Duty) -> None:
        """See `Leadership`."""
        while True:
            await self._acquire()
            LOG.info("This process leads now, as %s", self._identity)
            duty.begin()
            await self._keep()
            LOG.warning("The Lease is lost (%s): device work is cancelled", self._trouble or "not renewed in time")
            await self._end(duty)

    async def release(self) -> None:
        """See `Leadership`."""
        held = self.leading
        self._give_up()
        if not held:
            return
        try:
            await self._write_nobody(timedelta(seconds=1))
            LOG.info("The Lease is released")
        except ClusterError as error:
            LOG.warning("The Lease could not be released, it runs out by itself: %s", error.message)

    async def _write_nobody(self, within: timedelta) -> None:
        try:
            await self._store.write(self._record, NOBODY, SHORTEST, within)
        except Conflict:  # the answer to a renewal of ours was not waited for
            found = await self._store.read(within)
            if found is not None and found.holder == self._identity:
                await self._store.write(found, NOBODY, SHORTEST, within)

    async def _acquire(self) -> None:
        while True:
            free_in = self._look_every
            try:
                free_in = await self._take_if_free()
                self._note_trouble(None)
            except Conflict:
                pass
            except ClusterError as error:
                self._note_trouble(error)
            if self.leading:
                return
            await self._sleep(min(self._look_every, max(free_in, GRAIN)))

    async def _take_if_free(self) -> float:
        """Seconds until the Lease is free as far as this process has seen; 0 when it was taken. Raises ClusterError."""
        within = timedelta(seconds=self._renew_every)
        found = self._record = await self._store.read(within)
        if (free_in := self._free_in(found)) > 0:
            return free_in
        sent_at = self._clock()
        self._hold(await self._store.write(found, self._identity, self._duration, within), sent_at)
        return 0.0

    def _free_in(self, found: R | None) -> float:
        free = found.holder in {NOBODY, self._identity} if found is not None else not self._met
        self._met = self._met or found is not None
        if free:
            self._seen = None
            return 0.0
        # one that was deleted is still its holder's until that one has to stop, or has made it again
        token, lasts = (found.token, found.duration.total_seconds()) if found is not None else ("", self._lasts)
        now = self._clock()
        if self._seen is None or self._seen[0] != token:
            self._seen = token, now
        return self._seen[1] + lasts - now

    async def _keep(self) -> None:
        """Renew until that fails for too long."""
        again = self._renew_every
        while True:
            await self._sleep(min(again, max(self._left(), GRAIN)))
            if self._left() <= 0:
                return
            again = self._renew_every if await self._renew() else self._look_every

    def _left(self) -> float:
        return self.remaining() - self._stop_before

    async def _renew(self) -> bool:
        within = timedelta(seconds=max(min(self._renew_every, self._left()), GRAIN))
        sent_at = self._clock()
        try:
            self._hold(await self._store.write(self._record, self._identity, self._duration, within), sent_at)
            self._note_trouble(None)
            return True
        except Conflict:
            return await self._read_again(within)
        except ClusterError as error:
            self._note_trouble(error)
            return False

    async def _read_again(self, within: timedelta) -> bool:
        """Somebody wrote: a renewal of ours whose answer was lost, a label, or another holder."""
        try:
            found = await self._store.read(within)
        except ClusterError as error:
            self._note_trouble(error)
            return False
        self._record = found
        if found is not None and found.holder != self._identity:
            self._trouble = f"{found.holder or 'nobody'} stands there as its holder"
            self._expires_at = self._clock()
        return False

    async def _end(self, duty: Duty) -> None:
        """No request starts any more; those under way are cancelled. Raises LeaseOutlived."""
        within = max(self.remaining(), END_WITHIN)
        self._give_up()
        ending = asyncio.ensure_future(duty.end())
        done, _ = await asyncio.wait([ending], timeout=within)
        if not done:
            ending.cancel()
            raise LeaseOutlived("Device work outlives the Lease; the process ends.")
        ending.result()

    def _hold(self, record: R, sent_at: float) -> None:
        self._record, self._expires_at, self._seen, self._met = record, sent_at + self._lasts, None, True
        self._wake()

    def _give_up(self) -> None:
        self._expires_at = -math.inf
        self._wake()

    def _wake(self) -> None:
        """Those who wait look again."""
        before, self._changed = self._changed, asyncio.Event()
        before.set()

    def _note_trouble(self, error: ClusterError | None) -> None:
        """Told once, not at each try."""
        message = error.message if error is not None else ""
        if message and message != self._trouble:
            LOG.warning("The Lease cannot be read or renewed: %s", message)
        self._trouble = message
