"""Each alert in promtool: it fires, and stays silent, when it should; and each leads to its page."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from device_cert_operator.metrics.families import FAMILIES
from tests.alerts.cases import CASES, Case
from tests.alerts.rules import ROOT, RULES, Object, alerts, program, rendered, settings
from tests.alerts.texts import TEXTS

ALERTS = alerts()
RUNBOOKS = ROOT / "docs" / "runbooks"
HEADINGS = ["## Meaning", "## What to look at", "## What to do"]
PUBLISHED = "https://git.example.com/device-cert-operator/docs/runbooks"  # a placeholder, as in deploy/gitops
NAME = re.compile(r"devicecert_[a-z_]+")


def promtool(*arguments: str) -> str:
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_and_stays_silent_when_it_should(
    alert: str, replicas: int, tmp_path: Path, prometheus: None
) -> None:
    rule = {key: value for key, value in ALERTS[alert].items() if key != "annotations"}  # their text is the next test's
    written(tmp_path, "rules.yaml", {"groups": [{"name": "one", "rules": [rule]}]})
    cases = [case for case in CASES[alert] if replicas == 1 or not any("instance=" in name for name in case.series)]
    tests = [_as_promtool_reads(case, rule, "abc"[:replicas]) for case in cases]
    promtool("test", "rules", str(written(tmp_path, "cases.yaml", {"rule_files": ["rules.yaml"], "tests": tests})))


def _as_promtool_reads(case: Case, rule: Object, instances: str = "a") -> Object:
    """instances: several replicas export the same, and no alert becomes two by that."""
    return {
        "name": case.sentence,
        "interval": f"{case.interval}m",
        "input_series": [
            {"series": _of_instance(name, one), "values": values}
            for name, values in case.series.items()
            for one in (instances if "instance=" not in name else "a")
        ],
        "alert_rule_test": [
            {
                "alertname": rule["alert"],
                "eval_time": f"{minute}m",
                "exp_alerts": [{"exp_labels": rule["labels"] | labels} for labels in told],
            }
            for minute, told in case.told.items()
        ],
    }


def _of_instance(series: str, instance: str) -> str:
    return series if "instance=" in series else series.replace("{", f'{{instance="{instance}", ', 1)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_whom_it_is_about_what_it_means_and_where_to_read_on(
    alert: str, tmp_path: Path, prometheus: None
) -> None:
    """As Alertmanager gets it: nothing in it is left to fill in."""
    summary, description = TEXTS[alert]
    rule, case = ALERTS[alert], CASES[alert][0]
    written(tmp_path, "rules.yaml", {"groups": [{"name": "one", "rules": [rule]}]})
    first = min(minute for minute, told in case.told.items() if told)
    test = _as_promtool_reads(replace(case, told={first: case.told[first]}), rule)
    [asked] = test["alert_rule_test"]
    annotations = {"summary": summary, "description": description, "runbook_url": f"{PUBLISHED}/{alert}.md"}
    asked["exp_alerts"] = [one | {"exp_annotations": annotations} for one in asked["exp_alerts"]]
    promtool("test", "rules", str(written(tmp_path, "case.yaml", {"rule_files": ["rules.yaml"], "tests": [test]})))


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_cases_for_firing_and_for_silence(alert: str) -> None:
    whole = [list(case.told.values()) for case in CASES[alert]]
    assert any(any(told) for told in whole)
    assert any(not any(told) for told in whole)


def test_promtool_finds_nothing_wrong_with_the_rules(tmp_path: Path, prometheus: None) -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", str(written(tmp_path, "r.yaml", rendered())))


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_bad_it_is_and_its_page_is_there(alert: str) -> None:
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["for"]
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    page = (RUNBOOKS / f"{alert}.md").read_text()
    assert page.startswith(f"# {alert}\n")
    assert [line for line in page.splitlines() if line.startswith("## ")] == HEADINGS


def test_no_page_is_left_over_and_the_index_names_each() -> None:
    assert {one.stem for one in RUNBOOKS.glob("*.md")} == {"README", *ALERTS}
    index = (RUNBOOKS / "README.md").read_text()
    assert [alert for alert in ALERTS if f"]({alert}.md)" not in index] == []


def test_every_metric_that_an_alert_reads_is_exported() -> None:
    known = {family.name for family in FAMILIES}
    assert {name for rule in ALERTS.values() for name in NAME.findall(rule["expr"])} <= known


def test_every_figure_of_the_values_is_used_and_every_one_used_is_there() -> None:
    used = set(re.findall(r"@@([A-Za-z]+)@@", RULES.read_text()))
    assert used == {*settings()["thresholds"], "runbooks", "selector"}
