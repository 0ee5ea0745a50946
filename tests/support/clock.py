"""A clock that runs like the machine's and can be put forward."""

import time
from datetime import UTC, datetime, timedelta


class ShiftedClock:
    """Time flows; `forward` jumps. Intervals (monotonic) are never shifted."""

    def __init__(self) -> None:
        self.shift = timedelta(0)

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC) + self.shift

    def monotonic(self) -> float:
        return time.monotonic()

    def forward(self, by: timedelta) -> None:
        """Put it forward."""
        self.shift += by
