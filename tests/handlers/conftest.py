"""A cluster where nobody answers."""

from pathlib import Path

import pytest

NOBODY = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: here, user: me}}]
clusters: [{name: here, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: me, user: {token: none}}]
"""


@pytest.fixture
def nobody(tmp_path: Path) -> str:
    """A kubeconfig of a cluster where nobody answers."""
    path = tmp_path / "config"
    path.write_text(NOBODY)
    return str(path)
