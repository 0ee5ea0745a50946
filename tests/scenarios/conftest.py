"""One world a test, whose operator has the rights of the chart and no others."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from local_control_plane.plane import ControlPlane
from tests.support.helm import Helm
from tests.support.rights import Chart
from tests.support.world import World, WorldOn


@pytest.fixture(scope="session")
def chart(helm: Helm, request: pytest.FixtureRequest) -> Chart:
    return Chart(helm, cluster_wide=request.config.option.cluster_wide)


@pytest.fixture
async def world(control_plane: ControlPlane, namespace: str, chart: Chart, tmp_path: Path) -> AsyncIterator[World]:
    account = chart.admit(control_plane, namespace, tmp_path)
    async with account.world(control_plane, namespace) as made:
        yield made
    if chart.cluster_wide:  # the next story's operator sees every namespace
        await made.kubectl("delete", "dev,dcert,dca", "--all")


@pytest.fixture
def world_on(chart: Chart, tmp_path: Path) -> WorldOn:
    """The same on a plane of the test's own."""
    return lambda plane: chart.admit(plane, "default", tmp_path).world(plane, "default")
