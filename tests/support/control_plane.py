"""Fixtures: one control plane for the whole run, shared by all xdist workers, and a fresh namespace a test."""

import fcntl
import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from local_control_plane import plane as planes
from local_control_plane import processes
from local_control_plane.build import ensure_programs
from local_control_plane.plane import ControlPlane
from local_control_plane.processes import Process
from tests.support.admin import admin

# what service accounts ask for; the tests' own look at the cluster is not written down
AUDIT_ACCOUNTS = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata, userGroups: ["system:serviceaccounts"]}]
"""
CRDS = Path(__file__).parents[2] / "crds"


class SharedPlane:
    """One plane for several workers: the first starts it, and stops it when the last has left.

    It is tied to the worker that started it, so that nothing stays whichever way the run ends.
    """

    def __init__(self, root: Path) -> None:
        self._folder = root / "plane"
        self._users = root / "plane-users"
        self._lock = root / "plane.lock"
        self._ours: ControlPlane | None = None

    def join(self) -> ControlPlane:
        """The plane, with our CRDs; started unless it runs."""
        with self._locked():
            self._users.mkdir(exist_ok=True)
            plane = planes.load(self._folder, tied=True)
            if plane is None or not plane.healthy():
                if plane is not None:
                    plane.stop()
                plane = self._ours = planes.start(self._folder, audit_policy=AUDIT_ACCOUNTS)
                install_crds(plane)
            us = processes.this_process()
            (self._users / str(us.pid)).write_text(str(us.started))
            return plane

    def leave(self) -> None:
        """It may stop, as far as this process is concerned."""
        (self._users / str(os.getpid())).unlink(missing_ok=True)

    def finish(self, audit_log: Path | None) -> None:
        """Stop what this process started, once nobody uses it. audit_log: where its log is kept."""
        if (plane := self._ours) is not None:
            planes.wait_for(self._is_deserted, 3600, "the end of the other workers")
            if audit_log is not None:
                with audit_log.open("ab") as kept:
                    fcntl.flock(kept, fcntl.LOCK_EX)
                    kept.write(plane.audit_log.read_bytes())
            plane.stop()
            self._ours = None

    def _is_deserted(self) -> bool:
        with self._locked():
            return not any(_lives(user) for user in self._users.iterdir())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


_SHARED = pytest.StashKey[SharedPlane]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Ours."""
    parser.addoption("--audit-log", type=Path, help="keep here what service accounts asked of the run's control plane")
    wide = "operators of stories have the chart's rights for the whole cluster, and watch it"
    parser.addoption("--cluster-wide", action="store_true", help=wide)


def pytest_configure(config: pytest.Config) -> None:
    """What is kept is of this run: each of its control planes adds to it."""
    if "PYTEST_XDIST_WORKER" not in os.environ and config.option.audit_log is not None:
        config.option.audit_log.unlink(missing_ok=True)


def pytest_collection_finish(session: pytest.Session) -> None:
    """A first build takes minutes, longer than any test may."""
    wanted = any(item.get_closest_marker("cluster") for item in session.items)
    if wanted and not session.config.option.collectonly:
        ensure_programs(print)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """After the last test and outside its time limit: the other workers may need a while."""
    if (shared := session.config.stash.get(_SHARED, None)) is not None:
        shared.finish(session.config.option.audit_log)


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The run's plane. A test that stops a part of it takes a plane of its own instead.

    With --cluster-wide each worker has its own: an operator that watches everything would meet the devices of others.
    """
    root = tmp_path_factory.getbasetemp()
    alone = "PYTEST_XDIST_WORKER" not in os.environ or request.config.option.cluster_wide
    shared = SharedPlane(root if alone else root.parent)
    request.config.stash[_SHARED] = shared
    yield shared.join()
    shared.leave()


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """A namespace of the test's own. It goes with the plane: taking one away costs the API server more than a story."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    admin(control_plane).create("", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


def install_crds(plane: ControlPlane) -> None:
    """Ours, established."""
    if any(CRDS.glob("*.yaml")):
        kubectl(plane, "apply", "--server-side", "-f", str(CRDS))
        established(plane, "crd", "--all")


def established(plane: ControlPlane, *which: str) -> None:
    """Wait for CRDs. `kubectl wait` fails at once for one so new that it has no conditions: it is asked again."""
    command = ("wait", "--for=condition=Established", "--timeout=5s", *which)
    planes.wait_for(lambda: try_kubectl(plane, *command).returncode == 0, 60, " ".join(which))


def kubectl(plane: ControlPlane, *arguments: str, given: str | None = None) -> str:
    """Run kubectl as admin; given: standard input. Raises AssertionError with its error output."""
    done = try_kubectl(plane, *arguments, given=given)
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def try_kubectl(plane: ControlPlane, *arguments: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run kubectl as admin, whatever comes of it."""
    environment = os.environ | {"KUBECONFIG": str(plane.kubeconfig)}
    return subprocess.run(
        [str(plane.kubectl), *arguments], input=given, env=environment, capture_output=True, text=True, check=False
    )


def read(plane: ControlPlane, namespace: str, kind: str, name: str) -> dict:  # type: ignore[type-arg]
    """One object as a dict."""
    return dict(json.loads(kubectl(plane, "-n", namespace, "get", kind, name, "-o", "json")))


def _lives(user: Path) -> bool:
    with suppress(FileNotFoundError):
        return Process(int(user.name), int(user.read_text())).alive
    return False
