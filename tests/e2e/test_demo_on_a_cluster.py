"""The demo on a cluster that is there already: in a namespace of its own, and nothing else of it is touched."""

import importlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from local_control_plane import ExistingCluster
from local_control_plane.plane import ControlPlane
from tests.support.control_plane import kubectl

DEMO = Path(__file__).parents[2] / "deploy" / "demo"
DEVICE = {
    "apiVersion": "devicecert.io/v1alpha1",
    "kind": "Device",
    "metadata": {"name": "nobody"},
    "spec": {"driver": "onvif", "address": {"host": "127.20.1.1"}, "credentialsSecretRef": {"name": "none"}},
}


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The demo's module, which is no package."""
    monkeypatch.syspath_prepend(str(DEMO))
    yield importlib.import_module("stage")
    del sys.modules["stage"]


def observed(plane: ControlPlane, namespace: str) -> int:
    """The generation that the operator has seen; -1: it has not looked."""
    found = json.loads(kubectl(plane, "-n", namespace, "get", "device", "nobody", "-o", "json"))
    return int(found["status"]["observedGeneration"])


def test_an_existing_cluster_is_used_in_a_namespace_that_goes_away(
    control_plane: ControlPlane, namespace: str, stage: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEVICECERT_KUBECONFIG", str(control_plane.kubeconfig))
    manifest = json.dumps(DEVICE)
    kubectl(control_plane, "-n", namespace, "create", "-f", "-", given=manifest)
    with stage.Stage() as on:
        assert isinstance(on.cluster, ExistingCluster)
        assert on.namespace.startswith("devicecert-demo-")
        assert on.env["KUBECONFIG"] == str(control_plane.kubeconfig)
        on.kubectl("create", "-f", "-", given=manifest)
        on.start_operator()
        until = time.monotonic() + 60
        while observed(control_plane, on.namespace) < 1:
            assert time.monotonic() < until, "the demo's operator does not look at its own namespace"
            time.sleep(0.2)
        assert observed(control_plane, namespace) == -1, "other namespaces are left alone"
    assert control_plane.healthy()
    left = json.loads(kubectl(control_plane, "get", "namespaces", "-o", "json"))["items"]
    phases = {one["metadata"]["name"]: one["status"]["phase"] for one in left}
    assert phases.get(on.namespace, "Terminating") == "Terminating"
    assert "devices.devicecert.io" in kubectl(control_plane, "get", "crds", "-o", "name")
    assert not on.folder.exists()
