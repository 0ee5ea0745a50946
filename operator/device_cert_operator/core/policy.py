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

ADDRESS_CHANGE = "AddressChange"  # causes of reboots by which a firmware makes its certificate anew
DATES = "CertificateDates"
TAKEN_OFF = "CertificateTakenOff"
OUR_CAUSES = frozenset({ACTIVATION, ADDRESS_CHANGE, DATES, TAKEN_OFF})  # all others are requests of a person
REBOOTS_A_DAY = 2
A_DAY = timedelta(days=1)


def held_back(step: Step, s: Situation) -> Rest | None:
    """Why the step is not taken, if so."""
    changes = isinstance(step, (*CHANGES_DEVICE, BeginActivation, BeginRollBack, RecordReboot))
    if changes and (s.desired.management is Management.OBSERVE or s.dry_run):
        by = "the operator's dry run" if s.dry_run else "spec.management: Observe"
        return Rest(State.HELD, Reason.OBSERVE_ONLY, f"The next step would be {type(step).__name__}; {by} forbids it.")
    if isinstance(step, Reboot):
        return why_not_reboot(step.cause, s)
    return None


def why_not_reboot(cause: str, s: Situation) -> Rest | None:
    """Why the device is not restarted for this cause, by policy or because it did not help."""
    if s.desired.reboot_policy is RebootPolicy.NEVER and cause in OUR_CAUSES:
        return Rest(
            State.HELD, Reason.REBOOT_NEEDED, "The device needs a restart, and spec.reboot.policy is Never: restart it."
        )
    last = s.status.last_reboot
    if last and last.cause == cause and last.count >= REBOOTS_A_DAY and s.now - (last.first_at or last.at) < A_DAY:
        return Rest(
            State.HELD,
            Reason.REBOOT_NEEDED,
            f"The device was restarted {last.count} times today for {cause}; no more follows today.",
        )
    return None
