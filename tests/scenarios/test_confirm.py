"""What is decided is confirmed by a live read before a device is touched or a certificate made of it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from device_cert_operator.core.certificate_model import Issue, IssueForCSR
from device_cert_operator.core.steps import Activate, BeginRollBack, Install, MakeDeviceCSR, Reboot
from device_cert_operator.errors import ClusterError, Conflict
from device_cert_operator.kube import cache as views
from device_cert_operator.reconcile import certificate as certificate_story
from device_cert_operator.reconcile import device as device_story
from device_simulator import Fault, SimulatedDevice
from tests.scenarios import test_firmware_ca as firmware
from tests.support.world import World

Change = Callable[[World], Awaitable[None]]
BY_DEVICE = {"privateKey": {"source": "Device"}}


class Meanwhile:
    """Something is changed between a decision and its step, once. told: what the step then ended with."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, story: Any, step: type, change: Callable[[], Awaitable[None]]):
        self.told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._step, self._change, self._real = step, change, story.act
        monkeypatch.setattr(story, "act", self._act)

    async def _act(self, step: Any, *rest: Any) -> None:
        if not isinstance(step, self._step) or self.told.done():
            return await self._real(step, *rest)
        await self._change()
        try:
            await self._real(step, *rest)
        except Conflict as error:
            self.told.set_result(error.message)
            raise
        self.told.set_result("nothing: it was carried out")


async def deleted(world: World, kind: str) -> None:
    await world.kubectl("delete", kind, "gate")


async def replaced(world: World, kind: str) -> None:
    manifest = await world.get(kind, "gate")
    await world.kubectl("delete", kind, "gate")
    clean = {"name": "gate", "annotations": manifest["metadata"].get("annotations", {})}
    await world.apply({key: manifest[key] for key in ("apiVersion", "kind", "spec")} | {"metadata": clean})


async def patched(world: World, kind: str, patch: dict[str, Any], *more: str) -> None:
    await world.kubectl("patch", kind, "gate", "--type=merge", "-p", json.dumps(patch), *more)


async def turned(world: World) -> None:
    [member] = (await world.get("dcert", "gate"))["status"]["devices"]
    await patched(world, "dcert", {"status": {"devices": [member | {"turn": 7}]}}, "--subresource=status")


async def asked_again(world: World) -> None:
    request = (await world.get("dcert", "gate"))["status"]["certificateRequest"]
    status = {"status": {"certificateRequest": request | {"number": 7}}}
    await patched(world, "dcert", status, "--subresource=status")


def changes_of(camera: SimulatedDevice) -> list[str]:
    return [name for name in camera.journal.operations if not name.startswith("Get")]


DEVICE_GONE = "Device {}/gate was deleted or replaced"
CERTIFICATE_GONE = "DeviceCertificate {}/gate was deleted or replaced"
EDITED = "Device {}/gate was edited meanwhile"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda world: deleted(world, "dev"), DEVICE_GONE),
        (lambda world: replaced(world, "dev"), DEVICE_GONE),
        (lambda world: patched(world, "dev", {"spec": {"reboot": {"policy": "Never"}}}), EDITED),
        (
            lambda world: patched(world, "dev", {"metadata": {"annotations": {"devicecert.io/paused": "true"}}}),
            EDITED,
        ),
        (lambda world: deleted(world, "dcert"), CERTIFICATE_GONE),
        (lambda world: replaced(world, "dcert"), CERTIFICATE_GONE),
        (turned, "no longer gives gate revision 1"),
    ],
    ids=["deleted", "replaced", "edited", "paused", "certificate-deleted", "certificate-replaced", "turn-taken"],
)
@pytest.mark.parametrize("step", [Install, Activate], ids=lambda step: step.__name__)
async def test_nothing_is_installed_for_what_was_changed_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch, step: type, change: Change, told: str
) -> None:
    camera = await world.camera("gate")
    factory = camera.served_fingerprint
    done: list[str] = []

    async def interfere() -> None:
        done[:] = changes_of(camera)
        await change(world)

    meanwhile = Meanwhile(monkeypatch, device_story, step, interfere)
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator()
    async with asyncio.timeout(30):
        assert told.format(world.namespace) in await meanwhile.told
    if change is not turned:  # that one is put right by the next pass, perhaps already
        assert changes_of(camera) == done
        assert camera.served_fingerprint == factory
    await world.apply(
        world.device("gate", annotations={"devicecert.io/paused": "false"}, reboot__policy="WhenNeeded"),
        world.certificate("gate"),
    )
    await world.ready("gate", within=40)
    assert await world.trusted(camera.address)


async def test_no_key_is_made_on_a_device_that_is_asked_for_another_request_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = await world.camera("gate")
    meanwhile = Meanwhile(monkeypatch, device_story, MakeDeviceCSR, lambda: asked_again(world))
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate", **BY_DEVICE))
    await world.start_operator()
    async with asyncio.timeout(30):
        assert "no longer asks gate for CSR 1" in await meanwhile.told
    await world.ready("gate", within=40)
    assert camera.journal.operations["CreatePKCS10CSR"] == 1
    assert (await world.get("dcert", "gate"))["status"]["revision"] == 7


