"""docs/install.md, followed on a control plane of its own: installed, a first camera, and all of it taken away."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from local_control_plane import plane as planes
from local_control_plane.plane import ControlPlane
from tests.support.control_plane import kubectl
from tests.support.helm import ROOT, Helm
from tests.support.howto import blocks

PAGE = ROOT / "docs" / "install.md"
IN_A_TABLE = re.compile(r"`(kubectl delete [^`]+|kubectl -n \S+ delete [^`]+)`")
FIRST_CAMERA = re.compile(r"`(kubectl -n cameras apply [^`]+)`")


@pytest.fixture
def bare() -> Iterator[ControlPlane]:
    with planes.start() as plane:
        yield plane


def follow(plane: ControlPlane, helm: Helm, commands: str) -> str:
    """Run lines of the page in the repository's folder."""
    path = (str(plane.kubectl.parent), str(helm.program.parent), os.environ["PATH"])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=ROOT,
        env=os.environ | {"KUBECONFIG": str(plane.kubeconfig), "PATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_installed_by_helm_a_first_camera_and_everything_taken_away_again(bare: ControlPlane, helm: Helm) -> None:
    under = {block.heading: block.commands for block in blocks(PAGE)}
    assert set(under) == {"Helm", "Kustomize", "Uninstall"}
    follow(bare, helm, under["Helm"])
    image = "jsonpath={.items[0].spec.template.spec.containers[0].image}"
    deployed = kubectl(bare, "-n", "device-cert-operator", "get", "deployment", "-o", image)
    assert deployed.startswith("registry.example.com/device-cert-operator:")
    kubectl(bare, "create", "namespace", "cameras")
    [apply] = FIRST_CAMERA.findall(PAGE.read_text())
    follow(bare, helm, apply)

    follow(bare, helm, uninstall("helm"))
    assert "gate-cam" in kubectl(bare, "-n", "cameras", "get", "dev,dcert", "-o", "name"), "they are yours"
    rows = IN_A_TABLE.findall(PAGE.read_text())
    assert len(rows) == 6
    for row in rows:
        follow(bare, helm, row)
    assert kubectl(bare, "get", "crd", "-o", "name") == ""
    assert "gate-cam-login" in kubectl(bare, "-n", "cameras", "get", "secret", "-o", "name"), "yours"


def uninstall(by: str) -> str:
    """The lines of the page that do, for what came by helm or by kubectl."""
    [commands] = [one.commands for one in blocks(PAGE) if one.heading == "Uninstall" and one.commands.startswith(by)]
    return commands


def test_installed_by_kustomize_and_taken_away_without_anybody_s_objects(bare: ControlPlane, helm: Helm) -> None:
    kubectl(bare, "create", "namespace", "cameras")
    [command] = [block.commands for block in blocks(PAGE) if block.heading == "Kustomize"]
    follow(bare, helm, command)
    assert "device-cert-operator" in kubectl(bare, "-n", "device-cert-operator", "get", "deployment", "-o", "name")
    assert kubectl(bare, "get", "clusterrole", "device-cert-operator", "--ignore-not-found", "-o", "name") == ""
    assert "device-cert-operator" in kubectl(bare, "-n", "cameras", "get", "role", "-o", "name")
    [apply] = FIRST_CAMERA.findall(PAGE.read_text())
    follow(bare, helm, apply)

    follow(bare, helm, uninstall("kubectl"))
    assert "gate-cam" in kubectl(bare, "-n", "cameras", "get", "dev,dcert", "-o", "name"), "they are yours"
    kinds = "deployment,service,serviceaccount,role,rolebinding,clusterrole,clusterrolebinding"
    left = kubectl(bare, "get", kinds, "-A", "-o", "name").split()
    assert not [one for one in left if "device-cert-operator" in one or "devicecert" in one]
