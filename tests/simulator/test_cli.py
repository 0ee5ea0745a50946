"""`devicecert simulate`: cameras in a process of their own, and what is done to them from outside."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from cryptography import x509

from device_simulator import Fault
from device_simulator.cli import simulate
from local_control_plane.processes import free_ports
from tests.simulator.client import TDS, Client
from tests.simulator.web import Web

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "device_simulator"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "operator")}


def ask(control: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*COMMAND, *arguments, "--control", control], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


@contextmanager
def running(subnet: str, *more: str) -> Iterator[str]:
    """Two cameras at .1 and .2 of this process's subnet."""
    where = f"127.0.0.1:{free_ports(1)[0]}"
    run = ["run", "--devices", "2", "--subnet", f"{subnet}.0/28", "--hostility", "0", "--control", where]
    process = subprocess.Popen([*COMMAND, *run, "--password", "word", *more], env=ENVIRONMENT, stderr=subprocess.PIPE)
    until = time.monotonic() + 30
    while CliRunner().invoke(simulate, ["list", "--control", where]).exit_code != 0:
        assert time.monotonic() < until and process.poll() is None, "the simulator does not answer"
        time.sleep(0.05)
    try:
        yield where
    finally:
        process.terminate()
        assert process.wait(10) == 0
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture
def control(subnet: str) -> Iterator[str]:
    """ONVIF cameras."""
    with running(subnet) as where:
        yield where


@dataclass(frozen=True)
class Doer:
    """A command in this process, to the simulator in the other one."""

    control: str

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(simulate, [*arguments, "--control", self.control])


@pytest.fixture
def do(control: str) -> Doer:
    return Doer(control)


def test_cameras_are_moved_skewed_and_broken_from_outside(do: Doer, subnet: str) -> None:
    before = json.loads(do("list", "-o", "json").stdout)
    assert yaml.safe_load(do("move", "cam-1", f"{subnet}.9", "-o", "yaml").stdout)["address"] == f"{subnet}.9"
    assert do("skew", "cam-2", "3600").exit_code == 0
    assert "[store-full]" in do("fault", "cam-2", "store-full", "--times", "2").stdout
    assert do("fault", "cam-1", "tls-1.0-only").exit_code == 0
    assert do("fault", "cam-1", "tls-1.0-only", "--off").exit_code == 0
    assert do("replace-certificate", "cam-2").exit_code == 0
    assert do("factory-reset", "cam-1").exit_code == 0
    assert do("reboot", "cam-1").exit_code == 0
    assert " off" in do("power", "cam-1", "off").stdout
    assert do("power", "cam-1", "on").exit_code == 0
    first, second = json.loads(do("list", "-o", "json").stdout)
    assert (first["reboots"], first["powered"], first["faults"]) == (1, True, [])
    assert second["faults"] == ["store-full"]
    assert [one["served"] for one in before] != [first["served"], second["served"]]


def test_firmware_ca_cameras_are_run_power_cycled_and_given_another_ca(subnet: str) -> None:
    with running(subnet, "--kind", "firmware-ca", "--firmware-ca", "Works CA") as control:
        do = Doer(control)
        before = json.loads(do("list", "-o", "json").stdout)
        assert [one["kind"] for one in before] == ["firmware-ca", "firmware-ca"]
        cas = [asyncio.run(ca_at(f"{subnet}.{number}")) for number in (1, 2)]
        assert cas[0] == cas[1]
        assert "Works CA" in x509.load_der_x509_certificate(cas[0]).subject.rfc4514_string()
        assert do("fault", "cam-1", "clock-resets-on-power-loss").exit_code == 0
        assert " 1970-01-01T" in do("power-cycle", "cam-1").stdout
        assert do("factory-reset", "cam-1", "--new-firmware-ca").exit_code == 0
        assert [asyncio.run(ca_at(f"{subnet}.{number}")) == cas[0] for number in (1, 2)] == [False, True]
        assert do("factory-reset", "cam-2").exit_code == 0
        assert asyncio.run(ca_at(f"{subnet}.2")) == cas[0]


async def ca_at(address: str) -> bytes:
    return (await Web(address, password="word").ask("GET", "cacert.crt")).body


def test_log_ins_are_seen_from_outside(do: Doer, subnet: str) -> None:
    assert do("password", "cam-2", "another").exit_code == 0
    assert asyncio.run(Client(f"{subnet}.1", password="word").call(TDS, "GetDeviceInformation")).status == 200
    assert asyncio.run(Client(f"{subnet}.2", password="word").call(TDS, "GetDeviceInformation")).status == 401
    first, second = json.loads(do("list", "-o", "json").stdout)
    assert (first["loginsAccepted"], second["loginsRefused"]) == (1, 1)
    assert do("stranger", f"{subnet}.8", "--http-port", "8080").exit_code == 0
    assert do("relay", "cam-1", f"{subnet}.7").exit_code == 0
    assert asyncio.run(Client(f"{subnet}.8").call(TDS, "GetDeviceInformation")).status == 401
    stranger, relay = json.loads(do("strangers", "-o", "json").stdout)
    assert stranger["address"] == f"{subnet}.8" and len(stranger["logins"]) == 1
    assert relay["connections"] == 0


def test_what_cannot_be_done_is_told(do: Doer, control: str, subnet: str) -> None:
    refused = ask(control, "reboot", "nobody")
    assert refused.returncode == 1
    assert "no such device" in refused.stderr
    assert "127.0.0.0/8" in do("move", "cam-1", "10.0.0.1").stderr
    assert do("stranger", f"{subnet}.1").exit_code == 1
    assert do("relay", "nobody", f"{subnet}.6").exit_code == 1
    assert do("fault", "cam-1", "no-such-fault").exit_code == 2
    first, _ = json.loads(do("list", "-o", "json").stdout)
    assert first["address"] == f"{subnet}.1"


def test_a_simulator_that_does_not_run_is_named() -> None:
    done = ask("127.0.0.1:9", "list")
    assert done.returncode == 1
    assert "simulate run" in done.stderr


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--subnet", "10.0.0.0/24"], "127.0.0.0/8"),
        (["--subnet", "nowhere"], "nowhere"),
        (["--subnet", "127.91.0.0/30", "--devices", "3"], "room for 2"),
        (["--control", "127.0.0.1"], "ADDRESS:PORT"),
        (["--control", "0.0.0.0:8099"], "ADDRESS:PORT"),
        (["--hostility", "2"], "0<=x<=1"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(given: list[str], told: str) -> None:
    done = CliRunner().invoke(simulate, ["run", *given])
    assert done.exit_code != 0
    assert told in done.stderr


def test_every_fault_can_be_named() -> None:
    told = CliRunner().invoke(simulate, ["fault", "--help"]).stdout.replace("\n", "").replace(" ", "")
    assert all(str(fault) in told for fault in Fault)
