"""Starting, knowing again and ending processes: known by pid and start time, never by pid alone."""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Process:
    """One of our processes. started: the kernel's start time in clock ticks, so that a recycled pid is not ours."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        return _start_time(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process is still the one we started."""
        if self.alive:
            os.kill(self.pid, number)

    def end(self, within: float = 10) -> None:
        """SIGTERM, then SIGKILL; returns when the process is gone."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        if not _gone(self, within):
            self.signal(signal.SIGKILL)
            _gone(self, 5)


def start(command: list[str], log: Path, *, tied: bool, environment: Mapping[str, str] | None = None) -> Process:
    """Start a program with its output in `log`. tied: it ends when this process does."""
    libc = ctypes.CDLL(None)

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=tie if tied else None,  # noqa: PLW1509  # one call, before anything else runs
            env=dict(environment) if environment is not None else None,
        )
    _children[child.pid] = child
    return Process(child.pid, _start_time(child.pid) or 0)


def free_ports(count: int) -> list[int]:
    """Ports on 127.0.0.1 that are free now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


_children: dict[int, "subprocess.Popen[bytes]"] = {}


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/<pid>/stat; None for no process or a zombie (proc(5))."""
    if (child := _children.get(pid)) is not None:
        child.poll()
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def _gone(process: Process, within: float) -> bool:
    until = time.monotonic() + within
    while process.alive:
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
