"""`kubectl kustomize` over base and overlay: the base is what the chart renders, and the API server takes both.

`UPDATE_SNAPSHOTS=1 pytest tests/gitops/test_kustomize.py` writes the base anew; its CRDs come by `make generate`.
"""

import os
import tomllib
from pathlib import Path

import pytest
import yaml

from local_control_plane.plane import ControlPlane
from tests.support.control_plane import kubectl
from tests.support.helm import ROOT, Helm, Object, kinds, only, parsed

BASE = ROOT / "deploy" / "kustomize" / "base"
OVERLAY = ROOT / "deploy" / "kustomize" / "overlays" / "one-namespace"
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"
HEAD = "# Rendered from charts/device-cert-operator; see kustomization.yaml.\n"
OF_HELM = ("app.kubernetes.io/managed-by", "helm.sh/chart")


def rendered(helm: Helm) -> list[Object]:
    """The chart's objects, without what only Helm reads."""
    objects = helm.objects({}, name="device-cert-operator", namespace="device-cert-operator")
    for one in objects:
        metas = [one["metadata"]]
        if one["kind"] == "Deployment":
            metas.append(one["spec"]["template"]["metadata"])
        for meta in metas:
            for label in OF_HELM:
                meta["labels"].pop(label, None)
    return objects


def written(file: Path, objects: list[Object]) -> list[Object]:
    """What the file holds; with the switch, after these were written to it."""
    if UPDATE:
        file.write_text(HEAD + yaml.safe_dump_all(objects, sort_keys=False, width=110, allow_unicode=True))
    return parsed(file.read_text())


def build(plane: ControlPlane, folder: Path) -> list[Object]:
    return parsed(kubectl(plane, "kustomize", str(folder)))


def test_the_base_is_what_the_chart_renders(helm: Helm) -> None:
    objects = rendered(helm)
    crds = {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "CustomResourceDefinition"}
    others = [one for one in objects if one["kind"] != "CustomResourceDefinition"]
    assert {one["metadata"]["name"]: one["spec"] for one in parsed((BASE / "crds.yaml").read_text())} == crds
    assert written(BASE / "operator.yaml", others) == others


@pytest.fixture
def operator_namespace(control_plane: ControlPlane) -> str:
    """Where both are to be."""
    namespace = yaml.safe_load((BASE / "namespace.yaml").read_text())
    kubectl(control_plane, "apply", "-f", "-", given=yaml.safe_dump(namespace))
    return str(namespace["metadata"]["name"])


def test_the_api_server_takes_the_base(control_plane: ControlPlane, operator_namespace: str) -> None:
    objects = build(control_plane, BASE)
    assert {one["metadata"]["namespace"] for one in objects if "namespace" in one["metadata"]} == {operator_namespace}
    kept = [one["metadata"]["annotations"] for one in objects if one["kind"] == "CustomResourceDefinition"]
    assert len(kept) == len(list((ROOT / "crds").glob("*.yaml")))
    for notes in kept:
        assert notes["kustomize.toolkit.fluxcd.io/prune"] == "disabled"
        assert notes["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
    apply = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
    kubectl(control_plane, *apply, given=yaml.safe_dump_all(objects))


def test_the_overlay_gives_the_same_rights_in_one_namespace_only(
    control_plane: ControlPlane, operator_namespace: str, namespace: str
) -> None:
    base, overlay = build(control_plane, BASE), build(control_plane, OVERLAY)
    name = "device-cert-operator"
    [everywhere] = [one for one in base if kinds([one]) == [f"ClusterRole/{name}"]]
    [role] = [one for one in overlay if kinds([one]) == [f"Role/{name}"]]
    [binding] = [one for one in overlay if kinds([one]) == [f"RoleBinding/{name}"]]
    assert role["rules"] == everywhere["rules"]
    assert {one["metadata"]["namespace"] for one in (role, binding)} == {"cameras"}
    assert (binding["roleRef"]["kind"], binding["subjects"][0]["namespace"]) == ("Role", operator_namespace)
    assert not [one for one in overlay if one["kind"] == "ClusterRoleBinding"]
    [container] = only(overlay, "Deployment")["spec"]["template"]["spec"]["containers"]
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {"name": "DEVICECERT_NAMESPACES", "value": "cameras"} in container["env"]
    assert container["image"] == f"registry.example.com/device-cert-operator:{version}"
    for one in (role, binding):
        one["metadata"]["namespace"] = namespace
    apply = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
    kubectl(control_plane, *apply, given=yaml.safe_dump_all(overlay))
