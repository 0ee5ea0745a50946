"""The demo: a control plane, three cameras and the operator, each a process; then things happen to the cameras.

Everything is on loopback and in one folder. Each heal is timed from the moment the trouble is made, and proven by
`openssl s_client`, which trusts only the root made here.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from local_control_plane import plane as planes
from local_control_plane.build import BuildError
from local_control_plane.processes import free_ports

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DEVICECERT = [sys.executable, "-m", "device_cert_operator"]
SECURE_WITHIN = 60.0
HEAL_WITHIN = 60.0
HTTPS, HTTP = 8443, 8080
COLOUR = {"ok": "\033[32m", "no": "\033[31m", "dim": "\033[2m", "": "\033[0m"} if sys.stdout.isatty() else {}


class DemoFailed(Exception):
    """Something did not come about; the message says what."""


def say(text: str, kind: str = "") -> None:
    """One line, coloured on a terminal."""
    print(f"{COLOUR.get(kind, '')}{text}{COLOUR.get('', '')}", flush=True)  # noqa: T201


def run(*command: str | Path, given: str | None = None, env: dict[str, str] | None = None) -> str:
    """A command that has to succeed; its output."""
    done = subprocess.run(
        [str(part) for part in command], input=given, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DemoFailed(f"{Path(str(command[0])).name} {command[1]} failed: {done.stderr.strip()[-600:]}")
    return done.stdout


@contextlib.contextmanager
def process(name: str, command: list[str], folder: Path, env: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process with its log in the folder; it is ended at the end."""
    with (folder / f"{name}.log").open("wb") as log:
        child = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(12)
            except subprocess.TimeoutExpired:
                child.kill()


