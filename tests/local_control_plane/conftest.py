"""A plane whose parts may be stopped."""

from collections.abc import Iterator

import pytest

from local_control_plane import AUDIT_METADATA, ControlPlane, start


@pytest.fixture(scope="module")
def own_plane() -> Iterator[ControlPlane]:
    """For the tests of one module; each leaves it whole."""
    with start(audit_policy=AUDIT_METADATA) as plane:
        yield plane
