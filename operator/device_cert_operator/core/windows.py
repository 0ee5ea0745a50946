"""Maintenance windows: is one open now, and when does the next open?

Schedules are read by cronsim, which treats the changes to and from summer time as Debian's cron does: what is due in
the hour that is skipped is due right after it, what is due in the hour that comes twice is due the first time. A
schedule with a star for its minute or hour goes by elapsed time and is due in both.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import dropwhile, takewhile
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from device_cert_operator.core.model import MaintenanceWindow

_FIVE_FIELDS = re.compile(r"[0-9A-Za-z*/,#-]+( +[0-9A-Za-z*/,#-]+){4}")
_SOME_DAY = datetime(2000, 1, 1, tzinfo=UTC)


def read_window(schedule: str, duration: timedelta, time_zone: str) -> MaintenanceWindow:
    """A window that can be asked. Raises ValueError, with a sentence, for one that names no times."""
    _zone(time_zone)
    if not _is_ever_due(schedule):
        raise ValueError(f"the schedule {schedule!r} is never due")
    return MaintenanceWindow(schedule, duration, time_zone)


def window_open_until(windows: tuple[MaintenanceWindow, ...], now: datetime) -> datetime | None:
    """When the window that is open now closes, the latest of several; None: none is open."""
    closings = (_open_until(window, now) for window in windows)
    return max((closing for closing in closings if closing is not None), default=None)


def next_window(windows: tuple[MaintenanceWindow, ...], now: datetime) -> tuple[datetime, MaintenanceWindow] | None:
    """The first opening after now, in UTC, and whose it is; None without windows."""
    openings = ((opening, window) for window in windows if (opening := _first_after(window, now)) is not None)
    return min(openings, key=lambda one: one[0], default=None)


def _open_until(window: MaintenanceWindow, now: datetime) -> datetime | None:
    """The last of the openings that reach past now decides."""
    openings = takewhile(lambda opening: opening <= now, _openings_after(window, now - window.duration))
    last = max(openings, default=None)
    return last + window.duration if last is not None else None


def _first_after(window: MaintenanceWindow, now: datetime) -> datetime | None:
    return next(_openings_after(window, now), None)


def _openings_after(window: MaintenanceWindow, after: datetime) -> Iterator[datetime]:
    """Ascending, in UTC. cronsim begins at a local time, which a clock that is put back shows twice: hence the test."""
    begin = (after - timedelta(hours=2)).astimezone(_zone(window.time_zone))
    openings = (local.astimezone(UTC) for local in CronSim(window.schedule, begin))
    return dropwhile(lambda opening: opening <= after, openings)


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):  # no such name, or one that leads out of the database
        raise ValueError(f"{name!r} is no time zone such as Europe/Berlin") from None


@lru_cache(maxsize=256)
def _is_ever_due(schedule: str) -> bool:
    """Raises ValueError for what is no schedule."""
    if _FIVE_FIELDS.fullmatch(schedule) is None:
        raise ValueError(f"{schedule!r} is no schedule of five fields, such as 0 2 * * SUN")
    try:
        return next(CronSim(schedule, _SOME_DAY), None) is not None
    except CronSimError as error:
        raise ValueError(f"{schedule!r} is no schedule: {str(error).lower()}") from None
