"""The brakes: which steps the user, or prudence, does not allow now."""

from dataclasses import replace
from datetime import datetime, timedelta

from device_cert_operator.core.addresses import CHANGE_OF_ADDRESS
from device_cert_operator.core.installation import ACTIVATION, why_no_key_is_sent
from device_cert_operator.core.model import Management, RebootPolicy
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import DeviceStatus, RebootStatus
from device_cert_operator.core.steps import (
    CHANGES_DEVICE,
    BeginActivation,
    BeginRollBack,
    Install,
    Reboot,
    RecordReboot,
    Rest,
    State,
    Step,
)
from device_cert_operator.core.windows import next_window, window_open_until
from device_cert_operator.reasons import Reason

ADDRESS_CHANGE = "CertificateAddress"  # causes of reboots by which a firmware makes its certificate anew
DATES = "CertificateDates"
TAKEN_OFF = "CertificateTakenOff"
REBOOTS_A_DAY = 2
A_DAY = timedelta(days=1)


def held_back(step: Step, s: Situation) -> Rest | None:
    """Why the step is not taken, if so."""
    changes = isinstance(step, (*CHANGES_DEVICE, BeginActivation, BeginRollBack, RecordReboot))
    if changes and (by := changes_forbidden_by(s)) is not None:
        return Rest(State.HELD, Reason.OBSERVE_ONLY, f"The next step would be {type(step).__name__}; {by} forbids it.")
    if isinstance(step, Reboot):
        return why_not_reboot(step.cause, s)
    if isinstance(step, Install) and (held := why_no_key_is_sent(s, step.revision)) is not None:
        return Rest(State.HELD, held.reason, held.message)
    return None


def changes_forbidden_by(s: Situation) -> str | None:
    """What keeps the operator from changing this device at all, if anything."""
    if s.dry_run:
        return "the operator's dry run"
    return "spec.management: Observe" if s.desired.management is Management.OBSERVE else None


# the restarts that are ours: a person's request waits for nothing
_WHY = {
    ACTIVATION: "to serve its certificate",
    CHANGE_OF_ADDRESS: "to take its address",
    ADDRESS_CHANGE: "to make its certificate for its address",
    DATES: "to make its certificate with the right dates",
    TAKEN_OFF: "to serve its own certificate again",
}


def why_not_reboot(cause: str, s: Situation) -> Rest | None:
    """Why the device is not restarted for this cause: by policy, outside of its windows, or because it did not help."""
    why = _WHY.get(cause) if cause != s.reboot_now else None
    if why is not None and s.desired.reboot_policy is RebootPolicy.NEVER:
        return Rest(
            State.HELD,
            Reason.REBOOT_NEEDED,
            f"The device needs a restart {why}, and spec.reboot.policy is Never: restart it.",
        )
    if why is not None and s.desired.reboot_policy is RebootPolicy.IN_WINDOW and (held := _outside_windows(why, s)):
        return held
    made = _made_today(s.status, cause, s.now)
    if made is not None and made.count >= REBOOTS_A_DAY:
        return Rest(
            State.HELD,
            Reason.REBOOT_NEEDED,
            f"The device was restarted {made.count} times today for {cause}; no more follows today.",
        )
    return None


def with_reboot(status: DeviceStatus, cause: str, now: datetime) -> DeviceStatus:
    """The status with one more reboot for this cause. Those for other causes go on counting, as they may alternate."""
    cause = cause[:64]
    before = _made_today(status, cause, now)
    first_at = now if before is None else _first_at(before)
    entry = RebootStatus(now, cause, 1 if before is None else before.count + 1, first_at)
    others = tuple(
        one for one in _reboots(status) if one.cause != cause and one.cause in _WHY and _is_of_today(one, now)
    )
    return replace(status, last_reboot=entry, earlier_reboots=others)


def _made_today(status: DeviceStatus, cause: str, now: datetime) -> RebootStatus | None:
    return next((one for one in _reboots(status) if one.cause == cause and _is_of_today(one, now)), None)


def _reboots(status: DeviceStatus) -> tuple[RebootStatus, ...]:
    """One for each cause, the last one first."""
    return (*((status.last_reboot,) if status.last_reboot else ()), *status.earlier_reboots)


def _is_of_today(reboot: RebootStatus, now: datetime) -> bool:
    return now - _first_at(reboot) < A_DAY


def _first_at(reboot: RebootStatus) -> datetime:
    return reboot.first_at or reboot.at


def _outside_windows(why: str, s: Situation) -> Rest | None:
    """It waits, as long as that takes; the next look is no later than the opening."""
    if window_open_until(s.desired.windows, s.now) is not None:
        return None
    if (found := next_window(s.desired.windows, s.now)) is None:
        return Rest(
            State.HELD,
            Reason.REBOOT_NEEDED,
            f"The device needs a restart {why}, and no maintenance window is given: restart it, or give one.",
        )
    opens_at, window = found
    return Rest(
        State.HELD,
        Reason.WAITING_FOR_WINDOW,
        f"The device needs a restart {why}; the next maintenance window opens at {opens_at:%Y-%m-%d %H:%M} UTC "
        f"({window.schedule} in {window.time_zone}).",
        until=opens_at,
    )
