"""When to look again: the due times of every kind of outcome, with jitter that is the same each time for one object."""

import hashlib
from datetime import datetime, timedelta

from device_cert_operator.core.status import Attempts
from device_cert_operator.errors import Retry

SOON = timedelta(seconds=2)
SLOW = timedelta(hours=1)
FIRST_BACKOFF = timedelta(seconds=5)
BACKOFF_CEILING = timedelta(minutes=10)
ISSUING_CEILING = timedelta(hours=1)
ON_CHANGE_POLL = timedelta(minutes=10)
TURN_LASTS = timedelta(minutes=15)
OPERATOR_CLOCK_TOLERANCE = timedelta(seconds=10)
STALLED_WHEN_UNREACHABLE_FOR = timedelta(minutes=10)


def fraction_of(uid: str, purpose: str = "") -> float:
    """A number in [0, 1) that is always the same for this uid and purpose."""
    digest = hashlib.sha256(f"{uid}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def backoff_for(failures: int, uid: str, ceiling: timedelta = BACKOFF_CEILING) -> timedelta:
    """5 s, doubling to the ceiling, up to a fifth less by the object's jitter. failures: in a row, at least 1."""
    doubled = FIRST_BACKOFF * (1 << min(max(failures, 1) - 1, 20))
    return min(doubled, ceiling) * (1 - fraction_of(uid, "backoff") / 5)


def retry_after(retry: Retry, failures: int, uid: str, *, asked_for: timedelta | None = None) -> timedelta:
    """How long to wait after an error of this class; `asked_for` is the other side's own word, at most an hour."""
    if asked_for is not None:
        return min(max(asked_for, timedelta(seconds=1)), SLOW)
    match retry:
        case Retry.AGAIN:
            return timedelta(0) if failures <= 3 else SOON
        case Retry.SOON:
            return min(SOON * (1 << min(max(failures, 1) - 1, 8)), timedelta(minutes=1))
        case Retry.BACKOFF:
            return backoff_for(failures, uid)
        case Retry.SLOW:
            return SLOW * (1 - fraction_of(uid, "slow") / 5)
        case _:
            return ON_CHANGE_POLL


def next_attempt(attempts: Attempts, now: datetime, uid: str, ceiling: timedelta = ISSUING_CEILING) -> Attempts:
    """The same back-off as a value to persist, one failure further."""
    failures = attempts.failures + 1
    return Attempts(failures, now + backoff_for(failures, uid, ceiling))


def poll_after(waited_for: timedelta) -> timedelta:
    """How soon to look again at something that takes its time: often at first, then every few seconds."""
    return min(max(waited_for / 4, timedelta(seconds=0.2)), timedelta(seconds=5))


def effective_renew_before(lifetime: timedelta, renew_before: timedelta | None, percentage: int | None) -> timedelta:
    """How long before its end a certificate is renewed: at most, and by default, a third of its lifetime.

    percentage: of the lifetime, 1 to 99, counted from its end.
    """
    third = lifetime / 3
    if renew_before is not None:
        return min(renew_before, third)
    if percentage is not None:
        return min(lifetime * percentage / 100, third)
    return third


def renewal_time(not_before: datetime, not_after: datetime, renew_before: timedelta, uid: str) -> datetime:
    """When to renew: up to a tenth of `renew_before` earlier by jitter, so that a fleet is not renewed at once."""
    jitter = renew_before / 10 * fraction_of(uid, "renewal")
    return max(not_after - renew_before - jitter, not_before)


def is_worth_a_renewal(until: datetime, not_after: datetime, now: datetime) -> bool:
    """Whether a certificate until then lasts a quarter longer than one until `not_after`.

    What brings less, as under a CA that ends as well, is due again as soon as it is made: renewals would have no end.
    """
    return until - now > (not_after - now) * 1.25
