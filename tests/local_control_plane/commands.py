"""The command line in a process of its own, as people run it."""

import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run_cli(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """`python -m local_control_plane …`, whatever comes of it."""
    return run_python("-m", "local_control_plane", *arguments, **environment)


def run_python(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Python with our packages."""
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT / "operator")} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def listens(port: int) -> bool:
    """Whether anybody takes connections on a port of this machine."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0
