"""What a device makes of its time zone."""

import re
from datetime import timedelta

_STANDARD = re.compile(r"(?:<[^>]+>|[A-Za-z]+)([+-]?)(\d{1,2})(?::(\d{2}))?")


def ahead_of_utc(time_zone: str, *, daylight_saving: bool) -> timedelta:
    """By a POSIX TZ string, whose own sign counts west; an unreadable one counts as UTC. In summer an hour more."""
    match = _STANDARD.match(time_zone)
    if match is None:
        return timedelta(0)
    west = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
    return (west if match[1] == "-" else -west) + timedelta(hours=int(daylight_saving))
