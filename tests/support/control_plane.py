"""Fixtures: one control plane for the whole run, shared by all xdist workers, and a fresh namespace a test."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_control_plane import plane as planes
from local_control_plane.plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A plane with our CRDs. It ends with the process that started it."""
    plane = planes.start(tmp_path_factory.mktemp("plane"))
    crds = Path(__file__).parents[2] / "crds"
    if any(crds.glob("*.yaml")):
        kubectl(plane, "apply", "--server-side", "-f", str(crds))
        kubectl(plane, "wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    yield plane
    plane.stop()


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """A namespace of the test's own."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    kubectl(control_plane, "create", "namespace", name)
    return name


def kubectl(plane: ControlPlane, *arguments: str, given: str | None = None) -> str:
    """Run kubectl as admin; given: standard input. Raises AssertionError with its error output."""
    done = try_kubectl(plane, *arguments, given=given)
    assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def try_kubectl(plane: ControlPlane, *arguments: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run kubectl as admin, whatever comes of it."""
    environment = os.environ | {"KUBECONFIG": str(plane.kubeconfig)}
    return subprocess.run(
        [str(plane.kubectl), *arguments], input=given, env=environment, capture_output=True, text=True, check=False
    )


def read(plane: ControlPlane, namespace: str, kind: str, name: str) -> dict:  # type: ignore[type-arg]
    """One object as a dict."""
    return dict(json.loads(kubectl(plane, "-n", namespace, "get", kind, name, "-o", "json")))
