"""The dashboard hangs together; that its queries return data is tests/scenarios/test_prometheus.py's."""

import json
import re

from device_cert_operator.metrics.families import FAMILIES
from tests.alerts import dashboard

NOT_SHOWN = {  # there for alerts
    "devicecert_authority_rotation_timestamp_seconds",
    "devicecert_authority_rotation_phase_due_timestamp_seconds",
}


def test_panels_are_told_apart_and_stand_side_by_side() -> None:
    board = json.loads(dashboard.FILE.read_text())
    ids = [one["id"] for one in board["panels"]]
    titles = [one["title"] for one in board["panels"]]
    assert len(set(ids)) == len(ids)
    assert len(set(titles)) == len(titles)
    cells = [
        (one["gridPos"]["x"] + x, one["gridPos"]["y"] + y)
        for one in board["panels"]
        for x in range(one["gridPos"]["w"])
        for y in range(one["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "panels overlap"
    assert max(x for x, _ in cells) < 24


def test_every_metric_has_its_place_and_no_other_is_asked_for() -> None:
    asked = " ".join(dashboard.queries(namespace=".*", interval="5m"))
    names = {name.removesuffix("_bucket") for name in re.findall(r"devicecert_[a-z_]+", asked)}
    assert names == {family.name for family in FAMILIES} - NOT_SHOWN


def test_nothing_but_known_variables_is_left_in_a_query() -> None:
    assert [one for one in dashboard.queries(namespace=".*", interval="5m") if "$" in one] == []
