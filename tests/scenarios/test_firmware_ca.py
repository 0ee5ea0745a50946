"""Cameras whose firmware makes their certificates: pinned, published, restarted, restored, and known again."""

import asyncio
import base64
import json
import re
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import verification

from device_cert_operator.core.model import ObjectKey
from device_cert_operator.reconcile import device as device_story
from device_simulator import Fault, Kind
from device_simulator.camera_web.device import FirmwareCADevice
from tests.support.crash import Crash, nth
from tests.support.world import Object, World

EXPECTED = {"connection__onKeyChange": "AcceptDeviceCA"}


async def new_camera(world: World, name: str = "gate", number: int = 1, **spec: Any) -> FirmwareCADevice:
    made = await world.camera(name, number, kind=Kind.FIRMWARE_CA, **spec)
    assert isinstance(made, FirmwareCADevice)
    return made


def pin_of(camera: FirmwareCADevice) -> str:
    return camera.firmware_ca.certificate.fingerprint(hashes.SHA256()).hex()


def device(world: World, name: str = "gate", number: int = 1, **more: Any) -> Object:
    return world.device(name, number, driver="camera-web", **more)


def certificate(world: World, name: str = "gate", *devices: str, **device_ca: Any) -> Object:
    return world.certificate(name, *devices, issuer={"deviceCA": device_ca})


async def pinned(world: World, *, camera: dict[str, Any] | None = None, **more: Any) -> FirmwareCADevice:
    """A camera, its log-in, its CA pinned, the operator; Secure, and the exported CA where openssl finds it."""
    made = await new_camera(world, **(camera or {}))
    await world.credentials()
    await world.apply(device(world, **more), certificate(world, sha256=pin_of(made)))
    await world.start_operator()
    await world.ready("gate")
    await take_root(world)
    return made


async def take_root(world: World, name: str = "gate-ca") -> Object:
    """The CA in the firmware as it is."""
    found = await world.get("configmap", name)
    world.root.write_text(found["data"]["firmware-ca.crt"])
    return found


async def message(world: World, kind: str, condition: str, status: str, reason: str, **more: Any) -> str:
    return str((await world.until(kind, "gate", condition, status, reason, **more))["message"])


async def accept(world: World, told: str) -> None:
    """What the condition has a person do."""
    [key] = re.findall(r"accept-key=(\S+)", told)
    await world.kubectl("annotate", "dev", "gate", "--overwrite", f"devicecert.io/accept-key={key}")


async def test_a_ca_is_trusted_only_after_somebody_pinned_it(world: World) -> None:
    camera = await new_camera(world)
    await world.credentials()
    await world.apply(device(world), certificate(world))
    await world.start_operator()
    told = await message(world, "dcert", "Stalled", "True", "PinNeeded")
    assert pin_of(camera) in told
    await world.until("dev", "gate", "Secure", "False", "PinNeeded")
    assert await world.get("configmap", "gate-ca") == {}
    [line] = re.findall(r"kubectl -n \S+ (patch .*)$", told)
    words = line.replace("'", "").split()
    await world.kubectl(*words)
    await world.ready("gate")
    found = await take_root(world)
    assert await world.trusted(camera.address)
    assert found["metadata"]["labels"] == {"devicecert.io/use": "trust"}
    [owner] = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("Device", "gate")
    assert "private key" in found["data"]["WARNING"]
    der = base64.b64decode(found["binaryData"]["firmware-cacert.crt"])
    assert der == camera.firmware_ca.certificate.public_bytes(Encoding.DER)
    assert camera.counters.reboots == 0
    whole = await world.get("dcert", "gate")
    assert whole["status"]["revision"] == 0
    assert "renewalTime" not in whole["status"]
    assert (await world.condition("dcert", "gate", "Issued"))["reason"] == "FirmwareIssues"
    assert whole["status"]["certificate"]["fingerprint"] == camera.served_fingerprint
    assert (await world.get("dev", "gate"))["status"]["firmwareCA"]["configMap"] == "gate-ca"


