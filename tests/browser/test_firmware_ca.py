"""The CA in a firmware, as the person at the browser sees it: as it is, and in the constrained form."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes

from device_simulator import Kind
from device_simulator.camera_web.device import FirmwareCADevice
from tests.browser.cameras import seen
from tests.support.authorities import authority
from tests.support.browser import Browser
from tests.support.world import World

UNKNOWN, WRONG_NAME, WRONG_DATE, NOT_PERMITTED = (
    *("ERR_CERT_AUTHORITY_INVALID", "ERR_CERT_COMMON_NAME_INVALID"),
    *("ERR_CERT_DATE_INVALID", "ERR_CERT_INVALID"),
)


async def secure(world: World, **issuer: Any) -> FirmwareCADevice:
    """A camera whose CA is pinned; Secure."""
    camera = await world.camera("gate", kind=Kind.FIRMWARE_CA)
    assert isinstance(camera, FirmwareCADevice)
    pin = camera.firmware_ca.certificate.fingerprint(hashes.SHA256()).hex()
    await world.credentials()
    await world.apply(
        world.device("gate", driver="camera-web", connection__onKeyChange="AcceptDeviceCA"),
        world.certificate("gate", issuer={"deviceCA": {"sha256": pin, **issuer}}),
    )
    await world.start_operator()
    await world.ready("gate", within=30)
    return camera


async def test_a_browser_shows_the_camera_as_secure_but_for_moves_and_wrong_clocks_until_healed(world: World) -> None:
    camera = await secure(world)
    root = (await world.get("configmap", "gate-ca"))["data"]["firmware-ca.crt"].encode()
    async with Browser([root]) as imported, Browser([]) as fresh:
        assert await seen(fresh, camera) == UNKNOWN
        assert await seen(imported, camera) == ""

        await world.stop_operator()
        await camera.move(world.address(9))
        assert await seen(imported, camera) == WRONG_NAME
        await world.start_operator()
        await world.holds(lambda: camera.counters.reboots == 1, within=30)
        await world.ready("gate", within=30)
        assert await seen(imported, camera) == ""

        await world.stop_operator()
        camera.skew_clock(timedelta(days=900))
        await camera.reboot()
        assert await seen(imported, camera) == WRONG_DATE
        await world.start_operator()
        await world.holds(lambda: camera.counters.reboots == 3, within=30)
        await world.ready("gate", within=30)
        assert await seen(imported, camera) == ""


@pytest.mark.parametrize(("within", "error"), [(True, ""), (False, NOT_PERMITTED)])
async def test_the_constrained_form_is_good_for_the_addresses_given_alone(
    world: World, within: bool, error: str
) -> None:
    await world.apply(authority())
    camera = await secure(
        world,
        constrainedBy={"authorityRef": {"name": "site-ca"}, "permittedIPRanges": [f"{world.subnet}.0/29"]},
    )
    found = (await world.get("configmap", "gate-ca"))["binaryData"]
    root, constrained = (pem(base64.b64decode(found[key])) for key in ("cacert.crt", "constrained.crt"))
    if not within:
        await camera.move(world.address(9))
        await world.until("dev", "gate", "Secure", "False", "NameConstrained", within=30)
    async with Browser([root], [constrained]) as imported, Browser([root]) as halfway:
        assert await seen(imported, camera) == error
        assert await seen(halfway, camera) == UNKNOWN, "the camera does not send the constrained certificate"


def pem(der: bytes) -> bytes:
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
