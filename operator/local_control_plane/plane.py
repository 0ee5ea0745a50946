"""One control plane: its folder, its processes, its kubeconfig.

Everything is in one folder and on 127.0.0.1; several planes run side by side. Memory and disk safety are traded for
speed (etcd does not fsync): nothing here is meant to last.
"""

import json
import os
import shutil
import signal
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from local_control_plane import processes
from local_control_plane.build import KUBERNETES, Programs, Progress, ensure_programs
from local_control_plane.pki import PlaneCA
from local_control_plane.processes import Process

CONTROLLERS = "garbage-collector-controller,namespace-controller,serviceaccount-controller"
READY_WITHIN = 60.0


class PlaneError(Exception):
    """The plane did not start or answer; the message ends with the log of what failed."""


@dataclass
class ControlPlane:
    """A running plane. programs: kubectl and helm for its users. tied: its processes end with this one."""

    folder: Path
    programs: Programs
    port: int
    etcd_port: int
    tied: bool
    parts: dict[str, Process] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def kubectl(self) -> Path:
        return self.programs.kubectl

    @property
    def helm(self) -> Path:
        return self.programs.helm

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"

    def __enter__(self) -> "ControlPlane":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self, *, keep_data: bool = False) -> None:
        """End every process, and remove the folder."""
        for name in ("kube-controller-manager", "kube-apiserver", "etcd"):
            if (part := self.parts.pop(name, None)) is not None:
                part.end()
        self._remember()
        if not keep_data:
            shutil.rmtree(self.folder, ignore_errors=True)

    def pause_api_server(self) -> None:
        """It hangs: connections are taken and nothing is answered."""
        self.parts["kube-apiserver"].signal(signal.SIGSTOP)

    def resume_api_server(self) -> None:
        self.parts["kube-apiserver"].signal(signal.SIGCONT)

    def stop_api_server(self) -> None:
        """It is gone: connections are refused. `start_api_server` brings it back with the same data."""
        for name in ("kube-controller-manager", "kube-apiserver"):  # the former ends by itself without the latter
            if (part := self.parts.pop(name, None)) is not None:
                part.end()
        self._remember()

    def start_api_server(self) -> None:
        """Start it on the same port and wait until it is ready."""
        self._start("kube-apiserver", _api_server(self))
        self.wait_until_ready()
        self._start("kube-controller-manager", _controller_manager(self))

    def start_all(self) -> None:
        """etcd, API server, controller manager; returns when the API server is ready. Raises PlaneError."""
        self._start("etcd", _etcd(self))
        self._start("kube-apiserver", _api_server(self))
        self.wait_until_ready()
        self._start("kube-controller-manager", _controller_manager(self))

    def healthy(self) -> bool:
        """Whether every process lives and the API server says it is ready."""
        return len(self.parts) == 3 and all(part.alive for part in self.parts.values()) and self._ready()

    def wait_until_ready(self, within: float = READY_WITHIN) -> None:
        """Raises PlaneError with the log of the part that failed."""
        until = time.monotonic() + within
        while not self._ready():
            for name, part in self.parts.items():
                if not part.alive:
                    raise PlaneError(f"{name} ended while starting:\n{self.log_tail(name)}")
            if time.monotonic() > until:
                raise PlaneError(
                    f"The API server was not ready within {within:.0f} s:\n{self.log_tail('kube-apiserver')}"
                )
            time.sleep(0.05)

    def log_tail(self, name: str, lines: int = 15) -> str:
        """The end of a part's log."""
        log = self.folder / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"

    def _start(self, name: str, command: list[str]) -> None:
        self.parts[name] = processes.start(command, self.folder / f"{name}.log", tied=self.tied)
        self._remember()

    def _ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.folder / "pki" / "ca.crt"))
        context.load_cert_chain(self.folder / "pki" / "admin.crt", self.folder / "pki" / "admin.key")
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(f"{self.url}/readyz", timeout=2) as reply:
                return bool(reply.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def _remember(self) -> None:
        state = {
            "version": KUBERNETES,
            "port": self.port,
            "etcdPort": self.etcd_port,
            "parts": {name: [part.pid, part.started] for name, part in self.parts.items()},
        }
        if self.folder.is_dir():
            scratch = self.folder / "state.json.new"
            scratch.write_text(json.dumps(state))
            os.replace(scratch, self.folder / "state.json")


def start(
    folder: Path | None = None, *, tied: bool = True, progress: Progress = lambda _line: None, audit: bool = False
) -> ControlPlane:
    """Build what is missing and start a plane. folder: its data, a new temporary folder unless given.

    Raises BuildError, PlaneError.
    """
    programs = ensure_programs(progress)
    folder = folder or Path(tempfile.mkdtemp(prefix="control-plane-"))
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    ca = PlaneCA(folder / "pki")
    ca.server()
    ca.signing_key()
    ca.client("admin", "admin", "system:masters")
    ca.client("kube-controller-manager", "system:kube-controller-manager")
    if audit:
        (folder / "audit-policy.yaml").write_text(
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n"
        )
    return _retry_ports(folder, programs, tied=tied)


def _retry_ports(folder: Path, programs: Programs, *, tied: bool) -> ControlPlane:
    """A port may be taken between looking and using it: try others."""
    for attempt in range(3):
        port, etcd_port, peer_port = processes.free_ports(3)
        plane = ControlPlane(folder, programs, port, etcd_port, tied)
        (folder / "peer-port").write_text(str(peer_port))
        for user in ("admin", "kube-controller-manager"):
            _write_kubeconfig(plane, user)
        try:
            plane.start_all()
            return plane
        except PlaneError:
            plane.stop(keep_data=True)
            if attempt == 2:
                raise
            shutil.rmtree(folder / "etcd", ignore_errors=True)
    raise AssertionError("unreachable")


def load(folder: Path) -> ControlPlane | None:
    """The plane that was started in this folder, running or not; None if there is none."""
    try:
        state = json.loads((folder / "state.json").read_text())
    except (OSError, ValueError):
        return None
    plane = ControlPlane(folder, ensure_programs(), int(state["port"]), int(state["etcdPort"]), tied=False)
    plane.parts = {name: Process(pid, started) for name, (pid, started) in state["parts"].items()}
    return plane


def write_user_kubeconfig(plane: ControlPlane, path: Path, token: str, namespace: str = "default") -> None:
    """A kubeconfig for a bearer token, e.g. of a service account."""
    _write_config(plane, path, f'    token: "{token}"', namespace)


def _write_kubeconfig(plane: ControlPlane, user: str) -> None:
    pki = plane.folder / "pki"
    path = plane.kubeconfig if user == "admin" else plane.folder / f"{user}.kubeconfig"
    _write_config(plane, path, f"    client-certificate: {pki / user}.crt\n    client-key: {pki / user}.key", "default")


def _write_config(plane: ControlPlane, path: Path, login: str, namespace: str) -> None:
    path.touch(mode=0o600)
    path.write_text(
        f"""apiVersion: v1
kind: Config
current-context: local
clusters:
- name: local
  cluster:
    server: {plane.url}
    certificate-authority: {plane.folder / "pki" / "ca.crt"}
contexts:
- name: local
  context: {{cluster: local, user: local, namespace: {namespace}}}
users:
- name: local
  user:
{login}
"""
    )


def _etcd(plane: ControlPlane) -> list[str]:
    client = f"http://127.0.0.1:{plane.etcd_port}"
    peer = f"http://127.0.0.1:{(plane.folder / 'peer-port').read_text()}"
    return [
        str(plane.programs.etcd),
        f"--data-dir={plane.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _api_server(plane: ControlPlane) -> list[str]:
    pki = plane.folder / "pki"
    command = [
        str(plane.programs.kube_apiserver),
        f"--etcd-servers=http://127.0.0.1:{plane.etcd_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={plane.port}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        "--authorization-mode=RBAC",
        "--anonymous-auth=true",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--service-account-key-file={pki / 'service-account.pub'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--endpoint-reconciler-type=none",
        "--shutdown-delay-duration=0s",
    ]
    policy = plane.folder / "audit-policy.yaml"
    if policy.exists():
        command += [f"--audit-policy-file={policy}", f"--audit-log-path={plane.audit_log}", "--audit-log-mode=blocking"]
    return command


def _controller_manager(plane: ControlPlane) -> list[str]:
    pki = plane.folder / "pki"
    return [
        str(plane.programs.kube_controller_manager),
        f"--kubeconfig={plane.folder / 'kube-controller-manager.kubeconfig'}",
        f"--controllers={CONTROLLERS}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'service-account.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        "--secure-port=0",
    ]


def wait_for(condition: Callable[[], bool], within: float, what: str) -> None:
    """Wait until the condition holds. Raises PlaneError naming what did not come."""
    until = time.monotonic() + within
    while not condition():
        if time.monotonic() > until:
            raise PlaneError(f"{what} did not come about within {within:.0f} s")
        time.sleep(0.05)
