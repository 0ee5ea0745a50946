"""One version everywhere."""

import tomllib

import yaml

from deploy.image.bill import ROOT
from device_cert_operator import __version__


def test_package_chart_and_changelog_bear_one_version() -> None:
    chart = yaml.safe_load((ROOT / "charts/device-cert-operator/Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == chart["version"] == chart["appVersion"] == __version__
    assert f"\n## {__version__} " in (ROOT / "CHANGELOG.md").read_text()


def test_the_image_is_built_with_the_same_hatchling_as_the_development_environment() -> None:
    wanted = (ROOT / "deploy/image/requirements-build.in").read_text().split()[0]
    dev = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["dev"]
    assert wanted in dev
    assert f"\n{wanted} " in "\n" + (ROOT / "deploy/image/requirements-build.txt").read_text()