async def test_nothing_is_written_once_it_is_settled(world: World) -> None:
    await pinned(world)
    app = world.app
    assert app is not None
    memory = next(iter(app.tools.memory.devices.values()))
    before = [
        (await world.get(kind, name))["metadata"]["resourceVersion"]
        for kind, name in (("dev", "gate"), ("dcert", "gate"), ("configmap", "gate-ca"))
    ]
    passes = memory.passes
    for _ in range(8):
        app.queue.add(ObjectKey("Device", world.namespace, "gate"))
        await asyncio.sleep(0.15)
    await world.holds(lambda: memory.passes >= passes + 7)
    after = [
        (await world.get(kind, name))["metadata"]["resourceVersion"]
        for kind, name in (("dev", "gate"), ("dcert", "gate"), ("configmap", "gate-ca"))
    ]
    assert after == before


async def test_what_somebody_changed_in_the_published_ca_is_put_right(world: World) -> None:
    camera = await pinned(world)
    patch = {"data": {"firmware-ca.crt": "nonsense", "more": "x"}}
    await world.kubectl("patch", "configmap", "gate-ca", "--type=merge", "-p", json.dumps(patch))
    until = asyncio.get_running_loop().time() + 15
    while "BEGIN" not in (await world.get("configmap", "gate-ca"))["data"]["firmware-ca.crt"]:
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.1)
    found = await take_root(world)
    assert (set(found["data"]), set(found["binaryData"])) == ({"firmware-ca.crt", "WARNING"}, {"firmware-cacert.crt"})
    assert await world.trusted(camera.address)
    await world.kubectl("delete", "configmap", "gate-ca")
    until = asyncio.get_running_loop().time() + 15
    while (again := await world.get("configmap", "gate-ca")) == {}:
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.1)
    assert again["data"] == found["data"]


async def test_somebody_else_s_config_map_is_never_overwritten(world: World) -> None:
    camera = await new_camera(world)
    await world.credentials()
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gate-ca"}, "data": {"ca.crt": "theirs"}}
    await world.apply(theirs, device(world), certificate(world, sha256=pin_of(camera)))
    await world.start_operator()
    await world.until("dev", "gate", "Secure", "False", "ConfigMapNotOurs")
    await world.until("dcert", "gate", "Stalled", "True", "ConfigMapNotOurs")
    assert (await world.get("configmap", "gate-ca"))["data"] == {"ca.crt": "theirs"}
    await world.kubectl("delete", "configmap", "gate-ca")
    await world.ready("gate", within=30)


async def test_a_moved_camera_is_restarted_and_secure_at_its_new_address(world: World) -> None:
    camera = await pinned(world, **EXPECTED)
    await camera.move(world.address(9))
    await world.becomes_trusted(camera, within=30)
    await world.ready("gate")
    assert camera.counters.reboots == 1
    status = (await world.get("dev", "gate"))["status"]
    assert status["address"]["current"] == world.address(9)
    assert status["lastReboot"]["cause"] == "CertificateAddress"
    assert status["identity"]["provenBy"] == "DeviceCA"


async def test_an_edited_address_leads_to_a_restart_as_well(world: World) -> None:
    camera = await pinned(world, **EXPECTED)
    await camera.move(world.address(9))
    await world.apply(device(world, address__host=world.address(9), **EXPECTED))
    await world.becomes_trusted(camera, within=30)
    await world.ready("gate")


async def test_with_refuse_a_restarted_camera_waits_for_a_person(world: World) -> None:
    camera = await pinned(world)
    await camera.move(world.address(9))
    told = await message(world, "dev", "Identified", "False", "IdentityUnconfirmed", within=30)
    assert camera.counters.reboots == 1
    assert "AcceptDeviceCA" in told
    accepted = camera.guard.accepted
    await world.until("dev", "gate", "Stalled", "True", "IdentityUnconfirmed")
    assert camera.guard.accepted == accepted, "no log-in before a person said so"
    await accept(world, told)
    await world.ready("gate", within=30)
    assert await world.trusted(camera.address)


async def test_a_restart_by_somebody_else_is_taken_as_it_comes_only_with_accept_device_ca(world: World) -> None:
    camera = await pinned(world, **EXPECTED)
    before = camera.served_fingerprint
    await camera.reboot()
    assert camera.served_fingerprint != before
    until = asyncio.get_running_loop().time() + 20
    while (await world.get("dev", "gate"))["status"]["served"]["fingerprint"] == before:
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.1)
    await world.ready("gate")
    await world.until("dev", "gate", "Identified", "True", "KeyKnown")
    assert camera.counters.reboots == 1, "it needed no other"


