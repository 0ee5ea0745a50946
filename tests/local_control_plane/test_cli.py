"""`devicecert local`: up, down, status, kubeconfig."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml

from local_control_plane import ControlPlane, load, start
from local_control_plane.plane import wait_for, write_user_kubeconfig
from tests.local_control_plane.commands import listens, run_cli
from tests.support.control_plane import kubectl, try_kubectl

Run = Callable[..., "CompletedProcess[str]"]


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator["CompletedProcess[str]"]:
    """What `up` said; its plane stays up for the tests of this module that only look."""
    folder = str(tmp_path_factory.mktemp("standing") / "a plane")
    yield run_cli("up", "--data-dir", folder)
    run_cli("down", "--data-dir", folder)


@pytest.fixture
def run_standing(standing: "CompletedProcess[str]") -> Run:
    """A command on that plane."""
    folder = standing.args[standing.args.index("--data-dir") + 1]
    return lambda *arguments: run_cli(*arguments, "--data-dir", folder)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """For one plane, which is down in the end."""
    folder = tmp_path / "plane"
    yield folder
    run_cli("down", "--data-dir", str(folder))


@pytest.fixture
def run(folder: Path) -> Run:
    """A command on the plane in that folder."""
    return lambda *arguments, **environment: run_cli(*arguments, "--data-dir", str(folder), **environment)


def plane_in(folder: Path) -> ControlPlane:
    plane = load(folder)
    assert plane is not None
    return plane


def test_up_prints_one_line_for_a_shell(standing: "CompletedProcess[str]") -> None:
    assert standing.returncode == 0, standing.stderr
    assert standing.stdout.startswith("export KUBECONFIG='")
    assert standing.stdout.endswith(":$PATH\n")
    assert standing.stdout.count("\n") == 1
    assert "is up at https://127.0.0.1:" in standing.stderr


def test_up_twice_is_once(standing: "CompletedProcess[str]", run_standing: Run) -> None:
    before = run_standing("status", "-o", "json").stdout
    again = run_standing("up")
    assert (again.returncode, again.stdout) == (0, standing.stdout)
    assert run_standing("status", "-o", "json").stdout == before


def test_status_tells_programs_and_people(run_standing: Run) -> None:
    told = run_standing("status", "-o", "json")
    assert told.returncode == 0
    facts = json.loads(told.stdout)
    assert facts == yaml.safe_load(run_standing("status", "-o", "yaml").stdout)
    assert facts["up"] is True
    assert set(facts["processes"]) == {"etcd", "kube-apiserver", "kube-controller-manager"}
    text = run_standing("status").stdout
    assert facts["url"] in text
    assert "\x1b" not in text


def test_the_kubeconfig_is_for_its_owner_alone(run_standing: Run) -> None:
    path = Path(run_standing("kubeconfig").stdout.strip())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_without_a_plane_status_is_3_and_down_is_fine(run: Run) -> None:
    assert run("status").returncode == 3
    assert json.loads(run("status", "-o", "json").stdout) == {"up": False}
    assert run("kubeconfig").returncode == 1
    assert run("down").returncode == 0


def test_down_leaves_nothing(folder: Path, run: Run) -> None:
    assert run("up").returncode == 0
    plane = plane_in(folder)
    parts = plane.parts
    assert run("down").returncode == 0
    assert not any(part.alive for part in parts.values())
    it = plane.state
    assert not any(listens(port) for port in (it.port, it.etcd_port, it.peer_port))
    assert not folder.exists()
    assert run("status").returncode == 3


def test_a_killed_api_server_is_told_and_mended_with_its_data(folder: Path, run: Run) -> None:
    run("up")
    plane = plane_in(folder)
    kubectl(plane, "create", "namespace", "kept")
    os.kill(plane.parts["kube-apiserver"].pid, signal.SIGKILL)
    wait_for(lambda: not plane.parts["kube-apiserver"].alive, 5, "its end")
    told = run("status")
    assert told.returncode == 3
    assert "kube-apiserver: ENDED" in told.stdout
    refused = run("kubeconfig")
    assert refused.returncode == 1
    assert "No control plane is up" in refused.stderr

    assert run("up").returncode == 0
    assert "kept" in kubectl(plane_in(folder), "get", "namespaces")


def test_kept_data_serve_the_next_start(folder: Path, run: Run, tmp_path: Path) -> None:
    run("up")
    kubectl(plane_in(folder), "create", "namespace", "kept")
    token = kubectl(plane_in(folder), "create", "token", "default").strip()
    assert run("down", "--keep-data").returncode == 0
    assert run("status").returncode == 3
    assert run("up").returncode == 0
    plane = plane_in(folder)
    assert "kept" in kubectl(plane, "get", "namespaces")
    config = tmp_path / "config"
    write_user_kubeconfig(plane, config, token)
    assert "system:serviceaccount:default:default" in kubectl(plane, "auth", "whoami", "--kubeconfig", str(config))


def test_down_leaves_what_others_put_beside(folder: Path) -> None:
    with start(folder):
        (folder / "notes.txt").write_text("mine")
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_folder_in_use_for_something_else_is_refused(folder: Path, run: Run) -> None:
    folder.mkdir()
    (folder / "kubeconfig").write_text("of another cluster")
    refused = run("up")
    assert refused.returncode == 1
    assert "holds something else" in refused.stderr
    assert (folder / "kubeconfig").read_text() == "of another cluster"


def test_a_part_that_fails_is_told_with_the_end_of_its_log(
    folder: Path, run: Run, tmp_path: Path, control_plane: ControlPlane
) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    broken = assets / "etcd"
    broken.write_text("#!/bin/sh\necho 'the disk is full' >&2\nexit 1\n")
    broken.chmod(0o755)
    (assets / "kubectl").symlink_to(control_plane.kubectl)
    refused = run("up", KUBEBUILDER_ASSETS=str(assets))
    assert refused.returncode == 1
    assert "etcd ended" in refused.stderr
    assert "the disk is full" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert run("status").returncode == 3


def test_a_name_is_no_path() -> None:
    refused = run_cli("down", "--name", "../..")
    assert refused.returncode == 2


def test_named_planes_live_in_the_cache(tmp_path: Path, control_plane: ControlPlane) -> None:
    programs = {"XDG_CACHE_HOME": str(tmp_path), "KUBEBUILDER_ASSETS": str(control_plane.kubectl.parent)}
    try:
        assert run_cli("up", "--name", "one", **programs).returncode == 0
        one = plane_in(tmp_path / "device-cert-operator" / "planes" / "one")
        assert try_kubectl(one, "get", "namespaces").returncode == 0
        assert run_cli("status", "--name", "two", **programs).returncode == 3
    finally:
        assert run_cli("down", "--name", "one", **programs).returncode == 0
