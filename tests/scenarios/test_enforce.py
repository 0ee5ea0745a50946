"""Policy Enforce on the real API server: a camera that is elsewhere is set back, or left alone and told why."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from device_cert_operator.core.addresses import is_changing
from device_cert_operator.core.model import ObjectKey
from device_cert_operator.core.status import AddressStatus
from device_cert_operator.core.steps import Locate, LogIn, LookAtDeclared, Reboot, SetAddress
from device_cert_operator.reconcile import device
from device_simulator import Fault, SimulatedDevice
from tests.scenarios import test_firmware_ca as firmware
from tests.support.crash import Crash
from tests.support.world import HTTP, HTTPS, World

SET = "SetNetworkInterfaces"


def enforce(**more: Any) -> dict[str, Any]:
    return {"address__policy": "Enforce", "address__enforce": {"prefixLength": 28}, **more}


async def is_back(world: World, camera: SimulatedDevice, address: str, name: str = "gate") -> None:
    """At its address, proven there, trusted, and what it was told is forgotten."""
    proven = AddressStatus(declared=address, current=address, reported=(address,))
    key = ObjectKey("Device", world.namespace, name)
    await world.holds(lambda: camera.address == address, within=40)
    await world.holds(lambda: world.app.cache.device(key).status.address == proven, within=40)
    await world.ready(name)
    assert await world.trusted(address)


async def told_of(world: World, name: str, words: str) -> str:
    """By whom the device's address is taken, once these words are in it, or what was told last."""
    for _ in range(100):
        told = await world.until("dev", name, "AddressCurrent", "False", "AddressTaken", within=40)
        if words in told["message"]:
            break
        await asyncio.sleep(0.1)
    return str(told["message"])


async def test_a_camera_found_elsewhere_is_set_back_to_its_address(world: World) -> None:
    camera = await world.one_camera(**enforce())
    home, certificate = camera.address, camera.served_fingerprint
    await camera.move(world.address(9))
    await is_back(world, camera, home)
    assert camera.journal.operations[SET] == 1
    assert camera.served_fingerprint == certificate, "its certificate was for its address all the time"
    assert camera.journal.reboots == 0
    assert camera.journal.overlaps == 0
    assert await world.told("AddressSet")


async def test_one_that_takes_its_address_with_a_restart_is_restarted(world: World) -> None:
    camera = await world.one_camera(**enforce())
    camera.faults.set(Fault.ADDRESS_CHANGE_NEEDS_REBOOT)
    home = camera.address
    await camera.move(world.address(9))
    await is_back(world, camera, home)
    assert (camera.journal.operations[SET], camera.journal.reboots) == (1, 1)
    reboot = (await world.get("dev", "gate"))["status"]["lastReboot"]
    assert reboot["cause"] == "AddressChange"


async def test_a_restart_for_its_address_waits_for_the_maintenance_window(world: World) -> None:
    opens_at = world.clock.now() + timedelta(hours=5)
    window = {"schedule": f"{opens_at.minute} {opens_at.hour} * * *", "duration": "1h"}
    camera = await world.one_camera(**enforce(reboot__policy="InWindow", maintenanceWindows=[window]))
    camera.faults.set(Fault.ADDRESS_CHANGE_NEEDS_REBOOT)
    home = camera.address
    await camera.move(world.address(9))
    told = await world.until("dev", "gate", "AddressCurrent", "False", "WaitingForWindow")
    assert f"opens at {opens_at:%Y-%m-%d %H:%M} UTC" in told["message"]
    assert camera.journal.reboots == 0
    world.clock.forward(timedelta(hours=5, minutes=1))
    await is_back(world, camera, home)
    assert (camera.journal.operations[SET], camera.journal.reboots) == (1, 1)


async def test_an_edited_address_is_enforced_as_well(world: World) -> None:
    camera = await world.one_camera(**enforce())
    await world.apply(world.device("gate", 7, **enforce()))
    await is_back(world, camera, world.address(7))
    assert camera.journal.operations[SET] == 1


