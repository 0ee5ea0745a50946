"""Cameras whose firmware dates and names its certificates at the start, after a loss of power or a move."""

from datetime import timedelta

from device_simulator import Fault
from tests.scenarios.test_firmware_ca import EXPECTED, accept, device, message, pinned
from tests.support.world import World

NO_BATTERY = {"faults": {Fault.CLOCK_RESETS_ON_POWER_LOSS}}


async def test_after_a_power_loss_the_clock_is_set_before_the_camera_dates_another_certificate(world: World) -> None:
    camera = await pinned(world, camera=NO_BATTERY, **EXPECTED)
    await camera.power_cycle()
    assert camera.own.chain[0].not_valid_after_utc < world.clock.now(), "it was dated 1970"
    await world.becomes_trusted(camera, within=40)
    await world.ready("gate", within=30)
    assert camera.counters.reboots == 1
    assert abs(camera.now() - world.clock.now()) < timedelta(seconds=30)
    assert (await world.get("dev", "gate"))["status"]["lastReboot"]["cause"] == "CertificateDates"


async def test_where_its_clock_may_not_be_set_the_person_is_told_to_do_so(world: World) -> None:
    camera = await pinned(world, camera=NO_BATTERY, clock__policy="Report", **EXPECTED)
    await camera.power_cycle()
    told = await message(world, "dev", "Secure", "False", "CertificateExpired", within=30)
    assert "clock is off" in told
    told = await message(world, "dev", "ClockInSync", "False", "ClockOff", within=30)
    assert "spec.clock.policy: Sync would set it" in told
    assert camera.counters.reboots == 0
    camera.set_clock(world.clock.now())
    await world.becomes_trusted(camera, within=40)
    await world.ready("gate", within=30)
    assert camera.counters.reboots == 1, "the operator asked for the restart once the clock was right"


async def test_with_refuse_each_key_of_it_waits_for_a_person(world: World) -> None:
    """The one of the power loss, and the one of the restart with the right time."""
    camera = await pinned(world, camera=NO_BATTERY)
    accepted = camera.guard.accepted
    await camera.power_cycle()
    told = await message(world, "dev", "Identified", "False", "IdentityUnconfirmed", within=30)
    assert camera.guard.accepted == accepted, "no log-in before a person said so"
    await accept(world, told)
    await world.holds(lambda: camera.counters.reboots == 1, within=40)
    first = told
    while told == first:
        told = await message(world, "dev", "Identified", "False", "IdentityUnconfirmed", within=40)
    await accept(world, told)
    await world.ready("gate", within=40)
    assert await world.trusted(camera.address)


async def test_one_that_is_back_elsewhere_is_missed_and_secure_once_its_address_is_told(world: World) -> None:
    """With its key and its address both new, nothing shows that it is the one."""
    camera = await pinned(world, camera=NO_BATTERY, **EXPECTED)
    await camera.power_off()
    camera.address = world.address(9)
    await camera.power_on()
    told = await message(world, "dev", "Reachable", "False", "DeviceUnreachable", within=40)
    assert "spec.address.host" in told
    await world.apply(device(world, address__host=world.address(9), **EXPECTED))
    await world.becomes_trusted(camera, within=40)
    await world.ready("gate", within=40)
    assert camera.counters.reboots == 1
