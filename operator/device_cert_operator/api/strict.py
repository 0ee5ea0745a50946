"""Reading a spec field by field: what does not fit is a ValueError that names its path, as in `spec.address.host`.

The schema refuses most of it before. A field that is null counts as absent.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, TypeVar, overload

from device_cert_operator.api.durations import parse_duration
from device_cert_operator.core.model import canonical_host

_Enum = TypeVar("_Enum", bound=StrEnum)
_Value = TypeVar("_Value")


class Part:
    """A mapping inside a spec. path: where it is. given: whether it is there at all."""

    __slots__ = ("_values", "given", "path")

    def __init__(self, values: object, path: str) -> None:
        if values is not None and not isinstance(values, Mapping):
            raise ValueError(f"{path} must be an object")
        self.given = values is not None
        self._values: Mapping[str, Any] = values if values is not None else {}
        self.path = path

    def has(self, field: str) -> bool:
        """Whether the field is there."""
        return self._values.get(field) is not None

    def part(self, field: str) -> "Part":
        """A mapping inside; an empty one where it is absent."""
        return Part(self._values.get(field), self._where(field))

    def parts(self, field: str) -> tuple["Part", ...]:
        """A list of mappings."""
        return tuple(Part(value, where) for where, value in self._items(field))

    def text(self, field: str) -> str:
        """A string that is needed."""
        value = self.text_or_none(field)
        if not value:
            raise ValueError(f"{self._where(field)} is missing")
        return value

    def text_or_none(self, field: str) -> str | None:
        """A string."""
        value = self._values.get(field)
        return None if value is None else _text(value, self._where(field))

    def texts(self, field: str) -> tuple[str, ...]:
        """A list of strings."""
        return tuple(_text(value, where) for where, value in self._items(field))

    def host(self, field: str = "host") -> str:
        """An address or DNS name that is needed, in canonical form."""
        return _read(canonical_host, self.text(field), self._where(field))

    def host_or_none(self, field: str) -> str | None:
        """An address or DNS name in canonical form."""
        value = self.text_or_none(field)
        return _read(canonical_host, value, self._where(field)) if value else None

    def hosts(self, field: str) -> tuple[str, ...]:
        """A list of addresses or DNS names in canonical form."""
        return tuple(_read(canonical_host, _text(value, where), where) for where, value in self._items(field))

    def flag(self, field: str, default: bool) -> bool:
        """True or false."""
        value = self._values.get(field)
        if value is not None and not isinstance(value, bool):
            raise ValueError(f"{self._where(field)} must be true or false")
        return default if value is None else value

    @overload
    def number(self, field: str, default: int) -> int: ...
    @overload
    def number(self, field: str, default: None) -> int | None: ...
    def number(self, field: str, default: int | None) -> int | None:
        """A whole number."""
        value = self._values.get(field)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
            raise ValueError(f"{self._where(field)} must be a whole number")
        return default if value is None else value

    def choice(self, field: str, default: _Enum) -> _Enum:
        """One of the default's kind."""
        value = self._values.get(field)
        if value is None:
            return default
        try:
            return type(default)(value)
        except ValueError:
            raise ValueError(f"{self._where(field)} must be one of {', '.join(type(default))}") from None

    @overload
    def duration(self, field: str, default: timedelta) -> timedelta: ...
    @overload
    def duration(self, field: str, default: None) -> timedelta | None: ...
    def duration(self, field: str, default: timedelta | None) -> timedelta | None:
        """Such as 30s, 5m or 2160h."""
        value = self.text_or_none(field)
        return default if value is None else _read(parse_duration, value, self._where(field))

    def read(self, build: Callable[[], _Value]) -> _Value:
        """What is made of several fields; what they do not fit is told with the path of this part."""
        try:
            return build()
        except ValueError as error:
            raise ValueError(f"{self.path}: {str(error)[:200]}") from None

    def _items(self, field: str) -> list[tuple[str, object]]:
        value, where = self._values.get(field), self._where(field)
        if value is not None and not isinstance(value, list):
            raise ValueError(f"{where} must be a list")
        return [(f"{where}[{number}]", item) for number, item in enumerate(value or ())]

    def _where(self, field: str) -> str:
        return f"{self.path}.{field}"


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{where} must be a string")
    return value


def _read(read: Callable[[str], _Value], value: str, where: str) -> _Value:
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{where}: {str(error)[:200]}") from None
