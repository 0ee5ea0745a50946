"""One control plane: its folder, its processes, its kubeconfig.

Everything is in one folder and on 127.0.0.1; several planes run side by side. Memory and disk safety are traded for
speed (etcd does not fsync): nothing here is meant to last.
"""

import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from local_control_plane import components, kubeconfig, processes, state
from local_control_plane.build import Programs, Progress, ensure_programs
from local_control_plane.components import API_SERVER, CONTROLLER_MANAGER, ETCD, START_ORDER
from local_control_plane.pki import PlaneCA
from local_control_plane.probe import Caller
from local_control_plane.processes import Process
from local_control_plane.state import State

READY_WITHIN = 60.0
AUDIT_METADATA = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


class PlaneError(Exception):
    """The plane did not start or answer; the message ends with the log of what failed."""


class _PartEnded(PlaneError):
    """A process ended while it was waited for."""

    def __init__(self, name: str, log: str) -> None:
        super().__init__(f"{name} ended while starting:\n{log}")
        self.name = name
        self.found_port_taken = "address already in use" in log


@dataclass(frozen=True)
class ControlPlane:
    """A plane, running or not. tied: the processes that this object starts end with the process that it lives in."""

    folder: Path
    state: State
    tied: bool

    @property
    def url(self) -> str:
        """Where the API server listens."""
        return f"https://127.0.0.1:{self.state.port}"

    @property
    def kubeconfig(self) -> Path:
        """For a member of system:masters."""
        return self.folder / "kubeconfig"

    @property
    def programs(self) -> Programs:
        """All of them, those for users included."""
        return self.state.programs

    @property
    def kubectl(self) -> Path:
        """Of the API server's version."""
        return self.state.programs.kubectl

    @property
    def helm(self) -> Path:
        """Helm 4."""
        return self.state.programs.helm

    @property
    def audit_log(self) -> Path:
        """What was asked of the API server, a JSON object a line; there only where a policy was given."""
        return self.folder / "audit.log"

    @property
    def parts(self) -> dict[str, Process]:
        """The processes as the folder knows them, whoever started them."""
        return state.read_parts(self.folder)

    def __enter__(self) -> "ControlPlane":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def healthy(self) -> bool:
        """Whether every process lives and the API server says it is ready."""
        parts = self.parts
        return set(parts) == set(START_ORDER) and all(it.alive for it in parts.values()) and self._caller().ready()

    def start_all(self) -> None:
        """Start what does not run; returns when all three work. Raises PlaneError."""
        started: set[str] = set()
        while True:
            try:
                for name in START_ORDER:
                    if name not in (parts := self.parts) or not parts[name].alive:
                        started.add(name)
                        self._start(name)
                return self._wait(self._controllers_work, "The control plane was not ready", API_SERVER)
            except _PartEnded as ended:
                if ended.name in started:
                    raise  # else it was ending already when it was looked at

    def stop(self, *, keep_data: bool = False) -> None:
        """End every process, and remove the plane's data."""
        self._end(*reversed(START_ORDER))
        if not keep_data:
            state.remove(self.folder)

    def pause_api_server(self) -> None:
        """It hangs: connections are taken and nothing is answered."""
        self.parts[API_SERVER].signal(signal.SIGSTOP)

    def resume_api_server(self) -> None:
        """It goes on where it was paused."""
        self.parts[API_SERVER].signal(signal.SIGCONT)

    def stop_api_server(self) -> None:
        """It is gone: connections are refused. The controller manager, which would end by itself, is stopped too."""
        self._end(CONTROLLER_MANAGER, API_SERVER)

    def start_api_server(self) -> None:
        """It is back, on the same port with the same data, and ready. Raises PlaneError."""
        self.start_all()

    def restart_etcd(self) -> None:
        """etcd is killed and comes back with its data; the API server stays. Raises PlaneError."""
        self.parts[ETCD].kill()
        self.start_all()

    def compact_etcd(self) -> None:
        """etcd forgets every version but the newest; the API server may still remember some. Raises PlaneError."""
        caller = Caller(self.folder / "pki", "apiserver-etcd-client", f"https://127.0.0.1:{self.state.etcd_port}")
        try:
            revision = caller.post("/v3/maintenance/status", {})["header"]["revision"]
            caller.post("/v3/kv/compaction", {"revision": revision, "physical": True})
        except (OSError, ValueError) as error:
            raise PlaneError(f"etcd was not compacted: {error}") from None

    def forget_history(self) -> None:
        """Whoever goes on with a watch or a paged list from before is told 410 Gone. Raises PlaneError."""
        self.compact_etcd()
        self.stop_api_server()
        self.start_api_server()

    def audit_events(self) -> list[dict[str, Any]]:
        """Every request so far, as the audit policy tells it; none without a policy."""
        if not self.audit_log.exists():
            return []
        lines = self.audit_log.read_text().split("\n")[:-1]  # what has no line end yet is still being written
        return [json.loads(line) for line in lines]

    def log_tail(self, name: str, lines: int = 15) -> str:
        """The end of a part's log."""
        log = self.folder / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(no log)"

    def _start(self, name: str) -> None:
        log = self.folder / f"{name}.log"
        log.unlink(missing_ok=True)
        started = processes.start(self._command(name), log, tied=self.tied)
        state.write(self.folder, self.state, self.parts | {name: started})
        if name == API_SERVER:
            self._wait(self._caller().ready, "The API server was not ready", name)

    def _end(self, *names: str) -> None:
        parts = self.parts
        for name in names:
            if (part := parts.pop(name, None)) is not None:
                part.end()
        if self.folder.is_dir():
            state.write(self.folder, self.state, parts)

    def _command(self, name: str) -> list[str]:
        it = self.state
        if name == ETCD:
            return components.etcd(it.programs, self.folder, it.etcd_port, it.peer_port)
        if name == API_SERVER:
            return components.api_server(it.programs, self.folder, it.port, it.etcd_port)
        return components.controller_manager(it.programs, self.folder)

    def _controllers_work(self) -> bool:
        """A controller has made what makes a new cluster usable."""
        caller = self._caller()
        return caller.ready() and caller.found("/api/v1/namespaces/default/serviceaccounts/default")

    def _caller(self) -> Caller:
        return Caller(self.folder / "pki", "admin", self.url)

    def _wait(self, condition: Callable[[], bool], what: str, suspect: str) -> None:
        until = time.monotonic() + READY_WITHIN
        while not condition():
            for name, part in self.parts.items():
                if not part.alive:
                    raise _PartEnded(name, self.log_tail(name))
            if time.monotonic() > until:
                raise PlaneError(f"{what} within {READY_WITHIN:.0f} s:\n{self.log_tail(suspect)}")
            time.sleep(0.05)


