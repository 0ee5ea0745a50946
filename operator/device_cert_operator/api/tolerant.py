"""Reading parts of a document that anybody may have damaged: another type is as good as nothing.

Names that end in `_or_none`, and those with a default, never raise; `needed_…` raise ValueError.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from device_cert_operator.api.convert_spec import parse_time
from device_cert_operator.api.durations import parse_signed_duration

Document = Mapping[str, Any]
T = TypeVar("T")


def readable(read: Callable[[Document], T], value: object) -> T | None:
    """What `read` makes of a mapping; None where it is none, or lacks what it cannot be without."""
    if not isinstance(value, Mapping):
        return None
    try:
        return read(value)
    except ValueError:
        return None


def readable_items(read: Callable[[Document], T], value: object) -> tuple[T, ...]:
    """The items of a list that can be read."""
    items = value if isinstance(value, list) else []
    return tuple(one for item in items if (one := readable(read, item)) is not None)


def part_of(holder: Document, field: str) -> Document:
    """A mapping inside, or an empty one."""
    value = holder.get(field)
    return value if isinstance(value, Mapping) else {}


def integer(value: object, default: int) -> int:
    """A number, or the default."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def number_or_none(part: Document, field: str) -> int | None:
    """A whole number."""
    value = part.get(field)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text_or_none(part: Document, field: str) -> str | None:
    """A string."""
    value = part.get(field)
    return value if isinstance(value, str) else None


def text(part: Document, field: str) -> str:
    """A string, or an empty one."""
    return text_or_none(part, field) or ""


def texts(value: object) -> tuple[str, ...]:
    """The strings of a list."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def time_or_none(value: object) -> datetime | None:
    """RFC 3339."""
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None


def duration_or_none(value: object) -> timedelta | None:
    """As `build_duration` writes it."""
    try:
        return parse_signed_duration(value) if isinstance(value, str) else None
    except ValueError:
        return None


def needed_text(part: Document, field: str) -> str:
    """A string. Raises ValueError."""
    value = part.get(field)
    if not isinstance(value, str):
        raise ValueError(field)
    return value


def needed_number(part: Document, field: str) -> int:
    """A whole number. Raises ValueError."""
    value = number_or_none(part, field)
    if value is None:
        raise ValueError(field)
    return value


def needed_time(part: Document, field: str) -> datetime:
    """RFC 3339. Raises ValueError."""
    return parse_time(needed_text(part, field))
