"""The helm binary that the local control plane brings; whoever uses it is marked `cluster`, as it has to be built."""

import pytest

from local_control_plane.build import ensure
from tests.chart.helm import Helm


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(ensure(["helm"])["helm"], tmp_path_factory.mktemp("helm"))
