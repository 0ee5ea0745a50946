"""What a plane's folder says of it: ports, programs, processes. The file is the truth, for every process that looks."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local_control_plane.build import Programs, ensure_programs
from local_control_plane.processes import Process

_FILE = "state.json"
_LOCK = "lock"
# All that a plane writes into its folder, and so all that it removes.
_CONTENTS = ("etcd", "pki", "*.log", "*.kubeconfig", "kubeconfig", "audit-policy.yaml", "peer-port", f"{_FILE}*", _LOCK)


@dataclass(frozen=True, slots=True)
class State:
    """Where a plane's parts listen and where its programs are."""

    programs: Programs
    port: int
    etcd_port: int
    peer_port: int


def read(folder: Path) -> State | None:
    """None where no plane was ever started."""
    if (known := _content(folder)) is None:
        return None
    given = known.get("programs")
    programs = Programs(**{name: Path(path) for name, path in given.items()}) if given else ensure_programs()
    return State(programs, int(known["port"]), int(known["etcdPort"]), int(known.get("peerPort", 0)))


def read_parts(folder: Path) -> dict[str, Process]:
    """The processes, running or ended; none where there is no plane."""
    known = _content(folder) or {"parts": {}}
    return {name: Process(pid, started) for name, (pid, started) in known["parts"].items()}


def write(folder: Path, state: State, parts: Mapping[str, Process]) -> None:
    """Replace what was said, at once."""
    content = {
        "port": state.port,
        "etcdPort": state.etcd_port,
        "peerPort": state.peer_port,
        "programs": {name: str(path) for name, path in asdict(state.programs).items()},
        "parts": {name: [part.pid, part.started] for name, part in parts.items()},
    }
    scratch = folder / f"{_FILE}.{os.getpid()}"
    scratch.write_text(json.dumps(content))
    os.replace(scratch, folder / _FILE)


def is_free_or_ours(folder: Path) -> bool:
    """Whether a plane may use this folder: it is empty, or holds what a plane left."""
    return (folder / _FILE).exists() or all(it.name == _LOCK for it in folder.iterdir())


def remove(folder: Path) -> None:
    """What a plane wrote, and the folder unless somebody else put something there."""
    for pattern in _CONTENTS:
        for path in folder.glob(pattern):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One command at a time on a plane; made where it is missing."""
    while True:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / _LOCK
        with path.open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.fstat(handle.fileno()), path.stat()):
                yield
                return


def _content(folder: Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads((folder / _FILE).read_text()))
    except (OSError, ValueError):
        return None
