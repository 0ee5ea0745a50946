"""Makes the control plane's programs from pinned Go modules, once per user.

The cache's folder is named by a hash of go.mod, go.sum, the flags, the machine's kind and the Go version, so that a
change builds anew and nothing else does. `KUBEBUILDER_ASSETS` is used instead, for the programs that it holds.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_control_plane import toolchain
from local_control_plane.toolchain import BuildError, Progress

__all__ = ["BuildError", "Programs", "Progress", "cache_root", "ensure", "ensure_programs", "module_folder"]

KUBERNETES = "v1.37.2"
_VERSION = "k8s.io/component-base/version"
LDFLAGS = f"-s -w -X {_VERSION}.gitVersion={KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=37"
FLAGS = ("-mod=readonly", "-trimpath", "-ldflags", LDFLAGS)
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "helm": "helm.sh/helm/v4/cmd/helm",
}


@dataclass(frozen=True, slots=True)
class Programs:
    """Where each program is."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path
    helm: Path


def cache_root() -> Path:
    """The user's cache folder for this product (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "device-cert-operator"


def module_folder() -> Path:
    """Where go.mod and go.sum are: in the repository, or inside the installed package. Raises BuildError."""
    here = Path(__file__).resolve().parent
    for folder in (here.parent.parent / "deploy" / "local", here / "go"):
        if (folder / "go.mod").is_file():
            return folder
    raise BuildError("deploy/local/go.mod is missing: the package is incomplete")


def ensure_programs(progress: Progress = lambda _line: None) -> Programs:
    """All five programs, built where they are not there yet. progress: takes a line at each step; one that ends in "…"
    begins something long, which the next line ends.

    Raises BuildError.
    """
    found = ensure(list(PACKAGES), progress)
    return Programs(**{name.replace("-", "_"): path for name, path in found.items()})


def ensure(names: list[str], progress: Progress = lambda _line: None) -> dict[str, Path]:
    """Some of the programs, by name. Raises BuildError."""
    found = _given_assets(names)
    missing = [name for name in names if name not in found]
    return found | (_built(missing, progress) if missing else {})


def _given_assets(names: list[str]) -> dict[str, Path]:
    """The programs in `KUBEBUILDER_ASSETS`, if it is set."""
    if not (given := os.environ.get("KUBEBUILDER_ASSETS")):
        return {}
    folder = Path(given).expanduser().absolute()
    return {name: path for name in names if os.access(path := folder / name, os.X_OK)}


def _built(names: list[str], progress: Progress) -> dict[str, Path]:
    source = module_folder()
    root = cache_root() / "control-plane"
    target = root / _fingerprint(source)
    programs = {name: target / name for name in names}
    if not all(path.is_file() for path in programs.values()):
        target.mkdir(parents=True, exist_ok=True)
        with _one_builder(root / "lock", progress):
            if todo := [name for name in names if not programs[name].is_file()]:
                _build_all(todo, source, target, progress)
    return programs


def _build_all(todo: list[str], source: Path, target: Path, progress: Progress) -> None:
    started = time.monotonic()
    go = toolchain.ensure_go(cache_root() / "go", progress)
    progress(f"Building {', '.join(todo)} from source: once, some minutes.")
    for left in target.glob(".building-*"):  # by a builder that was killed; ours is the only one now
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=target, prefix=".building-") as scratch:
        work = Path(scratch)
        for file in ("go.mod", "go.sum"):
            shutil.copy(source / file, work / file)
        for name in todo:
            _build(go, name, work, target, progress)
    progress(f"Built in {time.monotonic() - started:.0f} s")


def _build(go: Path, name: str, work: Path, target: Path, progress: Progress) -> None:
    started = time.monotonic()
    progress(f"  {name} …")
    made = work / f"{name}.made"
    done = subprocess.run(
        [str(go), "build", *FLAGS, "-o", str(made), PACKAGES[name]],
        cwd=work,
        env=os.environ | toolchain.ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(f"{name} could not be built:\n{done.stderr[-2000:]}")
    os.replace(made, target / name)
    progress(f"  {name} built in {time.monotonic() - started:.0f} s")


def _fingerprint(source: Path) -> str:
    digest = hashlib.sha256(" ".join((*FLAGS, platform.machine(), toolchain.go_version())).encode())
    for file in ("go.mod", "go.sum"):
        digest.update((source / file).read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _one_builder(lock: Path, progress: Progress) -> Iterator[None]:
    """Two builders at once would only be slower."""
    with lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Another process is building: waiting for it …")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
