"""The product's command line on a machine whose clock is wrong: `python -m tests.support.skewed SECONDS run …`.

As on another machine, the seconds since it started differ as well; only their passing is the same.
"""

import sys
import time
from datetime import UTC, datetime, timedelta

from device_cert_operator.__main__ import main
from device_cert_operator.clock import SystemClock


def skew(seconds: float) -> None:
    """All that this process reads of time is ahead by so many seconds; negative: behind."""
    real, real_of = time.time, time.clock_gettime

    def now(_clock: SystemClock) -> datetime:
        return datetime.fromtimestamp(real(), UTC) + timedelta(seconds=seconds)

    time.time = lambda: real() + seconds
    time.clock_gettime = lambda which: real_of(which) + seconds
    SystemClock.now = now  # type: ignore[method-assign]


if __name__ == "__main__":
    skew(float(sys.argv.pop(1)))
    main()
