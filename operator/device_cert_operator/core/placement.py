"""The checks of policy Enforce: a device that is elsewhere is set back to its declared address.

Never onto an address that somebody has, and one device at a time. What a device was told stands in the status before it
is told, so that the next pass knows where to look for it, whatever happens in between.
"""

from datetime import datetime, timedelta

from device_cert_operator.core.addresses import CHANGE_OF_ADDRESS, enforces, in_effect_since, pending_change
from device_cert_operator.core.findings import Finding, note, to_do, waiting
from device_cert_operator.core.model import StaticAddress
from device_cert_operator.core.policy import changes_forbidden_by
from device_cert_operator.core.schedule import ISSUING_CEILING, backoff_for
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import AddressChange
from device_cert_operator.core.steps import LookAtDeclared, Reboot, SetAddress
from device_cert_operator.reasons import Reason

GAP = timedelta(seconds=10)  # a device that needs no restart is at its address after a short gap (ONVIF Core, 8.2.6)


def is_displaced(s: Situation) -> bool:
    """Proven at another address than the one that it is to be held at."""
    known = s.recognition is not None and s.recognition.may_log_in and not s.plaintext
    return enforces(s.desired) and known and s.address != s.desired.host


def displaced_device_needs_login(s: Situation) -> bool:
    """Whether its address can be set now, or the restart that it needs for it can be asked for."""
    if not is_displaced(s) or s.declared_look is None or s.declared_look.taken_by is not None:
        return False
    if changes_forbidden_by(s) is not None:
        return False
    change = pending_change(s.desired, s.status)
    return s.changing_now is None and (change is None or s.now >= _next_try(s, change))


def declared_address_is_unseen(s: Situation) -> Finding | None:
    """Before anything else: does somebody have the address that the device is to be set back to?

    Not asked while the device is on its way there.
    """
    if not is_displaced(s):
        return None
    change = pending_change(s.desired, s.status)
    if change is not None and _is_settling(s, change):
        return waiting("AddressCurrent", Reason.DEVICE_RESTARTING, f"{_told(s)} yet, which it was told to take.")
    if s.declared_look is not None:
        return None
    return to_do("AddressCurrent", Reason.ADDRESS_CHANGED, _told(s) + ".", LookAtDeclared())


def device_is_not_at_its_address(s: Situation) -> Finding | None:
    """Told, set back, restarted for it, or waited for; and left alone where somebody else has its address."""
    if not is_displaced(s) or s.declared_look is None:
        return None
    if s.declared_look.taken_by is not None:
        return note(
            "AddressCurrent",
            Reason.ADDRESS_TAKEN,
            f"{_told(s)}: {s.declared_look.taken_by}. Nothing is changed; free that address, or correct "
            "spec.address.host.",
        )
    change = pending_change(s.desired, s.status)
    if change is not None and (found := _told_before(s, change)) is not None:
        return found
    if s.report is None:
        return note("AddressCurrent", Reason.ADDRESS_CHANGED, _told(s) + ".")
    if not s.report.capabilities.can_set_address:
        return note(
            "AddressCurrent",
            Reason.UNSUPPORTED,
            f"{_told(s)}, and takes no address from the operator: set it by hand, or set spec.address.policy to "
            "Follow.",
        )
    if s.changing_now is not None:
        return waiting(
            "AddressCurrent", Reason.WAITING_FOR_TURN, f"{_told(s)}; Device {s.changing_now} is set back first."
        )
    return _set_back(s, change)


def _set_back(s: Situation, change: AddressChange | None) -> Finding | None:
    if change is not None and change.restart_needed and in_effect_since(change, s.status) is None:
        message = f"{_told(s)}; it takes that address with its next restart"
        if s.report is not None and not s.report.capabilities.can_reboot:
            return note("AddressCurrent", Reason.REBOOT_NEEDED, f"{message}: restart it.")
        return to_do("AddressCurrent", Reason.DEVICE_RESTARTING, f"{message}.", Reboot(CHANGE_OF_ADDRESS))
    if s.desired.enforced is None or SetAddress in s.done:
        return note("AddressCurrent", Reason.ADDRESS_CHANGED, _told(s) + ".")
    network = s.desired.enforced
    wanted = StaticAddress(s.desired.host, network.prefix_length, s.address, network.gateway)
    return to_do("AddressCurrent", Reason.ADDRESS_CHANGED, f"{_told(s)}.", SetAddress(wanted))


def _told_before(s: Situation, change: AddressChange) -> Finding | None:
    """It was told already and did not obey: it is told again later."""
    if s.now >= _next_try(s, change):
        return None
    why = f": {change.problem}" if change.problem else ", although it was told to"
    return note(
        "AddressCurrent",
        Reason.ADDRESS_NOT_APPLIED,
        f"{_told(s)}{why} ({change.attempts} tries); the next try is at {_next_try(s, change):%Y-%m-%d %H:%M} UTC.",
    )


def _is_settling(s: Situation, change: AddressChange) -> bool:
    since = in_effect_since(change, s.status)
    return since is not None and s.now - since < (s.restart_for if change.restart_needed else GAP)


def _next_try(s: Situation, change: AddressChange) -> datetime:
    """A restart that is still needed is asked for at once."""
    if change.restart_needed and not change.problem and in_effect_since(change, s.status) is None:
        return change.since
    return change.since + backoff_for(change.attempts, s.desired.uid, ISSUING_CEILING)


def _told(s: Situation) -> str:
    return f"The device answers at {s.address}, not at its address {s.desired.host}"
