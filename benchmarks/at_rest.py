"""Devices with certificates at rest: memory, CPU for a check, API writes; and what issuing costs.

    python benchmarks/at_rest.py [--devices 1000] [--interval 30]

Simulator and control plane are processes of their own; what is measured is the operator's process alone.
"""

import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

from local_control_plane import plane as planes
from local_control_plane.processes import free_ports

ROOT = Path(__file__).resolve().parents[1]
WRITE = re.compile(r'verb="(POST|PUT|PATCH|APPLY|DELETE|DELETECOLLECTION)"')


def machine() -> str:
    """What the numbers were measured on."""
    cpu = next((one for one in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in one), ": ?")
    return f"{os.cpu_count()} × {cpu.partition(':')[2].strip()}, Python {platform.python_version()}"


def kubectl(plane: planes.ControlPlane, *arguments: str, given: str | None = None) -> str:
    """kubectl as admin."""
    environment = os.environ | {"KUBECONFIG": str(plane.kubeconfig)}
    command = [str(plane.kubectl), *arguments]
    return subprocess.run(command, input=given, env=environment, capture_output=True, text=True, check=True).stdout


def manifests(count: int, interval: int) -> str:
    """Devices and their certificates."""
    made = []
    for number in range(1, count + 1):
        address = f"127.{21 + number // 60000}.{number // 250 % 240}.{number % 250 + 1}"
        made.append(
            f"""apiVersion: devicecert.io/v1alpha1
kind: Device
metadata: {{name: cam-{number}}}
spec:
  driver: onvif
  address: {{host: {address}, httpsPort: 8443}}
  credentialsSecretRef: {{name: login}}
  checkInterval: {interval}s
---
apiVersion: devicecert.io/v1alpha1
kind: DeviceCertificate
metadata: {{name: cam-{number}}}
spec: {{devices: [{{name: cam-{number}}}], issuer: {{caSecretRef: {{name: root}}}}}}
"""
        )
    return "---\n".join(made)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def metric(port: int, name: str) -> float:
    """The sum of a metric."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        lines = reply.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + "{", name + " ")))


def writes(plane: planes.ControlPlane) -> int:
    """Requests that change something, of anybody; the Leases of the control plane's own parts aside."""
    lines = kubectl(plane, "get", "--raw", "/metrics").splitlines()
    counted = [line for line in lines if line.startswith("apiserver_request_total{") and WRITE.search(line)]
    return int(sum(float(line.rsplit(" ", 1)[1]) for line in counted if 'resource="leases"' not in line))


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--interval", type=int, default=30, help="check interval, seconds")
    given = parser.parse_args()
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    devicecert = [sys.executable, "-m", "device_cert_operator"]
    with tempfile.TemporaryDirectory() as scratch, planes.start() as plane:
        folder = Path(scratch)
        environment["KUBECONFIG"] = str(plane.kubeconfig)
        port = free_ports(1)[0]
        simulator = subprocess.Popen(
            [sys.executable, str(ROOT / "benchmarks" / "fleet.py"), str(given.devices)],
            env=environment,
            stdout=subprocess.PIPE,
        )
        assert simulator.stdout is not None
        simulator.stdout.readline()
        kubectl(plane, "apply", "--server-side", "-f", str(ROOT / "crds"))
        kubectl(plane, "wait", "--for=condition=Established", "crd", "--all")
        subprocess.run(
            [
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
            ],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        kubectl(plane, "create", "secret", "tls", "root", f"--cert={folder}/c", f"--key={folder}/k")
        kubectl(plane, "label", "secret", "root", "devicecert.io/use=ca")
        kubectl(
            plane,
            "create",
            "secret",
            "generic",
            "login",
            "--from-literal=username=admin",
            "--from-literal=password=secret",
        )
        kubectl(plane, "label", "secret", "login", "devicecert.io/use=credentials")
        kubectl(plane, "apply", "--server-side", "-f", "-", given=manifests(given.devices, given.interval))
        operator = subprocess.Popen(
            [*devicecert, "run", "--metrics-port", str(port), "--log-level", "error"], env=environment
        )
        try:
            report = measure(operator.pid, port, plane, given.devices, given.interval)
        finally:
            operator.terminate()
            operator.wait(15)
            simulator.terminate()
            simulator.wait(15)
    report |= {"machine": machine(), "date": datetime.now(UTC).strftime("%Y-%m-%d")}
    print(json.dumps(report, indent=2))


def measure(pid: int, port: int, plane: planes.ControlPlane, devices: int, interval: int) -> dict[str, object]:
    """From the start to two check intervals at rest."""
    started = time.monotonic()
    while True:
        time.sleep(1)
        try:
            if metric(port, "devicecert_device_secure") >= devices:
                break
        except OSError:
            pass
        if time.monotonic() - started > 900:
            raise SystemExit("not every device became secure")
    secured = time.monotonic() - started
    time.sleep(interval)  # first routine checks
    written = writes(plane)
    cpu, passes, since = cpu_seconds(pid), metric(port, "devicecert_reconcile_total"), time.monotonic()
    time.sleep(2 * interval)
    took = time.monotonic() - since
    spent, done = cpu_seconds(pid) - cpu, metric(port, "devicecert_reconcile_total") - passes
    written = writes(plane) - written
    return {
        "devices": devices,
        "checkIntervalSeconds": interval,
        "allSecureAfterSeconds": round(secured, 1),
        "issueInstallVerifyPerSecond": round(devices / secured, 1),
        "rssMiB": round(rss_mib(pid), 1),
        "atRest": {
            "seconds": round(took, 1),
            "passes": int(done),
            "cpuPercentOfACore": round(100 * spent / took, 1),
            "cpuMillisecondsAPass": round(1000 * spent / done, 2) if done else None,
            "apiWrites": written,
        },
    }


if __name__ == "__main__":
    main()
