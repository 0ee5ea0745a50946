"""Time zones as devices tell them, and the mistake that some make with them."""

import re
from datetime import timedelta

from device_cert_operator.core.model import ClockReading

_POSIX_TZ = re.compile(
    r"(?:<[^>]{1,12}>|[A-Za-z]{3,12})(?P<std>[+-]?\d{1,2}(?::\d{2}){0,2})"
    r"(?:(?:<[^>]{1,12}>|[A-Za-z]{3,12})(?P<dst>[+-]?\d{1,2}(?::\d{2}){0,2})?)?",
    re.ASCII,
)


def zone_offset(zone: str | None, *, daylight: bool) -> timedelta | None:
    """How far local time is ahead of UTC by a POSIX TZ string, whose own sign counts west; None if unreadable."""
    match = _POSIX_TZ.match(zone) if zone else None
    if match is None:
        return None
    standard = _west(match["std"])
    if daylight:
        summer = _west(match["dst"]) if match["dst"] else standard - timedelta(hours=1)
        return -summer
    return -standard


def _west(hours: str) -> timedelta:
    sign = -1 if hours.startswith("-") else 1
    parts = [int(part) for part in hours.lstrip("+-").split(":")]
    return sign * sum((timedelta(hours=value / 60**place) for place, value in enumerate(parts)), timedelta())


def is_off_by_its_zone(clock: ClockReading, tolerance: timedelta) -> bool:
    """Whether the clock is off by its own time zone, to either side: the mark of local time told as UTC."""
    ahead = zone_offset(clock.time_zone, daylight=clock.daylight_saving)
    if not ahead or clock.offset is None:
        return False
    return abs(abs(clock.offset) - abs(ahead)) <= tolerance