async def test_another_device_under_the_same_ca_is_never_taken_for_this_one(world: World) -> None:
    """Same firmware, same CA, at this address, with the right password: its serial number is another."""
    camera = await pinned(world, **EXPECTED)
    await camera.power_off()
    await new_camera(world, "thief", 1, serial_number="OTHER")
    told = await message(world, "dev", "Identified", "False", "IdentityMismatch", within=30)
    assert "serial number OTHER" in told
    status = (await world.get("dev", "gate"))["status"]
    assert status["identity"]["serialNumber"] != "OTHER"


@pytest.mark.parametrize(
    ("ahead", "more"),
    [
        (timedelta(days=900), {}),
        (timedelta(days=-900), {}),
        (timedelta(days=900), {"clock__ntpServers": ["127.0.0.1"]}),
    ],
    ids=["ahead", "behind", "by NTP"],
)
async def test_a_wrong_clock_is_set_before_the_camera_dates_another_certificate(
    world: World, ahead: timedelta, more: dict[str, Any]
) -> None:
    camera = await new_camera(world)
    camera.skew_clock(ahead)
    camera.boot()
    await world.credentials()
    await world.apply(device(world, **EXPECTED, **more), certificate(world, sha256=pin_of(camera)))
    await world.start_operator()
    await world.ready("gate", within=30)
    await take_root(world)
    assert await world.trusted(camera.address)
    assert camera.counters.reboots == 1
    assert camera.on_ntp is bool(more)
    assert abs(camera.now() - world.clock.now()) < timedelta(seconds=30)


async def test_a_clock_that_may_not_be_set_keeps_the_camera_from_being_restarted(world: World) -> None:
    camera = await new_camera(world)
    camera.skew_clock(timedelta(days=900))
    camera.boot()
    await world.credentials()
    await world.apply(device(world, clock__policy="Report", **EXPECTED), certificate(world, sha256=pin_of(camera)))
    await world.start_operator()
    told = await message(world, "dev", "Secure", "False", "CertificateNotYetValid")
    assert "clock is off" in told
    assert camera.counters.reboots == 0


async def test_our_own_upload_is_taken_off_when_the_firmware_s_is_wanted(world: World) -> None:
    camera = await new_camera(world)
    await world.credentials()
    await world.authority()
    await world.apply(device(world), world.certificate("gate"))
    await world.start_operator()
    await world.ready("gate")
    assert camera.in_use == "uploaded"
    await world.kubectl("delete", "dcert", "gate", "--wait=false")
    await world.apply(certificate(world, "firmware", "gate", sha256=pin_of(camera)))
    await world.until("dcert", "firmware", "Ready", "True", within=30)
    await world.until("dev", "gate", "Ready", "True")
    assert camera.in_use == "firmware"
    await take_root(world)
    assert await world.trusted(camera.address)
    status = (await world.get("dev", "gate"))["status"]
    assert not status.get("revision"), "what was installed is forgotten"


async def test_a_change_of_issuer_takes_the_upload_off_and_tidies_its_revision(world: World) -> None:
    camera = await new_camera(world)
    await world.credentials()
    await world.authority()
    await world.apply(device(world), world.certificate("gate"))
    await world.start_operator()
    await world.ready("gate")
    patch = {"spec": {"issuer": {"caSecretRef": None, "deviceCA": {"sha256": pin_of(camera)}}}}
    await world.kubectl("patch", "dcert", "gate", "--type=merge", "-p", json.dumps(patch))
    await world.holds(lambda: camera.in_use == "firmware")
    await world.ready("gate")
    until = asyncio.get_running_loop().time() + 15
    while await world.get("secret", "gate-r1"):
        assert asyncio.get_running_loop().time() < until, "the revision stays"
        await asyncio.sleep(0.1)
    assert "renewalTime" not in (await world.get("dcert", "gate"))["status"]


async def test_a_camera_that_goes_on_serving_the_upload_is_restarted(world: World) -> None:
    camera = await new_camera(world, faults=(Fault.NEEDS_REBOOT,))
    await world.credentials()
    await world.authority()
    await world.apply(device(world, **EXPECTED), world.certificate("gate"))
    await world.start_operator()
    await world.ready("gate", within=30)
    patch = {"spec": {"issuer": {"caSecretRef": None, "deviceCA": {"sha256": pin_of(camera)}}}}
    await world.kubectl("patch", "dcert", "gate", "--type=merge", "-p", json.dumps(patch))
    await world.until("dcert", "gate", "Issued", "True", "FirmwareIssues")
    await world.ready("gate", within=30)
    assert camera.in_use == "firmware"


