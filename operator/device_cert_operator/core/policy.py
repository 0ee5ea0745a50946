"""The brakes: which steps the user, or prudence, does not allow now."""

from datetime import timedelta

from device_cert_operator.core.installation import ACTIVATION
from device_cert_operator.core.model import Management, RebootPolicy
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.steps import (
    CHANGES_DEVICE,
    BeginActivation,
    BeginRollBack,
    Reboot,
    RecordReboot,
    Rest,
    State,
    Step,
)
from device_cert_operator.reasons import Reason

REBOOTS_A_DAY = 2
A_DAY = timedelta(days=1)


def held_back(step: Step, s: Situation) -> Rest | None:
    """Why the step is not taken, if so."""
    changes = isinstance(step, (*CHANGES_DEVICE, BeginActivation, BeginRollBack, RecordReboot))
    if changes and (s.desired.management is Management.OBSERVE or s.dry_run):
        by = "the operator's dry run" if s.dry_run else "spec.management: Observe"
        return Rest(State.HELD, Reason.OBSERVE_ONLY, f"The next step would be {type(step).__name__}; {by} forbids it.")
    if isinstance(step, Reboot):
        return _why_not_reboot(step, s)
    return None


def _why_not_reboot(step: Reboot, s: Situation) -> Rest | None:
    if s.desired.reboot_policy is RebootPolicy.NEVER and step.cause == ACTIVATION:
        return Rest(
            State.HELD, Reason.REBOOT_NEEDED, "The device needs a restart, and spec.reboot.policy is Never: restart it."
        )
    last = s.status.last_reboot
    if last and last.cause == step.cause and last.count >= REBOOTS_A_DAY and s.now - (last.first_at or last.at) < A_DAY:
        return Rest(
            State.HELD,
            Reason.REBOOT_NEEDED,
            f"The device was restarted {last.count} times today for {step.cause}; no more follows today.",
        )
    return None
