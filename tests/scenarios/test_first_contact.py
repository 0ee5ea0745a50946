"""Before the first log-in: who is believed, and whose clock."""

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from device_cert_operator.errors import ClusterError
from device_cert_operator.kube import client
from device_simulator.camera_web.device import FirmwareCADevice
from tests.scenarios import test_firmware_ca as firmware
from tests.support.world import World

VERIFIED = {"connection__security": "Verified", "connection__caRef": {"kind": "ConfigMap", "name": "vendor-ca"}}


async def vendor_ca(world: World, camera: FirmwareCADevice, label: str = "certificate") -> None:
    """The CA of this camera, as its vendor publishes it."""
    pem = camera.firmware_ca.certificate.public_bytes(Encoding.PEM).decode()
    meta = {"name": "vendor-ca", "labels": {"devicecert.io/use": label} if label else {}}
    await world.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"ca.crt": pem}})


async def test_a_device_under_the_ca_given_is_believed_and_becomes_secure(world: World) -> None:
    camera = await firmware.new_camera(world)
    await vendor_ca(world, camera)
    await world.credentials()
    await world.authority()
    await world.apply(firmware.device(world, **VERIFIED))
    await world.start_operator()
    told = await world.until("dev", "gate", "Identified", "True")
    assert "chains to the CA given" in told["message"]
    await world.until("dev", "gate", "Authenticated", "True")
    assert (await world.get("dev", "gate"))["status"]["identity"]["provenBy"] == "Verified"
    await world.apply(world.certificate("gate"))
    await world.ready("gate")
    assert await world.trusted(camera.address)


@pytest.mark.parametrize("why", ["another CA", "another name", "self-signed"])
async def test_a_device_that_the_ca_given_does_not_vouch_for_gets_no_login(world: World, why: str) -> None:
    camera = await firmware.new_camera(world)
    other = await firmware.new_camera(world, "other", 2, firmware_ca="another")
    await vendor_ca(world, other if why == "another CA" else camera)
    if why == "another name":
        sister = await firmware.new_camera(world, "sister", 3, firmware_ca=camera.spec.firmware_ca)
        camera.show(sister.own)
    if why == "self-signed":
        await camera.replace_certificate()
    await world.credentials()
    await world.apply(firmware.device(world, **VERIFIED))
    await world.start_operator()
    told = await world.until("dev", "gate", "Identified", "False", "IdentityUnconfirmed")
    assert "no log-in is sent" in told["message"]
    assert world.app is not None
    memory = next(iter(world.app.tools.memory.devices.values()))
    passes = memory.passes
    await world.holds(lambda: memory.passes >= passes + 2, within=30)
    assert (camera.guard.accepted, camera.guard.refused) == (0, 0)


@pytest.mark.parametrize(
    ("label", "reason", "next_move"), [("", "SecretNotShared", "kubectl -n"), (None, "ConfigMapMissing", "vendor-ca")]
)
async def test_a_ca_that_cannot_be_read_is_told_and_nobody_is_believed(
    world: World, label: str | None, reason: str, next_move: str
) -> None:
    camera = await firmware.new_camera(world)
    if label is not None:
        await vendor_ca(world, camera, label)
    await world.credentials()
    await world.apply(firmware.device(world, **VERIFIED))
    await world.start_operator()
    told = await world.until("dev", "gate", "Identified", "False", reason)
    assert next_move in told["message"]
    assert camera.guard.accepted == 0
    await vendor_ca(world, camera)
    await world.until("dev", "gate", "Authenticated", "True")


async def test_a_ca_that_is_corrected_counts_at_once(world: World) -> None:
    """Nothing else wakes the Device meanwhile: its next check is an hour away."""
    camera = await firmware.new_camera(world)
    other = await firmware.new_camera(world, "other", 2, firmware_ca="another")
    await vendor_ca(world, other)
    await world.credentials()
    await world.start_operator()
    await world.apply(firmware.device(world, **VERIFIED, checkInterval="1h"))
    await world.until("dev", "gate", "Identified", "False", "IdentityUnconfirmed")
    assert world.app is not None
    queue, memory = world.app.queue, next(iter(world.app.tools.memory.devices.values()))
    await world.holds(lambda: queue.busy_longest() is None)  # the pass that told so counts its own failure
    memory.failures = 20  # as after a night of it: the back-off is at its longest
    passes = memory.passes
    await world.holds(lambda: memory.passes > passes)
    await vendor_ca(world, camera)
    await world.until("dev", "gate", "Authenticated", "True")


async def test_while_the_api_server_cannot_give_that_ca_nobody_is_judged(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = await firmware.new_camera(world)
    await vendor_ca(world, camera)
    await world.credentials()
    app = await world.start_operator()
    asked: list[object] = []

    async def away(*given: object) -> None:
        asked.append(given)
        raise ClusterError("The API server does not answer.")

    monkeypatch.setattr(app.tools.secrets, "read_anchor", away)
    await world.apply(firmware.device(world, **VERIFIED))
    await world.holds(lambda: len(asked) >= 2)
    assert (await world.condition("dev", "gate", "Identified")).get("status") != "False"
    assert camera.guard.accepted == 0
    monkeypatch.undo()
    told = await world.until("dev", "gate", "Identified", "True")
    assert "chains to the CA given" in told["message"]


async def test_an_operator_whose_own_clock_is_off_sets_nobody_elses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = SimpleNamespace(time=lambda: time.time() + 3600, monotonic=time.monotonic)
    monkeypatch.setattr(client, "time", ahead)
    camera = await world.camera("gate")
    camera.skew_clock(timedelta(hours=-1))
    await world.credentials()
    await world.apply(world.device("gate"))
    await world.start_operator(full_check_every=1)
    told = await world.until("dev", "gate", "ClockInSync", "False", "OperatorClockSuspect")
    assert "operator's own clock is" in told["message"] and "ahead of the API server" in told["message"]
    assert camera.journal.operations["SetSystemDateAndTime"] == 0
    monkeypatch.undo()
    await world.until("dev", "gate", "ClockInSync", "True")
    assert camera.journal.operations["SetSystemDateAndTime"] == 1