async def test_a_foreign_upload_is_left_and_told(world: World) -> None:
    camera = await pinned(world, **EXPECTED)
    await camera.replace_certificate()
    foreign = camera.served_fingerprint
    await world.until("dev", "gate", "Identified", "False", "IdentityUnconfirmed")
    told = await message(world, "dev", "Secure", "False", "IssuerMismatch")
    assert "is self-signed" in told
    assert "Simulated Device CA" in told
    told = await message(world, "dev", "Identified", "False", "IdentityUnconfirmed")
    await accept(world, told)
    await world.until("dev", "gate", "Identified", "True")
    await world.until("dev", "gate", "Stalled", "True", "IssuerMismatch")
    assert camera.served_fingerprint == foreign
    await world.until("dcert", "gate", "Stalled", "True")


async def test_a_firmware_with_another_ca_is_told_and_its_ca_never_added(world: World) -> None:
    camera = await pinned(world)
    old = (await world.get("configmap", "gate-ca"))["data"]
    await camera.factory_reset(new_firmware_ca=True)
    told = await message(world, "dev", "Identified", "False", "IdentityUnconfirmed")
    await accept(world, told)
    told = await message(world, "dev", "Secure", "False", "AuthorityChanged", within=30)
    assert pin_of(camera) in told
    await world.until("dev", "gate", "Stalled", "True", "AuthorityChanged")
    assert (await world.get("configmap", "gate-ca"))["data"] == old
    patch = {"spec": {"issuer": {"deviceCA": {"sha256": pin_of(camera)}}}}
    await world.kubectl("patch", "dcert", "gate", "--type=merge", "-p", json.dumps(patch))
    await world.ready("gate", within=30)
    assert (await take_root(world))["data"] != old
    assert await world.trusted(camera.address)


async def test_a_ca_shared_by_two_devices_is_told_and_no_fault(world: World) -> None:
    gate, yard = await new_camera(world, "gate", 1), await new_camera(world, "yard", 2)
    await world.credentials()
    await world.apply(
        device(world, "gate", 1),
        device(world, "yard", 2),
        certificate(world, "gate", "gate", "yard", sha256=pin_of(gate)),
    )
    await world.start_operator()
    await world.until("dcert", "gate", "Ready", "True")
    for name in ("gate", "yard"):
        until = asyncio.get_running_loop().time() + 40
        while "same CA" not in (await world.condition("dev", name, "Secure"))["message"]:
            assert asyncio.get_running_loop().time() < until
            await asyncio.sleep(0.1)
        await world.until("dev", name, "Ready", "True")
    assert await world.told("SharedAuthority")
    await take_root(world)
    assert await world.trusted(yard.address)


async def test_a_copy_of_the_ca_will_do_and_one_of_another_is_told(world: World) -> None:
    camera = await new_camera(world)
    camera.faults.set(Fault.ANSWERS_HTML)  # no log-in gets anywhere
    await world.credentials()
    reference = {"name": "copy", "key": "cacert.crt"}
    other = await new_camera(world, "other", 5, firmware_ca="Another CA")
    await copy_of(world, other)
    await world.apply(device(world), certificate(world, sha256=pin_of(camera), caRef=reference))
    await world.start_operator()
    await world.until("dev", "gate", "Secure", "False", "PinMismatch")
    await copy_of(world, camera)
    await world.until("dev", "gate", "Secure", "True", within=30)
    camera.faults.clear(Fault.ANSWERS_HTML)
    await world.ready("gate", within=30)


async def copy_of(world: World, camera: FirmwareCADevice) -> None:
    der = camera.firmware_ca.certificate.public_bytes(Encoding.DER)
    await world.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "copy", "labels": {"devicecert.io/use": "certificate"}},
            "binaryData": {"cacert.crt": base64.b64encode(der).decode()},
        }
    )


@pytest.mark.parametrize(("policy", "spent"), [("Never", False), ("WhenNeeded", True)])
async def test_restarts_have_brakes(world: World, policy: str, spent: bool) -> None:
    camera = await pinned(world, reboot__policy=policy, **EXPECTED)
    if spent:
        camera.faults.set(Fault.REBOOT_NOT_DONE)
    await camera.move(world.address(9))
    if spent:
        await world.until("dev", "gate", "Secure", "False", "DeviceRestarting", within=30)
        world.clock.forward(timedelta(minutes=2))
        await restarts(world, 2)
        world.clock.forward(timedelta(minutes=2))
    told = await message(world, "dev", "Secure", "False", "RebootNeeded", within=30)
    assert world.address(9) in told
    await world.until("dev", "gate", "Stalled", "True", "RebootNeeded")
    assert camera.counters.reboots == 0


