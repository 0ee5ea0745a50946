"""A world a test, and Flux' evaluator."""

from collections.abc import AsyncIterator, Iterator

import pytest

from local_control_plane.plane import ControlPlane
from tests.gitops import flux
from tests.support.world import World


@pytest.fixture
async def world(control_plane: ControlPlane, namespace: str) -> AsyncIterator[World]:
    async with World(control_plane, namespace) as made:
        yield made


@pytest.fixture(scope="session")
def cel() -> Iterator[flux.Flux]:
    with flux.running() as evaluator:
        yield evaluator