async def test_nothing_is_done_while_somebody_else_has_the_address(world: World) -> None:
    camera = await world.one_camera(**enforce())
    home = camera.address
    await camera.move(world.address(9))
    stranger = await world.simulator.stranger_at(home, HTTPS, http_port=HTTP)
    told = await world.until("dev", "gate", "AddressCurrent", "False", "AddressTaken")
    assert f"{home}:{HTTPS}" in told["message"]
    assert "free that address" in told["message"]
    assert (camera.journal.operations[SET], camera.address) == (0, world.address(9))
    assert not stranger.saw_a_login
    await stranger.close()
    await is_back(world, camera, home)


@pytest.mark.parametrize("brake", ["Follow", "Observe", "paused", "dry run"])
async def test_nothing_is_done_where_that_is_not_wanted(world: World, brake: str) -> None:
    camera = await world.one_camera(**enforce())
    if brake == "dry run":
        await world.stop_operator()
        await world.start_operator(dry_run=True)
    more: dict[str, Any] = {
        "Follow": {"address__policy": "Follow"},
        "Observe": {"management": "Observe"},
        "paused": {"annotations": {"devicecert.io/paused": "true"}},
        "dry run": {},
    }[brake]
    await world.apply(world.device("gate", **enforce(**more)))
    await camera.move(world.address(9))
    memory = world.app.tools.memory.of((await world.get("dev", "gate"))["metadata"]["uid"])
    passes = memory.passes
    await world.holds(lambda: memory.passes >= passes + 4, within=30)
    assert (camera.journal.operations[SET], camera.address) == (0, world.address(9))
    if brake in {"Observe", "dry run"}:
        told = await world.until("dev", "gate", "AddressCurrent", "False", "AddressChanged")
        assert camera.address in told["message"]


async def test_two_that_have_each_other_s_address_wait_and_are_told(world: World) -> None:
    gate, yard = await world.camera("gate"), await world.camera("yard", 2)
    await world.credentials()
    await world.authority()
    devices = [world.device(name, number, **enforce()) for number, name in enumerate(("gate", "yard"), 1)]
    await world.apply(*devices, world.certificate("gate"), world.certificate("yard"))
    await world.start_operator()
    await world.ready("gate", "yard")
    await world.stop_operator()
    await gate.move(world.address(9))
    await yard.move(world.address(1))
    await gate.move(world.address(2))
    await world.start_operator()
    assert "where Device yard was proven" in await told_of(world, "gate", "Device yard")
    assert "where Device gate was proven" in await told_of(world, "yard", "Device gate")
    assert gate.journal.operations[SET] + yard.journal.operations[SET] == 0
    assert (gate.address, yard.address) == (world.address(2), world.address(1))
    await yard.move(world.address(8))
    await is_back(world, gate, world.address(1))
    await is_back(world, yard, world.address(2), "yard")


async def test_several_are_set_back_one_after_another(world: World) -> None:
    cameras = [await world.camera(f"c{number}", number) for number in (1, 2, 3)]
    await world.credentials()
    await world.authority()
    for number, camera in enumerate(cameras, 1):
        name = camera.spec.name
        await world.apply(world.device(name, number, **enforce()), world.certificate(name))
    await world.start_operator()
    await world.ready("c1", "c2", "c3")
    for number, camera in enumerate(cameras, 11):
        camera.faults.set(Fault.ADDRESS_CHANGE_NEEDS_REBOOT)
        await camera.move(world.address(number))
    most = 0
    until = asyncio.get_running_loop().time() + 60
    while any(camera.address != world.address(number) for number, camera in enumerate(cameras, 1)):
        assert asyncio.get_running_loop().time() < until, [camera.address for camera in cameras]
        views, now = world.app.cache.all_devices(), world.clock.now()
        most = max(most, sum(is_changing(view.desired, view.status, now) for view in views if view.desired))
        await asyncio.sleep(0.02)
    assert most == 1
    for number, camera in enumerate(cameras, 1):
        await is_back(world, camera, world.address(number), camera.spec.name)