async def restarts(world: World, count: int) -> None:
    until = asyncio.get_running_loop().time() + 30
    while (await world.get("dev", "gate"))["status"]["lastReboot"]["count"] != count:
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.1)


async def test_clients_may_be_given_the_ca_in_a_constrained_form(world: World) -> None:
    camera = await new_camera(world)
    await world.credentials()
    await world.apply(
        {
            "apiVersion": "devicecert.io/v1alpha1",
            "kind": "CertificateAuthority",
            "metadata": {"name": "site-ca"},
            "spec": {"secretName": "site-root", "nameConstraints": {"permittedIPRanges": ["127.0.0.0/8"]}},
        },
        device(world, **EXPECTED),
        certificate(world, sha256=pin_of(camera), constrainedBy=constrained(f"{world.subnet}.0/29")),
    )
    await world.start_operator()
    await world.ready("gate", within=30)
    found = await take_root(world)
    assert set(found["data"]) == {"ca.crt", "firmware-ca.crt", "WARNING"}
    assert set(found["binaryData"]) == {"cacert.crt", "constrained.crt", "firmware-cacert.crt"}
    assert found["data"]["ca.crt"].count("BEGIN CERTIFICATE") == 2
    assert accepted_by_cryptography(camera, found["data"]["ca.crt"], world.clock.now())
    told = (await world.condition("dev", "gate", "Secure"))["message"]
    assert "OpenSSL takes the CN" in told, "the simulated firmware puts its address into the CN as well"
    await world.stop_operator()
    await world.start_operator()
    await world.ready("gate")
    assert (await world.get("configmap", "gate-ca"))["data"] == found["data"], "made once"
    await camera.move(world.address(9))
    told = await message(world, "dev", "Secure", "False", "NameConstrained", within=30)
    assert world.address(9) in told
    await world.until("dev", "gate", "Stalled", "True", "NameConstrained")


def accepted_by_cryptography(camera: FirmwareCADevice, pem: str, now: datetime) -> bool:
    """By a client that trusts our root alone and has been given the constrained certificate."""
    root, cross = x509.load_pem_x509_certificates(pem.encode())
    policy = verification.PolicyBuilder().store(verification.Store([root])).time(now)
    verifier = policy.build_server_verifier(x509.IPAddress(ip_address(camera.address)))
    return len(verifier.verify(camera.own.chain[0], [cross])) == 3


def constrained(*ranges: str) -> Object:
    return {"authorityRef": {"name": "site-ca"}, "permittedIPRanges": list(ranges)}


STEPS = 12


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_crash_around_any_step_costs_one_more_pass(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """From an upload of ours, with the clock off and at another address, to the firmware's own."""
    await world.credentials()
    await world.authority()
    kills = 0
    for number in range(1, STEPS + 1):
        camera, name = await prepared(world, number)
        crash = Crash(monkeypatch, device_story, moment, nth(number))
        await world.apply(certificate(world, name, sha256=pin_of(camera)))
        await world.start_operator(workers=2)
        await crash.survived(world, world.ready(name, within=60))
        monkeypatch.undo()
        kills += crash.kills
        await world.stop_operator()
        await take_root(world, f"{name}-ca")
        assert await world.trusted(camera.address), f"killed {moment} step {number}"
        assert camera.in_use == "firmware"
        assert camera.counters.reboots <= 2
        assert camera.guard.refused == 0
        await world.kubectl("delete", "dev,dcert", name)
        await camera.power_off()
    assert kills >= 8, "there are at least so many steps to be killed at"


async def prepared(world: World, number: int) -> tuple[FirmwareCADevice, str]:
    """Our own CA's certificate on it, then another address and a wrong clock, and nobody looking."""
    name = f"c{number}"
    camera = await new_camera(world, name, number)
    await world.apply(device(world, name, number, **EXPECTED), world.certificate(name))
    await world.start_operator()
    await world.ready(name)
    await world.stop_operator()
    await world.kubectl("delete", "dcert", name)
    camera.skew_clock(timedelta(days=-900))
    camera.boot()
    return camera, name
