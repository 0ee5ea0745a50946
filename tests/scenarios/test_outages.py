"""The operator, the API server and its permissions go away, at the worst moments."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from device_cert_operator.reconcile import device as device_story
from local_control_plane import plane as planes
from local_control_plane.plane import ControlPlane
from tests.support.account import install
from tests.support.control_plane import established, kubectl
from tests.support.crash import Crash, nth
from tests.support.helm import Helm
from tests.support.operators import Operator, Operators
from tests.support.world import World, WorldOn

ROOT = Path(__file__).parents[2]
A_MINUTE = 60.0  # longer than any back-off of a watch
STEPS = 9  # a first installation takes fewer


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_crash_around_any_step_costs_one_more_pass(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """In-process: everything is cancelled at the n-th step, and a new operator finds what is there."""
    await world.credentials()
    await world.authority()
    kills = 0
    for number in range(1, STEPS + 1):
        name = f"c{number}"
        camera = await world.camera(name, number)
        crash = Crash(monkeypatch, device_story, moment, nth(number))
        await world.apply(world.device(name, number), world.certificate(name))
        await world.start_operator(workers=2)
        await crash.survived(world, world.ready(name, within=40))
        monkeypatch.undo()
        kills += crash.kills
        await world.stop_operator()
        assert await world.trusted(camera.address)
        aliases = sorted(path.alias for path in camera.keystore.paths.values())
        assert len(aliases) == 2, f"killed {moment} step {number}: {aliases}"
        assert camera.journal.overlaps == 0
        assert camera.guard.refused == 0
        await world.kubectl("delete", "dev,dcert", name)
        await camera.power_off()
    assert kills >= 6, "a first installation has at least so many steps to be killed at"


@pytest.mark.parametrize(
    "operation",
    [
        "GetServices",
        "SetSystemDateAndTime",
        "UploadCertificateWithPrivateKeyInPKCS12",
        "ReplaceServerCertificateAssignment",
    ],
)
async def test_the_process_survives_kill_9(world: World, operation: str) -> None:
    """Killed as soon as the device has seen the operation; the next process finds what is there."""
    camera = await world.camera("gate")
    camera.skew_clock(timedelta(days=365))
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    first = _operator(world)
    try:
        await world.holds(lambda: camera.journal.operations[operation] > 0, within=30)
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    second = _operator(world)
    try:
        await world.ready("gate", within=40)
        assert await world.trusted(camera.address)
        assert abs(camera.now() - world.clock.now()) < timedelta(seconds=5)
        assert len(camera.keystore.paths) == 2, "the factory's and ours: nothing was put there twice"
        assert (camera.journal.overlaps, camera.guard.refused) == (0, 0)
    finally:
        second.kill()
        second.wait()


async def test_the_process_ends_cleanly_on_sigterm(world: World) -> None:
    await world.camera("gate")
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    process = _operator(world)
    try:
        await world.ready("gate", within=40)
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, 12)
        assert code == 0
        assert time.monotonic() - started < 10
    finally:
        process.kill()
        process.wait()


def _operator(world: World) -> "subprocess.Popen[bytes]":
    environment = os.environ | {
        "KUBECONFIG": str(world.kubeconfig),
        "DEVICECERT_NAMESPACES": world.namespace,
        "PYTHONPATH": str(ROOT / "operator"),
    }
    with (world.folder / "operator.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "device_cert_operator", "run", "--metrics-port", "0"],
            env=environment,
            stdout=log,
            stderr=log,
        )


@pytest.mark.timeout(300)
async def test_an_api_server_that_was_away_for_a_minute_is_caught_up_with(world_on: WorldOn) -> None:
    with planes.start() as plane:
        _install(plane)
        async with world_on(plane) as world:
            camera = await world.one_camera()
            await asyncio.to_thread(plane.stop_api_server)
            over = time.monotonic() + A_MINUTE
            await camera.move(world.address(9))
            await world.more_passes("Device", 2)
            await world.holds(lambda: time.monotonic() > over, within=2 * A_MINUTE)
            await asyncio.to_thread(plane.start_api_server)
            await world.holds(lambda: camera.journal.operations["ReplaceServerCertificateAssignment"] == 2, within=60)
            await world.ready("gate", within=30)
            assert await world.trusted(camera.address)


async def test_the_operator_waits_for_its_crds(caplog: pytest.LogCaptureFixture, world_on: WorldOn) -> None:
    with planes.start() as plane:
        async with world_on(plane) as world:
            starting = asyncio.create_task(world.start_operator())
            await world.holds(lambda: "The CRDs are not installed yet" in caplog.text)
            assert not starting.done()
            await asyncio.to_thread(_install, plane)
            await starting
            await world.camera("gate")
            await world.credentials()
            await world.authority()
            await world.apply(world.device("gate"), world.certificate("gate"))
            await world.ready("gate")


async def test_a_device_deleted_while_the_watches_lost_their_history_is_forgotten(world_on: WorldOn) -> None:
    """410 Gone: they begin anew with lists, and what was deleted meanwhile no watch ever tells."""
    with planes.start() as plane:
        _install(plane)
        async with world_on(plane) as world, Operators(world, "a") as operators:
            operator = operators.all["a"]
            await operators.ready()
            await world.credentials()
            for number, name in enumerate(("gate", "yard"), 1):
                await world.camera(name, number)
                await world.apply(world.device(name, number))
                await world.until("dev", name, "Authenticated", "True")
            operator.signal(signal.SIGSTOP)
            await asyncio.to_thread(plane.forget_history)  # its connections are cut: they could still tell it
            await world.kubectl("delete", "dev", "gate")
            await asyncio.to_thread(plane.forget_history)
            operator.signal(signal.SIGCONT)
            until = time.monotonic() + 40
            while (names := await _shown(operator)) != {"yard"}:
                assert time.monotonic() < until, names
                await asyncio.sleep(0.2)
            assert (await operator.get("/healthz"))[0] == 200


async def _shown(operator: Operator) -> set[str]:
    """The Devices of which /metrics tells."""
    _, text = await operator.get("/metrics")
    return set(re.findall(r'devicecert_device_reachable\{[^}]*name="([^"]+)"', text))


async def test_what_a_watch_never_told_is_noticed_by_a_round_of_lists(world: World) -> None:
    await world.one_camera()
    app = world.app
    assert app is not None
    ghost = await world.get("dev", "gate")
    ghost["metadata"]["name"], ghost["metadata"]["uid"] = "ghost", "no-such-uid"
    app.cache.apply(ghost)
    difference = await app.lister.compare()
    assert difference.gone == (("Device", world.namespace, "ghost"),)


def _install(plane: ControlPlane) -> None:
    kubectl(plane, "apply", "--server-side", "-f", str(ROOT / "crds"))
    established(plane, "crd", "--all")


BIND = ("create", "clusterrolebinding", "operator", "--clusterrole=operator", "--serviceaccount=operator:operator")


@pytest.mark.timeout(300)
async def test_a_role_that_was_lost_for_a_minute_is_survived(helm: Helm, tmp_path: Path) -> None:
    with planes.start() as plane:
        _install(plane)
        account = install(helm, plane, tmp_path, "operator")
        async with account.world(plane, "default") as world:
            camera = await world.one_camera()
            await world.kubectl("delete", "clusterrolebinding", "operator")
            over = time.monotonic() + A_MINUTE
            await camera.move(world.address(9))
            await world.more_passes("Device", 2)
            await world.holds(lambda: time.monotonic() > over, within=2 * A_MINUTE)
            assert camera.journal.operations["ReplaceServerCertificateAssignment"] == 1
            await world.kubectl(*BIND)
            await world.holds(lambda: camera.journal.operations["ReplaceServerCertificateAssignment"] == 2, within=60)
            await world.ready("gate", within=30)
