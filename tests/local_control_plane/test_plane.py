"""The local control plane: real, quick, and gone when it is over."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local_control_plane import plane as planes
from local_control_plane.plane import ControlPlane
from tests.support.control_plane import kubectl, try_kubectl

ROOT = Path(__file__).parents[2]


def run_cli(*arguments: str, cache: Path) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    folder = ["--data-dir", str(cache)]
    return subprocess.run(
        [sys.executable, "-m", "local_control_plane", *arguments, *folder],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_up_twice_is_once_and_down_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "plane"
    first = run_cli("up", cache=folder)
    assert first.returncode == 0, first.stderr
    running = planes.load(folder)
    assert running is not None
    try:
        again = run_cli("up", cache=folder)
        assert again.stdout == first.stdout
        assert run_cli("status", cache=folder).returncode == 0
    finally:
        assert run_cli("down", cache=folder).returncode == 0
    assert not any(part.alive for part in running.parts.values())
    assert not folder.exists()
    assert run_cli("status", cache=folder).returncode == 3


def test_two_planes_run_side_by_side(control_plane: ControlPlane) -> None:
    with planes.start() as other:
        kubectl(other, "create", "namespace", "only-here")
        assert try_kubectl(control_plane, "get", "namespace", "only-here").returncode != 0


def test_a_deleted_namespace_goes_away(control_plane: ControlPlane) -> None:
    kubectl(control_plane, "create", "namespace", "short-lived")
    kubectl(control_plane, "delete", "namespace", "short-lived", "--timeout=60s")


def test_a_user_without_a_role_is_refused(control_plane: ControlPlane, namespace: str, tmp_path: Path) -> None:
    kubectl(control_plane, "-n", namespace, "create", "serviceaccount", "nobody")
    token = kubectl(control_plane, "-n", namespace, "create", "token", "nobody").strip()
    config = tmp_path / "config"
    planes.write_user_kubeconfig(control_plane, config, token, namespace)
    done = try_kubectl(control_plane, "--kubeconfig", str(config), "get", "secrets")
    assert done.returncode != 0
    assert "forbidden" in done.stderr


def test_an_outage_loses_nothing() -> None:
    with planes.start() as plane:
        kubectl(plane, "create", "namespace", "kept")
        plane.stop_api_server()
        assert try_kubectl(plane, "get", "namespaces", "--request-timeout=2s").returncode != 0
        assert not plane.healthy()
        plane.start_api_server()
        assert "kept" in kubectl(plane, "get", "namespaces")


@pytest.mark.parametrize("part", ["etcd", "kube-apiserver"])
def test_a_killed_part_is_noticed(part: str) -> None:
    with planes.start() as plane:
        assert plane.healthy()
        os.kill(plane.parts[part].pid, 9)
        planes.wait_for(lambda: not plane.healthy(), 10, "noticing")
