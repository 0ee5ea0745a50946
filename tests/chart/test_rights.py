"""What the operators of a whole run asked for, against the chart's Roles."""

import json
from pathlib import Path

import pytest

from tests.support.account import Right
from tests.support.rights import Asked, compare, read

LIST: Right = ("list", "", "secrets")
GIVE: Right = ("create", "", "secrets")
DELETE: Right = ("delete", "", "secrets")
WATCH: Right = ("watch", "", "secrets")


@pytest.mark.parametrize(
    ("asked", "wrong"),
    [
        (Asked(2, {LIST: 3, GIVE: 1}, []), []),
        (Asked(2, {LIST: 3}, []), ["granted and never used: create  secrets"]),
        (Asked(2, {LIST: 3, GIVE: 1, DELETE: 1}, ["delete /x"]), ["refused: delete /x"]),
        (
            Asked(0, {}, []),
            [
                "granted and never used: create  secrets",
                "granted and never used: list  secrets",
                "no operator asked for anything: the stories ran as somebody else",
            ],
        ),
    ],
)
def test_what_is_wrong(asked: Asked, wrong: list[str]) -> None:
    assert compare(asked, {LIST, GIVE}) == wrong


@pytest.mark.parametrize(
    ("cluster_wide", "everywhere", "wrong"),
    [
        (True, 3, []),
        (True, 0, ["0 requests were for all namespaces"]),
        (False, 0, []),
        (False, 3, ["3 requests were for all namespaces"]),
    ],
)
def test_each_form_asks_for_all_namespaces_or_for_its_own(
    cluster_wide: bool, everywhere: int, wrong: list[str]
) -> None:
    assert compare(Asked(1, {LIST: 3}, [], everywhere), {LIST}, cluster_wide=cluster_wide) == wrong


def test_only_the_operators_count_and_what_was_refused_them_is_kept(tmp_path: Path) -> None:
    def event(user: str, verb: str, code: int = 200) -> str:
        about = {"resource": "secrets"} | ({} if verb == "watch" else {"namespace": "a"})
        told = {"verb": verb, "objectRef": about, "responseStatus": {"code": code}, "requestURI": f"/{verb}"}
        return json.dumps(told | {"user": {"username": f"system:serviceaccount:{user}"}})

    log = tmp_path / "audit.jsonl"
    lines = (event("a:operator", "list"), event("b:operator", "delete", 403), event("b:operator", "watch"))
    lines += (event("kube-system:other", "create", 403),)
    log.write_text("\n".join(lines) + "\n")
    assert read(log) == Asked(2, {LIST: 1, DELETE: 1, WATCH: 1}, ["delete /delete"], 1)
