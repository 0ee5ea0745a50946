"""docs/how-to/addresses.md: its YAML, given to a device, does what the page says."""

import re
from datetime import datetime, timedelta

import pytest

from device_simulator import Fault, SimulatedDevice
from tests.scenarios.test_enforce import is_back
from tests.support.howto import PAGES, Howto, blocks
from tests.support.world import World

PAGE = PAGES / "addresses.md"
ENFORCE, WINDOWS = "Set a device back: `Enforce`", "Restart only at night: maintenance windows"


@pytest.fixture
def howto(world: World) -> Howto:
    return Howto(world, PAGE, "192.0.2.31", replacements={"gateway: 192.0.2.1}": f"gateway: {world.address(14)}}}"})


async def one_camera(world: World, howto: Howto, *headings: str) -> SimulatedDevice:
    """The usual Device with what the page gives under these headings; Secure."""
    camera = await world.camera("gate-cam")
    await world.credentials()
    await world.authority()
    manifest = world.device("gate-cam")
    for heading in headings:
        manifest["spec"].update(howto.fragment(heading)["spec"])
    await world.apply(manifest, world.certificate("gate-cam"))
    await world.start_operator()
    await world.ready("gate-cam")
    return camera


async def test_a_camera_is_set_back_to_the_network_of_the_page(world: World, howto: Howto) -> None:
    camera = await one_camera(world, howto, ENFORCE)
    home = camera.address
    await camera.move(world.address(9))
    await world.until("dev", "gate-cam", "AddressCurrent", "False", within=40)
    told = await howto.follow(ENFORCE)
    assert "condition met" in told
    await is_back(world, camera, home, "gate-cam")
    assert (camera.prefix_length, camera.gateway) == (24, world.address(14))


async def test_a_restart_waits_for_the_window_of_the_page(world: World, howto: Howto) -> None:
    camera = await one_camera(world, howto, ENFORCE, WINDOWS)
    home = camera.address
    world.clock.forward(timedelta(days=(2 - world.clock.now().weekday()) % 7))  # Wednesday: it is closed
    camera.faults.set(Fault.ADDRESS_CHANGE_NEEDS_REBOOT)
    await camera.move(world.address(9))
    told = await world.until("dev", "gate-cam", "AddressCurrent", "False", "WaitingForWindow", within=40)
    [text] = re.findall(r"opens at ([-0-9: ]+) UTC", told["message"])
    opens_at = datetime.fromisoformat(f"{text}+00:00")
    assert f"{opens_at:%A %H:%M}" == "Saturday 17:00", "in Tokyo it is Sunday, 2 o'clock"
    assert camera.journal.reboots == 0
    world.clock.forward(opens_at - world.clock.now() + timedelta(minutes=1))
    await is_back(world, camera, home, "gate-cam")
    assert camera.journal.reboots == 1


def test_every_block_of_the_page_is_used_by_one_of_these() -> None:
    assert [block.heading for block in blocks(PAGE)] == [ENFORCE]
    assert [block.heading for block in blocks(PAGE, "yaml")] == [ENFORCE, WINDOWS]
    assert blocks(PAGE, "text") == []
