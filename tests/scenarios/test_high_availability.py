"""Replicas as real processes on the real API server: one acts, the others take over, and two never act at once."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from device_cert_operator.clock import SystemClock
from device_cert_operator.engine import lease
from device_cert_operator.engine.lease import Election, LeaseOutlived
from device_cert_operator.errors import ClusterError
from device_cert_operator.handlers.lifecycle import run
from device_cert_operator.kube.client import Requests, load_configuration
from device_cert_operator.kube.lease import KubeLease
from device_cert_operator.settings import Settings
from device_cert_operator.wiring import App
from device_simulator import SimulatedDevice
from local_control_plane import plane as planes
from local_control_plane.plane import ControlPlane
from tests.support.clock import ShiftedClock
from tests.support.control_plane import install_crds
from tests.support.figures import Figure
from tests.support.operators import LASTS, LEASE, Operators
from tests.support.world import World, WorldOn

ASSIGNMENT = "ReplaceServerCertificateAssignment"
UPLOAD = "UploadCertificateWithPrivateKeyInPKCS12"
GRACE = 2.0


def touched(*cameras: SimulatedDevice) -> int:
    """Handshakes and requests so far."""
    return sum(one.journal.handshakes + len(one.journal.entries) for one in cameras)


async def fleet(world: World, count: int) -> list[SimulatedDevice]:
    """Cameras with their manifests applied."""
    await world.credentials()
    await world.authority()
    cameras = [await world.camera(f"c{number}", number) for number in range(1, count + 1)]
    await world.apply(
        *(world.device(f"c{number}", number) for number in range(1, count + 1)),
        *(world.certificate(f"c{number}") for number in range(1, count + 1)),
    )
    return cameras


@asynccontextmanager
async def operators(world: World, *names: str, **ahead: float) -> AsyncIterator[Operators]:
    """Ready, and one of them leads. ahead: the clocks of some, in seconds."""
    async with Operators(world, *names, ahead=ahead) as all_of_them:
        await all_of_them.ready()
        await all_of_them.leader()
        yield all_of_them


async def test_a_killed_leader_is_followed_by_one_of_two_that_stand_by(world: World, figure: Figure) -> None:
    async with operators(world, "a", "b", "c") as replicas:
        leader = await replicas.leader()
        others = [name for name in replicas.all if name != leader.name]
        await replicas.standing_by(*others)
        cameras = await fleet(world, 3)
        await world.holds(lambda: any(one.journal.operations[UPLOAD] for one in cameras), within=30)
        leader.signal(signal.SIGKILL)
        took = await replicas.until(*others, leads=True, within=LASTS + GRACE)
        assert took < LASTS + GRACE
        figure(f"take-over after kill -9: {took:.1f} s with a Lease of {LASTS:g} s")
        await world.ready("c1", "c2", "c3", within=60)
        for camera in cameras:
            assert await world.trusted(camera.address)
            assert camera.journal.overlaps == 0
            assert camera.guard.refused == 0
        holder = (await world.get("lease", LEASE))["spec"]["holderIdentity"]
        assert holder.split("_")[0] in others


async def test_a_leader_that_was_stopped_starts_nothing_when_it_wakes(world: World) -> None:
    """It is stopped in the middle of an installation, its successor finishes that and is stopped as well."""
    async with operators(world, "a", "b") as replicas:
        first = await replicas.leader()
        [second] = [one for one in replicas.all.values() if one is not first]
        await replicas.standing_by(second.name)
        [camera] = await fleet(world, 1)
        await world.holds(lambda: camera.journal.operations[UPLOAD] > 0, within=30)
        first.signal(signal.SIGSTOP)
        await replicas.until(second.name, leads=True, within=LASTS + GRACE)
        await world.ready("c1", within=40)
        second.signal(signal.SIGSTOP)
        stopped_at = time.monotonic()
        before = touched(camera)
        first.signal(signal.SIGCONT)
        await replicas.standing_by(first.name, within=LASTS)
        looks = 0
        while time.monotonic() < stopped_at + LASTS / 2:  # the successor's Lease goes on
            assert not await first.leads()
            assert touched(camera) - before <= 1, "at most the request that was under way"
            looks += 1
            await asyncio.sleep(0.05)
        assert looks, "it woke too late for this to have looked at anything"
        second.signal(signal.SIGCONT)
        await replicas.until("a", "b", leads=True, within=2 * LASTS + GRACE)
        assert camera.journal.overlaps == 0
        assert await world.trusted(camera.address)


async def test_a_leader_that_is_told_to_end_hands_over_at_once(world: World, figure: Figure) -> None:
    async with operators(world, "a", "b") as replicas:
        first = await replicas.leader()
        [second] = [one for one in replicas.all.values() if one is not first]
        await replicas.standing_by(second.name)
        [camera] = await fleet(world, 1)
        await world.ready("c1", within=40)
        started = time.monotonic()
        first.signal(signal.SIGTERM)
        assert await first.ended() == 0
        assert time.monotonic() - started < 10
        took = await replicas.until(second.name, leads=True, within=1.5)
        figure(f"hand-over after SIGTERM: {took:.1f} s after its end")
        await camera.move(world.address(9))
        await world.holds(lambda: camera.journal.operations[ASSIGNMENT] > 0, within=40)
        await world.ready("c1", within=30)
        assert camera.journal.overlaps == 0


@pytest.mark.parametrize(
    ("goes", "comes_back"),
    [
        pytest.param(ControlPlane.pause_api_server, ControlPlane.resume_api_server, id="it hangs"),
        pytest.param(ControlPlane.stop_api_server, ControlPlane.start_api_server, id="it is away"),
    ],
)
async def test_nobody_acts_without_the_api_server_and_one_does_afterwards(
    goes: Callable[[ControlPlane], None], comes_back: Callable[[ControlPlane], None], world_on: WorldOn
) -> None:
    with planes.start() as plane:
        install_crds(plane)
        async with world_on(plane) as world, operators(world, "a", "b") as replicas:
            [camera] = await fleet(world, 1)
            await world.ready("c1", within=40)
            await asyncio.to_thread(goes, plane)
            try:
                await replicas.until("a", "b", leads=False, within=LASTS + GRACE)
                quiet = touched(camera)
                deadline = time.monotonic() + 2.5  # more than a check interval
                while time.monotonic() < deadline:
                    assert touched(camera) - quiet <= 1, "at most the handshake that was under way"
                    await asyncio.sleep(0.1)
                assert [(await one.get("/healthz"))[0] for one in replicas.all.values()] == [200, 200]
            finally:
                await asyncio.to_thread(comes_back, plane)
            await replicas.until("a", "b", leads=True, within=2 * LASTS + GRACE)
            await camera.move(world.address(9))
            await world.holds(lambda: camera.journal.operations[ASSIGNMENT] > 0, within=40)
            await world.ready("c1", within=30)
            assert camera.journal.overlaps == 0


async def test_processes_on_machines_whose_clocks_differ_take_over_from_each_other(
    world: World, figure: Figure
) -> None:
    """Each once. Both are ahead: for a clock that is behind the new root would not be valid yet."""
    async with operators(world, "a", "b", a=1800, b=600) as replicas:
        await world.credentials()
        await world.authority()
        camera = await world.camera("c1", 1)
        await world.apply(world.device("c1", clock__maxOffset="1h"), world.certificate("c1"))
        for moves in (2, 3):
            await world.ready("c1", within=40)
            leader = await replicas.leader()
            [other] = [name for name in replicas.all if name != leader.name]
            await replicas.standing_by(other)
            leader.signal(signal.SIGKILL)
            await leader.ended()
            took = await replicas.until(other, leads=True, within=LASTS + GRACE)
            assert took < LASTS + GRACE
            minutes = (replicas.ahead[other] - replicas.ahead[leader.name]) / 60
            figure(f"take-over by a clock {minutes:+g} min off: {took:.1f} s with a Lease of {LASTS:g} s")
            replicas.start(leader.name)
            await camera.move(world.address(moves))
            await world.holds(lambda n=moves: camera.journal.operations[ASSIGNMENT] == n, within=40)  # type: ignore[misc]
        await replicas.standing_by(leader.name)
        assert await replicas.until("a", "b", leads=True) < GRACE, "the one that came back takes nothing away"
        await world.ready("c1", within=40)
        assert await world.trusted(camera.address)
        assert camera.journal.overlaps == 0


async def test_logs_are_lines_of_json_with_a_line_for_each_step(world: World) -> None:
    async with operators(world, "a") as replicas:
        await fleet(world, 1)
        await world.ready("c1", within=40)
        text = replicas.all["a"].log.read_text()
        entries = [json.loads(line) for line in text.splitlines()]
        steps = {entry["step"]: entry for entry in entries if "step" in entry}
        assert {"Install", "Activate"} <= steps.keys()
        assert steps["Install"] | {"time": "", "duration": 0.0} == {
            "time": "",
            "level": "info",
            "logger": "device_cert_operator.reconcile.act",
            "message": "Install: ok",
            "object": f"Device {world.namespace}/c1",
            "device": world.address(1),
            "step": "Install",
            "reason": "ok",
            "duration": 0.0,
        }
        assert 0 < steps["Install"]["duration"] < 30
        assert "secret" not in text, "the password"


@pytest.mark.parametrize("years", [(0, 0), (-1, 1), (1, -1)])
async def test_clocks_that_differ_by_years_change_nothing(world: World, years: tuple[int, int]) -> None:
    """The real Lease on the real API server, seen by two that write different times into it."""
    requests = Requests(await load_configuration(str(world.kubeconfig)), SystemClock())
    candidates = []
    for name, ahead in zip("ab", years, strict=True):
        clock = ShiftedClock()
        clock.forward(timedelta(days=365 * ahead))
        candidates.append(Election(KubeLease(requests, world.namespace, LEASE, clock), name, timedelta(seconds=2)))
    duty = Idle()
    first, second = candidates
    leading = asyncio.create_task(first.run(duty))
    await world.holds(lambda: first.leading, within=5)
    waiting = asyncio.create_task(second.run(duty))
    try:
        until = time.monotonic() + 4
        while time.monotonic() < until:
            assert (first.leading, second.leading) == (True, False)
            await asyncio.sleep(0.05)
        leading.cancel()
        cancelled_at = time.monotonic()
        await world.holds(lambda: second.leading, within=2 + GRACE)
        assert not first.leading
        assert time.monotonic() - cancelled_at < 2 + GRACE
        spec = (await world.get("lease", LEASE))["spec"]
        assert (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"]) == ("b", 2, 1)
        waiting.cancel()
        await second.release()
        assert (await world.get("lease", LEASE))["spec"].get("holderIdentity", "") == ""
    finally:
        leading.cancel()
        waiting.cancel()
        await requests.close()


async def test_a_lease_is_written_only_over_what_was_read(world: World) -> None:
    requests = Requests(await load_configuration(str(world.kubeconfig)), SystemClock())
    store = KubeLease(requests, world.namespace, LEASE, SystemClock())
    second = timedelta(seconds=1)
    try:
        assert await store.read(second) is None
        made = await store.write(None, "a", timedelta(seconds=5), second)
        with pytest.raises(ClusterError):
            await store.write(None, "b", timedelta(seconds=5), second)
        renewed = await store.write(made, "a", timedelta(seconds=5), second)
        assert renewed.token != made.token
        with pytest.raises(ClusterError):
            await store.write(made, "b", timedelta(seconds=5), second)
        assert (await store.read(second)) == renewed
        await world.kubectl("label", "lease", LEASE, "site=north")
        with pytest.raises(ClusterError):
            await store.write(renewed, "a", timedelta(seconds=5), second)
        found = await store.read(second)
        assert found is not None
        assert found.token == renewed.token
        await store.write(found, "a", timedelta(seconds=5), second)
        assert (await world.get("lease", LEASE))["metadata"]["labels"] == {"site": "north"}
    finally:
        await requests.close()


async def test_a_process_whose_work_outlives_the_lease_ends_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []

    async def never(_app: App) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(lease, "END_WITHIN", 0.2)
    monkeypatch.setattr(App, "end", never)
    started: asyncio.Future[App] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(
        run(
            Settings(
                namespaces=(world.namespace,),
                metrics_port=0,
                lease_name=LEASE,
                lease_namespace=world.namespace,
                lease_duration=timedelta(seconds=LASTS),
            ),
            str(world.kubeconfig),
            started=started,
            end_process=lambda: ended.append("ended"),
        )
    )
    app = await asyncio.wait_for(started, 20)
    await world.holds(lambda: app.leadership.leading)
    await world.kubectl("patch", "lease", LEASE, "--type=merge", "-p", '{"spec":{"holderIdentity":"somebody"}}')
    with pytest.raises(LeaseOutlived):
        await asyncio.wait_for(running, LASTS + 12)
    assert ended == ["ended"]
    assert (await world.get("lease", LEASE))["spec"]["holderIdentity"] == "somebody", "it is not ours to release"


class Idle:
    """Nothing to do."""

    def begin(self) -> None: ...

    async def end(self) -> None: ...
