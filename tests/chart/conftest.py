"""A plane whose every request is written down."""

from collections.abc import Iterator

import pytest

from local_control_plane import plane as planes
from local_control_plane.plane import AUDIT_METADATA, ControlPlane
from tests.support.control_plane import install_crds
from tests.support.helm import Helm


@pytest.fixture(scope="module")
def audited(helm: Helm) -> Iterator[ControlPlane]:
    """With our CRDs and an audit log."""
    with planes.start(audit_policy=AUDIT_METADATA) as plane:
        install_crds(plane)
        yield plane
