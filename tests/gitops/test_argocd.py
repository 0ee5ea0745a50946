"""Argo CD's health checks and actions over recorded objects, in the form of Argo CD's own tests.

The objects under testdata were taken from live scenarios: `UPDATE_SNAPSHOTS=1 pytest tests/gitops/test_live.py`.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.gitops import argocd

Object = dict[str, Any]


def cases_of(kind: str, file: str, part: str) -> list[Object]:
    return list(yaml.safe_load((argocd.CUSTOMIZATIONS / kind / file).read_text()).get(part, []))


def load(kind: str, path: str) -> Object:
    return dict(yaml.safe_load((argocd.CUSTOMIZATIONS / kind / path).read_text()))


HEALTH = [(kind, one) for kind in argocd.KINDS for one in cases_of(kind, "health_test.yaml", "tests")]
ACTIONS = [(kind, one) for kind in argocd.KINDS for one in cases_of(kind, "actions/action_test.yaml", "actionTests")]
FOUND = [(kind, one) for kind in argocd.KINDS for one in cases_of(kind, "actions/action_test.yaml", "discoveryTests")]


@pytest.mark.parametrize(("kind", "test"), HEALTH, ids=lambda it: it if isinstance(it, str) else it["inputPath"])
def test_the_health_of_a_recorded_object(kind: str, test: Object) -> None:
    wanted = test["healthStatus"]
    assert argocd.health(load(kind, test["inputPath"])) == (wanted["status"], wanted["message"])


@pytest.mark.parametrize("kind", argocd.KINDS)
def test_every_health_is_recorded_for_every_kind(kind: str) -> None:
    recorded = {one["healthStatus"]["status"] for of, one in HEALTH if of == kind}
    assert recorded == {"Healthy", "Progressing", "Degraded", "Suspended"}


@pytest.mark.parametrize(("kind", "test"), ACTIONS, ids=lambda it: it if isinstance(it, str) else it["action"])
def test_an_action_changes_one_annotation(kind: str, test: Object) -> None:
    before = load(kind, test["inputPath"])
    notes = dict(before["metadata"].get("annotations", {}))
    after = argocd.act(before, test["action"])
    changed = dict(after["metadata"].get("annotations") or {})
    after["metadata"]["annotations"] = before["metadata"]["annotations"] = None
    assert after == before
    match test["action"]:
        case "pause":
            assert changed == notes | {"devicecert.io/paused": "true"}
        case "resume":
            assert changed == {name: value for name, value in notes.items() if name != "devicecert.io/paused"}
        case verb:
            assert changed.pop(f"devicecert.io/{verb}") != notes.pop(f"devicecert.io/{verb}", "")
            assert changed == notes


@pytest.mark.parametrize(("kind", "test"), FOUND, ids=lambda it: it if isinstance(it, str) else it["inputPath"])
def test_only_what_can_be_done_now_is_offered(kind: str, test: Object) -> None:
    wanted = {one["name"]: not one.get("disabled", False) for one in test["result"]}
    assert argocd.enabled(load(kind, test["inputPath"])) == wanted


@pytest.mark.parametrize("kind", argocd.KINDS)
def test_every_action_that_is_offered_is_there_and_configured(kind: str) -> None:
    offered = set(argocd.enabled(load(kind, "testdata/healthy.yaml")))
    files = {path.parent.name for path in (argocd.CUSTOMIZATIONS / kind / "actions").glob("*/action.lua")}
    configured = argocd.configured()
    text = yaml.safe_load(configured[f"resource.customizations.actions.devicecert.io_{kind}"])
    assert offered == files == {one["name"] for one in text["definitions"]}
    assert {one["action"] for of, one in ACTIONS if of == kind} == offered
    for one in text["definitions"]:
        path: Path = argocd.CUSTOMIZATIONS / kind / "actions" / one["name"] / "action.lua"
        assert one["action.lua"] == path.read_text()
    health = configured[f"resource.customizations.health.devicecert.io_{kind}"]
    assert health == (argocd.CUSTOMIZATIONS / kind / "health.lua").read_text()


def test_one_health_check_serves_all_kinds() -> None:
    texts = {(argocd.CUSTOMIZATIONS / kind / "health.lua").read_text() for kind in argocd.KINDS}
    assert len(texts) == 1