async def test_what_a_camera_refuses_is_told_and_tried_again_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = await world.one_camera(**enforce())
    home = camera.address

    def refuse(*_: object) -> bool:
        raise ValueError("not this one")

    monkeypatch.setattr(camera, "set_network", refuse)
    await camera.move(world.address(9))
    told = await world.until("dev", "gate", "AddressCurrent", "False", "AddressNotApplied")
    assert "the next try is at" in told["message"]
    await world.until("dev", "gate", "Stalled", "True", "AddressNotApplied")
    monkeypatch.undo()
    world.clock.forward(timedelta(hours=1))
    await is_back(world, camera, home)


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", [Locate, LookAtDeclared, LogIn, SetAddress, Reboot])
async def test_a_crash_around_any_step_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, step: type, moment: str, restart: bool
) -> None:
    if step is Reboot and not restart:
        pytest.skip("there is no restart to crash around")
    camera = await world.one_camera(**enforce())
    home = camera.address
    if restart:
        camera.faults.set(Fault.ADDRESS_CHANGE_NEEDS_REBOOT)
    taken = 0

    def first_away(one: Any, situation: Any, _visit: Any) -> bool:
        nonlocal taken
        here = isinstance(one, step) and not (step is LogIn and situation.address == home)
        taken += here
        return here and taken == 1

    crash = Crash(monkeypatch, device, moment, first_away)
    await camera.move(world.address(9))
    await crash.survived(world, is_back(world, camera, home))
    assert crash.kills == 1
    assert camera.journal.reboots <= 1 + restart


FIRMWARE = enforce(connection__onKeyChange="AcceptDeviceCA")


async def test_a_camera_with_a_ca_in_its_firmware_is_set_back_and_not_restarted_for_it(world: World) -> None:
    camera = await firmware.pinned(world, **FIRMWARE)
    home, certificate = camera.address, camera.served_fingerprint
    await camera.move(world.address(9))
    await is_back(world, camera, home)
    assert camera.counters.reboots == 0
    assert camera.served_fingerprint == certificate, "its certificate was for its address all the time"


async def test_it_makes_no_certificate_for_where_it_is_while_somebody_has_its_address(world: World) -> None:
    camera = await firmware.pinned(world, **FIRMWARE)
    home = camera.address
    await camera.move(world.address(9))
    stranger = await world.simulator.stranger_at(home, HTTPS, http_port=HTTP)
    await world.until("dev", "gate", "AddressCurrent", "False", "AddressTaken", within=40)
    memory = world.app.tools.memory.of((await world.get("dev", "gate"))["metadata"]["uid"])
    passes = memory.passes
    await world.holds(lambda: memory.passes >= passes + 4, within=40)
    told = await world.until("dev", "gate", "Secure", "False", "AddressNotInCertificate")
    assert f"to be back at {home} first" in told["message"]
    await world.until("dev", "gate", "Stalled", "True", "AddressTaken")
    assert (camera.counters.reboots, camera.address) == (0, world.address(9))
    await stranger.close()
    await is_back(world, camera, home)
    assert camera.counters.reboots == 0


async def test_one_that_was_restarted_elsewhere_and_put_back_by_hand_waits_for_a_person(world: World) -> None:
    """Its key is new and its certificate for another address: nothing shows that it is the one."""
    camera = await firmware.pinned(world, **FIRMWARE)
    home = camera.address
    await camera.power_off()
    camera.address = world.address(9)
    await camera.power_on()
    told = await world.until("dev", "gate", "Reachable", "False", "DeviceUnreachable", within=40)
    assert "came back with another key" in told["message"]
    await camera.move(home)
    told = await world.until("dev", "gate", "Identified", "False", "IdentityUnconfirmed", within=40)
    await firmware.accept(world, told["message"])
    await is_back(world, camera, home)
    assert camera.counters.reboots == 1, "for a certificate that is for its address"
