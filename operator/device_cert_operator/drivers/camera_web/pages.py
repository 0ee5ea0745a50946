"""What the web interface answers, as values, and its refusals, as the errors that say who can help. Pure.

Replies are hostile input: every member is checked for its type, and what is shown of them is cut and made printable.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from device_cert_operator.core.exchange import Reply
from device_cert_operator.core.model import ClockSource, DeviceIdentity, KeyType
from device_cert_operator.errors import (
    DeviceBusy,
    DeviceError,
    DeviceRefused,
    OperatorError,
    PermissionMissing,
    ProtocolViolation,
    Unsupported,
)
from device_cert_operator.net.words import without_secrets
from device_cert_operator.reasons import Reason

_MOST_LISTED = 64
_LONGEST_TEXT = 256
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
Page = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Slot:
    """A certificate with its key. name: as its maker called it. fingerprints: leaf first."""

    name: str
    fingerprints: tuple[str, ...]

    @property
    def leaf(self) -> str | None:
        return self.fingerprints[0] if self.fingerprints else None


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """The one request that the camera holds a key for. ready: its file can be fetched."""

    name: str
    ready: bool


@dataclass(frozen=True, slots=True)
class Certificates:
    """The certificate page. in_use: `firmware`, `uploaded` or `none`.

    deletes_first: an upload is refused while another one is there. request_destroys: a request takes every certificate,
    the camera's own too; that is seen after a restart.
    """

    in_use: str
    deletes_first: bool
    request_destroys: bool
    key_types: frozenset[KeyType]
    firmware: Slot
    uploaded: Slot | None
    request: SigningRequest | None


@dataclass(frozen=True, slots=True)
class ToldClock:
    """The clock page. utc None: the camera did not tell."""

    utc: datetime | None
    source: ClockSource
    time_zone: str | None
    daylight_saving: bool
    ntp_servers: tuple[str, ...]


# ---------------------------------------------------------------------------------------------- reading


def read_page(reply: Reply, what: str) -> Page:
    """A JSON object. Raises ProtocolViolation."""
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        raise _unreadable(what, f"no JSON: {_shown(reply.body[:80].decode('utf-8', 'replace'))!r}") from None
    if not isinstance(found, dict):
        raise _unreadable(what, "no JSON object")
    return found


def read_identity(page: Page) -> DeviceIdentity:
    """`/cgi/system`."""
    mac = _text(page, "macAddress").lower().replace("-", ":")
    return DeviceIdentity(
        manufacturer=_text(page, "manufacturer"),
        model=_text(page, "model"),
        firmware_version=_text(page, "firmware"),
        serial_number=_text(page, "serialNumber"),
        mac_addresses=(mac,) if _MAC.fullmatch(mac) else (),
    )


def read_addresses(page: Page) -> tuple[str, ...]:
    """The addresses of `/cgi/system`, as the camera writes them."""
    return _texts(page, "addresses")


def read_clock(page: Page) -> ToldClock:
    """`/cgi/clock`."""
    text = _text(page, "utc")
    try:
        utc = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) if text else None
    except ValueError:
        raise _unreadable("the clock", f"{_shown(text)!r} is no time") from None
    sources = {"manual": ClockSource.MANUAL, "ntp": ClockSource.NTP}
    return ToldClock(
        utc=utc,
        source=sources.get(_text(page, "mode"), ClockSource.UNKNOWN),
        time_zone=_text(page, "timeZone") or None,
        daylight_saving=_flag(page, "daylightSaving"),
        ntp_servers=_texts(page, "ntpServers"),
    )


def read_https(page: Page) -> tuple[bool, int | None]:
    """`/cgi/https`: whether it is on, and its port."""
    port = page.get("port")
    return _flag(page, "enabled"), port if isinstance(port, int) and 0 < port < 65536 else None


def read_address(page: Page) -> tuple[str, int | None, str | None]:
    """`/cgi/network`: address, prefix length, gateway."""
    prefix = page.get("prefixLength")
    return _text(page, "address"), prefix if isinstance(prefix, int) else None, _text(page, "gateway") or None


def read_reboot_needed(page: Page) -> bool:
    """The answer to a new address."""
    if not isinstance(page.get("rebootNeeded"), bool):
        raise _unreadable("the new address", "rebootNeeded is neither true nor false")
    return _flag(page, "rebootNeeded")


def read_certificates(page: Page) -> Certificates:
    """`/cgi/certificate`."""
    known = {str(kind): kind for kind in KeyType}
    in_use = _text(page, "inUse")
    if in_use not in {"firmware", "uploaded", "none"}:
        raise _unreadable("the certificate page", f"inUse is {_shown(in_use)!r}")
    request = _object(page, "request")
    firmware = _slot(page, "firmware")
    if firmware is None:
        raise _unreadable("the certificate page", "it does not name the firmware's own")
    return Certificates(
        in_use=in_use,
        deletes_first=_text(page, "replaces") == "after-delete",
        request_destroys=_flag(page, "requestDestroys"),
        key_types=frozenset(known[word] for word in _texts(page, "keyTypes") if word in known),
        firmware=firmware,
        uploaded=_slot(page, "uploaded"),
        request=SigningRequest(_text(request, "name"), _flag(request, "ready")) if request is not None else None,
    )


def _slot(page: Page, name: str) -> Slot | None:
    found = _object(page, name)
    if found is None:
        return None
    fingerprints = tuple(one.lower() for one in _texts(found, "fingerprints"))
    if not all(_FINGERPRINT.fullmatch(one) for one in fingerprints):
        raise _unreadable("the certificate page", f"{name} has a fingerprint that is no SHA-256")
    return Slot(_text(found, "name"), fingerprints)


def _object(page: Page, name: str) -> Page | None:
    found = page.get(name)
    if found is not None and not isinstance(found, dict):
        raise _unreadable(name, "it is no JSON object")
    return found


def _text(page: Page, name: str) -> str:
    found = page.get(name)
    if found is not None and not isinstance(found, str):
        raise _unreadable(name, "it is no text")
    return (found or "")[:_LONGEST_TEXT]


def _flag(page: Page, name: str) -> bool:
    found = page.get(name, False)
    if not isinstance(found, bool):
        raise _unreadable(name, "it is neither true nor false")
    return found


def _texts(page: Page, name: str) -> tuple[str, ...]:
    found = page.get(name, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise _unreadable(name, "it is no list of texts")
    return tuple(one[:_LONGEST_TEXT] for one in found[:_MOST_LISTED])


# --------------------------------------------------------------------------------------------- refusals


class WebRefusal(DeviceRefused):
    """A refusal in a word of the interface's own. word: e.g. `chain`."""

    def __init__(self, message: str, word: str, reason: Reason | None) -> None:
        super().__init__(message, reason=reason)
        self.word = word


