"""The composition root: alone in naming what is behind every seam."""

import asyncio
import platform
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from kubernetes.aio.client import Configuration

from device_cert_operator.clock import Clock, SystemClock
from device_cert_operator.core.model import ObjectKey
from device_cert_operator.drivers.base import DeviceConnection, Driver
from device_cert_operator.drivers.registry import driver_for
from device_cert_operator.engine.lease import Alone, Election, Leadership
from device_cert_operator.engine.queue import KeyedQueue
from device_cert_operator.engine.workers import Limits, Workers, spread
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.cert_manager import CertManager
from device_cert_operator.kube.client import Cluster, Requests, load_configuration, own_namespace
from device_cert_operator.kube.csrs import CSRs
from device_cert_operator.kube.events import Events
from device_cert_operator.kube.intake import Intake
from device_cert_operator.kube.lease import KubeLease
from device_cert_operator.kube.relist import Lister
from device_cert_operator.kube.roots import Roots
from device_cert_operator.kube.secrets import Secrets
from device_cert_operator.metrics import Metrics
from device_cert_operator.net.http import open_connection
from device_cert_operator.net.locate import locate
from device_cert_operator.net.occupied import probe_occupied
from device_cert_operator.net.rate import RateLimiter
from device_cert_operator.net.tls_probe import probe
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile import authority, certificate, device
from device_cert_operator.reconcile.searches import Searches
from device_cert_operator.reconcile.tools import Memory, Tools
from device_cert_operator.settings import Settings

STORIES: dict[str, Callable[[ObjectKey, Tools], Awaitable[timedelta | None]]] = {
    "Device": device.reconcile,
    "DeviceCertificate": certificate.reconcile,
    "CertificateAuthority": authority.reconcile,
}
START_SPREAD = timedelta(seconds=30)


@dataclass
class App:
    """The running parts of one process."""

    settings: Settings
    configuration: Configuration
    requests: Requests
    cache: Cache
    intake: Intake
    lister: Lister
    queue: KeyedQueue[ObjectKey]
    workers: Workers[ObjectKey]
    metrics: Metrics
    tools: Tools
    leadership: Leadership
    lease_requests: Requests
    stopping: asyncio.Event
    synced: bool = False
    health_port: int = 0
    watch_problem: str | None = None
    _missed_rounds: int = field(default=0)

    def begin(self) -> None:
        """Queue everything, what was never seen first, the rest spread out; and let the workers go."""
        if self.stopping.is_set():
            return
        self.queue.clear()
        for view in self.cache.all_devices():
            fresh = view.status.observed_generation < view.generation
            over = min(START_SPREAD, view.desired.check_interval) if view.desired else timedelta(0)
            self.queue.add(view.key, 0 if fresh else spread(view.uid, over.total_seconds()))
        for authority_view in self.cache.all_authorities():
            self.queue.add(authority_view.key)
        for one in self.cache.all_certificates():
            self.queue.add(one.key, 0 if one.status.observed_generation < one.generation else spread(one.uid, 5))
        self.workers.start()

    async def end(self) -> None:
        """Cancel what runs. What is remembered of devices is forgotten: others may change them now."""
        await self.workers.halt()
        await self.tools.searches.halt()
        self.tools.memory.clear()

    async def stop(self) -> None:
        """Finish what runs, within the grace."""
        self.stopping.set()
        await self.tools.searches.halt()  # a pass that stays for one ends with it
        await self.workers.drain(self.settings.shutdown_within)

    async def close(self) -> None:
        """Close the pools."""
        await self.requests.close()
        await self.lease_requests.close()

    def note_round(self, missed: int) -> None:
        """A round of lists found changes that no watch told; twice in a row is a dead watch."""
        self._missed_rounds = self._missed_rounds + 1 if missed else 0
        self.watch_problem = f"the watches missed {missed} changes" if self._missed_rounds >= 2 else None


async def build(settings: Settings, kubeconfig: str | None, clock: Clock) -> App:
    """Make everything; nothing is sent yet. Raises ClusterError when no cluster is configured."""
    configuration = await load_configuration(kubeconfig)
    lease_requests = Requests(configuration, clock)
    leadership = _leadership(settings, lease_requests)
    requests = Requests(configuration, clock, leadership)
    cache = Cache()
    queue: KeyedQueue[ObjectKey] = KeyedQueue(clock)
    memory, stopping = Memory(), asyncio.Event()

    def remembered(uid: str) -> tuple[datetime | None, float | None]:
        known = memory.devices.get(uid)
        if known is None:
            return None, None
        return known.looked_at, known.offset.total_seconds() if known.offset is not None else None

    held = Reason.PAUSED if settings.paused else Reason.OBSERVE_ONLY if settings.dry_run else None
    metrics = Metrics(cache, remembered, held)
    metrics.watch_queue(lambda: (queue.depth, queue.oldest_due_seconds))
    metrics.watch_lease(lambda: leadership.leading)
    intake = Intake(cache, queue.add, queue.forget)
    limits = Limits(settings.sessions, settings.sessions_per_subnet)
    tools = Tools(
        cache=cache,
        cluster=Cluster(requests, intake),
        secrets=Secrets(requests, cache, intake),
        roots=Roots(requests, intake),
        events=Events(requests, clock),
        csrs=CSRs(requests, intake),
        cert_manager=CertManager(requests),
        clock=clock,
        settings=settings,
        probe=partial(probe, permit=leadership),
        searches=Searches(
            partial(locate, limiter=RateLimiter(settings.locate_rate), permit=leadership), queue.add, clock
        ),
        occupied=partial(probe_occupied, permit=leadership),
        connect=partial(open_connection, clock=clock, permit=leadership),
        driver_for=partial(_driver, clock=clock),
        session=_sessions(limits),
        counters=metrics,
        sleep=asyncio.sleep,
        memory=memory,
        ending=stopping.is_set,
    )

    async def reconcile(key: ObjectKey) -> timedelta | None:
        return await STORIES[key.kind](key, tools)

    workers = Workers(
        queue, reconcile, settings.workers, clock, lambda key, result, took: metrics.reconciled(key.kind, result, took)
    )
    lister = Lister(requests, cache, settings.namespaces)
    return App(
        settings,
        configuration,
        requests,
        cache,
        intake,
        lister,
        queue,
        workers,
        metrics,
        tools,
        leadership,
        lease_requests,
        stopping,
    )


def _leadership(settings: Settings, requests: Requests) -> Leadership:
    """An election where a Lease is named. Its clock is the machine's, whatever the product's shows."""
    if not settings.lease_name:
        return Alone()
    store = KubeLease(requests, settings.lease_namespace or own_namespace(), settings.lease_name, SystemClock())
    identity = f"{settings.identity or platform.node()}_{secrets.token_hex(4)}"
    return Election(store, identity, settings.lease_duration)


def _driver(name: str, connection: DeviceConnection, *, clock: Clock) -> Driver:
    return driver_for(name, connection, clock)


def _sessions(limits: Limits):  # type: ignore[no-untyped-def]
    def session(address: str) -> AbstractAsyncContextManager[None]:
        return limits.session(address)

    return session
