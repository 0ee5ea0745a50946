"""What came of log-ins is counted, whatever becomes of the writes of a status."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from device_cert_operator.core.model import Credentials
from device_cert_operator.core.status import CredentialsState, DeviceStatus
from device_cert_operator.errors import Conflict, CredentialsRejected, DeviceBusy
from device_cert_operator.kube.views import DeviceView
from device_cert_operator.reconcile.tools import Memory
from device_cert_operator.reconcile.visit import LoginBudget, Visit
from tests.support.situations import NOW, desired

LOGIN = Credentials("admin", "secret", version="v")
NEW = CredentialsState(version="v")


@dataclass
class Cluster:
    """The API server's side: takes every write but those that are to fail."""

    status: DeviceStatus = DeviceStatus()
    fails: list[bool] = field(default_factory=list)
    writes: int = 0

    async def write_device_status(self, view: Any, status: DeviceStatus) -> Any:
        if self.fails and self.fails.pop(0):
            raise Conflict("somebody else wrote")
        self.writes += status != self.status
        self.status = status
        return SimpleNamespace(uid="uid-gate", status=status)


@dataclass
class Passes:
    """One visit after the other, in one process."""

    cluster: Cluster = field(default_factory=Cluster)
    memory: Memory = field(default_factory=Memory)

    def begin(self) -> tuple[Visit, LoginBudget]:
        tools = SimpleNamespace(cluster=self.cluster, memory=self.memory, clock=SimpleNamespace(now=lambda: NOW))
        view = cast("DeviceView", SimpleNamespace(uid="uid-gate", status=self.cluster.status))
        visit = Visit(view, desired(), cast("Any", tools))
        return visit, LoginBudget(visit, LOGIN)


async def test_a_refusal_that_could_not_be_written_is_not_forgotten() -> None:
    passes = Passes()
    for _ in range(2):
        _, guard = passes.begin()
        await guard.before_login()
        passes.cluster.fails = [True]
        with pytest.raises(Conflict):
            await guard.refused()
    _, guard = passes.begin()
    with pytest.raises(CredentialsRejected, match="2 times;"):
        await guard.before_login()


async def test_a_success_is_written_at_once_where_the_try_was_counted_and_costs_nothing_later() -> None:
    passes = Passes()
    _, guard = passes.begin()
    await guard.before_login()
    await guard.accepted()
    assert passes.cluster.status.credentials == CredentialsState("v", "Accepted")
    written = passes.cluster.writes
    _, guard = passes.begin()
    await guard.before_login()
    await guard.accepted()
    assert passes.cluster.writes == written


async def test_what_was_no_refusal_is_uncounted_with_the_next_write() -> None:
    passes = Passes()
    for _ in range(4):
        _, guard = passes.begin()
        await guard.before_login()
        await guard.unjudged()
    assert passes.cluster.status.credentials.unanswered == 1, "a crash before the write leaves it counted"
    visit, _ = passes.begin()
    await visit.save(replace(visit.status, credentials=NEW))
    assert visit.memory.unwritten_login is None


async def test_a_lock_holds_for_whoever_comes_next() -> None:
    passes = Passes()
    _, guard = passes.begin()
    await guard.before_login()
    with pytest.raises(DeviceBusy, match="none is sent before 2026-11-24 12:05:00 UTC"):
        await guard.locked(timedelta(minutes=5))
    passes.memory = Memory()
    _, guard = passes.begin()
    with pytest.raises(DeviceBusy):
        guard.raise_if_locked()
    assert passes.cluster.status.credentials.unanswered == 1, "it may be the one that locked it"
