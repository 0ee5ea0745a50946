"""A camera with one slot and a CA in its firmware, under our own CA: first issue, renewal, tampering, a new address."""

import json

import pytest

from device_simulator import Fault, Kind, SimulatedDevice
from device_simulator.camera_web.device import FirmwareCADevice
from tests.support.outside_ca import OutsideCA
from tests.support.world import HTTP, World


async def one_camera(world: World, within: float = 20, **spec: object) -> SimulatedDevice:
    camera = await world.camera("gate", kind=Kind.FIRMWARE_CA, **spec)
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate", driver="camera-web"), world.certificate("gate"))
    await world.start_operator()
    await world.ready("gate", within=within)
    return camera


async def test_a_camera_with_one_slot_becomes_trusted_and_stays_so(world: World) -> None:
    camera = await one_camera(world)
    assert await world.trusted(camera.address)
    first = camera.served_fingerprint
    assert isinstance(camera, FirmwareCADevice)
    camera.remove_uploaded()  # somebody; the camera's own key is known from the first visit
    assert not await world.trusted(camera.address)
    await world.becomes_trusted(camera, within=20)
    assert camera.served_fingerprint == first
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=now")
    await world.holds(lambda: camera.served_fingerprint not in {first, None})
    await world.becomes_trusted(camera)
    await world.ready("gate")
    assert camera.counters.reboots == 0


@pytest.mark.parametrize("fault", [Fault.WEB_DAEMON_RESTARTS, Fault.NEEDS_REBOOT, Fault.CHAIN_REFUSED])
async def test_a_camera_with_one_slot_is_healed_through(world: World, fault: Fault) -> None:
    camera = await one_camera(world, faults=(fault,))
    await world.becomes_trusted(camera)
    await world.ready("gate")


async def test_a_certificate_that_somebody_uploaded_is_left_alone_and_told(world: World) -> None:
    camera = await one_camera(world)
    uploads = camera.counters.requests["POST /cgi/certificate"]
    await camera.replace_certificate()
    await world.until("dev", "gate", "Identified", "False", "IdentityUnconfirmed")
    assert camera.counters.requests["POST /cgi/certificate"] == uploads


async def test_a_renewal_that_cannot_be_served_leaves_one_slot_as_it_was(world: World) -> None:
    camera = await one_camera(world)
    first = camera.served_fingerprint
    camera.faults.set(Fault.CANNOT_SERVE, 1)
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=now")
    await world.until("dcert", "gate", "Installed", "False", within=40)
    await world.holds(lambda: camera.counters.requests["POST /cgi/certificate"] >= 3, within=40)
    await world.holds(lambda: camera.served_fingerprint == first, within=40)
    await world.becomes_trusted(camera)
    await world.shows("dev", "gate", lambda status: status["revision"].get("failed", {}).get("number") == 2)


async def test_a_camera_that_clears_its_slot_first_needs_leave_for_a_renewal_but_not_for_the_first(
    world: World,
) -> None:
    camera = await one_camera(world, faults={Fault.CLEAR_IMPORT_GAP})
    first = camera.served_fingerprint
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=now")
    told = await world.until("dev", "gate", "Ready", "True", "GapNotAllowed")
    assert "spec.allowGap: true" in told["message"]
    told = await world.until("dcert", "gate", "Installed", "False", "GapNotAllowed")
    assert told["message"].startswith("Device gate: ") and "spec.allowGap: true" in told["message"]
    await world.holds(lambda: camera.counters.requests["GET /cgi/certificate"] > 6)
    await world.more_passes("Device", 3)
    assert camera.served_fingerprint == first
    assert await world.trusted(camera.address)
    assert await gaps_told(world) == ["Device", "DeviceCertificate"], "once each"
    await world.kubectl("patch", "dcert", "gate", "--type=merge", "-p", '{"spec":{"allowGap":true}}')
    await world.holds(lambda: camera.served_fingerprint not in {first, None})
    await world.becomes_trusted(camera)
    await world.ready("gate")
    await world.until("dev", "gate", "Ready", "True", "Ready")
    await world.until("dcert", "gate", "Installed", "True")


async def gaps_told(world: World) -> list[str]:
    """The kinds of the objects of which an event tells it."""
    return sorted(event["involvedObject"]["kind"] for event in await world.events("GapNotAllowed"))


async def test_a_moved_camera_with_one_slot_gets_its_new_address(world: World) -> None:
    camera = await one_camera(world)
    await camera.move(world.address(9))
    await world.becomes_trusted(camera, within=30)
    await world.ready("gate")


