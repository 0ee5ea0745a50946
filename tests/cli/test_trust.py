"""`devicecert trust`, as people run it."""

import asyncio
import json
import plistlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from device_cert_operator.pki.facts import ders_to_pem, pem_to_ders
from device_cert_operator.pki.mobileconfig import build_profile
from device_simulator import Kind
from device_simulator.camera_web.device import FirmwareCADevice
from tests.support import ca
from tests.support.authorities import authority, bundle
from tests.support.world import World

ROOT, OTHER = ca.root("Example root").der, ca.root("Other root").der


def devicecert(world: World, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    kubeconfig = ("--kubeconfig", str(world.plane.kubeconfig), "-n", world.namespace)
    command = [sys.executable, "-m", "device_cert_operator", *arguments, *kubeconfig]
    return subprocess.run(
        command, capture_output=True, check=False, env={"PYTHONPATH": "operator", "PATH": "/usr/bin:/bin"}
    )


async def export(world: World, *arguments: str) -> bytes:
    done = await asyncio.to_thread(devicecert, world, "trust", "export", *arguments)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


async def test_a_root_is_exported_in_the_forms_that_clients_take(world: World, tmp_path: Path) -> None:
    await world.apply(authority())
    await world.start_operator()
    await world.until("dca", "site-ca", "Ready", "True")
    [pem] = await bundle(world)
    der = pem_to_ders(pem.encode())[0]
    assert await export(world, "site-ca") == pem.encode()
    assert await export(world, "site-ca", "--format", "der") == der
    target = tmp_path / "site-ca.mobileconfig"
    assert await export(world, "site-ca", "--format", "mobileconfig", "-o", str(target)) == b""
    [payload] = plistlib.loads(target.read_bytes())["PayloadContent"]
    assert payload["PayloadContent"] == der
    assert payload["PayloadDisplayName"] == "site-ca"


async def test_what_cannot_be_exported_is_told(world: World) -> None:
    missing = await asyncio.to_thread(devicecert, world, "trust", "export", "nothing")
    assert (missing.returncode, missing.stdout) == (2, b"")
    assert f"There is no CertificateAuthority {world.namespace}/nothing" in missing.stderr.decode()
    await world.apply(authority())
    early = await asyncio.to_thread(devicecert, world, "trust", "export", "site-ca")
    assert early.returncode == 2
    assert "has published nothing yet" in early.stderr.decode()


async def firmware_in(world: World, **device_ca: Any) -> FirmwareCADevice:
    """A camera whose CA is pinned and published."""
    camera = await world.camera("gate", kind=Kind.FIRMWARE_CA)
    assert isinstance(camera, FirmwareCADevice)
    pin = camera.firmware_ca.certificate.fingerprint(hashes.SHA256()).hex()
    await world.credentials()
    issuer = {"deviceCA": {"sha256": pin, **device_ca}}
    await world.apply(world.device("gate", driver="camera-web"), world.certificate("door", "gate", issuer=issuer))
    await world.start_operator()
    await world.until("dcert", "door", "Ready", "True", within=30)
    return camera


async def test_the_ca_of_a_firmware_is_exported_as_it_is_only_if_asked_for_and_with_a_warning(world: World) -> None:
    camera = await firmware_in(world)
    der = camera.firmware_ca.certificate.public_bytes(Encoding.DER)
    for named in ("dev/gate", "dcert/door"):
        await refused(world, "or export it nevertheless with --raw", named)
        assert await export(world, named, "--raw") == ders_to_pem(der)
        assert await export(world, named, "--raw", "--format", "der") == der
        profile = plistlib.loads(await export(world, named, "--raw", "--format", "mobileconfig"))
        assert [one["PayloadContent"] for one in profile["PayloadContent"]] == [der]
    done = await asyncio.to_thread(devicecert, world, "trust", "export", "dev/gate", "--raw")
    assert "private key of this CA is in every copy" in done.stderr.decode()
    await refused(world, "need no intermediate CA", "dev/gate", "--raw", "--only", "intermediates")
    await refused(world, "--raw is for the CA in a device's firmware", "gate", "--raw")
    await refused(world, "The CA in a device's firmware is exported with dev/NAME", "gate")
    await world.stop_operator()
    earlier = [{"op": "move", "from": "/data/firmware-ca.crt", "path": "/data/ca.crt"}]
    await world.kubectl("patch", "configmap", "gate-ca", "--type=json", "-p", json.dumps(earlier))
    await refused(world, "or export it nevertheless with --raw", "dev/gate")
    await refused(world, "has no firmware-ca.crt", "dev/gate", "--raw")
    await world.kubectl("delete", "configmap", "gate-ca")
    await refused(world, f"ConfigMap {world.namespace}/gate-ca is gone", "dcert/door")


async def test_the_constrained_form_is_exported_as_a_root_and_an_intermediate_ca(world: World) -> None:
    await world.apply(authority())
    ranges = {"permittedIPRanges": [f"{world.subnet}.0/29"]}
    camera = await firmware_in(world, constrainedBy={"authorityRef": {"name": "site-ca"}, **ranges})
    root, constrained = pem_to_ders(await export(world, "dev/gate"))
    assert ders_to_pem(root) == await export(world, "site-ca")
    own_key = camera.firmware_ca.certificate.public_key()
    assert x509.load_der_x509_certificate(constrained).public_key() == own_key
    for part, der in (("roots", root), ("intermediates", constrained)):
        assert await export(world, "dev/gate", "--only", part) == ders_to_pem(der)
        assert await export(world, "dcert/door", "--format", "der", "--only", part) == der
    profile = plistlib.loads(await export(world, "dev/gate", "--format", "mobileconfig"))
    assert [(one["PayloadType"], one["PayloadContent"]) for one in profile["PayloadContent"]] == [
        ("com.apple.security.root", root),
        ("com.apple.security.pkcs1", constrained),
    ]
    done = await asyncio.to_thread(devicecert, world, "trust", "export", "dev/gate")
    assert done.stderr == b"", "it does not have the danger of the CA as it is"
    as_it_is = camera.firmware_ca.certificate.public_bytes(Encoding.DER)
    assert await export(world, "dev/gate", "--raw", "--format", "der") == as_it_is


async def test_where_there_is_no_ca_of_a_firmware_the_way_to_one_is_told(world: World) -> None:
    await world.credentials()
    issuer = {"authorityRef": {"name": "site-ca"}}
    await world.apply(world.device("gate"), world.certificate("door", "gate", issuer=issuer))
    await refused(world, "(devicecert trust pin gate)", "dev/gate")
    await refused(world, "has no issuer deviceCA", "dcert/door")
    await refused(world, f"There is no Device {world.namespace}/yard", "dev/yard")
    await refused(world, f"There is no DeviceCertificate {world.namespace}/yard", "dcert/yard")
    await refused(world, "secret is none of dca, dev, dcert", "secret/root")


async def refused(world: World, words: str, *arguments: str) -> None:
    done = await asyncio.to_thread(devicecert, world, "trust", "export", *arguments)
    assert (done.returncode, done.stdout) == (2, b"")
    assert words in done.stderr.decode()


def test_a_profile_has_what_apple_s_reference_asks_for() -> None:
    profile: dict[str, Any] = plistlib.loads(build_profile("cams/site-ca", (ROOT, OTHER)))
    payloads = profile["PayloadContent"]
    assert (profile["PayloadType"], profile["PayloadVersion"]) == ("Configuration", 1)
    assert [one["PayloadType"] for one in payloads] == ["com.apple.security.root"] * 2
    assert [one["PayloadContent"] for one in payloads] == [ROOT, OTHER]
    named = [profile, *payloads]
    assert all(one["PayloadVersion"] == 1 for one in named)
    assert len({one["PayloadUUID"] for one in named}) == 3
    assert len({one["PayloadIdentifier"] for one in named}) == 3
    assert all(one["PayloadIdentifier"].startswith(profile["PayloadIdentifier"]) for one in payloads)


def test_a_newer_profile_replaces_the_older_and_an_equal_one_is_equal() -> None:
    before, same, after = (build_profile("cams/site-ca", roots) for roots in ((ROOT,), (ROOT,), (ROOT, OTHER)))
    assert before == same
    old, new = plistlib.loads(before), plistlib.loads(after)
    assert old["PayloadIdentifier"] == new["PayloadIdentifier"]
    assert old["PayloadUUID"] != new["PayloadUUID"]
    other = plistlib.loads(build_profile("cams/other-ca", (ROOT,)))
    assert other["PayloadIdentifier"] != old["PayloadIdentifier"]


async def test_the_ca_of_a_firmware_is_shown_with_the_yaml_that_pins_it(world: World) -> None:
    camera = await world.camera("gate", kind=Kind.FIRMWARE_CA)
    assert isinstance(camera, FirmwareCADevice)
    wanted = camera.firmware_ca.certificate.fingerprint(hashes.SHA256())
    await world.credentials()
    unpinned = world.certificate("gate", issuer={"deviceCA": {}})
    await world.apply(world.device("gate", driver="camera-web"), unpinned)
    early = await asyncio.to_thread(devicecert, world, "trust", "pin", "gate")
    assert early.returncode == 2
    assert "has not given the CA of its firmware yet" in early.stderr.decode()
    await world.start_operator()
    await world.until("dev", "gate", "Secure", "False", "PinNeeded")
    done = await asyncio.to_thread(devicecert, world, "trust", "pin", "gate")
    told = done.stdout.decode()
    assert done.returncode == 0
    assert wanted.hex(":").upper() in told
    assert "not pinned" in told
    await world.apply(unpinned | {"spec": unpinned["spec"] | yaml.safe_load(told)["spec"]})
    await world.ready("gate")
    again = await asyncio.to_thread(devicecert, world, "trust", "pin", "gate")
    assert "published in ConfigMap gate-ca" in again.stdout.decode()
    nobody = await asyncio.to_thread(devicecert, world, "trust", "pin", "nobody")
    assert f"There is no Device {world.namespace}/nobody" in nobody.stderr.decode()
