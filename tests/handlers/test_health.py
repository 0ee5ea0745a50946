"""What /healthz and /readyz say: 503 where the process should be restarted, or may not be counted on yet."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from device_cert_operator import wiring
from device_cert_operator.core.model import ObjectKey
from device_cert_operator.handlers import lifecycle
from device_cert_operator.handlers.health import Health
from device_cert_operator.handlers.rounds import Rounds
from device_cert_operator.kube.relist import Difference
from device_cert_operator.settings import Settings
from device_cert_operator.wiring import App, build
from local_control_plane.plane import ControlPlane
from local_control_plane.processes import free_ports
from tests.support.clock import ShiftedClock

KEY = ObjectKey("Device", "cams", "gate")


class Turned(ShiftedClock):
    """Intervals are put forward as well."""

    def monotonic(self) -> float:
        return super().monotonic() + self.shift.total_seconds()


class Process:
    """The parts of a process that /healthz and /readyz ask, with the story of Devices that a test gives."""

    def __init__(self, app: App, clock: Turned, health: Health) -> None:
        self.app, self.clock, self.health = app, clock, health

    async def ask(self, path: str) -> tuple[int, str]:
        """Status and text."""
        return await ask(self.health.port, path)


async def ask(port: int, path: str) -> tuple[int, str]:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}{path}")
    return answer.status_code, answer.text


@pytest.fixture
async def process(nobody: str) -> AsyncIterator[Process]:
    clock = Turned()
    app = await build(Settings(workers=2, shutdown_within=timedelta(0), relist_every=timedelta(0)), nobody, clock)
    health = Health(
        "127.0.0.1", 0, lambda: lifecycle.unwell(app), lambda: app.synced, lambda _accept: (b"", "text/plain")
    )
    await health.start()
    yield Process(app, clock, health)
    await app.stop()
    await health.stop()


async def test_a_worker_that_is_stuck_is_unwell_and_well_again_when_it_goes_on(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def story(key: ObjectKey, tools: Any) -> None:
        begun.set()
        await go_on.wait()

    monkeypatch.setitem(wiring.STORIES, "Device", story)
    process.app.synced = True
    process.app.workers.start()
    process.app.queue.add(KEY)
    await begun.wait()
    assert await process.ask("/healthz") == (200, "ok")
    process.clock.forward(process.app.settings.liveness_silence + timedelta(seconds=1))
    status, told = await process.ask("/healthz")
    assert status == 503
    assert told.startswith(f"a worker is stuck on {KEY} for 90")
    go_on.set()
    async with asyncio.timeout(5):
        while process.app.queue.busy_longest() is not None:  # noqa: ASYNC110  # the queue tells nobody
            await asyncio.sleep(0)
    assert await process.ask("/healthz") == (200, "ok")


async def test_a_worker_that_has_ended_is_unwell(process: Process) -> None:
    process.app.synced = True
    reign = asyncio.create_task(process.app.leadership.run(process.app))
    await asyncio.sleep(0)
    assert await process.ask("/healthz") == (200, "ok")
    process.app.workers.tasks[0].cancel()
    await asyncio.gather(process.app.workers.tasks[0], return_exceptions=True)
    assert await process.ask("/healthz") == (503, "a worker has ended")
    reign.cancel()


class Lister:
    """Rounds of lists that find what they are given; between them a test looks."""

    def __init__(self, *rounds: int) -> None:
        self.rounds = list(rounds)
        self.looked = asyncio.Semaphore(0)
        self.go_on = asyncio.Semaphore(0)

    async def compare(self) -> Difference:
        """The round before is counted when the next begins."""
        self.looked.release()
        await self.go_on.acquire()
        changed = self.rounds.pop(0)
        return Difference((), tuple(("Secret", "cams", f"s{number}") for number in range(changed)))

    async def fetch(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        meta = {"namespace": namespace, "name": name, "uid": name, "resourceVersion": str(100 - len(self.rounds))}
        return {"kind": kind, "metadata": meta | {"labels": {"devicecert.io/use": "ca"}}}

    async def next_round(self) -> None:
        """Let one round end."""
        self.go_on.release()
        await self.looked.acquire()


@pytest.mark.parametrize(
    ("rounds", "wanted"),
    [
        ((2,), (200, "ok")),
        ((0, 0, 0), (200, "ok")),
        ((2, 3), (503, "the watches missed 3 changes")),
        ((2, 0, 3), (200, "ok")),
        ((2, 3, 0), (200, "ok")),
    ],
)
async def test_watches_that_missed_changes_twice_in_a_row_are_dead(
    process: Process, rounds: tuple[int, ...], wanted: tuple[int, str]
) -> None:
    lister = Lister(*rounds, 0)
    process.app.lister = lister  # type: ignore[assignment]
    process.app.synced = True
    process.app.workers.start()
    task = asyncio.create_task(Rounds(process.app).run())
    await lister.looked.acquire()
    for _ in rounds:
        await lister.next_round()
    assert await process.ask("/healthz") == wanted
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_before_the_caches_are_filled_the_process_is_alive_and_not_ready(nobody: str) -> None:
    [port] = free_ports(1)
    stop = asyncio.Event()
    running = asyncio.create_task(lifecycle.run(Settings(metrics_port=port), nobody, stop=stop))
    async with asyncio.timeout(10):
        while (alive := await _try(port, "/healthz")) is None:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.05)
    assert alive == (200, "ok"), "a cluster that is away is no reason to be restarted"
    assert await ask(port, "/readyz") == (503, "not yet: the cache is being filled")
    stop.set()
    await running


async def test_when_the_caches_are_filled_it_is_ready(control_plane: ControlPlane, namespace: str) -> None:
    stop = asyncio.Event()
    started: asyncio.Future[App] = asyncio.get_running_loop().create_future()
    settings = Settings(namespaces=(namespace,), metrics_port=0, shutdown_within=timedelta(0))
    running = asyncio.create_task(lifecycle.run(settings, str(control_plane.kubeconfig), stop=stop, started=started))
    app = await started
    assert await ask(app.health_port, "/readyz") == (200, "ok: acting alone, without a Lease")
    assert await ask(app.health_port, "/healthz") == (200, "ok")
    stop.set()
    await running


async def _try(port: int, path: str) -> tuple[int, str] | None:
    try:
        return await ask(port, path)
    except httpx.ConnectError:
        return None
