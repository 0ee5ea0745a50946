"""What a check returns, and short words for its four kinds."""

from dataclasses import dataclass

from device_cert_operator.core.steps import Step
from device_cert_operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Finding:
    """A gap. condition: what it makes untrue, if any. step: what would close it now. blocks: nothing after it is done.

    waits: it closes by itself, in seconds. person: a person must act, whatever the reason means elsewhere.
    """

    condition: str | None
    reason: Reason
    message: str
    step: Step | None = None
    blocks: bool = False
    waits: bool = False
    person: bool = False


def to_do(condition: str | None, reason: Reason, message: str, step: Step) -> Finding:
    """A gap that a step closes."""
    return Finding(condition, reason, message, step, blocks=True)


def blocked(condition: str | None, reason: Reason, message: str) -> Finding:
    """A gap that nothing closes now, before which nothing else is done."""
    return Finding(condition, reason, message, blocks=True)


def for_a_person(condition: str | None, reason: Reason, message: str) -> Finding:
    """A gap that only a person can close."""
    return Finding(condition, reason, message, blocks=True, person=True)


def waiting(condition: str | None, reason: Reason, message: str) -> Finding:
    """A gap that closes by itself."""
    return Finding(condition, reason, message, blocks=True, waits=True)


def note(condition: str | None, reason: Reason, message: str) -> Finding:
    """A gap that is only told."""
    return Finding(condition, reason, message)
