"""docs/how-to/outside-ca.md, followed to the letter."""

import asyncio
import shutil
from pathlib import Path

import pytest

from local_control_plane.plane import ControlPlane
from tests.support import cert_manager
from tests.support.cert_manager import CertManager
from tests.support.control_plane import read
from tests.support.howto import PAGES, Howto, blocks
from tests.support.outside_ca import OutsideCA
from tests.support.world import World

PAGE = PAGES / "outside-ca.md"


def prepared(world: World, outside: OutsideCA, *devices: str) -> Howto:
    """The CA's files lie ready."""
    howto = Howto(world, PAGE, *devices)
    for name, path in {
        "issuing.pem": outside.issuing,
        "issuing.key": outside.folder / "outside-issuing.key",
        "root.pem": outside.root,
    }.items():
        shutil.copy(path, howto.folder / name)
    usual = "keyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\n"
    (howto.folder / "for-servers.cnf").write_text(usual)
    return howto


@pytest.fixture
def outside(world: World) -> OutsideCA:
    return OutsideCA(world.folder / "outside")


async def test_external_out_and_back_and_again(world: World, outside: OutsideCA) -> None:
    camera = await world.camera("gate-cam")
    howto = prepared(world, outside, "192.0.2.120")
    await world.start_operator()
    told = await howto.follow("`external`: out and back")
    assert "verify OK" in told
    await howto.follow("The CA signs")
    told = await howto.follow("The chain comes back")
    assert "condition met" in told and "gate-cam" in told
    assert await world.trusted(camera.address, outside.root)
    first = camera.served_fingerprint
    told = await howto.follow("The next time")
    assert "as revision 2" in told
    assert camera.served_fingerprint != first
    assert await world.trusted(camera.address, outside.root)
    assert camera.journal.operations["UploadCertificateWithPrivateKeyInPKCS12"] == 0


async def test_one_certificate_for_several_devices_and_its_replacement(world: World, outside: OutsideCA) -> None:
    doors = [await world.camera("door-north", 1), await world.camera("door-south", 2)]
    howto = prepared(world, outside, "192.0.2.31", "192.0.2.32")
    await world.start_operator()
    told = await howto.follow("One certificate for several devices")
    assert "door-north 1 true\ndoor-south 1 true" in told
    assert len({door.served_fingerprint for door in doors}) == 1
    first = doors[0].served_fingerprint
    await howto.follow("Replacing it")
    for door in doors:
        assert door.served_fingerprint != first
        assert await world.trusted(door.address, outside.root)


async def test_cert_manager_signs(
    world: World, outside: OutsideCA, control_plane: ControlPlane, tmp_path: Path
) -> None:
    await asyncio.to_thread(cert_manager.install_crds, control_plane, tmp_path)
    camera = await world.camera("lobby-cam")
    howto = prepared(world, outside, "192.0.2.121")
    await world.start_operator()
    issuing = asyncio.create_task(CertManager(world, outside).issue("lobby-cam-r1"))
    await howto.follow("cert-manager")
    await issuing
    assert await world.trusted(camera.address, outside.root)
    issuer = await asyncio.to_thread(read, control_plane, world.namespace, "certificaterequest", "lobby-cam-r1")
    assert issuer["spec"]["issuerRef"]["name"] == "site-issuer"


def test_every_command_of_the_page_is_run_by_one_of_these() -> None:
    followed = {
        *("`external`: out and back", "The CA signs", "The chain comes back", "The next time"),
        *("One certificate for several devices", "Replacing it", "cert-manager"),
    }
    assert {block.heading for block in blocks(PAGE)} == followed
