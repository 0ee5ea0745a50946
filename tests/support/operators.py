"""Operators as processes of their own, competing for one Lease in a world's namespace."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.support.world import World

ROOT = Path(__file__).parents[2]
LEASE = "operator"
LASTS = 3.0  # seconds; a shorter one is no test of a machine under load


class Operator:
    """One process. name: what its identity in the Lease begins with. ahead: its clock, of ours, in seconds. options: of
    `devicecert run`."""

    def __init__(
        self, world: World, name: str, ahead: float = 0, options: tuple[str, ...] = (), **settings: str
    ) -> None:
        self.name = name
        self.port = _free_port()
        self.log = world.folder / f"{name}.log"
        environment = os.environ | {
            "KUBECONFIG": str(world.kubeconfig),
            "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}",
            "DEVICECERT_NAMESPACES": ",".join(world.watched),
            "DEVICECERT_LEASE_NAME": LEASE,
            "DEVICECERT_LEASE_NAMESPACE": world.namespace,
            "DEVICECERT_LEASE_DURATION": str(LASTS),
            "DEVICECERT_IDENTITY": name,
            "DEVICECERT_METRICS_PORT": str(self.port),
            **settings,
        }
        program = ["tests.support.skewed", str(ahead)] if ahead else ["device_cert_operator"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *program, "run", "--log-format", "json", *options],
                env=environment,
                stdout=log,
                stderr=log,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)

    async def ended(self, within: float = 12) -> int:
        """Its exit code."""
        return await asyncio.to_thread(self.process.wait, within)

    async def get(self, path: str) -> tuple[int, str]:
        """(status, text) of its small server; (0, "") when it does not answer."""
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{self.port}{path}")

    async def leads(self) -> bool:
        """As its metric says."""
        return "devicecert_leader 1.0" in (await self.get("/metrics"))[1]

    def end(self) -> None:
        """Whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


class Operators:
    """`async with Operators(world, "a", "b") as all`. ahead: the clocks of some, of ours, in seconds."""

    def __init__(self, world: World, *names: str, ahead: Mapping[str, float] = MappingProxyType({})) -> None:
        self.world = world
        self.ahead = ahead
        self.all: dict[str, Operator] = {}
        for name in names:
            self.start(name)

    def start(self, name: str) -> None:
        """Start one, or one that ended once more."""
        self.all[name] = Operator(self.world, name, self.ahead.get(name, 0))

    async def __aenter__(self) -> "Operators":
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self.all.values():
            one.end()

    async def until(self, *names: str, leads: bool, within: float = LASTS + 2) -> float:
        """Wait until exactly one of these leads, or none does; after how many seconds."""
        started = time.monotonic()
        while time.monotonic() < started + within:
            if await self._count(names) == int(leads):
                return time.monotonic() - started
            await asyncio.sleep(0.05)
        raise AssertionError(f"after {within:g} s {await self._count(names)} of {names} lead:\n{self._logs()}")

    async def standing_by(self, *names: str, within: float = 30) -> None:
        """Wait until these are ready, and stand by."""
        until = time.monotonic() + within
        for name in names:
            while not (await self.all[name].get("/readyz"))[1].startswith("ok: standby"):
                assert time.monotonic() < until, f"{name} does not stand by:\n{self._logs()}"
                await asyncio.sleep(0.05)

    async def ready(self, within: float = 30) -> None:
        """Wait until all are, whoever leads."""
        until = time.monotonic() + within
        for one in self.all.values():
            while (await one.get("/readyz"))[0] != 200:
                assert time.monotonic() < until, f"{one.name} does not become ready:\n{self._logs()}"
                await asyncio.sleep(0.05)

    async def leader(self, within: float = 30) -> Operator:
        """The one that leads."""
        await self.until(*self.all, leads=True, within=within)
        return [one for one in self.all.values() if await one.leads()][0]  # noqa: RUF015  # no asynchronous next

    async def _count(self, names: tuple[str, ...]) -> int:
        return sum([await self.all[name].leads() for name in names])

    def _logs(self) -> str:
        return "\n".join(f"{one.name}: " + one.log.read_text()[-1500:] for one in self.all.values())


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=1) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
