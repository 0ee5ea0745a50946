"""What the parts cost: one issued certificate, one handshake; the operator's own CPU, without a cluster.

python benchmarks/parts.py [--seconds 5]
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from device_cert_operator.core.model import (
    CASecretIssuer,
    DesiredCertificate,
    KeyType,
    NotServed,
    ObjectKey,
    names_of,
)
from device_cert_operator.issuers.ca import issue
from device_cert_operator.net.tls_probe import probe
from device_cert_operator.pki.authority import Authority, read_authority

ROOT = Path(__file__).resolve().parents[1]


def rate(work: Callable[[], object], seconds: float) -> float:
    """How often a second, on one core."""
    done, started = 0, time.process_time()
    while (spent := time.process_time() - started) < seconds:
        work()
        done += 1
    return round(done / spent, 1)


def authority(folder: Path) -> Authority:
    """A root of openssl's."""
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "k",
        "-out",
        "c",
        "-subj",
        "/CN=root",
    ]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return read_authority("bench/root", (folder / "c").read_bytes(), (folder / "k").read_bytes(), datetime.now(UTC))


async def handshakes(seconds: float) -> float:
    """CPU milliseconds of one probe."""
    done, started = 0, time.process_time()
    while (spent := time.process_time() - started) < seconds:
        seen = await probe("127.21.0.2", 8443, server_name=None, timeout=timedelta(seconds=5))
        if isinstance(seen, NotServed):
            raise SystemExit(f"the device does not answer: {seen.message}")
        done += 1
    return round(1000 * spent / done, 2)


@contextlib.contextmanager
def one_device() -> Iterator[None]:
    """A camera in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    fleet = [sys.executable, str(ROOT / "benchmarks" / "fleet.py"), "1"]
    device = subprocess.Popen(fleet, env=environment, stdout=subprocess.PIPE)
    try:
        assert device.stdout is not None
        device.stdout.readline()
        yield
    finally:
        device.terminate()
        device.wait(10)


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="CPU time for each figure")
    seconds = parser.parse_args().seconds
    desired = DesiredCertificate(
        ObjectKey("DeviceCertificate", "bench", "cam"), "uid", 1, datetime.now(UTC), ("cam",), CASecretIssuer("root")
    )
    names = names_of("192.168.1.10")
    with tempfile.TemporaryDirectory() as scratch:
        ca = authority(Path(scratch))
        report = {
            f"issued{kind.name}PerSecondOfOneCore": rate(
                lambda kind=kind: issue(ca, desired, names, kind, datetime.now(UTC)), seconds
            )
            for kind in (KeyType.ECDSA_P256, KeyType.RSA_2048)
        }
    with one_device():
        report["cpuMillisecondsAHandshake"] = asyncio.run(handshakes(seconds))
    cpu = next((one for one in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in one), ": ?")
    machine = f"{os.cpu_count()} × {cpu.partition(':')[2].strip()}, Python {platform.python_version()}"
    print(json.dumps(report | {"machine": machine, "date": f"{datetime.now(UTC):%Y-%m-%d}"}, indent=2))


if __name__ == "__main__":
    main()
