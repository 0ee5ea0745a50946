"""Fixtures for all tests. A test that asks for the control plane, helm or the image is marked by that."""

import gc
from functools import partial

import pytest

from tests.alerts import rules
from tests.support import browser, image

WITH_A_PLANE_OF_THEIR_OWN = ("tests/local_control_plane/", "tests/scenarios/", "tests/cli/test_doctor.py")
pytest_plugins = ["tests.support.control_plane", "tests.support.figures", "tests.support.helm"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a test needs is marked by where it is and by its fixtures: `cluster`, `browser`, `prometheus`."""
    for item in items:
        fixtures, path = getattr(item, "fixturenames", ()), item.path.as_posix()
        if {"control_plane", "helm"} & set(fixtures) or any(folder in path for folder in WITH_A_PLANE_OF_THEIR_OWN):
            item.add_marker(pytest.mark.cluster)
        if "built" in fixtures:
            item.add_marker(pytest.mark.image)
        if "tests/browser/" in path:
            item.add_marker(pytest.mark.browser)
        if "prometheus" in fixtures:
            item.add_marker(pytest.mark.prometheus)


@pytest.fixture
def prometheus() -> None:
    """Debian's package is there: promtool and prometheus."""
    rules.program("promtool")
    rules.program("prometheus")


def pytest_collection_finish(session: pytest.Session) -> None:
    """One sentence where a program is missing, instead of a hundred errors; never a skip. Imports are no garbage."""
    gc.collect()
    gc.freeze()
    alone = not hasattr(session.config, "workerinput")  # a worker of xdist may not end so: there each test says it
    if not alone or session.config.option.collectonly:
        return
    needs = (
        ("browser", browser.program),
        ("prometheus", partial(rules.program, "promtool")),
        ("image", image.require),
    )
    for mark, require in needs:
        if any(item.get_closest_marker(mark) for item in session.items):
            try:
                require()
            except RuntimeError as error:
                raise pytest.UsageError(str(error)) from None