def wait_for(condition: Callable[[], bool], within: float, what: str) -> float:
    """Seconds until the condition held. Raises DemoFailed."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > within:
            raise DemoFailed(f"{what} did not come about within {within:.0f} s")
        time.sleep(0.1)
    return time.monotonic() - started


class Demo:
    """What the steps share."""

    def __init__(self, folder: Path, plane: planes.ControlPlane, control: str) -> None:
        self.folder = folder
        self.plane = plane
        self.control = control
        self.env = os.environ | {"KUBECONFIG": str(plane.kubeconfig), "PYTHONPATH": str(ROOT / "operator")}
        self.root = folder / "cacert.pem"

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """kubectl as admin."""
        return run(self.plane.kubectl, *arguments, given=given, env=self.env)

    def simulate(self, *arguments: str) -> str:
        """Do something to a camera."""
        return run(*DEVICECERT, "simulate", *arguments, "--control", self.control, env=self.env)

    def make_root(self) -> None:
        """The support page's own commands: key, request, self-signed root."""
        key, request = self.folder / "cakey.pem", self.folder / "careq.pem"
        run("openssl", "genrsa", "-out", key, "2048")
        subject = "/C=JP/ST=Tokyo/L=Tokyo/O=Demo/OU=Cameras/CN=Demo root"
        run("openssl", "req", "-new", "-sha256", "-key", key, "-out", request, "-subj", subject)
        run("openssl", "x509", "-req", "-in", request, "-out", self.root, "-sha256", "-signkey", key, "-days", "3650")
        self.kubectl("create", "secret", "tls", "demo-root", f"--cert={self.root}", f"--key={key}")
        self.kubectl("label", "secret", "demo-root", "devicecert.io/use=ca")

    def trusted(self, address: str) -> bool:
        """Whether a client that trusts only the root accepts the device at this address."""
        done = subprocess.run(
            [
                *("openssl", "s_client", "-connect", f"{address}:{HTTPS}", "-CAfile", str(self.root)),
                *("-verify_return_error", "-verify_ip", address),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=10,
            check=False,
        )
        return done.returncode == 0

    def camera(self, name: str) -> dict:  # type: ignore[type-arg]
        """A camera as the simulator sees it."""
        found = json.loads(self.simulate("list", "-o", "json"))
        return next(one for one in found if one["name"] == name)

    def ready(self) -> bool:
        """Whether every device is as wanted, by its own status."""
        items = json.loads(self.kubectl("get", "devices,devicecertificates", "-o", "json"))["items"]
        return bool(items) and all(_is_ready(item) for item in items)


def _is_ready(item: dict) -> bool:  # type: ignore[type-arg]
    conditions = item.get("status", {}).get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def heals(demo: Demo) -> None:
    """Three troubles, three heals."""
    say("\nCamera cam-1 gets another address (127.20.0.1 → 127.20.0.21) …")
    demo.simulate("move", "cam-1", "127.20.0.21")
    took = wait_for(lambda: demo.trusted("127.20.0.21"), HEAL_WITHIN, "cam-1 at its new address")
    say(f"  healed after {took:.1f} s: found by its key, a new certificate names 127.20.0.21, openssl accepts it", "ok")

    say("Camera cam-2's clock runs away by a year …")
    demo.simulate("skew", "cam-2", str(365 * 86400))
    took = wait_for(lambda: _in_time(demo), HEAL_WITHIN, "cam-2's clock")
    if not demo.trusted("127.20.0.2"):
        raise DemoFailed("cam-2 is not trusted after its clock was set")
    say(f"  healed after {took:.1f} s: its clock was set, openssl accepts it", "ok")

    say("Somebody puts another certificate on cam-3 …")
    demo.simulate("replace-certificate", "cam-3")
    if demo.trusted("127.20.0.3"):
        raise DemoFailed("cam-3 is still trusted with somebody else's certificate")
    took = wait_for(lambda: demo.trusted("127.20.0.3"), HEAL_WITHIN, "cam-3 with our certificate again")
    say(f"  healed after {took:.1f} s: our certificate is back, openssl accepts it", "ok")
    wait_for(demo.ready, HEAL_WITHIN, "every device Ready again")


def _in_time(demo: Demo) -> bool:
    from datetime import UTC, datetime

    told = datetime.fromisoformat(demo.camera("cam-2")["clock"])
    return abs((told - datetime.now(UTC)).total_seconds()) < 30  # noqa: TID251


def story(keep: bool) -> None:
    """From nothing to three healed cameras."""
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="devicecert-demo-"))
    say("Control plane: kube-apiserver, etcd, controller manager (built once, some minutes) …")
    plane = planes.start(folder / "plane", tied=True, progress=lambda line: say(f"  {line}", "dim"))
    control = f"127.0.0.1:{free_ports(1)[0]}"
    demo = Demo(folder, plane, control)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, True)
        stack.callback(plane.stop)
        demo.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
        demo.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        say("Three cameras at 127.20.0.1 to .3, speaking ONVIF over HTTP and HTTPS …")
        run_them = [*DEVICECERT, "simulate", "run", "--devices", "3", "--control", control, "--hostility", "0.01"]
        stack.enter_context(process("simulator", run_them, folder, demo.env))
        wait_for(lambda: _answers(demo), 20, "the simulator")
        say("A root made with openssl, a log-in, and the manifests of deploy/demo …")
        demo.make_root()
        demo.kubectl("apply", "-f", str(HERE / "cameras.yaml"))
        say("The operator …")
        operator = [*DEVICECERT, "run", "--metrics-port", "0", "--log-format", "text"]
        stack.enter_context(process("operator", operator, folder, demo.env))
        took = wait_for(demo.ready, SECURE_WITHIN, "every camera Secure")
        for number in (1, 2, 3):
            if not demo.trusted(f"127.20.0.{number}"):
                raise DemoFailed(f"openssl does not accept cam-{number}")
        say(f"  all Secure after {took:.1f} s; openssl accepts each, trusting only the root", "ok")
        heals(demo)
        say("\n" + demo.kubectl("get", "dev,dcert"))
        say(f"Done in {time.monotonic() - started:.0f} s.", "ok")
        if keep:
            _stay(demo)


def _answers(demo: Demo) -> bool:
    try:
        demo.simulate("list")
    except DemoFailed:
        return False
    return True


def _stay(demo: Demo) -> None:
    say(
        f"""
Left running until you press Ctrl-C. In another terminal:
  export KUBECONFIG={demo.plane.kubeconfig} PATH={demo.plane.kubectl.parent}:$PATH
  kubectl get dev,dcert -w
  {Path(sys.executable).parent}/devicecert status
  {Path(sys.executable).parent}/devicecert simulate move cam-2 127.20.0.30 --control {demo.control}
  {Path(sys.executable).parent}/devicecert simulate factory-reset cam-3 --control {demo.control}
Logs: {demo.folder}"""
    )
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


def main() -> None:
    """Exit code 1: something did not heal; the logs' ends are shown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave everything running and say what to try")
    if not sys.platform.startswith("linux"):
        sys.exit("The demo needs Linux: its cameras have addresses of their own in 127.0.0.0/8.")
    keep = parser.parse_args().keep
    try:
        story(keep)
    except (DemoFailed, planes.PlaneError, BuildError) as error:
        say(f"\nThe demo failed: {error}", "no")
        sys.exit(1)


if __name__ == "__main__":
    main()
