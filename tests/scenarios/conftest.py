"""One world a test."""

from collections.abc import AsyncIterator

import pytest

from local_control_plane.plane import ControlPlane
from tests.support.world import World


@pytest.fixture
async def world(control_plane: ControlPlane, namespace: str) -> AsyncIterator[World]:
    async with World(control_plane, namespace) as made:
        yield made
