"""Giving a device an address: what is asked of it, in which order, and what a broken connection means."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from device_cert_operator.core.model import StaticAddress
from device_cert_operator.drivers.registry import driver_for
from device_cert_operator.errors import DeviceRefused, DeviceUnreachable, Unsupported
from device_simulator import Fault, Simulator
from tests.drivers.contract import BrokenOff, Interrupted
from tests.drivers.paper_device import PaperDevice
from tests.drivers.test_onvif_on_simulator import SimulatedBench, spec
from tests.simulator.conftest import new_address, simulator, subnet

__all__ = ["new_address", "simulator", "subnet"]  # fixtures

WANTED = StaticAddress(address="192.168.1.50", prefix_length=24, was="192.168.1.120")


async def ask(device: PaperDevice, wanted: StaticAddress = WANTED) -> bool:
    async with device.connect() as connection:
        return await driver_for("onvif", connection).set_address(wanted)


@pytest.mark.parametrize("told", ["true", "false", ""])
async def test_the_interface_with_the_old_address_gets_the_new_one_by_hand(told: str) -> None:
    device = PaperDevice(reboot_needed=told)
    assert await ask(device) is (told == "true")
    assert device.interfaces == {"lo": (False, ("127.0.0.1", 8)), "eth0": (False, ("192.168.1.50", 24))}
    assert device.gateways == ("192.168.1.1", "fe80::1")
    assert device.log == ["GetNetworkInterfaces", "SetNetworkInterfaces"]


async def test_further_addresses_of_the_interface_stay() -> None:
    device = PaperDevice(interfaces={"eth0": (False, ("192.168.1.120", 24), ("10.7.0.3", 16))})
    await ask(device)
    assert device.interfaces == {"eth0": (False, ("192.168.1.50", 24), ("10.7.0.3", 16))}


async def test_a_gateway_that_is_set_already_is_not_set_again() -> None:
    device = PaperDevice()
    await ask(device, replace(WANTED, gateway="192.168.1.1"))
    assert "SetNetworkDefaultGateway" not in device.log


async def test_a_gateway_on_the_present_network_goes_first_and_others_of_its_kind_go() -> None:
    device = PaperDevice()
    await ask(device, replace(WANTED, gateway="192.168.1.254"))
    assert device.gateways == ("192.168.1.254", "fe80::1")
    assert device.log[1:] == ["GetNetworkDefaultGateway", "SetNetworkDefaultGateway", "SetNetworkInterfaces"]


async def test_a_gateway_elsewhere_goes_last_for_it_would_cut_the_device_off() -> None:
    device = PaperDevice()
    await ask(device, StaticAddress("10.0.0.5", 8, "192.168.1.120", "10.0.0.1"))
    assert device.gateways == ("10.0.0.1", "fe80::1")
    assert device.log[1:] == ["SetNetworkInterfaces", "GetNetworkDefaultGateway", "SetNetworkDefaultGateway"]


async def test_asking_again_finds_the_interface_by_the_new_address() -> None:
    device = PaperDevice(reboot_needed="true")
    assert [await ask(device), await ask(device)] == [True, True]
    assert device.interfaces["eth0"] == (False, ("192.168.1.50", 24))


@pytest.mark.parametrize("done", [False, True])
async def test_a_connection_that_breaks_over_the_change_is_no_error(done: bool) -> None:
    device = PaperDevice(reboot_needed="true")
    async with device.connect() as connection:
        interrupted = Interrupted(connection, 2, done=done)
        assert await driver_for("onvif", interrupted).set_address(WANTED) is False
    assert device.log.count("SetNetworkInterfaces") == int(done)


async def test_a_connection_that_breaks_before_the_change_is_one() -> None:
    device = PaperDevice()
    async with device.connect() as connection:
        with pytest.raises(BrokenOff):
            await driver_for("onvif", Interrupted(connection, 1, done=True)).set_address(WANTED)
    assert device.log == ["GetNetworkInterfaces"]


async def test_a_device_behind_a_router_is_not_touched() -> None:
    device = PaperDevice()
    with pytest.raises(DeviceRefused, match=r"none of the device's interfaces has 203\.0\.113\.9"):
        await ask(device, replace(WANTED, was="203.0.113.9"))
    assert device.log == ["GetNetworkInterfaces"]


@pytest.mark.parametrize("change", [{"address": "2001:db8::1"}, {"gateway": "fe80::9"}, {"address": "cam.example"}])
async def test_only_ipv4_is_set(change: dict[str, str]) -> None:
    device = PaperDevice()
    with pytest.raises(Unsupported, match="IPv4 addresses only"):
        await ask(device, replace(WANTED, **change))  # type: ignore[arg-type]
    assert device.log == []


async def test_a_device_that_tells_no_interfaces_says_so_in_its_capabilities() -> None:
    for interfaces, able in (({"eth0": (True, ("192.168.1.120", 24))}, True), ({}, False)):
        device = PaperDevice(interfaces=interfaces).with_factory_certificate()  # type: ignore[arg-type]
        async with device.connect() as connection:
            assert (await driver_for("onvif", connection).observe()).capabilities.can_set_address is able


@pytest.mark.parametrize("needs_reboot", [False, True])
async def test_a_simulated_device_is_found_at_its_new_address(
    simulator: Simulator, new_address: Callable[[], str], needs_reboot: bool
) -> None:
    old, new = new_address(), new_address()
    bench = SimulatedBench(await simulator.add(spec(old)))
    if needs_reboot:
        bench.device.faults.set(Fault("address-change-needs-reboot"))
    async with bench.connect() as connection:
        driver = driver_for("onvif", connection)
        assert await driver.set_address(StaticAddress(new, 8, old)) is needs_reboot
        if needs_reboot:
            assert (await driver.observe()).identity.serial_number
            await driver.reboot()
    assert await answers_at(bench, new) == bench.device.serial_number


async def answers_at(bench: SimulatedBench, address: str) -> str:
    """The serial number of who answers there, once somebody does. The test's deadline is the suite's."""
    while True:
        if bench.device.address == address and bench.device.listening:
            try:
                async with bench.connect() as connection:
                    return (await driver_for("onvif", connection).observe()).identity.serial_number
            except DeviceUnreachable:
                pass
        await asyncio.sleep(0.02)
