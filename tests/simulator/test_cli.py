"""`devicecert simulate`: cameras in a process of their own, and what is done to them from outside."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_control_plane.processes import free_ports

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "device_simulator"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "operator")}


def ask(control: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments, "--control", control], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


@pytest.fixture
def control() -> Iterator[str]:
    """Two cameras in 127.91.0.0/28."""
    where = f"127.0.0.1:{free_ports(1)[0]}"
    run = ["run", "--devices", "2", "--subnet", "127.91.0.0/28", "--hostility", "0", "--control", where]
    process = subprocess.Popen([*COMMAND, *run], env=ENVIRONMENT, stderr=subprocess.PIPE)
    until = time.monotonic() + 20
    while ask(where, "list").returncode != 0:
        assert time.monotonic() < until, "the simulator does not answer"
    yield where
    process.terminate()
    assert process.wait(10) == 0
    assert process.stderr is not None
    process.stderr.close()


def test_cameras_are_moved_skewed_and_broken_from_outside(control: str) -> None:
    assert ask(control, "move", "cam-1", "127.91.0.9").returncode == 0
    assert ask(control, "skew", "cam-2", "3600").returncode == 0
    assert ask(control, "fault", "cam-2", "store-full", "--times", "2").returncode == 0
    assert ask(control, "replace-certificate", "cam-2").returncode == 0
    assert ask(control, "stranger", "127.91.0.1").returncode == 0
    first, second = json.loads(ask(control, "list", "-o", "json").stdout)
    assert first["address"] == "127.91.0.9"
    assert second["faults"] == ["store-full"]
    refused = ask(control, "reboot", "nobody")
    assert refused.returncode == 1
    assert "no such device" in refused.stderr


def test_a_simulator_that_does_not_run_is_named() -> None:
    done = ask("127.0.0.1:9", "list")
    assert done.returncode == 1
    assert "simulate run" in done.stderr


def test_addresses_outside_loopback_are_refused() -> None:
    run = [*COMMAND, "run", "--subnet", "10.0.0.0/24"]
    done = subprocess.run(run, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "127.0.0.0/8" in done.stderr
