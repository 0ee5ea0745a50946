"""Setting a device back to its address: looked at twice, one device at a time, written down before it is told."""

from dataclasses import replace
from datetime import timedelta

from device_cert_operator.core.addresses import is_changing, pending_change
from device_cert_operator.core.model import AddressLook, StaticAddress
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import AddressChange, DeviceStatus
from device_cert_operator.errors import DeviceRefused, Unsupported
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.asking import ask
from device_cert_operator.reconcile.visit import Visit

LISTEN_FOR = timedelta(seconds=3)


async def look_at_declared(visit: Visit) -> None:
    """Whether somebody has the declared address: another Device by its spec, or whoever answers there."""
    host = visit.desired.host
    visit.declared_look = AddressLook(host, _meant_for_another(visit) or await _heard(visit))


async def set_address(visit: Visit, situation: Situation, wanted: StaticAddress) -> None:
    """Tell the device to take the address, unless that is no longer right. Raises OperatorError.

    The look is repeated under the lock, and only one Device may be on its way to its address.
    """
    async with visit.tools.setting_address:
        await look_at_declared(visit)
        if changing_now(visit) is not None or (visit.declared_look and visit.declared_look.taken_by is not None):
            return
        before = pending_change(visit.desired, visit.status)
        attempts = before.attempts + 1 if before else 1
        await _note(visit, wanted, AddressChange(wanted.address, visit.tools.clock.now(), attempts))
    try:
        needs_restart = await ask(visit, situation, "set_address", lambda driver: driver.set_address(wanted))
    except (DeviceRefused, Unsupported) as error:
        refused = AddressChange(wanted.address, visit.tools.clock.now(), attempts, problem=error.message)
        await _note(visit, wanted, refused)
        return
    visit.tell("Normal", Reason.ADDRESS_SET, f"The device was told to take {wanted.address} instead of {wanted.was}.")
    if needs_restart:
        waits = AddressChange(wanted.address, visit.tools.clock.now(), attempts, restart_needed=True)
        await _note(visit, wanted, waits)
        return
    await go_to_declared(visit)


async def begin_restart(visit: Visit, restarting: DeviceStatus) -> bool:
    """Write down that the device is about to be restarted for its address. False: another one is on its way."""
    async with visit.tools.setting_address:
        if changing_now(visit) is not None:
            return False
        await visit.save(restarting)
        return True


async def go_to_declared(visit: Visit) -> None:
    """From now on it is looked for at its declared address."""
    await visit.close_session()
    visit.look_again()
    visit.address, visit.declared_look = visit.desired.host, None


def changing_now(visit: Visit) -> str | None:
    """Another Device that is just taking its address."""
    now = visit.tools.clock.now()
    for view in visit.tools.cache.all_devices():
        if view.uid != visit.view.uid and view.desired is not None and is_changing(view.desired, view.status, now):
            return view.key.name
    return None


async def _note(visit: Visit, wanted: StaticAddress, change: AddressChange) -> None:
    """With where it was proven in this pass: after a crash it is looked for there."""
    known = replace(visit.status.address, declared=visit.desired.host, current=wanted.was, change=change)
    await visit.save(replace(visit.status, address=known))


def _meant_for_another(visit: Visit) -> str | None:
    host = visit.desired.host
    for view in visit.tools.cache.all_devices():
        if view.uid != visit.view.uid and view.desired is not None and view.desired.host == host:
            return f"{host} is declared for Device {view.key.name} as well"
    return None


async def _heard(visit: Visit) -> str | None:
    desired = visit.desired
    ports = (desired.https_port, desired.port or desired.https_port)
    heard = await visit.tools.occupied(desired.host, ports, timeout=min(desired.timeout, LISTEN_FOR))
    if heard is None:
        return None
    for view in visit.tools.cache.all_devices():
        if view.uid != visit.view.uid and view.status.address.current == desired.host:
            return f"{heard}, where Device {view.key.name} was proven"
    return heard
