"""What every part of the demo stands on: a cluster, simulated cameras, the operator, and openssl as the judge."""

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from local_control_plane import ControlPlane, ExistingCluster, use_or_start
from local_control_plane.processes import free_ports

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "deploy" / "examples" / "demo"
DEVICECERT = [sys.executable, "-m", "device_cert_operator"]
HTTPS, HTTP = 8443, 8080
COLOUR = {"ok": "\033[32m", "no": "\033[31m", "dim": "\033[2m", "head": "\033[1m", "": "\033[0m"}
Object = dict[str, Any]


patience = 60.0  # seconds that anything may take


class DemoFailed(Exception):
    """Something did not come about; the message says what."""


def say(text: str, kind: str = "") -> None:
    """One line, coloured on a terminal."""
    on, off = (COLOUR[kind], COLOUR[""]) if sys.stdout.isatty() else ("", "")
    print(f"{on}{text}{off}", flush=True)  # noqa: T201


def run(
    *command: str | Path, given: str | None = None, env: dict[str, str] | None = None, cwd: Path | None = None
) -> str:
    """A command that has to succeed; its output. Raises DemoFailed."""
    words = [str(part) for part in command]
    try:
        done = subprocess.run(words, input=given, env=env, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise DemoFailed(f"{words[0]} is not here: install it (Debian: apt-get install {words[0]})") from None
    if done.returncode != 0:
        raise DemoFailed(f"{Path(words[0]).name} {' '.join(words[1:3])} failed: {done.stderr.strip()[-600:]}")
    return done.stdout


def wait_for(
    condition: Callable[[], bool], what: str, within: float | None = None, *, since: float | None = None
) -> float:
    """Seconds until the condition held; since: from this monotonic time. within: as given with `--within`.

    Raises DemoFailed.
    """
    within = patience if within is None else within
    started = time.monotonic() if since is None else since
    while not condition():
        if time.monotonic() - started > within:
            raise DemoFailed(f"{what} did not come about within {within:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - started


@contextlib.contextmanager
def process(name: str, command: list[str], folder: Path, env: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process with its log in the folder; it is ended at the end."""
    with (folder / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
        if child.returncode not in {0, -signal.SIGTERM}:
            tail = (folder / f"{name}.log").read_text(errors="replace")[-2000:]
            say(f"{name} ended with {child.returncode}:\n{tail}", "no")


class Stage:
    """A cluster with a namespace of its own, and the folder of this run. Use it as a context."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="devicecert-demo-"))
        self.namespace = f"devicecert-demo-{secrets.token_hex(3)}"
        self._stack = contextlib.ExitStack()
        self.cluster: ControlPlane | ExistingCluster
        self.env: dict[str, str]

    def __enter__(self) -> "Stage":
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.cluster = use_or_start(self.folder / "plane", tied=True, progress=lambda line: say(f"  {line}", "dim"))
        self._stack.callback(self.cluster.stop)
        self.env = os.environ | {
            "KUBECONFIG": str(self.cluster.kubeconfig),
            "PYTHONPATH": str(ROOT / "operator"),
            "DEVICECERT_NAMESPACES": self.namespace,
        }
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
        wait_for(self._are_defined, "the definitions", 30)
        self.kubectl("create", "namespace", self.namespace)
        self._stack.callback(self._leave_cluster)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is DemoFailed:
            for log in sorted(self.folder.glob("*.log")):
                say(f"The end of {log.name}:\n{log.read_text(errors='replace')[-2000:]}", "dim")
        self._stack.close()

    def _are_defined(self) -> bool:
        """`kubectl wait` fails at once for a definition that is so new that it has no conditions."""
        names = ("devices", "devicecertificates", "certificateauthorities")
        try:
            self.kubectl("wait", "--for=condition=Established", *(f"crd/{name}.devicecert.io" for name in names))
        except DemoFailed:
            return False
        return True

    def _leave_cluster(self) -> None:
        """Of a cluster that goes on nothing is kept but the definitions."""
        if isinstance(self.cluster, ExistingCluster):
            with contextlib.suppress(DemoFailed):
                self.kubectl("delete", "namespace", self.namespace, "--wait=false")

    # ------------------------------------------------------------------------------------------ cluster

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """kubectl as admin, in the demo's namespace."""
        return run(self.cluster.kubectl, "-n", self.namespace, *arguments, given=given, env=self.env)

    def devicecert(self, *arguments: str) -> str:
        """One of our own commands."""
        return run(*DEVICECERT, *arguments, env=self.env)

    def apply(self, manifests: str) -> None:
        """A file of deploy/examples/demo."""
        self.kubectl("apply", "-f", str(MANIFESTS / manifests))

    def get(self, kind: str, name: str) -> Object:
        """One object."""
        return dict(json.loads(self.kubectl("get", kind, name, "-o", "json")))

    def condition(self, kind: str, name: str, condition: str) -> Object:
        """One of its conditions; {} when it is not there yet."""
        conditions = self.get(kind, name).get("status", {}).get("conditions", [])
        return next((one for one in conditions if one["type"] == condition), {})

    def until(self, kind: str, name: str, condition: str, reason: str) -> str:
        """Wait until the condition is False for this reason; its message."""

        def holds() -> bool:
            told = self.condition(kind, name, condition)
            return (told.get("status"), told.get("reason")) == ("False", reason)

        wait_for(holds, f"{kind}/{name}: {condition} {reason}")
        return str(self.condition(kind, name, condition)["message"])

    def ready(self, *names: str) -> bool:
        """Whether these Devices are as wanted, and DeviceCertificates that have one of them, by their own status."""
        found = json.loads(self.kubectl("get", "dev,dcert", "-o", "json"))["items"]
        ours = [one for one in found if _devices_of(one) & set(names)]
        return len(ours) > len(names) and all(_is_ready(one) for one in ours)

    def start_operator(self) -> None:
        """`devicecert run`, until the end."""
        command = [*DEVICECERT, "run", "--metrics-port", "0", "--log-format", "text"]
        self._stack.enter_context(process("operator", command, self.folder, self.env))

    # ------------------------------------------------------------------------------------------ proof

    def trusted(self, address: str, root: Path) -> bool:
        """Whether a client that trusts only the root accepts the device at this address."""
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

    def cameras(self, prefix: str, count: int, subnet: str, *more: str) -> "Cameras":
        """Simulated cameras PREFIX-1, PREFIX-2, … from the first address of the subnet on."""
        control = f"127.0.0.1:{free_ports(1)[0]}"
        command = [*DEVICECERT, "simulate", "run", "--devices", str(count), "--prefix", prefix, "--subnet", subnet]
        command += ["--control", control, "--hostility", "0.01", *more]
        self._stack.enter_context(process(f"simulator-{prefix}", command, self.folder, self.env))
        cameras = Cameras(self, control)
        wait_for(cameras.answer, "the simulator", 20)
        return cameras


def _devices_of(thing: Object) -> set[str]:
    """The Devices that a DeviceCertificate lists; of a Device itself."""
    listed = thing["spec"].get("devices")
    return {one["name"] for one in listed} if listed is not None else {thing["metadata"]["name"]}


def _is_ready(thing: Object) -> bool:
    status = thing.get("status", {})
    told = {one["type"]: one["status"] for one in status.get("conditions", [])}
    return told.get("Ready") == "True" and status.get("observedGeneration") == thing["metadata"]["generation"]


class Cameras:
    """Simulated cameras, and what is done to them."""

    def __init__(self, stage: Stage, control: str) -> None:
        self._stage = stage
        self.control = control

    def do(self, command: str, *arguments: str) -> str:
        """`devicecert simulate COMMAND …`."""
        return self._stage.devicecert("simulate", command, "--control", self.control, *arguments)

    def answer(self) -> bool:
        """Whether the simulator listens."""
        try:
            self.do("list")
        except DemoFailed:
            return False
        return True

    def camera(self, name: str) -> Object:
        """A camera as the simulator sees it."""
        found = json.loads(self.do("list", "-o", "json"))
        return next(one for one in found if one["name"] == name)
