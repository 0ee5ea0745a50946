"""A stranger keeps what he is offered; a relay passes TLS through and asks for a log-in on its own port."""

from collections.abc import Callable

import aiohttp
import pytest

from device_simulator import DeviceSpec, SimulatedDevice, Simulator
from tests.simulator.blind import blind
from tests.simulator.client import PATHS, TDS, Client, envelope

INFORMATION = envelope(TDS, "GetDeviceInformation")


async def over_tls(address: str) -> int:
    digest = aiohttp.DigestAuthMiddleware("admin", "secret")
    async with aiohttp.ClientSession(middlewares=(digest,)) as session:
        url = f"https://{address}:8443{PATHS[TDS]}"
        async with session.post(url, data=INFORMATION, ssl=blind()) as reply:
            return reply.status


async def test_a_stranger_records_every_login_and_byte(simulator: Simulator, address: str) -> None:
    stranger = await simulator.stranger_at(address, 8443, http_port=8080)
    client = Client(address)
    await client.call(TDS, "GetDeviceInformation", login="none")
    assert stranger.connections == 1
    assert not stranger.saw_a_login
    assert INFORMATION.encode() in stranger.received
    await client.call(TDS, "GetDeviceInformation", login="token")
    assert await over_tls(address) == 401
    first, second = stranger.logins
    assert first.startswith("<w:UsernameToken>") and "Created" in first
    assert second.startswith("Authorization: Digest") and 'nonce="chosen"' in second


async def test_a_relay_passes_tls_through_and_asks_on_its_own_port(
    simulator: Simulator, camera: SimulatedDevice, new_address: Callable[[], str]
) -> None:
    place = new_address()
    relay = await simulator.relay_at(place, 8443, to=camera, http_port=8080)
    assert await over_tls(place) == 200
    assert camera.counters.logins_accepted == 1
    assert not relay.saw_a_login
    await camera.move(new_address())
    assert await over_tls(place) == 200
    assert (await Client(place).call(TDS, "GetDeviceInformation")).status == 401
    assert len(relay.logins) == 1
    assert camera.counters.logins_accepted == 2


async def test_a_name_is_given_once_and_a_taken_port_is_told(simulator: Simulator, camera: SimulatedDevice) -> None:
    with pytest.raises(ValueError, match="cam"):
        await simulator.add(DeviceSpec(name="cam", address=camera.address))
    with pytest.raises(OSError, match="in use"):
        await simulator.add(DeviceSpec(name="other", address=camera.address, http_port=8079))
    free = await simulator.add(DeviceSpec(name="third", address=camera.address, http_port=8079, https_port=8442))
    assert free.listening