def start(
    folder: Path | None = None,
    *,
    tied: bool = True,
    progress: Progress = lambda _line: None,
    audit_policy: str | None = None,
) -> ControlPlane:
    """Build what is missing and start a plane. folder: its data, kept from an earlier plane or new; a temporary one
    unless given. audit_policy: YAML, e.g. AUDIT_METADATA.

    Raises BuildError, PlaneError.
    """
    if not sys.platform.startswith("linux"):
        raise PlaneError("The local control plane needs Linux.")
    programs = ensure_programs(progress)
    temporary = folder is None
    folder = folder.absolute() if folder else Path(tempfile.mkdtemp(prefix="control-plane-"))
    try:
        _prepare(folder, audit_policy)
        return _start_on_free_ports(folder, programs, tied=tied)
    except BaseException:
        if temporary:
            state.remove(folder)
        raise


def load(folder: Path, *, tied: bool = False) -> ControlPlane | None:
    """The plane that was started in this folder, running or not; None if there is none. Raises BuildError."""
    known = state.read(folder := folder.absolute())
    return None if known is None else ControlPlane(folder, known, tied)


def write_user_kubeconfig(plane: ControlPlane, path: Path, token: str, namespace: str = "default") -> None:
    """A kubeconfig for a bearer token, e.g. of a service account."""
    kubeconfig.write_for_token(path, plane.url, plane.folder / "pki" / "ca.crt", token, namespace)


def wait_for(condition: Callable[[], bool], within: float, what: str) -> None:
    """Wait until the condition holds. Raises PlaneError naming what did not come."""
    until = time.monotonic() + within
    while not condition():
        if time.monotonic() > until:
            raise PlaneError(f"{what} did not come about within {within:.0f} s")
        time.sleep(0.05)


def _prepare(folder: Path, audit_policy: str | None) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(part.alive for part in state.read_parts(folder).values()):
        raise PlaneError(f"A control plane runs in {folder}: stop it first.")
    if not state.is_free_or_ours(folder):
        raise PlaneError(f"{folder} holds something else: name an empty folder, or one that is not there yet.")
    folder.chmod(0o700)
    ca = PlaneCA(folder / "pki")
    ca.server()
    ca.signing_key()
    ca.client("admin", "admin", "system:masters")
    ca.client("kube-controller-manager", "system:kube-controller-manager")
    ca.client("apiserver-etcd-client", "kube-apiserver-etcd-client")
    policy = folder / "audit-policy.yaml"
    if audit_policy is None:
        policy.unlink(missing_ok=True)
    else:
        policy.write_text(audit_policy)


def _start_on_free_ports(folder: Path, programs: Programs, *, tied: bool) -> ControlPlane:
    """A port may be taken between looking and using it: try others."""
    pki = folder / "pki"
    tries = 3
    while True:
        tries -= 1
        plane = ControlPlane(folder, State(programs, *processes.free_ports(3)), tied)
        kubeconfig.write_for_client(plane.kubeconfig, plane.url, pki / "ca.crt", pki, "admin")
        controllers = folder / "kube-controller-manager.kubeconfig"
        kubeconfig.write_for_client(controllers, plane.url, pki / "ca.crt", pki, "kube-controller-manager")
        try:
            plane.start_all()
            return plane
        except BaseException as error:
            plane.stop(keep_data=True)
            if not tries or not isinstance(error, _PartEnded) or not error.found_port_taken:
                raise