async def camera_with_key_of_its_own(world: World) -> SimulatedDevice:
    camera = await world.camera("gate", kind=Kind.FIRMWARE_CA)
    await world.credentials()
    await world.authority()
    made_there = world.certificate("gate", privateKey={"source": "Device"})
    await world.apply(world.device("gate", driver="camera-web"), made_there)
    await world.start_operator()
    await world.ready("gate")
    return camera


async def test_a_key_made_on_the_camera_never_leaves_it(world: World) -> None:
    camera = await camera_with_key_of_its_own(world)
    await world.becomes_trusted(camera)
    told = camera.counters.requests
    assert (told["POST /cgi/certificate/request"], told["POST /cgi/certificate/signed"]) == (1, 1)
    assert "POST /cgi/certificate" not in told


async def test_a_camera_that_cannot_serve_for_its_new_key_serves_its_own_certificate_and_then_another(
    world: World,
) -> None:
    """The key of the revision before went with the new request."""
    camera = await camera_with_key_of_its_own(world)
    camera.faults.set(Fault.CANNOT_SERVE, 1)
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=now")
    await world.holds(lambda: camera.counters.requests.get("DELETE /cgi/certificate") == 1, within=40)
    status = await world.shows("dev", "gate", lambda status: "failed" in status["revision"], within=40)
    assert (status["revision"]["failed"]["number"], status["revision"]["failed"]["reason"]) == (2, "RolledBack")
    assert "activating" not in status["revision"]
    await world.kubectl("annotate", "dcert", "gate", "--overwrite", "devicecert.io/renew=again")
    await world.shows("dev", "gate", lambda status: status["revision"]["installed"]["number"] == 3, within=60)
    await world.ready("gate", within=40)
    await world.becomes_trusted(camera)


async def test_a_camera_whose_request_destroys_its_certificate_needs_leave_for_that(world: World) -> None:
    camera = await world.camera("gate", kind=Kind.FIRMWARE_CA, faults=(Fault.CSR_DESTROYS_CERTIFICATE,))
    await world.credentials()
    await world.authority()
    made_there = world.certificate("gate", privateKey={"source": "Device"})
    await world.apply(world.device("gate", driver="camera-web"), made_there)
    await world.start_operator()
    told = await world.until("dev", "gate", "Secure", "False", "GapNotAllowed")
    assert "spec.allowGap: true" in told["message"]
    told = await world.until("dcert", "gate", "Issued", "False", "GapNotAllowed")
    assert "spec.allowGap: true" in told["message"]
    assert "POST /cgi/certificate/request" not in camera.counters.requests
    await world.kubectl("patch", "dcert", "gate", "--type=merge", "-p", '{"spec":{"allowGap":true}}')
    await world.ready("gate")
    await world.becomes_trusted(camera)
    assert camera.counters.requests["POST /cgi/certificate/request"] == 1


async def test_a_restart_between_a_destroying_request_and_its_signature_is_told_and_survived(world: World) -> None:
    """Nothing is served then; the camera's key waits, and HTTPS comes back where HTTP may be used for that."""
    outside = OutsideCA(world.folder / "outside")
    camera = await world.camera("gate", kind=Kind.FIRMWARE_CA, faults=(Fault.CSR_DESTROYS_CERTIFICATE,))
    await world.credentials()
    external = {"external": {"certificateRef": {"name": "gate-signed"}}}
    wanted = world.certificate("gate", issuer=external, privateKey={"source": "Device"}, allowGap=True)
    await world.apply(world.device("gate", driver="camera-web"), wanted)
    await world.start_operator()
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
    csr = (await world.get("configmap", "gate-csr"))["data"]["certreq.pem"]
    await camera.reboot()
    await world.until("dev", "gate", "Reachable", "False", "DeviceUnreachable", within=60)
    over_http = {"spec": {"connection": {"security": "Plaintext", "port": HTTP}}}
    await world.kubectl("patch", "dev", "gate", "--type=merge", "-p", json.dumps(over_http))
    await world.until("dev", "gate", "Reachable", "True", within=30)
    chain = outside.sign(csr) + outside.issuing_pem + outside.root_pem
    await world.kubectl("create", "configmap", "gate-signed", f"--from-literal=tls.crt={chain}")
    await world.kubectl("label", "configmap", "gate-signed", "devicecert.io/use=certificate")
    await world.ready("gate", within=30)
    await world.becomes_trusted(camera, root=outside.root)
    assert camera.counters.requests["POST /cgi/certificate/request"] == 1


async def test_small_troubles_of_every_kind_do_not_stop_it(world: World) -> None:
    camera = await one_camera(world, within=90, hostility=0.15, seed=7, web_restart_for=0.2)
    await world.becomes_trusted(camera, within=20)
    assert camera.counters.overlapping_changes == 0
    assert camera.counters.logins_refused == 0
