"""The only place that reads the time. Everything else is handed a `Clock`."""

import time
from datetime import UTC, datetime
from typing import Protocol

# on Linux CLOCK_MONOTONIC stands still while the machine sleeps
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Clock(Protocol):
    """What the product knows of time; tests pass one that they can turn."""

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow; for intervals."""
        ...


def steady_seconds() -> float:
    """Seconds that only ever grow, also while the machine sleeps: a Lease goes on running out. Tests never turn it."""
    return time.clock_gettime(_STEADY)


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251  # the one place

    def monotonic(self) -> float:
        return time.monotonic()
