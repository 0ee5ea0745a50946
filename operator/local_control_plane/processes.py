"""Starting, knowing again and ending processes: known by pid and start time, never by pid alone."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

# Below the range that connections going out are given (32768 and up on Linux), so that none of them takes a port which
# a stopped API server has to come back on; and below Kubernetes' node ports.
_PORTS = range(15000, 30000)
_PORT_TRIES = 200

# The kernel ends a tied process when the *thread* that made it ends: prctl(2), PR_SET_PDEATHSIG. So one thread that
# lives as long as the interpreter makes them all, whichever thread asks. The tie is set by a small program that then
# becomes the wanted one, because code between fork and exec is unsafe beside threads.
_TIE = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, ctypes.c_ulong(9))
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
_maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="control-plane")
_children: dict[int, "subprocess.Popen[bytes]"] = {}


@dataclass(frozen=True, slots=True)
class Process:
    """One of our processes. started: the kernel's start time in clock ticks, so that a recycled pid is not ours."""

    pid: int
    started: int

    @property
    def alive(self) -> bool:
        """Whether it runs; a process that ended and was not waited for does not."""
        return _start_time(self.pid) == self.started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process is still the one we started."""
        if self.alive:
            os.kill(self.pid, number)

    def end(self, within: float = 10) -> None:
        """SIGTERM, then SIGKILL; returns when the process is gone."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        if not _gone(self, within):
            self.kill()

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self.signal(signal.SIGKILL)
        _gone(self, 5)


def start(command: list[str], log: Path, *, tied: bool) -> Process:
    """Start a program with its output in `log`. tied: it ends when this process does, even by SIGKILL.

    Raises OSError.
    """
    if not tied:
        return _start(command, log)
    tie = [sys.executable, "-I", "-S", "-c", _TIE, str(os.getpid()), *command]
    return _maker.submit(_start, tie, log).result()


def this_process() -> Process:
    """The process that asks."""
    return Process(os.getpid(), _start_time(os.getpid()) or 0)


def free_ports(count: int) -> list[int]:
    """Ports on 127.0.0.1 that are free now. Raises OSError where there are not that many."""
    with ExitStack() as held:
        return [_hold_port(held) for _ in range(count)]


def _start(command: list[str], log: Path) -> Process:
    with log.open("ab") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    _children[child.pid] = child
    return Process(child.pid, _start_time(child.pid) or 0)


def _hold_port(held: ExitStack) -> int:
    for _ in range(_PORT_TRIES):
        port = _PORTS.start + secrets.randbelow(len(_PORTS))
        try:
            held.enter_context(socket.create_server(("127.0.0.1", port)))
        except OSError:
            continue
        return port
    return int(held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1])


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/<pid>/stat; None for no process or a zombie (proc(5)), which is reaped if it is our child.

    A first thread that has ended looks like a zombie while others (field 20) still hold the sockets: that one lives.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] != "X" and (fields[0] != "Z" or int(fields[17]) > 1):
        return int(fields[19])
    if (child := _children.get(pid)) is not None and child.poll() is not None:
        del _children[pid]
    return None


def _gone(process: Process, within: float) -> bool:
    until = time.monotonic() + within
    while process.alive:
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
