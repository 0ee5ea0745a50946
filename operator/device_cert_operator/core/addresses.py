"""Policy Enforce, as far as spec and status tell: where a device is dialled, and what it was told to take."""

from datetime import datetime, timedelta

from device_cert_operator.core.model import AddressPolicy, DesiredDevice
from device_cert_operator.core.status import AddressChange, DeviceStatus

CHANGE_OF_ADDRESS = "AddressChange"  # the cause of reboots that an address needs
LONGEST_CHANGE = timedelta(minutes=5)


def enforces(desired: DesiredDevice) -> bool:
    """Whether the device is to be set back to its declared address."""
    return desired.address_policy is AddressPolicy.ENFORCE and desired.enforced is not None


def pending_change(desired: DesiredDevice, status: DeviceStatus) -> AddressChange | None:
    """What the device was told to take and has not been proven at, if that is still what is wanted."""
    change = status.address.change
    return change if change is not None and enforces(desired) and change.to == desired.host else None


def in_effect_since(change: AddressChange, status: DeviceStatus) -> datetime | None:
    """Since when the device should be at its address, or on its way; None: it refused, or has not been restarted."""
    if change.problem:
        return None
    if not change.restart_needed:
        return change.since
    reboot = status.last_reboot
    return reboot.at if reboot is not None and reboot.at >= change.since else None


def where_to_dial(desired: DesiredDevice, status: DeviceStatus) -> str:
    """Where it was last proven, unless the declared address was edited since, or the device was told to take it."""
    change = pending_change(desired, status)
    if change is not None and in_effect_since(change, status) is not None:
        return desired.host
    if status.address.current is not None and status.address.declared == desired.host:
        return status.address.current
    return desired.host


def where_else(desired: DesiredDevice, status: DeviceStatus, dialled: str) -> str | None:
    """Under Enforce, the other of the two addresses at which the device may be without a search."""
    if not enforces(desired):
        return None
    other = status.address.current if dialled == desired.host else desired.host
    return other if other != dialled else None


def is_changing(desired: DesiredDevice, status: DeviceStatus, now: datetime) -> bool:
    """Whether this device is just taking its address: no other one is told to meanwhile."""
    change = pending_change(desired, status)
    since = in_effect_since(change, status) if change is not None else None
    return since is not None and now - since < LONGEST_CHANGE
