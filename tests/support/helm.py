"""Helm for tests: what the chart renders, as text and as objects."""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from local_control_plane.build import ensure

Object = dict[str, Any]
ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "device-cert-operator"
CLUSTER_SCOPED = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace"}


class HelmRefused(Exception):
    """helm ended with an error; the message is what it said."""


class Helm:
    """program: the binary. home: its own cache and configuration, so that nobody's are read."""

    def __init__(self, program: Path, home: Path) -> None:
        self.program = program
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "HELM_CACHE_HOME": str(home / "cache"),
            "HELM_CONFIG_HOME": str(home / "config"),
            "HELM_DATA_HOME": str(home / "data"),
        }

    def run(self, *arguments: str, values: Object | None = None, kubeconfig: Path | None = None) -> str:
        """values: given as a values file. Raises HelmRefused."""
        environment = self._environment | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})
        with_values = ("--values", "-") if values is not None else ()
        done = subprocess.run(
            [str(self.program), *arguments, *with_values],
            input=yaml.safe_dump(values) if values is not None else None,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise HelmRefused(done.stderr)
        return done.stdout

    def render(self, values: Object, *, namespace: str = "devices", name: str = "dco", chart: Path = CHART) -> str:
        """`helm template`. Raises HelmRefused."""
        return self.run("template", name, str(chart), "--namespace", namespace, values=values)

    def objects(self, values: Object, **more: Any) -> list[Object]:
        """What is rendered, parsed. Raises HelmRefused."""
        return parsed(self.render(values, **more))


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """The binary that the local control plane brings; whoever uses it is marked `cluster`, as it has to be built."""
    return Helm(ensure(["helm"])["helm"], tmp_path_factory.mktemp("helm"))


def parsed(text: str) -> list[Object]:
    """The objects of a stream of documents."""
    return [one for one in yaml.safe_load_all(text) if one]


def only(objects: list[Object], kind: str) -> Object:
    """The one object of this kind."""
    [found] = [one for one in objects if one["kind"] == kind]
    return found


def kinds(objects: list[Object]) -> list[str]:
    """Kinds with names, sorted."""
    return sorted(f"{one['kind']}/{one['metadata']['name']}" for one in objects)
