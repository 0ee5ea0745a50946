"""From a drift to Secure again: less than five seconds once it is seen, and what the device needs.

A drift is seen at the next check. Nothing else runs beside these tests: `make test` has a part for them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from device_simulator import SimulatedDevice
from tests.support.figures import Figure
from tests.support.world import World

SEEN_WITHIN = 2.0  # s: the check interval of the world's devices
HEALED_WITHIN = 5.0  # s: design, section 10

pytestmark = pytest.mark.alone


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is done to a Secure camera. device: what is asked for it beyond the usual."""

    name: str
    make: Callable[[World, SimulatedDevice], Awaitable[object]]
    device: dict[str, Any] = field(default_factory=dict)


async def _moves(world: World, camera: SimulatedDevice) -> None:
    await camera.move(world.address(9))


async def _moves_and_is_edited(world: World, camera: SimulatedDevice) -> None:
    await camera.move(world.address(7))
    await world.apply(world.device("gate", 7, address__locate=None))


async def _loses_its_clock(_: World, camera: SimulatedDevice) -> None:
    camera.skew_clock(timedelta(days=-365))


async def _is_given_another_certificate(_: World, camera: SimulatedDevice) -> None:
    await camera.replace_certificate()


TROUBLES = (
    Trouble("another address, found by its key", _moves),
    Trouble("another address, edited in the manifest", _moves_and_is_edited, {"address__locate": None}),
    Trouble("a clock a year behind", _loses_its_clock),
    Trouble("another certificate", _is_given_another_certificate, {"connection__onKeyChange": "Accept"}),
)


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
async def test_it_is_secure_again_within_seconds(world: World, trouble: Trouble, figure: Figure) -> None:
    camera = await world.one_camera(operator={"full_check_every": 1}, **trouble.device)
    before = time.monotonic()
    await trouble.make(world, camera)
    while not (_in_time(world, camera) and await world.trusted(camera.address)):
        assert time.monotonic() - before < 60
        await asyncio.sleep(0.02)
    took = time.monotonic() - before
    figure(f"healed {took:.1f} s after {trouble.name} (checked each {SEEN_WITHIN:g} s)")
    assert took < SEEN_WITHIN + HEALED_WITHIN
    await world.ready("gate")


def _in_time(world: World, camera: SimulatedDevice) -> bool:
    return abs(camera.now() - world.clock.now()) < timedelta(seconds=10)
