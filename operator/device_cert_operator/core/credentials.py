"""The log-in budget: how often one version of a user name and password may be tried on a device.

A wrong password is tried twice, then never again until the data changes. One that worked before and is refused now gets
a single probe after an hour, doubling to a day.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from device_cert_operator.core.status import CredentialsState
from device_cert_operator.errors import CredentialsRejected

BUDGET = 2
FIRST_PROBE = timedelta(hours=1)
LAST_PROBE = timedelta(hours=24)


def for_version(state: CredentialsState, version: str) -> CredentialsState:
    """The state for this version: another version starts afresh."""
    return state if state.version == version else CredentialsState(version=version)


def why_not(state: CredentialsState, budget: int, now: datetime, secret: str) -> CredentialsRejected | None:
    """Why no log-in may be sent now, if so. secret: `namespace/name`, for the message."""
    if state.refused < min(budget, BUDGET):
        return None
    if state.next_probe_at is not None:
        if now >= state.next_probe_at:
            return None
        return CredentialsRejected(
            f"The device refuses user name or password of Secret {secret}, which worked before; one probe follows at "
            f"{state.next_probe_at:%Y-%m-%d %H:%M} UTC. Correct the Secret to try at once."
        )
    return CredentialsRejected(
        f"The device refused user name or password of Secret {secret} {state.refused} times; nothing more is sent, "
        "so that the account is not locked. Correct the Secret."
    )


def needs_recording_before(state: CredentialsState) -> bool:
    """Whether the try has to be counted before it is sent: this version never worked, or was refused since."""
    return state.state != "Accepted" or state.refused > 0


def try_counted(state: CredentialsState, now: datetime) -> CredentialsState:
    """One more try, counted as refused until the device says otherwise: a crash must not win another one."""
    tries = state.refused + 1
    if state.state == "Accepted" and tries >= BUDGET:
        return replace(state, refused=tries, next_probe_at=now + _probe_interval(tries))
    return replace(state, refused=tries)


def refused(state: CredentialsState) -> CredentialsState:
    """The device said no. A try that was not counted before it was sent is counted now."""
    if state.state == "Accepted":
        return replace(state, refused=max(state.refused, 1))
    return replace(state, state="Refused")


def accepted(state: CredentialsState) -> CredentialsState:
    """The device let us in."""
    return CredentialsState(version=state.version, state="Accepted")


def _probe_interval(refused_tries: int) -> timedelta:
    return min(FIRST_PROBE * (1 << min(max(refused_tries - BUDGET, 0), 10)), LAST_PROBE)
