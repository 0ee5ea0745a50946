"""Durations as the resources write them: `90m`, `2160h`, `1h30m`."""

import re
from datetime import timedelta

PATTERN = r"^([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?$"
_READ = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,6})s)?")
_SIGNED = re.compile(r"(-?)(?:([0-9]{1,9})h)?(?:([0-9]{1,2})m)?(?:([0-9]{1,2})s)?")


def parse_duration(text: str) -> timedelta:
    """Read hours, minutes and seconds. Raises ValueError."""
    match = _READ.fullmatch(text)
    if match is None or not text:
        raise ValueError(f"{text!r} is no duration such as 30s, 5m or 2160h")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def build_duration(value: timedelta) -> str:
    """Whole seconds as h, m and s; a negative one gets a sign in front (status only)."""
    total = int(abs(value).total_seconds())
    hours, rest = divmod(total, 3600)
    minutes, seconds = divmod(rest, 60)
    text = "".join(f"{amount}{unit}" for amount, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if amount)
    return ("-" if value < timedelta(0) and text else "") + (text or "0s")


def parse_signed_duration(text: str) -> timedelta:
    """As written by `build_duration`, where a clock may be millennia off. Raises ValueError."""
    match = _SIGNED.fullmatch(text)
    if match is None or not text.strip("-"):
        raise ValueError(f"{text!r} is no duration")
    hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
    value = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return -value if match[1] else value
