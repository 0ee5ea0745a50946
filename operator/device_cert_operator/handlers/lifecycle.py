"""The process: kopf watches, our workers work, and both end cleanly.

kopf is used for watching, logging in and its retries, and for nothing else: no handler state, no finalizers, no events.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import kopf

from device_cert_operator.clock import Clock, SystemClock
from device_cert_operator.engine.lease import LeaseOutlived
from device_cert_operator.errors import ClusterError, NotFound
from device_cert_operator.handlers.health import Health
from device_cert_operator.handlers.rounds import Rounds
from device_cert_operator.handlers.watch import register
from device_cert_operator.kube.views import USE, Object
from device_cert_operator.settings import Settings
from device_cert_operator.wiring import App, build

LOG = logging.getLogger(__name__)
BETWEEN_TRIES = 2.0
RELEASE_WITHIN = 1.0


class Endless:
    """Delays without end, anew at each iteration: kopf ends the process when its list of them does."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.5, 1, 2, 5)
        while True:
            yield 10


def end_at_once() -> None:
    """The last resort: cancelled work goes on, and another replica may act."""
    logging.shutdown()
    os._exit(70)  # EX_SOFTWARE


async def run(
    settings: Settings,
    kubeconfig: str | None = None,
    *,
    clock: Clock | None = None,
    stop: asyncio.Event | None = None,
    started: "asyncio.Future[App] | None" = None,
    end_process: Callable[[], None] = end_at_once,
) -> None:
    """Run the operator until `stop` is set or the process is told to end. started: gets the App once it works.

    Raises ClusterError when no cluster is configured, OSError when a port is taken.
    """
    clock, stop = clock or SystemClock(), stop or asyncio.Event()
    app = await build(settings, kubeconfig, clock)
    health = Health(
        settings.metrics_host, settings.metrics_port, lambda: unwell(app), lambda: readiness(app), app.metrics.scrape
    )
    await health.start()
    app.health_port = health.port
    if threading.current_thread() is threading.main_thread():
        for told in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(told, stop.set)
    tasks: list[asyncio.Task[None]] = []
    try:
        if not await _fill(app, stop):
            return
        rounds = Rounds(app)
        tasks = [
            asyncio.create_task(app.leadership.run(app), name="leadership"),
            asyncio.create_task(rounds.run(), name="rounds"),
        ]
        if started is not None and not started.done():
            started.set_result(app)
        await _watch(app, stop, rounds, tasks)
    except LeaseOutlived as error:
        LOG.critical("%s", error)
        end_process()
        raise
    finally:
        await app.stop()  # the Lease is renewed until what runs is over
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(RELEASE_WITHIN):
                await app.leadership.release()
        await app.close()
        await health.stop()


async def _fill(app: App, stop: asyncio.Event) -> bool:
    """Fill the cache, however long that takes. False: told to stop meanwhile; a list under way is not waited for."""
    filling, told = asyncio.create_task(_filled(app)), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([filling, told], return_when=asyncio.FIRST_COMPLETED)
        if told.done():
            return False
        filling.result()
        app.synced = True
        return True
    finally:
        for task in (filling, told):
            task.cancel()
        await asyncio.gather(filling, told, return_exceptions=True)


async def _filled(app: App) -> None:
    """Try until the lists are read; say once why not."""
    told = ""
    while True:
        try:
            return await app.lister.fill()
        except ClusterError as error:
            why = (
                "The CRDs are not installed yet: kubectl apply --server-side -f crds/"
                if isinstance(error, NotFound)
                else error.message
            )
            if why != told:
                LOG.warning("Waiting for the cluster: %s", why)
                told = why
        await asyncio.sleep(BETWEEN_TRIES)


async def _watch(app: App, stop: asyncio.Event, rounds: Rounds, tasks: list[asyncio.Task[None]]) -> None:
    """Let kopf watch until `stop`; in a thread and a loop of its own. What runs is finished meanwhile.

    At its end kopf cancels every task of the loop it runs in, a device conversation among them.
    Raises ClusterError when it ended by itself, and what one of the `tasks` raises: the process cannot do without.
    """
    loop = asyncio.get_running_loop()
    told_to_stop = threading.Event()
    ended = asyncio.Event()
    watcher = threading.Thread(
        target=_run_kopf, args=(app, rounds, loop, told_to_stop, ended), name="watches", daemon=True
    )
    watcher.start()
    waiting = [asyncio.create_task(stop.wait()), asyncio.create_task(ended.wait())]
    try:
        await asyncio.wait([*waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for essential in tasks:
            if essential.done():
                essential.result()
        if not stop.is_set():
            raise ClusterError("The watches ended by themselves; the process is restarted.")
        told_to_stop.set()
        await app.stop()
    finally:
        told_to_stop.set()
        for task in waiting:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(1 if stop.is_set() else 5):
                await ended.wait()


def _run_kopf(
    app: App, rounds: Rounds, loop: asyncio.AbstractEventLoop, stop: threading.Event, ended: asyncio.Event
) -> None:
    """kopf's thread. What it sees goes to our loop."""
    registry = kopf.OperatorRegistry()

    def see(obj: Object, *, deleted: bool, listed: bool) -> None:
        loop.call_soon_threadsafe(partial(app.intake.take, obj, deleted=deleted))
        if listed:
            loop.call_soon_threadsafe(rounds.listed)

    register(registry, see)
    configuration = app.configuration

    async def login(**_: object) -> kopf.ConnectionInfo:
        token = (configuration.api_key.get("BearerToken") or configuration.api_key.get("authorization") or "").split()
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
            token=token[-1] if token else None,
            insecure=not configuration.verify_ssl,
        )

    kopf.on.login(registry=registry, id="login")(login)
    namespaces = app.settings.namespaces
    try:
        asyncio.run(
            kopf.operator(
                registry=registry,
                settings=kopf_settings(),
                standalone=True,
                clusterwide=not namespaces,
                namespaces=namespaces,
                stop_flag=stop,
            )
        )
    except Exception:
        LOG.exception("The watches failed")
    finally:
        with suppress(RuntimeError):  # our loop is gone when nobody waited for us
            loop.call_soon_threadsafe(ended.set)


def kopf_settings() -> kopf.OperatorSettings:
    """Each with its reason."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True  # who leads is our own business
    settings.posting.enabled = False  # events are written by stories, on transitions only
    settings.watching.server_timeout = 300  # a watch that lives for ever hides that it died
    settings.watching.client_timeout = 330  # longer than the server's, so that the server ends it
    settings.watching.chunk_size = 500  # ten thousand objects in one answer are a spike in memory
    settings.watching.label_selectors["secrets"] = USE  # other people's Secrets never reach this process
    settings.watching.label_selectors["configmaps"] = USE
    settings.scanning.disabled = (
        True  # the CRDs are there by now, namespaces are named: no right to watch either is needed
    )
    settings.networking.error_backoffs = Endless()  # the default list ends, and the process with it
    return settings


def readiness(app: App) -> tuple[bool, str]:
    """Whether the caches are filled, and who acts: a replica that stands by is ready."""
    return app.synced, app.leadership.told if app.synced else "not yet: the cache is being filled"


def unwell(app: App) -> str | None:
    """Why the process should be restarted, if so."""
    if not app.synced:
        return None
    if (stuck := app.workers.stuck(app.settings.liveness_silence)) is not None:
        return f"a worker is stuck on {stuck}"
    if app.leadership.leading and app.workers.tasks and not app.workers.alive:
        return "a worker has ended"
    return app.watch_problem
