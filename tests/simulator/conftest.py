"""Addresses of a test's own, so that tests can run side by side."""

import itertools
import os
from collections.abc import AsyncIterator, Callable

import pytest

from device_simulator import DeviceSpec, SimulatedDevice, Simulator

_NUMBERS = itertools.count(1)


@pytest.fixture
def subnet() -> str:
    """Three octets that no other process of this run uses."""
    return f"127.{80 + os.getpid() % 15}.{os.getpid() // 15 % 250}"


@pytest.fixture
def new_address(subnet: str) -> Callable[[], str]:
    """A loopback address that no other test and no other process of this run uses; .1 to .15 are kept free."""

    def made() -> str:
        number = next(_NUMBERS)
        return f"{subnet}.{16 + number % 235}"

    return made


@pytest.fixture
def address(new_address: Callable[[], str]) -> str:
    """Where this test's camera is."""
    return new_address()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """One that is kind unless told otherwise."""
    async with Simulator(hostility=0) as made:
        yield made


@pytest.fixture
async def camera(simulator: Simulator, address: str) -> SimulatedDevice:
    """One camera, quick to restart."""
    return await simulator.add(DeviceSpec(name="cam", address=address, reboot_for=0.2, web_restart_for=0.1))
