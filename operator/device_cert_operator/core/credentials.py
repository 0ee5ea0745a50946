"""The log-in budget: how often one version of a user name and password may be tried on a device.

A wrong password is tried twice, then never again until the data changes or a person asks. One that worked before and is
refused now gets a single probe after an hour, doubling to a day. So does one of which no device has said that it is
wrong: its tries were counted before they were sent, and nothing was heard of them. A lock is waited for.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from device_cert_operator.core.model import ObjectKey
from device_cert_operator.core.status import CredentialsState
from device_cert_operator.errors import CredentialsRejected, DeviceBusy
from device_cert_operator.reasons import Reason

BUDGET = 2
FIRST_PROBE = timedelta(hours=1)
LAST_PROBE = timedelta(hours=24)


def for_version(state: CredentialsState, version: str) -> CredentialsState:
    """The state for this version: another version starts afresh."""
    return state if state.version == version else CredentialsState(version=version)


def why_not(
    state: CredentialsState, budget: int, now: datetime, device: ObjectKey, secret: str
) -> CredentialsRejected | DeviceBusy | None:
    """Why no log-in may be sent now, if so. secret: its name, for the message."""
    if (lock := why_locked(state, now, device)) is not None:
        return lock
    if _tries(state) < min(budget, BUDGET):
        return None
    told, ask = f"user name or password of Secret {device.namespace}/{secret}", _how_to_ask(device)
    if _is_over(state):
        more = f" ({state.unanswered} more without an answer)" if state.unanswered else ""
        return CredentialsRejected(
            f"The device refused {told} {_times(state.refused)}{more}; nothing more is sent, so that the account is "
            f"not locked. Correct the Secret; where it is right after all, have it tried once more: {ask}"
        )
    if state.next_probe_at is None or now >= state.next_probe_at:
        return None
    at = f"{state.next_probe_at:%Y-%m-%d %H:%M} UTC"
    if state.refused:
        return CredentialsRejected(
            f"The device refuses {told}, which worked before; one probe follows at {at}. Correct the Secret to try at "
            f"once; where it is right, have it tried now: {ask}"
        )
    return DeviceBusy(
        f"User name and password of Secret {device.namespace}/{secret} were sent {_times(state.unanswered)} without an "
        f"answer that tells whether they are right; one more try follows at {at}. To try now: {ask}",
        reason=Reason.LOGIN_UNANSWERED,
        retry_after=state.next_probe_at - now,
    )


def why_locked(state: CredentialsState, now: datetime, device: ObjectKey) -> DeviceBusy | None:
    """That the device has locked the log-in, and until when that is waited for, if so."""
    if state.locked_until is None or now >= state.locked_until:
        return None
    return DeviceBusy(
        f"The device has locked the log-in: none is sent before {state.locked_until:%Y-%m-%d %H:%M:%S} UTC. Wait, or "
        f"unlock it on the device and have it tried at once: {_how_to_ask(device)}",
        reason=Reason.LOGIN_LOCKED,
        retry_after=state.locked_until - now,
    )


def needs_recording_before(state: CredentialsState) -> bool:
    """Whether the try has to be counted before it is sent: this version never worked, or was refused since."""
    return state.state != "Accepted" or _tries(state) > 0


def try_counted(state: CredentialsState, now: datetime) -> CredentialsState:
    """One more try, unanswered until the device says otherwise: a crash must not win another one."""
    counted = replace(state, unanswered=state.unanswered + 1, next_probe_at=None, locked_until=None)
    if _tries(counted) >= BUDGET:
        return replace(counted, next_probe_at=now + _probe_interval(_tries(counted)))
    return counted


def refused(state: CredentialsState) -> CredentialsState:
    """The device said no. A try that was not counted before it was sent is counted now."""
    told = replace(state, refused=state.refused + 1, unanswered=max(state.unanswered - 1, 0))
    return told if state.state == "Accepted" else replace(told, state="Refused", next_probe_at=None)


def unjudged(state: CredentialsState) -> CredentialsState:
    """What came of the last try was no refusal, or it was never sent: it does not count."""
    return replace(state, unanswered=max(state.unanswered - 1, 0), next_probe_at=None)


def locked(state: CredentialsState, until: datetime) -> CredentialsState:
    """The device lets nobody in for a while. The try stays counted: it may be the one that locked it."""
    return replace(state, locked_until=until)


def accepted(state: CredentialsState) -> CredentialsState:
    """The device let us in."""
    return CredentialsState(version=state.version, state="Accepted")


def another_try(state: CredentialsState) -> CredentialsState:
    """A person asks: one more may be sent now, whatever came of those before."""
    refusals = min(state.refused, BUDGET - 1)
    lost = min(state.unanswered, BUDGET - 1 - refusals)
    return replace(state, refused=refusals, unanswered=lost, next_probe_at=None, locked_until=None)


def _tries(state: CredentialsState) -> int:
    return state.refused + state.unanswered


def _is_over(state: CredentialsState) -> bool:
    """A version that never worked was refused: what was lost may have been refused as well."""
    return state.state != "Accepted" and state.refused > 0


def _probe_interval(tries: int) -> timedelta:
    return min(FIRST_PROBE * (1 << min(max(tries - BUDGET, 0), 10)), LAST_PROBE)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _how_to_ask(device: ObjectKey) -> str:
    """The value differs each time: a verb is a new value."""
    return (
        f'kubectl -n {device.namespace} annotate dev {device.name} --overwrite "devicecert.io/retry-login=$(date +%s)"'
    )
