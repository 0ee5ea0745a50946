"""One world a test, whose operator has the rights of the chart and no others."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local_control_plane.plane import ControlPlane
from tests.support.helm import Helm
from tests.support.rights import Chart
from tests.support.world import World


@pytest.fixture(scope="session")
def chart(helm: Helm) -> Chart:
    return Chart(helm)


@pytest.fixture
async def world(control_plane: ControlPlane, namespace: str, chart: Chart, tmp_path: Path) -> AsyncIterator[World]:
    kubeconfig = chart.admit(control_plane, namespace, tmp_path)
    async with World(control_plane, namespace, kubeconfig) as made:
        yield made
