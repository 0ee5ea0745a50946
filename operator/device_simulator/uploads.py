"""What devices say to an uploaded chain before they store it: the refusals of every kind of device."""

from datetime import datetime
from enum import Enum, auto
from typing import TypeVar

from cryptography import x509

from device_simulator.faults import Fault, FaultBox

T = TypeVar("T")
ONLY_KIND = "RSA-2048"  # of a device that refuses other keys, whatever it lists


class Why(Enum):
    """Why an upload is refused."""

    KEY_TYPE = auto()
    CHAIN = auto()
    EXPIRED = auto()
    OCCUPIED = auto()


class UploadRefused(Exception):
    """Nothing was stored."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.name)
        self.why = why


def key_is_refused(faults: FaultBox, kind: str) -> bool:
    """Whether a key of a listed kind is refused all the same."""
    return kind != ONLY_KIND and faults.strikes(Fault.KEY_TYPE_REFUSED)


def admit(
    faults: FaultBox, chain: tuple[x509.Certificate, ...], kind: str, now: datetime, *, occupied: bool
) -> tuple[x509.Certificate, ...]:
    """What is stored of a chain, leaf first. kind: of its key. now: the device's clock. occupied: whether an upload of
    before is there. Raises UploadRefused.
    """
    check_room(faults, occupied=occupied)
    if key_is_refused(faults, kind):
        raise UploadRefused(Why.KEY_TYPE)
    check_dates(faults, chain[0], now)
    return cut(faults, chain)


def check_room(faults: FaultBox, *, occupied: bool) -> None:
    """Some want the upload of before deleted first."""
    if occupied and faults.on(Fault.CLEAR_IMPORT_GAP):
        raise UploadRefused(Why.OCCUPIED)


def check_dates(faults: FaultBox, leaf: x509.Certificate, now: datetime) -> None:
    """Some refuse what has expired; what is not valid yet they take."""
    if leaf.not_valid_after_utc < now and faults.strikes(Fault.EXPIRED_REFUSED):
        raise UploadRefused(Why.EXPIRED)


def cut(faults: FaultBox, chain: tuple[T, ...]) -> tuple[T, ...]:
    """What is left of a chain where devices have room for the leaf alone."""
    if len(chain) > 1 and faults.strikes(Fault.CHAIN_REFUSED):
        raise UploadRefused(Why.CHAIN)
    return chain[:1] if len(chain) > 1 and faults.strikes(Fault.CHAIN_TRUNCATED) else chain
