"""Fixtures for all tests. A test that asks for the control plane is marked `cluster` by that."""

import pytest

pytest_plugins = ["tests.support.control_plane"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m cluster` and `-m "not cluster"` follow from the fixtures that a test uses."""
    for item in items:
        if "control_plane" in getattr(item, "fixturenames", ()) or "local_control_plane" in str(item.path):
            item.add_marker(pytest.mark.cluster)
