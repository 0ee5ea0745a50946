"""A world for one story: a namespace on the real API server, simulated cameras, and the operator in the same loop."""

import asyncio
import gc
import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from urllib3.exceptions import HTTPError

from device_cert_operator.handlers.lifecycle import run
from device_cert_operator.settings import Settings
from device_cert_operator.wiring import App
from device_simulator import DeviceSpec, SimulatedDevice, Simulator
from local_control_plane.plane import ControlPlane
from tests.support.admin import admin
from tests.support.clock import ShiftedClock
from tests.support.control_plane import try_kubectl

HTTPS, HTTP = 8443, 8080
# one /16 a test process: neighbours run at the same time, and their pids are neighbours as well
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_SUBNETS = itertools.count(os.getpid() % 250)
Object = dict[str, Any]


class World:
    """`async with World(plane, namespace) as world`. Everything in it ends with it.

    kubeconfig: the operator's; the administrator's unless given. watched: its namespaces, empty: all; this one unless
    given.
    """

    def __init__(
        self,
        plane: ControlPlane,
        namespace: str,
        kubeconfig: Path | None = None,
        watched: tuple[str, ...] | None = None,
    ) -> None:
        self.plane = plane
        self.namespace = namespace
        self.watched = (namespace,) if watched is None else watched
        self.clock = ShiftedClock()
        self.simulator = Simulator(hostility=0.0, clock=self.clock.now)
        number = next(_SUBNETS)
        self.subnet = f"127.{100 + 10 * _WORKER + os.getpid() // 250 % 10}.{number % 250}"
        self.folder = Path(tempfile.mkdtemp(prefix="world-"))
        self.root = self.folder / "root.pem"
        self.kubeconfig = kubeconfig or plane.kubeconfig
        self.app: App | None = None
        self._stop: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "World":
        await self.simulator.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop_operator()
        await self.simulator.__aexit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)
        gc.collect()  # CPython 3.11 cannot bear that what was cut off is collected within an ast.parse

    # ------------------------------------------------------------------------------------------ operator

    async def start_operator(self, **settings: Any) -> App:
        """Start it."""
        given = {"namespaces": self.watched, "metrics_port": 0, "workers": 8, "shutdown_within": timedelta(2)}
        self._stop = asyncio.Event()
        started: asyncio.Future[App] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(
            run(
                Settings(**{**given, **settings}),
                str(self.kubeconfig),
                clock=self.clock,
                stop=self._stop,
                started=started,
            )
        )
        await asyncio.wait([started, self._task], return_when=asyncio.FIRST_COMPLETED, timeout=30)
        if self._task.done():
            self._task.result()
        self.app = started.result()
        return self.app

    async def stop_operator(self) -> None:
        """End it as SIGTERM does."""
        if self._task is not None and self._stop is not None:
            self._stop.set()
            await asyncio.wait([self._task], timeout=15)
            assert self._task.done(), "the operator did not end within 15 s"
        self._task = None

    async def kill_operator(self) -> None:
        """End it where it stands: every task of it is cancelled at its present await."""
        assert self.app is not None
        assert self._task is not None
        for task in self.app.workers.tasks:
            task.cancel()
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._task = None

    def look_again(self) -> None:
        """Have every Device and DeviceCertificate looked at now: the queue's own clock is never shifted."""
        assert self.app is not None
        for view in (*self.app.cache.all_devices(), *self.app.cache.all_certificates()):
            self.app.queue.add(view.key)

    def passes(self, kind: str) -> int:
        """How many passes the operator's stories of this kind have ended."""
        assert self.app is not None
        lines = self.app.metrics.scrape()[0].decode().splitlines()
        ours = [one for one in lines if one.startswith("devicecert_reconcile_total{") and f'kind="{kind}"' in one]
        return sum(int(float(one.split()[-1])) for one in ours)

    async def more_passes(self, kind: str, count: int, within: float = 30) -> None:
        """Wait until so many more have ended."""
        before = self.passes(kind)
        await self.holds(lambda: self.passes(kind) >= before + count, within)

    # ------------------------------------------------------------------------------------------ cluster

    async def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """kubectl in this namespace. AssertionError when it fails."""
        done = await asyncio.to_thread(try_kubectl, self.plane, "-n", self.namespace, *arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def apply(self, *objects: Object) -> None:
        """Apply manifests."""
        await asyncio.to_thread(admin(self.plane).apply, self.namespace, *objects)

    async def get(self, kind: str, name: str) -> Object:
        """One object, {} when it is not there, or the API server is away."""
        with suppress(HTTPError):
            return await asyncio.to_thread(admin(self.plane).find, self.namespace, kind, name)
        return {}

    async def condition(self, kind: str, name: str, condition: str) -> Object:
        """One condition, {} when it is not there."""
        found = await self.get(kind, name)
        conditions = found.get("status", {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == condition), {})

    async def until(
        self,
        kind: str,
        name: str,
        condition: str,
        status: str,
        reason: str | None = None,
        within: float = 20,
        *,
        told: str = "",
    ) -> Object:
        """Wait for a condition; the condition. told: words of its message. AssertionError shows what it was instead."""
        until = time.monotonic() + within
        last: Object = {}
        while time.monotonic() < until:
            last = await self.condition(kind, name, condition)
            if last.get("status") == status and reason in {None, last.get("reason")} and told in last["message"]:
                return last
            await asyncio.sleep(0.1)
        whole = await self.get(kind, name)
        found = [
            (one["type"], one["status"], one["reason"], one["message"])
            for one in whole.get("status", {}).get("conditions", [])
        ]
        raise AssertionError(f"{kind}/{name} {condition} is not {status} {reason or ''} {told}: {found}")

    async def told(self, reason: str, within: float = 20) -> list[Object]:
        """The events of this reason, once there is one: they follow the condition that they tell of."""
        until = time.monotonic() + within
        while not (found := await self.events(reason)):
            assert time.monotonic() < until, f"no event tells of {reason}"
            await asyncio.sleep(0.1)
        return found

    async def events(self, reason: str) -> list[Object]:
        """Those of this reason that there are now."""
        found = await asyncio.to_thread(admin(self.plane).all, self.namespace, "event")
        return [one for one in found if one["reason"] == reason]

    async def shows(self, kind: str, name: str, what: Callable[[Object], Any], within: float = 20) -> Object:
        """Wait for something about an object's status; the status."""
        until = time.monotonic() + within
        while not what(status := (await self.get(kind, name)).get("status", {})):
            assert time.monotonic() < until, f"{kind}/{name} does not show it: {status}"
            await asyncio.sleep(0.1)
        return status

    async def turn_given(self, name: str) -> None:
        """Wait until the only Device of a DeviceCertificate may have revision 1."""
        await self.shows("dcert", name, lambda status: [one.get("turn") for one in status.get("devices", [])] == [1])

    async def ready(self, *names: str, within: float = 20) -> None:
        """Wait until these DeviceCertificates and Devices are Ready."""
        for name in names:
            await self.until("dcert", name, "Ready", "True", within=within)
            await self.until("dev", name, "Ready", "True", within=within)

    async def holds(self, what: Callable[[], bool], within: float = 20) -> None:
        """Wait for something about the simulator."""
        until = time.monotonic() + within
        while not what():
            assert time.monotonic() < until, "it did not come about"
            await asyncio.sleep(0.05)

    # ----------------------------------------------------------------------------------------- contents

    def address(self, number: int) -> str:
        """An address of this world's subnet."""
        return f"{self.subnet}.{number}"

    async def camera(self, name: str, number: int = 1, **spec: Any) -> SimulatedDevice:
        """A simulated camera."""
        return await self.simulator.add(
            DeviceSpec(name=name, address=self.address(number), **{"reboot_for": 0.2, **spec})
        )

    async def credentials(self, name: str = "login", password: str = "secret", label: bool = True) -> None:
        """A log-in Secret."""
        labels = {"devicecert.io/use": "credentials"} if label else {}
        await self.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": name, "labels": labels},
                "stringData": {"username": "admin", "password": password},
            }
        )

    async def authority(self, name: str = "root", *, days: int = 3650) -> None:
        """A root made by openssl, in a labelled Secret."""
        await asyncio.to_thread(make_root, self.folder, days)
        key = (self.folder / "root.key").read_text()
        await self.apply(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "type": "kubernetes.io/tls",
                "metadata": {"name": name, "labels": {"devicecert.io/use": "ca"}},
                "stringData": {"tls.crt": self.root.read_text(), "tls.key": key},
            }
        )

    def device(self, name: str, number: int = 1, **more: Any) -> Object:
        """A Device manifest; nested keys by double underscore: address__policy="Report"."""
        spec: Object = {
            "driver": "onvif",
            "address": {
                "host": self.address(number),
                "httpsPort": HTTPS,
                "locate": {"subnets": [f"{self.subnet}.0/28"]},
            },
            "credentialsSecretRef": {"name": "login"},
            "checkInterval": "2s",
        }
        notes = more.pop("annotations", {})
        for path, value in more.items():
            *parents, last = path.split("__")
            place = spec
            for parent in parents:
                place = place.setdefault(parent, {})
            if value is None:
                place.pop(last, None)
            else:
                place[last] = value
        return {
            "apiVersion": "devicecert.io/v1alpha1",
            "kind": "Device",
            "metadata": {"name": name, "annotations": notes},
            "spec": spec,
        }

    def certificate(self, name: str, *devices: str, **spec: Any) -> Object:
        """A DeviceCertificate manifest."""
        return {
            "apiVersion": "devicecert.io/v1alpha1",
            "kind": "DeviceCertificate",
            "metadata": {"name": name},
            "spec": {
                "devices": [{"name": device} for device in devices or (name,)],
                "issuer": {"caSecretRef": {"name": "root"}},
                **spec,
            },
        }

    async def trusted(self, address: str, root: Path | None = None) -> bool:
        """Whether openssl, trusting only the root, accepts what is served at this address."""
        return await asyncio.to_thread(openssl_accepts, address, root or self.root)

    async def becomes_trusted(self, camera: SimulatedDevice, within: float = 10, root: Path | None = None) -> None:
        """Wait until openssl accepts the camera: its web daemon may be restarting."""
        until = time.monotonic() + within
        while not await self.trusted(camera.address, root):
            assert time.monotonic() < until, "openssl does not accept the camera"

    async def one_camera(self, *, operator: dict[str, Any] | None = None, **device: Any) -> SimulatedDevice:
        """The usual beginning: a camera, its log-in, a root, manifests, the operator (its settings); Secure."""
        camera = await self.camera("gate")
        await self.credentials()
        await self.authority()
        await self.apply(self.device("gate", **device), self.certificate("gate"))
        await self.start_operator(**(operator or {}))
        await self.ready("gate")
        return camera


# a world on a plane of a test's own
WorldOn = Callable[[ControlPlane], World]


def make_root(folder: Path, days: int = 3650) -> None:
    """root.key and root.pem."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-out", "root.pem"),
            *("-days", str(days), "-sha256", "-subj", "/C=JP/O=Test/CN=Test root"),
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def openssl_accepts(address: str, root: Path) -> bool:
    """`openssl s_client -verify_return_error -verify_ip`."""
    done = subprocess.run(
        [
            *("openssl", "s_client", "-connect", f"{address}:{HTTPS}", "-CAfile", str(root)),
            *("-verify_return_error", "-verify_ip", address),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
        check=False,
    )
    return done.returncode == 0
