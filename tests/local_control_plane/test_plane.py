"""The local control plane: it behaves as a cluster does where we would notice."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from local_control_plane import ControlPlane, load, start
from local_control_plane.plane import wait_for, write_user_kubeconfig
from local_control_plane.processes import Process, free_ports
from tests.local_control_plane.commands import ROOT, listens
from tests.support.control_plane import kubectl, try_kubectl

OWNED = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owned"}}


def test_two_planes_run_side_by_side(control_plane: ControlPlane) -> None:
    with start() as other:
        kubectl(other, "create", "namespace", "only-here")
        assert try_kubectl(control_plane, "get", "namespace", "only-here").returncode != 0
        parts = other.parts
    assert not any(part.alive for part in parts.values())
    assert not listens(other.state.port)
    assert not other.folder.exists()


def test_a_deleted_namespace_goes_away(control_plane: ControlPlane) -> None:
    kubectl(control_plane, "create", "namespace", "short-lived")
    kubectl(control_plane, "-n", "short-lived", "create", "configmap", "inside")
    kubectl(control_plane, "delete", "namespace", "short-lived", "--timeout=60s")
    assert try_kubectl(control_plane, "get", "namespace", "short-lived").returncode != 0


def test_what_is_owned_goes_with_its_owner(control_plane: ControlPlane, namespace: str) -> None:
    there = ("-n", namespace)
    kubectl(control_plane, *there, "create", "configmap", "owner")
    uid = kubectl(control_plane, *there, "get", "configmap", "owner", "-o", "jsonpath={.metadata.uid}")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    owned = OWNED | {"metadata": {"name": "owned", "ownerReferences": [owner]}}
    kubectl(control_plane, *there, "create", "-f", "-", given=json.dumps(owned))
    kubectl(control_plane, *there, "delete", "configmap", "owner")
    kubectl(control_plane, *there, "wait", "--for=delete", "configmap/owned", "--timeout=60s")


def test_a_user_without_a_role_is_refused(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    kubectl(control_plane, "-n", namespace, "create", "serviceaccount", "nobody")
    token = kubectl(control_plane, "-n", namespace, "create", "token", "nobody").strip()
    config = tmp_path / "config"
    write_user_kubeconfig(control_plane, config, token, namespace)
    done = try_kubectl(control_plane, "--kubeconfig", str(config), "get", "secrets")
    assert done.returncode != 0
    assert "forbidden" in done.stderr
    assert config.stat().st_mode & 0o777 == 0o600


def test_a_stranger_cannot_read_etcd(control_plane: ControlPlane) -> None:
    port = control_plane.state.etcd_port
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-ign_eof"],
        input="GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert "certificate required" in done.stderr
    assert "etcdserver" not in done.stdout


def test_it_lives_on_when_the_thread_that_started_it_ends() -> None:
    made: list[ControlPlane] = []
    thread = threading.Thread(target=lambda: made.append(start()))
    thread.start()
    thread.join()
    with made[0] as plane:
        assert kubectl(plane, "get", "namespaces")
        assert plane.healthy()


def test_it_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import signal, pathlib
from local_control_plane import start
start(pathlib.Path({str(tmp_path / "plane")!r}))
print("up", flush=True)
signal.pause()
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    with subprocess.Popen([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "up\n"
        plane = load(tmp_path / "plane")
        assert plane is not None
        assert plane.healthy()
        parts = plane.parts
        owner.kill()
    wait_for(lambda: not any(part.alive for part in parts.values()), 10, "the end of its processes")


def test_a_recycled_pid_is_nobody_of_ours() -> None:
    stranger = Process(os.getpid(), started=1)
    assert not stranger.alive
    stranger.signal(signal.SIGKILL)


def test_ports_are_not_those_of_outgoing_connections() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert max(ports) < max(lowest, 30000)
