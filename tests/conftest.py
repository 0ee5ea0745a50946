"""Fixtures for all tests. A test that asks for the control plane, or for helm, is marked `cluster` by that."""

import pytest

from tests.support import browser

pytest_plugins = ["tests.support.control_plane", "tests.support.helm"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a test needs is marked by where it is and by the fixtures that it uses: `cluster`, `browser`."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if "control_plane" in fixtures or "helm" in fixtures or "local_control_plane" in str(item.path):
            item.add_marker(pytest.mark.cluster)
        if "tests/browser/" in item.path.as_posix():
            item.add_marker(pytest.mark.browser)


def pytest_collection_finish(session: pytest.Session) -> None:
    """One sentence where a program is missing, instead of a hundred errors; never a skip."""
    alone = not hasattr(session.config, "workerinput")  # a worker of xdist may not end so: there each test says it
    if (
        alone
        and not session.config.option.collectonly
        and any(item.get_closest_marker("browser") for item in session.items)
    ):
        try:
            browser.program()
        except RuntimeError as error:
            raise pytest.UsageError(str(error)) from None
