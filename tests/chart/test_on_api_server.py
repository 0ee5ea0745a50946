"""What the chart renders is what a real API server takes; and a release lives through install, upgrade, uninstall."""

import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from device_cert_operator.api.v1alpha1.common import GROUP
from local_control_plane import plane as planes
from local_control_plane.plane import ControlPlane
from tests.chart.cases import CASES, in_namespace
from tests.support.control_plane import established, kubectl, try_kubectl
from tests.support.go_module import prometheus_operator_crds
from tests.support.helm import CHART, CLUSTER_SCOPED, Helm, Object, only

PLURALS = ("certificateauthorities", "devicecertificates", "devices")
CRDS = [f"{plural}.{GROUP}" for plural in PLURALS]


def until(what: Callable[[], bool], within: float = 20) -> None:
    end = time.monotonic() + within
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def monitoring(control_plane: ControlPlane) -> ControlPlane:
    """The plane with the Prometheus operator's real CRDs."""
    for crd in prometheus_operator_crds():
        kubectl(control_plane, "apply", "--server-side", "-f", str(crd))
    names = ("servicemonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com")
    established(control_plane, *(f"crd/{name}" for name in names))
    return control_plane


@pytest.fixture
def restricted(monitoring: ControlPlane, namespace: str) -> str:
    """A namespace that takes restricted pods only."""
    kubectl(monitoring, "label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    return namespace


@pytest.mark.parametrize("case", CASES)
def test_the_api_server_takes_what_is_rendered_and_its_pod_is_a_restricted_one(
    helm: Helm, monitoring: ControlPlane, restricted: str, case: str
) -> None:
    values = in_namespace(CASES[case], restricted) | {"crds": {"enabled": case == "default"}}
    objects = helm.objects(values, name=restricted, namespace=restricted)
    text = yaml.safe_dump_all(objects)
    kubectl(monitoring, "apply", "--server-side", "--force-conflicts", "--validate=strict", "-f", "-", given=text)
    try:
        pod = pod_of(only(objects, "Deployment"))
        create = ("-n", restricted, "create", "--dry-run=server", "--validate=strict", "-f", "-")
        kubectl(monitoring, *create, given=yaml.safe_dump(pod))
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        refused = try_kubectl(monitoring, *create, given=yaml.safe_dump(pod))
        assert "violates PodSecurity" in refused.stderr, "the namespace would take any pod"
    finally:
        ours = [one for one in objects if one["kind"] in CLUSTER_SCOPED - {"CustomResourceDefinition"}]
        if ours:
            kubectl(monitoring, "delete", "-f", "-", "--wait=false", given=yaml.safe_dump_all(ours))


def pod_of(deployment: Object) -> Object:
    """A Pod as the Deployment's controller would make it."""
    template = deployment["spec"]["template"]
    metadata = {"name": "probe", **template["metadata"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


# ------------------------------------------------------------------------------------------ a release


@pytest.fixture
def bare(helm: Helm) -> Iterator[ControlPlane]:
    """A plane of our own, without our CRDs: here they come with the release."""
    with planes.start() as plane:
        yield plane


@pytest.fixture
def release(helm: Helm, bare: ControlPlane) -> "Release":
    return Release(helm, bare)


class Release:
    """`dco` in a namespace of its own. No kubelet runs here, so nothing waits for pods."""

    def __init__(self, helm: Helm, plane: ControlPlane) -> None:
        self.helm, self.plane = helm, plane
        self.namespace = f"operator-{uuid.uuid4().hex[:8]}"

    def helm_run(self, command: str, *arguments: str, values: Object | None = None, chart: Path = CHART) -> str:
        chart_of = () if command == "uninstall" else (str(chart),)
        more = ("--create-namespace",) if command == "install" else ()
        return self.helm.run(
            *(command, "dco", *chart_of, "--namespace", self.namespace, *more, *arguments),
            values=values,
            kubeconfig=self.plane.kubeconfig,
        )

    def get(self, *what: str) -> Object | None:
        done = try_kubectl(self.plane, "get", *what, "-o", "json")
        return dict(json.loads(done.stdout)) if done.returncode == 0 else None

    def crds(self) -> list[str]:
        listed = kubectl(self.plane, "get", "crd", "-o", "jsonpath={.items[*].metadata.name}")
        return sorted(name for name in listed.split() if name.endswith(GROUP))

    def deployment(self) -> Object | None:
        return self.get("-n", self.namespace, "deployment/dco-device-cert-operator")


def a_device(plane: ControlPlane) -> None:
    """What a user has."""
    device = {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "Device",
        "metadata": {"name": "gate", "namespace": "default"},
        "spec": {"driver": "onvif", "address": {"host": "192.0.2.1"}, "credentialsSecretRef": {"name": "login"}},
    }
    kubectl(plane, "apply", "-f", "-", given=yaml.safe_dump(device))


def test_a_release_is_installed_upgraded_and_uninstalled_and_users_keep_what_is_theirs(
    release: Release, bare: ControlPlane
) -> None:
    notes = release.helm_run("install")
    assert "watches every namespace" in notes
    assert release.crds() == CRDS
    a_device(bare)

    release.helm_run("upgrade", values={"replicaCount": 2, "watchNamespaces": ["default"]})
    deployment = release.deployment()
    assert deployment is not None
    assert deployment["spec"]["replicas"] == 2
    assert release.get("-n", "default", "role/dco-device-cert-operator") is not None
    assert release.get("clusterrole/dco-device-cert-operator") is None, "the wider right is gone with the upgrade"

    release.helm_run("uninstall")
    until(lambda: release.deployment() is None)
    assert release.get("-n", "default", "role/dco-device-cert-operator") is None
    assert release.crds() == CRDS
    assert release.get("-n", "default", "device/gate") is not None

    release.helm_run("install")
    assert release.get("-n", "default", "device/gate") is not None, "what was kept is taken up again"


def test_crds_go_with_the_release_when_they_are_not_kept(release: Release, bare: ControlPlane) -> None:
    assert "crds.keep is off" in release.helm_run("install", values={"crds": {"keep": False}})
    a_device(bare)
    release.helm_run("uninstall")
    until(lambda: release.crds() == [], within=150)  # the API server takes its time where a CRD had objects


def test_an_upgrade_brings_what_is_new_in_a_crd(release: Release, bare: ControlPlane, tmp_path: Path) -> None:
    old = tmp_path / "chart"
    shutil.copytree(CHART, old)
    file = old / "files" / "crds" / f"{GROUP}_devices.yaml"
    crd = yaml.safe_load(file.read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    del spec["properties"]["checkInterval"]
    file.write_text(yaml.safe_dump(crd))
    release.helm_run("install", chart=old)
    release.helm_run("upgrade")
    found = release.get("crd", f"devices.{GROUP}")
    assert found is not None
    assert (
        found["spec"]["versions"]
        == yaml.safe_load((CHART / "files" / "crds" / file.name).read_text())["spec"]["versions"]
    )


def test_crds_applied_before_are_no_hindrance_when_the_chart_leaves_them_alone(
    release: Release, bare: ControlPlane
) -> None:
    kubectl(bare, "apply", "--server-side", "-f", str(CHART.parents[1] / "crds"))
    assert "not part of this release" in release.helm_run("install", values={"crds": {"enabled": False}})
    release.helm_run("uninstall")
    assert release.crds() == CRDS
