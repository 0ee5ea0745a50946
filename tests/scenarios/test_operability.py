"""Ending, pausing, and living with objects of an older or a newer version."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
import yaml

from device_cert_operator.api import generate
from device_cert_operator.core.steps import Install
from device_cert_operator.reconcile import device as device_story
from device_cert_operator.settings import Settings
from local_control_plane import plane as planes
from local_control_plane.plane import ControlPlane
from tests.support import authorities
from tests.support.control_plane import established, kubectl
from tests.support.rights import NAME
from tests.support.world import World, WorldOn


async def test_an_operator_that_is_told_to_end_finishes_the_step_and_begins_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = await world.camera("gate")
    await world.credentials()
    await world.authority()
    real = device_story.act
    begun, go_on = asyncio.Event(), asyncio.Event()
    ended: list[type] = []

    async def act(step: Any, *rest: Any) -> None:
        if isinstance(step, Install):
            begun.set()
            await go_on.wait()
        await real(step, *rest)
        ended.append(type(step))

    monkeypatch.setattr(device_story, "act", act)
    await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator(shutdown_within=timedelta(seconds=8))
    await asyncio.wait_for(begun.wait(), 30)
    stopping = asyncio.create_task(world.stop_operator())
    await world.holds(lambda: world.app is not None and world.app.stopping.is_set())
    started = time.monotonic()
    go_on.set()
    await stopping
    assert time.monotonic() - started < 10
    assert ended[-1] is Install
    assert camera.journal.operations["UploadCertificateWithPrivateKeyInPKCS12"] == 1
    assert camera.journal.operations["ReplaceServerCertificateAssignment"] == 0
    revision = (await world.get("dev", "gate"))["status"].get("revision") or {}
    assert "activating" not in revision
    monkeypatch.setattr(device_story, "act", real)
    await world.start_operator()
    await world.ready("gate", within=30)
    assert camera.journal.operations["UploadCertificateWithPrivateKeyInPKCS12"] == 1
    assert camera.journal.overlaps == 0


async def test_an_operator_ends_in_time_while_the_api_server_hangs_and_a_device_is_away(world_on: WorldOn) -> None:
    with planes.start() as plane:
        _install_definitions(plane)
        async with world_on(plane) as world:
            camera = await world.one_camera(connection={"timeout": "60s"})
            await world.stop_operator()
            within = Settings().shutdown_within
            await world.start_operator(shutdown_within=within, lease_name=NAME, lease_namespace="default")
            await world.holds(lambda: world.app is not None and world.app.leadership.leading)
            await asyncio.to_thread(plane.pause_api_server)
            try:
                await camera.power_off()
                world.look_again()
                await world.holds(lambda: world.app is not None and world.app.queue.busy_longest() is not None)
                started = time.monotonic()
                await world.stop_operator()
                assert time.monotonic() - started < 10
            finally:
                await asyncio.to_thread(plane.resume_api_server)


async def test_a_paused_operator_looks_and_does_nothing(world: World) -> None:
    camera = await world.camera("gate")
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator(paused=True)
    told = await world.until("dev", "gate", "Ready", "False", "Paused")
    assert "the operator's setting DEVICECERT_PAUSED" in told["message"]
    await world.until("dcert", "gate", "Ready", "False", "Paused")
    assert camera.journal.handshakes > 0
    assert not camera.journal.entries
    assert await world.get("secret", "gate-r1") == {}
    await world.stop_operator()
    await world.start_operator()
    await world.ready("gate")


# ------------------------------------------------------------------------------------------------ upgrade

# fields that an earlier version might not have had
YOUNG = {
    "Device": {
        "spec": ("clock", "reboot", "maintenanceWindows", "management", "checkInterval", "https"),
        "status": ("clock", "capabilities", "revision", "certificateRef", "credentials", "lastReboot"),
    },
    "DeviceCertificate": {
        "spec": ("subject", "allowGap", "privateKey", "dnsNames"),
        "status": ("effective", "certificateRequest", "renewalTime", "handledRequests", "deviceNames"),
    },
    "CertificateAuthority": {
        "spec": ("subject", "allowed", "trustBundle", "rotation"),
        "status": ("origin", "shape", "trustBundle", "rotation", "rotationTime", "number", "handledRequests"),
    },
}


def _definitions() -> list[dict[str, Any]]:
    return [generate.build_crd(*kind) for kind in generate.KINDS]


def _schema(definition: dict[str, Any]) -> dict[str, Any]:
    return dict(definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"])


def _older() -> list[dict[str, Any]]:
    """Definitions without the young fields, nor the rules that may speak of them."""
    definitions = _definitions()
    for definition in definitions:
        for part, names in YOUNG[definition["spec"]["names"]["kind"]].items():
            schema = _schema(definition)[part]
            schema.pop("x-kubernetes-validations", None)
            for name in names:
                schema["properties"].pop(name, None)
    return definitions


def _newer() -> list[dict[str, Any]]:
    """Definitions with fields that this version does not know, one with a default."""
    definitions = _definitions()
    for definition in definitions:
        for part in ("spec", "status"):
            fields = _schema(definition)[part]["properties"]
            fields["mood"] = {"type": "string", "maxLength": 20}
        _schema(definition)["spec"]["properties"]["humour"] = {"type": "string", "maxLength": 20, "default": "dry"}
    return definitions


def _install_definitions(plane: ControlPlane, definitions: list[dict[str, Any]] | None = None) -> None:
    given = yaml.safe_dump_all(definitions or _definitions())
    kubectl(plane, "apply", "--server-side", "--force-conflicts", "-f", "-", given=given)
    established(plane, "crd", "--all")


async def _cut_down(world: World, *objects: tuple[str, str]) -> None:
    """The definitions of the older version, and writes: by them the API server drops what those do not have."""
    await asyncio.to_thread(_install_definitions, world.plane, _older())
    for kind, name in objects:
        await world.kubectl("annotate", kind, name, "touched=by-the-old-version")
        patch = '{"status":{"observedGeneration":0}}'
        await world.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", patch)
        stored = await world.get(kind, name)
        for part, names in YOUNG[stored["kind"]].items():
            assert not set(names) & stored[part].keys()


async def test_objects_of_an_older_version_go_on_working_after_the_upgrade(world_on: WorldOn) -> None:
    """The first version installs a certificate and leaves a smaller status; the next one takes over from that."""
    with planes.start() as plane:
        _install_definitions(plane)
        async with world_on(plane) as world:
            camera = await world.one_camera()
            await world.stop_operator()
            uploads = camera.journal.operations["UploadCertificateWithPrivateKeyInPKCS12"]
            await _cut_down(world, ("dev", "gate"), ("dcert", "gate"))
            await asyncio.to_thread(_install_definitions, plane)
            await world.start_operator()
            await world.until("dev", "gate", "Ready", "True", within=30)
            await world.ready("gate", within=30)
            await world.holds(lambda: bool(camera.journal.handshakes))
            status = await world.shows("dev", "gate", lambda status: status.get("revision"))
            assert status["revision"]["installed"]["number"] == 1
            assert camera.journal.operations["UploadCertificateWithPrivateKeyInPKCS12"] == uploads, "nothing anew"
            assert await world.trusted(camera.address)


async def test_a_root_that_an_older_version_made_goes_on_being_the_root(world_on: WorldOn) -> None:
    """Neither is another one made, nor this one taken for a stranger's; its rotation begins when that is asked for."""
    with planes.start() as plane:
        _install_definitions(plane)
        async with world_on(plane) as world:
            camera = await authorities.one_camera(
                world,
                subject={"commonName": "Site root"},
                allowed={"ipRanges": ["127.0.0.0/8"]},
                rotation={"before": "2000h", "overlap": "1000h"},
            )
            [root] = await authorities.bundle(world)
            await world.stop_operator()
            served = camera.served_fingerprint
            await _cut_down(world, ("dca", "site-ca"))
            await asyncio.to_thread(_install_definitions, plane)
            await world.start_operator()
            await world.until("dca", "site-ca", "Ready", "True", within=30)
            await world.ready("gate", within=30)
            status = await world.shows("dca", "site-ca", lambda status: status.get("trustBundle"))
            assert (status["number"], status["trustBundle"]) == (1, "site-ca-trust")
            assert await authorities.bundle(world) == [root]
            assert camera.served_fingerprint == served, "nothing anew"
            await world.kubectl("annotate", "dca", "site-ca", "devicecert.io/rotate=now")
            await authorities.phase(world, "Preparing")
            assert (await authorities.bundle(world))[0] == root


async def test_fields_of_a_newer_version_are_neither_minded_nor_lost(world_on: WorldOn) -> None:
    with planes.start() as plane:
        _install_definitions(plane, _newer())
        async with world_on(plane) as world:
            camera = await world.camera("gate")
            await world.credentials()
            await world.authority()
            objects = (world.device("gate"), world.certificate("gate"), authorities.authority())
            for one in objects:
                one["spec"]["mood"] = "hopeful"
            await world.apply(*objects)
            names = (("dev", "gate"), ("dcert", "gate"), ("dca", "site-ca"))
            for kind, name in names:
                patch = '{"status":{"mood":"curious"}}'
                await world.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", patch)
            await world.start_operator()
            await world.ready("gate", within=30)
            await world.until("dca", "site-ca", "Ready", "True")
            assert await world.trusted(camera.address)
            for kind, name in names:
                stored = await world.get(kind, name)
                assert (stored["spec"]["mood"], stored["spec"]["humour"]) == ("hopeful", "dry")
                assert stored["status"]["mood"] == "curious"
