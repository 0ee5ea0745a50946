"""A rate that several searches share, so that a site full of lost devices is not scanned at many times the rate."""

import asyncio


class RateLimiter:
    """Gives at most `per_second` slots a second, evenly spaced, in the order of asking."""

    def __init__(self, per_second: float) -> None:
        if per_second <= 0:
            raise ValueError("a rate is above 0 a second")
        self._interval = 1 / per_second
        self._next_at = 0.0

    async def take(self) -> None:
        """Return when the caller's slot has come."""
        now = asyncio.get_running_loop().time()
        slot = max(now, self._next_at)
        self._next_at = slot + self._interval
        if slot > now:
            await asyncio.sleep(slot - now)
