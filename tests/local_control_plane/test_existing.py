"""A cluster that the user already has is used, and left alone."""

from pathlib import Path

import pytest

from local_control_plane import ControlPlane, ExistingCluster, PlaneError, use_or_start


def test_the_named_cluster_is_used_and_left_alone(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEVICECERT_KUBECONFIG", str(control_plane.kubeconfig))
    with use_or_start() as cluster:
        assert isinstance(cluster, ExistingCluster)
        assert cluster.kubeconfig == control_plane.kubeconfig
        assert cluster.url == control_plane.url
        assert cluster.kubectl.is_file()
        assert cluster.helm.is_file()
    assert control_plane.healthy()


@pytest.mark.parametrize("content", [None, "", "token: t0p-secret", "{"])
def test_a_file_that_is_no_kubeconfig_is_named_and_not_shown(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    monkeypatch.setenv("DEVICECERT_KUBECONFIG", str(path))
    with pytest.raises(PlaneError, match=str(path)) as raised:
        use_or_start()
    assert "t0p-secret" not in str(raised.value)
