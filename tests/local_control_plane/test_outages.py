"""Parts that stop, hang and forget, on purpose."""

import json
import os
import signal
import subprocess

import pytest

from local_control_plane import ControlPlane, start
from local_control_plane.plane import wait_for
from tests.support.control_plane import kubectl, read, try_kubectl


def test_an_outage_loses_nothing(own_plane: ControlPlane) -> None:
    kubectl(own_plane, "create", "namespace", "kept")
    url = own_plane.url
    own_plane.stop_api_server()
    assert try_kubectl(own_plane, "get", "namespaces", "--request-timeout=2s").returncode != 0
    assert not own_plane.healthy()
    own_plane.start_api_server()
    assert own_plane.url == url
    assert own_plane.healthy()
    assert "kept" in kubectl(own_plane, "get", "namespaces")


def test_a_paused_api_server_hangs_and_goes_on(own_plane: ControlPlane) -> None:
    own_plane.pause_api_server()
    try:
        hung = try_kubectl(own_plane, "get", "--raw", "/readyz", "--request-timeout=1s")
        assert hung.returncode != 0
        assert not own_plane.healthy()
        assert all(part.alive for part in own_plane.parts.values())
    finally:
        own_plane.resume_api_server()
    wait_for(own_plane.healthy, 20, "its going on")


def test_etcd_comes_back_with_its_data(own_plane: ControlPlane) -> None:
    kubectl(own_plane, "create", "namespace", "written-before")
    before = own_plane.parts
    own_plane.restart_etcd()
    assert own_plane.parts["etcd"] != before["etcd"]
    assert own_plane.parts["kube-apiserver"] == before["kube-apiserver"]
    assert "written-before" in kubectl(own_plane, "get", "namespaces")


def test_a_watch_and_a_list_from_before_are_gone_once_history_is_forgotten(own_plane: ControlPlane) -> None:
    kubectl(own_plane, "create", "configmap", "first")
    version = read(own_plane, "default", "configmap", "first")["metadata"]["resourceVersion"]
    kubectl(own_plane, "create", "configmap", "second")
    path = "/api/v1/namespaces/default/configmaps?limit=1"
    page = json.loads(kubectl(own_plane, "get", "--raw", path))
    next_page = f"{path}&continue={page['metadata']['continue']}"
    kubectl(own_plane, "create", "configmap", "third")
    assert '"second"' in watch(own_plane, version)
    assert kubectl(own_plane, "get", "--raw", next_page)

    own_plane.forget_history()
    assert '"code":410' in watch(own_plane, version)
    expired = try_kubectl(own_plane, "get", "--raw", next_page)
    assert expired.returncode != 0
    assert "too old" in expired.stderr


def test_the_audit_log_tells_who_did_what(own_plane: ControlPlane) -> None:
    kubectl(own_plane, "create", "configmap", "audited")
    told = [
        (event["verb"], event["user"]["username"])
        for event in own_plane.audit_events()
        if event.get("objectRef", {}).get("name") == "audited" and event["verb"] == "create"
    ]
    assert told == [("create", "admin")]


@pytest.mark.parametrize("part", ["etcd", "kube-apiserver", "kube-controller-manager"])
def test_a_killed_part_is_noticed_and_started_again(own_plane: ControlPlane, part: str) -> None:
    assert own_plane.healthy()
    os.kill(own_plane.parts[part].pid, signal.SIGKILL)
    wait_for(lambda: not own_plane.healthy(), 10, "noticing")
    own_plane.start_all()
    assert own_plane.healthy()


def test_a_part_that_is_still_ending_is_started_again(own_plane: ControlPlane) -> None:
    """It lives when it is looked at, and no longer when it is waited for."""
    ending = own_plane.parts["kube-apiserver"]
    ending.signal(signal.SIGTERM)
    wait_for(lambda: not own_plane.healthy(), 10, "noticing")
    assert ending.alive
    own_plane.start_all()
    assert own_plane.healthy()
    assert own_plane.parts["kube-apiserver"] != ending


def test_nothing_is_started_twice_in_one_folder(own_plane: ControlPlane) -> None:
    with pytest.raises(Exception, match="stop it first"):
        start(own_plane.folder)
    assert own_plane.healthy()


def watch(plane: ControlPlane, version: str) -> str:
    """What a watch of two seconds sees."""
    path = f"/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=2&resourceVersion={version}"
    done: subprocess.CompletedProcess[str] = try_kubectl(plane, "get", "--raw", path)
    return done.stdout + done.stderr
