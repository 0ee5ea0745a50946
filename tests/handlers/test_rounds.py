"""A round of lists follows each list that a watch began with; and a process without rounds ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest

from device_cert_operator.clock import SystemClock
from device_cert_operator.errors import ClusterError
from device_cert_operator.handlers import lifecycle, rounds
from device_cert_operator.handlers.rounds import Rounds
from device_cert_operator.kube.relist import Difference, Lister
from device_cert_operator.settings import Settings
from device_cert_operator.wiring import App, build
from local_control_plane.plane import ControlPlane
from tests.support.world import World


class Found:
    """A lister whose rounds find one change that no watch told. failures: how many fail first."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.count = 0

    async def compare(self) -> Difference:
        self.count += 1
        if self.count <= self.failures:
            raise ClusterError("away")
        return Difference((), (("Secret", "cams", "s"),))

    async def fetch(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        meta = {"namespace": namespace, "name": name, "uid": name, "resourceVersion": str(self.count)}
        return {"kind": kind, "metadata": meta | {"labels": {"devicecert.io/use": "ca"}}}


@asynccontextmanager
async def going_round(kubeconfig: str, lister: Found, every: timedelta) -> AsyncIterator[tuple[App, Rounds]]:
    app = await build(Settings(relist_every=every), kubeconfig, SystemClock())
    app.lister = lister  # type: ignore[assignment]
    app.synced = True
    made = Rounds(app)
    task = asyncio.create_task(made.run())
    yield app, made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await app.close()


async def come_to(count: int, lister: Found) -> None:
    async with asyncio.timeout(5):
        while lister.count < count:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.005)


async def test_a_round_follows_each_list_and_does_not_speak_against_the_watches(
    nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rounds, "SETTLES", 0.02)
    lister = Found()
    async with going_round(nobody, lister, timedelta(hours=1)) as (app, made):
        for number in range(1, 4):
            for _ in range(20):
                made.listed()
            await come_to(number, lister)
            await asyncio.sleep(0.05)
            assert lister.count == number, "one round for all objects of a list"
        assert lifecycle.unwell(app) is None


async def test_lists_that_never_end_do_not_put_the_timed_round_off(nobody: str) -> None:
    lister = Found()
    async with going_round(nobody, lister, timedelta(seconds=0.1)) as (_, made):
        async with asyncio.timeout(5):
            while lister.count < 2:
                made.listed()
                await asyncio.sleep(0.01)


async def test_a_round_that_failed_is_tried_again(nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "SETTLES", 0.0)
    monkeypatch.setattr(rounds, "BETWEEN_TRIES", 0.01)
    lister = Found(failures=3)
    async with going_round(nobody, lister, timedelta(hours=1)) as (_, made):
        made.listed()
        await come_to(4, lister)


async def test_a_process_whose_rounds_ended_ends(
    control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: Lister) -> Difference:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Lister, "compare", broken)
    settings = Settings(
        namespaces=(namespace,), metrics_port=0, shutdown_within=timedelta(0), relist_every=timedelta(0)
    )
    async with asyncio.timeout(20):
        with pytest.raises(RuntimeError, match="a bug"):
            await lifecycle.run(settings, str(control_plane.kubeconfig))


async def test_what_was_deleted_between_the_first_list_and_the_watches_is_noticed(
    control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else tells of it: the watch began after the delete."""
    fill = Lister.fill

    async with World(control_plane, namespace) as world:
        await world.apply(world.device("gone"), world.device("here", 2))

        async def slow(lister: Lister) -> None:
            await fill(lister)
            await world.kubectl("delete", "dev", "gone")

        monkeypatch.setattr(Lister, "fill", slow)
        app = await world.start_operator()
        assert {view.key.name for view in app.cache.all_devices()} == {"gone", "here"}
        await world.holds(lambda: {view.key.name for view in app.cache.all_devices()} == {"here"})


def test_the_cluster_is_asked_again_without_end() -> None:
    """kopf takes the list of its delays anew for each request, and ends the process with the last of them."""
    delays = lifecycle.kopf_settings().networking.error_backoffs
    for _ in range(2):
        waited = list(islice(iter(delays), 1000))
        assert len(waited) == 1000
        assert waited[0] < 1
        assert max(waited) == 10
