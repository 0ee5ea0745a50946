"""The operator is cut off around each kind of step of the longer stories; another one finds what is there."""

import asyncio
import json
import time
from datetime import timedelta

import pytest

from device_cert_operator.reconcile import certificate as certificate_story
from device_cert_operator.reconcile import device as device_story
from device_simulator import Fault
from tests.support.crash import Crash, first_of_each
from tests.support.world import HTTP, World

MOMENTS = pytest.mark.parametrize("moment", ["before", "after"])


async def revisions(world: World) -> list[str]:
    found = json.loads(await world.kubectl("get", "secrets", "-o", "json"))["items"]
    return [one["metadata"]["name"] for one in found if one["type"] == "devicecert.io/revision"]


@MOMENTS
async def test_issuing_copying_renewing_and_tidying_are_taken_up_again(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    camera = await world.camera("gate")
    await world.credentials()
    await world.authority()
    seen: set[str] = set()
    crash = Crash(monkeypatch, certificate_story, moment, first_of_each(seen))
    await world.apply(world.device("gate"), world.certificate("gate", secretName="gate-tls"))
    await world.start_operator()

    async def story() -> None:
        await world.ready("gate", within=60)
        first = camera.served_fingerprint
        await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=once")
        await world.holds(lambda: camera.served_fingerprint != first, within=60)
        await world.holds(lambda: "DeleteRevision" in seen, within=60)
        await world.ready("gate", within=60)

    await crash.survived(world, story())
    assert seen >= {"Issue", "GiveTurn", "WriteCopy", "RecordRenew", "DeleteRevision"}
    assert crash.kills == len(seen)
    await world.more_passes("DeviceCertificate", 1)
    [kept] = await revisions(world)
    revision, copy = await world.get("secret", kept), await world.get("secret", "gate-tls")
    assert revision["immutable"] is True
    assert copy["data"]["tls.crt"] == revision["data"]["tls.crt"]
    assert (await world.get("dcert", "gate"))["status"]["handledRequests"]["renew"] == "once"
    assert await world.trusted(camera.address)
    assert camera.journal.operations["UploadCertificateWithPrivateKeyInPKCS12"] == 2
    assert camera.journal.overlaps == 0


async def rolled_back(world: World) -> None:
    """Wait for it; the time that a restart may take passes faster."""
    until = time.monotonic() + 90
    while (told := await world.condition("dev", "gate", "Secure")).get("reason") != "RolledBack":
        assert time.monotonic() < until, told
        if (await world.condition("dev", "gate", "Reachable")).get("reason") == "DeviceRestarting":
            world.clock.forward(timedelta(seconds=20))
            world.look_again()
        await asyncio.sleep(0.2)


@MOMENTS
async def test_a_roll_back_is_finished_by_whoever_comes_next(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Over HTTP: where that is not allowed, the connection that was cut was the only way back."""
    over_http = {"connection__security": "Plaintext", "connection__port": HTTP, "connection__allowPlaintextKey": True}
    camera = await world.camera("gate")
    factory = camera.served_fingerprint
    camera.faults.set(Fault.CANNOT_SERVE)
    await world.credentials()
    await world.authority()
    seen: set[str] = set()
    crash = Crash(monkeypatch, device_story, moment, first_of_each(seen))
    await world.apply(world.device("gate", **over_http), world.certificate("gate"))
    await world.start_operator()

    async def story() -> None:
        await rolled_back(world)
        await world.holds(lambda: camera.served_fingerprint == factory)  # another try may be under way
        camera.faults.clear(Fault.CANNOT_SERVE)
        await world.ready("gate", within=90)

    await crash.survived(world, story())
    assert seen >= {"Install", "BeginActivation", "Activate", "BeginRollBack", "RecordFailed", "RecordInstalled"}
    assert crash.kills == len(seen)
    assert await world.trusted(camera.address)
    assert camera.guard.refused == 0
    assert camera.journal.overlaps == 0


@MOMENTS
async def test_a_restart_that_a_device_needs_or_somebody_asks_for_happens_once(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    camera = await world.camera("gate", faults={Fault.NEEDS_REBOOT: 99, Fault.CLOCK_RESETS_ON_REBOOT: 99})
    await world.credentials()
    await world.authority()
    seen: set[str] = set()
    crash = Crash(monkeypatch, device_story, moment, first_of_each(seen))
    await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator()

    async def story() -> None:
        await world.ready("gate", within=90)
        assert camera.journal.reboots == 1
        await world.kubectl("annotate", "dev", "gate", "devicecert.io/reboot=once")
        await world.holds(lambda: camera.journal.reboots == 2 or "RecordReboot" in seen, within=60)
        await world.ready("gate", within=90)

    await crash.survived(world, story())
    assert seen >= {"Install", "Activate", "Reboot", "SetClock", "RecordReboot"}
    assert crash.kills == len(seen)
    assert camera.journal.reboots <= 2
    await world.holds(lambda: abs(camera.now() - world.clock.now()) < timedelta(seconds=10), within=30)
    assert await world.trusted(camera.address)
    assert camera.journal.overlaps == 0