async def test_a_firmware_ca_camera_is_not_restarted_for_an_issuer_it_no_longer_has(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It moved, and its firmware would make a certificate for the new address by a restart."""
    camera = await firmware.pinned(world)
    await world.authority()

    async def other_issuer() -> None:
        issuer = {"deviceCA": None, "caSecretRef": {"name": "root"}}
        await patched(world, "dcert", {"spec": {"issuer": issuer}})

    meanwhile = Meanwhile(monkeypatch, device_story, Reboot, other_issuer)
    await camera.move(world.address(9))
    async with asyncio.timeout(30):
        assert "has another issuer meanwhile" in await meanwhile.told
    assert camera.counters.reboots == 0


@pytest.mark.parametrize("spec", [{}, BY_DEVICE], ids=["operator-key", "device-key"])
@pytest.mark.parametrize(
    "change",
    [
        lambda world: deleted(world, "dcert"),
        lambda world: replaced(world, "dcert"),
        lambda world: patched(world, "dcert", {"spec": {"dnsNames": ["gate.example.test"]}}),
    ],
    ids=["deleted", "replaced", "edited"],
)
async def test_nothing_is_issued_for_what_was_changed_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Change, spec: dict[str, Any]
) -> None:
    camera = await world.camera("gate")
    meanwhile = Meanwhile(monkeypatch, certificate_story, IssueForCSR if spec else Issue, lambda: change(world))
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate", **spec))
    await world.start_operator()
    async with asyncio.timeout(30):
        assert "was changed meanwhile; nothing is issued" in await meanwhile.told
    await world.apply(world.certificate("gate", dnsNames=["gate.example.test"], **spec))
    await world.holds(lambda: "gate.example.test" in str(camera.shown.chain[0].extensions), within=40)
    await world.ready("gate", within=40)
    owner = (await world.get("dcert", "gate"))["metadata"]["uid"]
    secrets = json.loads(await world.kubectl("get", "secrets", "-o", "json"))["items"]
    revisions = [one["metadata"] for one in secrets if one["type"] == "devicecert.io/revision"]
    assert len(revisions) == 1
    assert owner in revisions[0]["annotations"].values()


async def test_a_ca_that_was_replaced_and_not_seen_yet_issues_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is decided on is what the watch brought; what signs is read live."""
    camera = await world.one_camera()
    first, take = camera.served_fingerprint, views.Cache.apply

    def lags(cache: views.Cache, obj: dict[str, Any]) -> views.Change:
        late = obj["kind"] == "Secret" and obj["metadata"]["name"] == "root"
        return views.Change.NONE if late else take(cache, obj)

    monkeypatch.setattr(views.Cache, "apply", lags)
    meanwhile = Meanwhile(monkeypatch, certificate_story, Issue, world.authority)
    await world.apply(world.certificate("gate", dnsNames=["gate.example.test"]))
    async with asyncio.timeout(30):
        assert "was replaced meanwhile; nothing is issued" in await meanwhile.told
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.ready("gate")
    assert await world.trusted(camera.address)
    world.look_again()
    await world.more_passes("Device", 3)
    assert (await world.get("dcert", "gate"))["status"]["revision"] == 2


async def gone_away(world: World) -> None:
    """Nothing that is asked of the API server about a Device is answered any more."""

    async def away(*_: object) -> None:
        raise ClusterError("the API server does not answer")

    assert world.app is not None
    cluster: Any = world.app.tools.cluster
    cluster.get_device = cluster.write_device_status = away


@pytest.mark.parametrize(
    "change",
    [
        lambda world: deleted(world, "dev"),
        lambda world: replaced(world, "dev"),
        lambda world: deleted(world, "dcert"),
        lambda world: patched(world, "dev", {"metadata": {"annotations": {"devicecert.io/paused": "true"}}}),
        gone_away,
    ],
    ids=["deleted", "replaced", "certificate-deleted", "paused", "api-server-away"],
)
@pytest.mark.parametrize("driver", ["onvif", "camera-web"])
async def test_a_certificate_that_cannot_be_served_is_taken_back_whatever_became_of_the_objects(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Change, driver: str
) -> None:
    """Only the session that activated it reaches the device any more."""
    camera = await (world.camera("gate") if driver == "onvif" else firmware.new_camera(world))
    before = camera.served_fingerprint
    camera.faults.set(Fault.CANNOT_SERVE)
    meanwhile = Meanwhile(monkeypatch, device_story, BeginRollBack, lambda: change(world))
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate", driver=driver), world.certificate("gate"))
    await world.start_operator()
    async with asyncio.timeout(60):
        assert "it was carried out" in await meanwhile.told
    await world.holds(lambda: camera.served_fingerprint == before)