_REASONS = {
    "key-type": Reason.KEY_TYPE_REFUSED,
    "no-request": Reason.DEVICE_KEY_LOST,
    "store-full": Reason.STORE_FULL,
    "on-ntp": Reason.CLOCK_OFF,
}


def error_of(reply: Reply, what: str) -> OperatorError | None:
    """The error that a status of 400 or more means; None for an answer. what: for people."""
    if reply.status < 400:
        return None
    if reply.status == 401:
        return PermissionMissing(f"{what}: the device wants a log-in that it does not offer")
    word, told = _refusal(reply)
    message = f"{what}: the device says {word or f'HTTP {reply.status}'}" + (f" ({told})" if told else "")
    if not word:
        return _without_a_word(reply.status, message)
    if reply.status == 503:
        return DeviceBusy(message)
    return WebRefusal(message, word, _REASONS.get(word))


def _without_a_word(status: int, message: str) -> DeviceError | Unsupported:
    if status in {404, 405, 501}:
        return Unsupported(f"{message}: it has no such web interface")
    return ProtocolViolation(message)


def _refusal(reply: Reply) -> tuple[str, str]:
    try:
        page = read_page(reply, "a refusal")
        return _shown(_text(page, "error"))[:40], _shown(without_secrets(_text(page, "message")))
    except ProtocolViolation:
        return "", ""


def _unreadable(what: str, why: str) -> ProtocolViolation:
    return ProtocolViolation(f"{what} cannot be read: {why}")


def _shown(text: str) -> str:
    """Safe to show."""
    return "".join(one if one.isprintable() else "·" for one in text[:120])
