"""The manifests for Argo CD and Flux are what their own CRDs take, and name what is there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from device_cert_operator import __version__
from local_control_plane.plane import ControlPlane
from tests.gitops import argocd, flux
from tests.support.control_plane import established, kubectl, try_kubectl
from tests.support.go_module import checked, module_folder
from tests.support.helm import Helm, HelmRefused, only

ROOT = Path(__file__).parents[2]
Object = dict[str, Any]
# of helm-controller no version is to be had here, so a HelmRelease is held against the chart only
CRDS = (
    (
        "github.com/argoproj/argo-cd/v3@v3.2.0",
        "manifests/crds/application-crd.yaml",
        "8f7ab4fc146af169e1033a97ea55ad77687b98d7ba95bf39f286ab751e7504f3",
    ),
    (
        "github.com/fluxcd/kustomize-controller@v1.7.3",
        "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
        "cdc8286a3c88ed441b486288416c7c3090cfeb0595ec2f15730cd3dac7be7f98",
    ),
)


@pytest.fixture(scope="module")
def crds(control_plane: ControlPlane) -> list[str]:
    """Established; their names."""
    names = []
    for module, path, sha256 in CRDS:
        file = checked(module_folder(module) / path, sha256)
        kubectl(control_plane, "apply", "--server-side", "-f", str(file))
        names.append("crd/" + yaml.safe_load(file.read_text())["metadata"]["name"])
    established(control_plane, *names)
    return names


def in_namespace(file: Path, namespace: str, *kinds: str) -> list[Object]:
    """The objects of these kinds, moved to a namespace that exists."""
    found = [one for one in yaml.safe_load_all(file.read_text()) if one["kind"] in kinds]
    for one in found:
        one["metadata"]["namespace"] = namespace
    return found


@pytest.mark.parametrize(
    ("file", "kind"),
    [(argocd.FOLDER / "applications.yaml", "Application"), (flux.FOLDER / "flux.yaml", "Kustomization")],
)
def test_their_crds_take_them(
    control_plane: ControlPlane, crds: list[str], namespace: str, file: Path, kind: str
) -> None:
    objects = in_namespace(file, namespace, kind)
    assert len(objects) == 2
    apply = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    kubectl(control_plane, *apply, given=yaml.safe_dump_all(objects))
    objects[0]["spec"]["nonsense"] = True
    refused = try_kubectl(control_plane, *apply, given=yaml.safe_dump_all(objects))
    assert "nonsense" in refused.stderr


def test_argo_cd_takes_the_configmap(control_plane: ControlPlane, namespace: str) -> None:
    file = str(argocd.FOLDER / "argocd-cm.yaml")
    kubectl(control_plane, "-n", namespace, "create", "configmap", "argocd-cm", "--from-literal=url=https://argocd")
    kubectl(control_plane, "-n", namespace, "apply", "--server-side", "--field-manager=devicecert", "-f", file)
    text = kubectl(control_plane, "-n", namespace, "get", "configmap", "argocd-cm", "-o", "yaml")
    assert yaml.safe_load(text)["data"] == {"url": "https://argocd"} | argocd.configured()


def test_nothing_is_ignored_by_argo_cd() -> None:
    for one in yaml.safe_load_all((argocd.FOLDER / "applications.yaml").read_text()):
        assert "ignoreDifferences" not in one["spec"]


def test_paths_lead_to_what_is_there() -> None:
    release = yaml.safe_load((flux.FOLDER / "operator" / "helmrelease.yaml").read_text())
    assert (ROOT / release["spec"]["chart"]["spec"]["chart"] / "Chart.yaml").is_file()
    [application, _] = yaml.safe_load_all((argocd.FOLDER / "applications.yaml").read_text())
    assert (ROOT / application["spec"]["source"]["path"] / "Chart.yaml").is_file()
    manifests = list(yaml.safe_load_all((flux.FOLDER / "flux.yaml").read_text()))
    sources = {one["metadata"]["name"] for one in manifests if one["kind"] == "GitRepository"}
    for one in manifests:
        if one["kind"] == "Kustomization":
            assert one["spec"]["sourceRef"]["name"] in sources
    assert (ROOT / manifests[2]["spec"]["path"] / "kustomization.yaml").is_file()


def values_of_argo_cd() -> Object:
    [application, _] = yaml.safe_load_all((argocd.FOLDER / "applications.yaml").read_text())
    return dict(application["spec"]["source"]["helm"]["valuesObject"])


def values_of_flux() -> Object:
    return dict(yaml.safe_load((flux.FOLDER / "operator" / "helmrelease.yaml").read_text())["spec"]["values"])


@pytest.mark.parametrize("values", [values_of_argo_cd(), values_of_flux()], ids=["Argo CD", "Flux"])
def test_their_values_are_the_charts_and_say_where_the_image_is(helm: Helm, values: Object) -> None:
    """Down to the last key: the chart's schema refuses what it does not know."""
    [container] = (deployment := only(helm.objects(values), "Deployment"))["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"registry.example.com/device-cert-operator:{__version__}"
    assert deployment["spec"]["replicas"] == 2
    assert only(helm.objects(values), "PodDisruptionBudget")
    for path in leaves(values):
        with pytest.raises(HelmRefused, match="not allowed"):
            helm.objects(misspelt(values, path))


def leaves(values: Object, *above: str) -> Iterator[tuple[str, ...]]:
    """The paths of all values."""
    for key, value in values.items():
        yield from leaves(value, *above, key) if isinstance(value, dict) else [(*above, key)]


def misspelt(values: Object, path: tuple[str, ...]) -> Object:
    """The same with a letter too much in the last key."""
    first, *rest = path
    if not rest:
        return {f"{key}x" if key == first else key: value for key, value in values.items()}
    return values | {first: misspelt(values[first], tuple(rest))}
