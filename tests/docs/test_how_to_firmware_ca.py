"""docs/how-to/firmware-ca.md, followed to the letter."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from device_simulator import Kind
from device_simulator.camera_web.device import FirmwareCADevice
from tests.scenarios.test_firmware_ca import accepted_by_cryptography
from tests.support.howto import PAGES, Howto, blocks
from tests.support.world import World

PAGE = PAGES / "firmware-ca.md"
MAIN, COPY = "How to: cameras with a CA in their firmware", "A camera that does not export its CA"


async def camera_in(world: World) -> FirmwareCADevice:
    camera = await world.camera("dock-cam", kind=Kind.FIRMWARE_CA, serial_number="CAM0001")
    assert isinstance(camera, FirmwareCADevice)
    return camera


async def test_the_ca_is_read_pinned_and_published(world: World) -> None:
    camera = await camera_in(world)
    howto = Howto(world, PAGE, "192.0.2.160")
    await world.start_operator()
    told = await howto.follow(MAIN)
    assert f"sha256: {camera.firmware_ca.certificate.fingerprint(hashes.SHA256()).hex()}" in told
    pem = (howto.folder / "dock-cam-ca.pem").read_text()
    assert accepted_by_cryptography(camera, pem, world.clock.now())


async def test_a_copy_is_given_instead(world: World) -> None:
    camera = await camera_in(world)
    howto = Howto(world, PAGE, "192.0.2.160")
    await world.start_operator()
    (howto.folder / "cacert.crt").write_bytes(camera.firmware_ca.certificate.public_bytes(Encoding.DER))
    await howto.run("kubectl apply -f firmware-ca.yaml")
    assert "condition met" in await howto.follow(COPY)


def test_every_command_of_the_page_is_run_by_one_of_these() -> None:
    assert {block.heading for block in blocks(PAGE)} == {MAIN, COPY}
