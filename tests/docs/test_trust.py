"""docs/trust.md, as far as it can be followed on this machine: exports, OpenSSL, Debian's files, and NSS databases."""

import asyncio
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes

from device_cert_operator.pki.facts import fingerprint, pem_to_ders
from device_simulator import SimulatedDevice
from tests.browser.cameras import seen
from tests.docs import test_how_to_firmware_ca as firmware
from tests.docs.test_how_to_own_ca import until_phase
from tests.scenarios.test_rotation import until_published
from tests.support import authorities
from tests.support.browser import Browser
from tests.support.howto import ROOT, Howto, blocks
from tests.support.world import World

PAGE = ROOT / "docs" / "trust.md"
EXPORT, FIRMWARE = "Have clients trust your root", "The CA in the firmware of devices"
DEBIAN, FIREFOX, CHROMIUM = "Debian, Ubuntu", "Firefox", "Chromium, Chrome on Linux"
PROGRAMS = "curl, Python, Go and the like"
UNKNOWN = "ERR_CERT_AUTHORITY_INVALID"


async def exported(world: World) -> tuple[Howto, SimulatedDevice]:
    """A camera under the operator's own root, and the root exported."""
    camera = await world.camera("gate-cam")
    howto = Howto(world, PAGE, "192.0.2.120")
    await world.start_operator()
    await howto.run("kubectl apply -f own-ca.yaml; kubectl wait dcert/gate-cam --for=condition=Ready --timeout=60s")
    told = await howto.follow(EXPORT)
    wanted = await howto.run("kubectl get dca site-ca -o jsonpath='{.status.certificate.fingerprint}'")
    assert told.strip().rpartition("=")[2].replace(":", "").lower() == wanted
    return howto, camera


async def test_the_root_is_exported_and_accepted_by_openssl(world: World) -> None:
    howto, _ = await exported(world)
    [pem] = await authorities.bundle(world)
    assert (howto.folder / "site-ca.pem").read_text() == pem
    assert (howto.folder / "site-ca.cer").read_bytes() == pem_to_ders(pem.encode())[0]
    assert b"com.apple.security.root" in (howto.folder / "site-ca.mobileconfig").read_bytes()
    assert "Verify return code: 0 (ok)" in await howto.follow(PROGRAMS)


async def test_debian_gets_one_file_of_each_root(world: World) -> None:
    howto, _ = await exported(world)
    await world.kubectl("annotate", "dca", "site-ca", "devicecert.io/rotate=one")
    await until_phase(world, "Distributing", timedelta(hours=1))
    await until_published(world)
    await howto.follow(EXPORT)
    await howto.follow(DEBIAN)
    made = [pem_to_ders(path.read_bytes()) for path in sorted(howto.folder.glob("site-ca-*.crt"))]
    both = [[fingerprint(der) for der in pem_to_ders(pem.encode())] for pem in await authorities.bundle(world, 2)]
    assert [[fingerprint(der) for der in ders] for ders in made] == both


@pytest.mark.browser
async def test_chromium_takes_the_root_from_its_database(world: World) -> None:
    howto, camera = await exported(world)
    async with Browser() as before:
        assert await seen(before, camera) == UNKNOWN
    await howto.follow(CHROMIUM)
    async with Browser(database=howto.folder / ".pki" / "nssdb") as after:
        assert await seen(after, camera) == ""


@pytest.mark.browser
async def test_firefox_gets_the_root_into_each_profile(world: World) -> None:
    howto, _ = await exported(world)
    profile = howto.folder / ".mozilla" / "firefox" / "abc.default-release"
    profile.mkdir(parents=True)
    await howto.run(f"certutil -d sql:{profile} -N --empty-password")
    await howto.follow(FIREFOX)
    assert await asyncio.to_thread(trust_of, profile, "site-ca") == "C,,"


@pytest.mark.browser
async def test_the_constrained_ca_is_an_intermediate_one_below_the_root(world: World) -> None:
    camera = await firmware.camera_in(world)
    howto = Howto(world, PAGE, "192.0.2.160")
    await world.start_operator()
    sha256 = camera.firmware_ca.certificate.fingerprint(hashes.SHA256()).hex()
    patch = f'{{"spec": {{"issuer": {{"deviceCA": {{"sha256": "{sha256}"}}}}}}}}'
    await howto.run(f"kubectl apply -f firmware-ca.yaml; kubectl patch dcert dock-cam --type=merge -p '{patch}'")
    await howto.run("kubectl wait dcert/dock-cam --for=condition=Ready --timeout=60s")
    await howto.follow(FIRMWARE)
    database = howto.folder / ".pki" / "nssdb"
    async with Browser(database=database) as imported:
        assert await seen(imported, camera) == ""
    await howto.run("certutil -d sql:$HOME/.pki/nssdb -D -n site-ca")
    async with Browser(database=database) as without_root:
        assert await seen(without_root, camera) == UNKNOWN, "the constrained CA is not trusted by itself"
    pem = (howto.folder / "dock-cam.pem").read_bytes()
    ders = tuple((howto.folder / name).read_bytes() for name in ("site-ca.cer", "dock-cam.cer"))
    assert pem_to_ders(pem) == ders
    assert b"com.apple.security.pkcs1" in (howto.folder / "dock-cam.mobileconfig").read_bytes()


def trust_of(database: Path, name: str) -> str:
    """As certutil lists it: the name, then the flags."""
    listed = subprocess.run(["certutil", "-d", f"sql:{database}", "-L"], capture_output=True, text=True, check=True)
    [line] = [one for one in listed.stdout.splitlines() if one.startswith(name)]
    return line.split()[-1]


def test_every_command_of_the_page_is_run_by_one_of_these() -> None:
    assert {block.heading for block in blocks(PAGE)} == {EXPORT, FIRMWARE, DEBIAN, FIREFOX, CHROMIUM, PROGRAMS}
