"""What the chart renders: compared with snapshots, and by its meaning where a snapshot would not say why.

`UPDATE_SNAPSHOTS=1 pytest tests/chart` writes the snapshots anew.
"""

import json
import os
import re
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from device_cert_operator.api.v1alpha1.common import GROUP
from device_cert_operator.settings import Settings
from tests.alerts import rules
from tests.chart.cases import CASES, in_namespace
from tests.support.helm import CHART, ROOT, Helm, HelmRefused, Object, kinds, only

SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"
BY_THE_CHART = {"namespaces", "metrics_host", "metrics_port", "lease_name", "lease_namespace", "identity"}


@pytest.mark.parametrize("case", CASES)
def test_the_chart_renders_as_it_did(helm: Helm, case: str) -> None:
    values = in_namespace(CASES[case], "cameras") | {"crds": {"enabled": False}}
    rendered = _without_monitoring(helm.render(values))
    file = SNAPSHOTS / f"{case}.yaml"
    if UPDATE:
        file.write_text(rendered)
    assert rendered == file.read_text(), "look at the difference; UPDATE_SNAPSHOTS=1 takes it over"


def _without_monitoring(rendered: str) -> str:
    """Alerts and the dashboard change by themselves, and have tests of their own."""
    own = re.compile(r"templates/(prometheusrule|dashboard)\.yaml")
    return "---\n".join(one for one in rendered.split("---\n") if own.search(one) is None)


def test_no_snapshot_is_left_over() -> None:
    assert {file.stem for file in SNAPSHOTS.iterdir()} == set(CASES)


def test_the_chart_lints_without_a_warning(helm: Helm) -> None:
    said = helm.run("lint", "--strict", str(CHART))
    assert "WARNING" not in said
    assert "0 chart(s) failed" in said


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"replicaCount": -1}, "at '/replicaCount': minimum: got -1, want 0"),
        ({"replicaCount": "two"}, "at '/replicaCount': got string, want integer"),
        ({"replicas": 2}, "additional properties 'replicas' not allowed"),
        ({"image": {"pullPolicy": "Sometimes"}}, "value must be one of 'Always', 'IfNotPresent', 'Never'"),
        ({"image": {"digest": "sha256:abc"}}, "at '/image/digest'"),
        ({"watchNamespaces": "cameras"}, "at '/watchNamespaces': got string, want array"),
        ({"watchNamespaces": ["Cameras_1"]}, "at '/watchNamespaces/0'"),
        ({"watchNamespaces": ["a", "a"]}, "at '/watchNamespaces': items at 0 and 1 are equal"),
        ({"config": {"logLevl": "debug"}}, "additional properties 'logLevl' not allowed"),
        ({"config": {"logLevel": "loud"}}, "value must be one of 'debug', 'info', 'warning', 'error'"),
        ({"config": {"workers": 0}}, "at '/config/workers': minimum: got 0, want 1"),
        ({"config": {"relistEvery": "10m"}}, "at '/config/relistEvery': got string, want number"),
        ({"metrics": {"port": 80}}, "at '/metrics/port': minimum: got 80, want 1,024"),
        ({"metrics": {"serviceMonitor": {"interval": "often"}}}, "at '/metrics/serviceMonitor/interval'"),
        ({"metrics": {"prometheusRule": {"thresholds": {"absentFor": "soon"}}}}, "/thresholds/absentFor'"),
        ({"metrics": {"prometheusRule": {"runbooks": "docs/runbooks"}}}, "at '/metrics/prometheusRule/runbooks'"),
        ({"metrics": {"prometheusRule": {"additionalGroups": [{"name": "mine"}]}}}, "missing property 'rules'"),
        (
            {"metrics": {"prometheusRule": {"thresholds": {"absent": "5m"}}}},
            "additional properties 'absent' not allowed",
        ),
        ({"networkPolicy": {"devices": [{"ports": [443]}]}}, "missing property 'cidr'"),
        ({"networkPolicy": {"devices": [{"cidr": "cameras.lan"}]}}, "at '/networkPolicy/devices/0/cidr'"),
        ({"podDisruptionBudget": {"minAvailable": "half"}}, "at '/podDisruptionBudget/minAvailable'"),
        ({"extraEnv": [{"value": "x"}]}, "missing property 'name'"),
        ({"commonLabels": {"a": 1}}, "at '/commonLabels/a': got number, want string"),
        ({"replicaCount": 2, "leaderElection": {"enabled": False}}, "two operators would act on the same devices"),
        ({"networkPolicy": {"enabled": True}}, "needs networkPolicy.devices"),
        ({"metrics": {"prometheusRule": {"disabled": ["ChecksLatr"]}}}, "at '/metrics/prometheusRule/disabled/0'"),
        ({"metrics": {"prometheusRule": {"enabled": True}}}, "needs metrics.prometheusRule.selector, or"),
        ({"podDisruptionBudget": {"enabled": True}}, "the node of a single replica could never be drained"),
        ({"config": {"shutdownWithin": 60}}, "config.shutdownWithin and 3 more, 63 at least"),
        (
            {"metrics": {"service": {"enabled": False}, "serviceMonitor": {"enabled": True}}},
            "needs metrics.service.enabled",
        ),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_and_named(helm: Helm, values: Object, told: str) -> None:
    with pytest.raises(HelmRefused) as refused:
        helm.render(values)
    assert told in str(refused.value)


# The function of a CRD's rule -> the minor version whose API server knew it first (k8s.io/apiserver,
# pkg/cel/environment/base.go). A new rule is compiled as by the version before, in case that one comes back.
KNOWN_SINCE = dict.fromkeys(["has", "duration", "matches", "size", "all", "contains", "map", "filter", "sum"], 25) | (
    dict.fromkeys(["isIP", "ip", "family", "isCIDR", "cidr", "prefixLength", "masked"], 30)
)


def test_the_oldest_kubernetes_knows_every_function_of_the_rules() -> None:
    given = [rule for file in (ROOT / "crds").glob("*.yaml") for rule in _rules(yaml.safe_load(file.read_text()))]
    used = {name for rule in given for name in re.findall(r"(\w+)\(", re.sub(r"'[^']*'|\"[^\"]*\"", "''", rule))}
    newest = max(KNOWN_SINCE[name] for name in used)
    oldest = re.fullmatch(r">=1\.(\d+)\.0-0", yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"])
    assert oldest is not None
    assert int(oldest[1]) == newest + 1
    assert f"Kubernetes of version 1.{oldest[1]} or newer" in (ROOT / "docs" / "install.md").read_text()


def _rules(node: Any) -> list[str]:
    if isinstance(node, list):
        return [rule for one in node for rule in _rules(one)]
    if not isinstance(node, dict):
        return []
    own = [one["rule"] for one in node.get("x-kubernetes-validations", [])]
    return own + [rule for one in node.values() for rule in _rules(one)]


def test_alerts_can_be_left_out_by_their_names_and_no_others() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    of_rule = schema["properties"]["metrics"]["properties"]["prometheusRule"]["properties"]
    assert of_rule["disabled"]["items"]["enum"] == sorted(rules.alerts())


def test_every_default_passes_the_schema_and_every_value_is_in_it() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    assert set(schema["properties"]) - set(values) == {"global"}
    assert _unknown(values, schema, "") == []


def _unknown(values: Any, schema: Object, path: str) -> list[str]:
    """Values that the schema has no property for."""
    if not isinstance(values, dict) or "properties" not in schema:
        return []
    known = schema["properties"]
    return [f"{path}.{key}" for key in values if key not in known] + [
        one for key, child in values.items() if key in known for one in _unknown(child, known[key], f"{path}.{key}")
    ]


def test_every_setting_of_the_operator_can_be_given_and_arrives(helm: Helm) -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())["properties"]["config"]["properties"]
    wanted = {one.name for one in fields(Settings)} - BY_THE_CHART
    assert {_camel(name) for name in wanted} == set(schema)
    config = {
        "workers": 3,
        "sessions": 4096,
        "sessionsPerSubnet": 7,
        "fullCheckEvery": 9,
        "locateRate": 2.5,
        "relistEvery": 30,
        "livenessSilence": 86_400,
        "shutdownWithin": 5.5,
        "logFormat": "json",
        "logLevel": "warning",
        "dryRun": True,
        "paused": True,
        "leaseDuration": 45,
        "clusterIssuers": ["a", "b"],
    }
    assert set(config) == set(schema), "give the new setting a value here"
    given = Settings.from_environment(_environment(helm, {"config": config, "watchNamespaces": ["north", "south"]}))
    assert given.namespaces == ("north", "south")
    for name in wanted:
        value = getattr(given, name)
        plain = value.total_seconds() if hasattr(value, "total_seconds") else value
        assert (list(plain) if isinstance(plain, tuple) else plain) == config[_camel(name)], name


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


def _environment(helm: Helm, values: Object) -> dict[str, str]:
    [container] = only(helm.objects(values), "Deployment")["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value", "") for one in container["env"]}


def test_by_default_the_operator_keeps_its_own_defaults(helm: Helm) -> None:
    environment = _environment(helm, {})
    assert {name for name in environment if not name.startswith("DEVICECERT_LEASE")} == {
        "DEVICECERT_METRICS_HOST",
        "DEVICECERT_METRICS_PORT",
    }


def test_whole_numbers_stay_whole(helm: Helm) -> None:
    assert _environment(helm, {"config": {"relistEvery": 86_400, "sessions": 4096}})["DEVICECERT_SESSIONS"] == "4096"


def test_without_a_lease_the_old_pod_ends_before_the_new_one_starts(helm: Helm) -> None:
    alone = only(helm.objects({"leaderElection": {"enabled": False}}), "Deployment")
    assert alone["spec"]["strategy"] == {"type": "Recreate"}
    assert only(helm.objects({}), "Deployment")["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


# --------------------------------------------------------------------------------------------------- CRDs


def test_the_chart_s_crds_are_those_of_the_repository(helm: Helm) -> None:
    ours = {one.name: yaml.safe_load(one.read_text()) for one in (ROOT / "crds").glob("*.yaml")}
    rendered = [one for one in helm.objects({}) if one["kind"] == "CustomResourceDefinition"]
    for crd in rendered:
        assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert crd["metadata"].pop("labels")["app.kubernetes.io/managed-by"] == "Helm"
    assert {f"{GROUP}_{one['spec']['names']['plural']}.yaml": one for one in rendered} == ours


@pytest.mark.parametrize(
    ("crds", "notes"),
    [
        ({"keep": False}, [None, None, None]),
        ({"keep": False, "annotations": {"a": "b"}}, [{"a": "b"}] * 3),
        ({"annotations": {"a": "b"}}, [{"a": "b", "helm.sh/resource-policy": "keep"}] * 3),
        ({"enabled": False}, []),
    ],
    ids=str,
)
def test_crds_are_kept_annotated_or_left_out(helm: Helm, crds: Object, notes: list[Object | None]) -> None:
    rendered = [one for one in helm.objects({"crds": crds}) if one["kind"] == "CustomResourceDefinition"]
    assert [one["metadata"].get("annotations") for one in rendered] == notes


# ------------------------------------------------------------------------------- files that others write


def with_files(folder: Path, **files: str) -> Path:
    """A copy of the chart with these files."""
    chart = folder / "chart"
    shutil.copytree(CHART, chart)
    for name, text in files.items():
        (chart / "files" / name.replace("__", ".")).write_text(text)
    return chart


RULES = """\
groups:
  - name: devices
    rules:
      - {alert: DeviceNotSecure, expr: devicecert_device_secure == 0, for: "@@notSecureFor@@"}
      - {alert: ChecksLate, expr: "time() - devicecert_last_check_timestamp_seconds > @@checksLateSlack@@", for: 5m}
  - name: operator
    rules: [{alert: OperatorAbsent, expr: absent(devicecert_build_info), annotations: {summary: "{{ $labels.job }}"}}]
"""


def rules_of(helm: Helm, chart: Path, **rule: Any) -> dict[str, Object]:
    """The alerts by name."""
    values = {"metrics": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True, **rule}}}
    groups = only(helm.objects(values, chart=chart), "PrometheusRule")["spec"]["groups"]
    return {one["alert"]: one for group in groups for one in group["rules"]}


def test_alerts_take_their_figures_from_values_and_leave_templates_alone(helm: Helm, tmp_path: Path) -> None:
    chart = with_files(tmp_path, rules__yaml=RULES)
    thresholds = {"notSecureFor": "7m", "checksLateSlack": 1_000_000}
    found = rules_of(helm, chart, thresholds=thresholds)
    assert found["DeviceNotSecure"]["for"] == "7m"
    assert found["ChecksLate"]["expr"].endswith("> 1000000")
    assert found["OperatorAbsent"]["annotations"]["summary"] == "{{ $labels.job }}"
    some = rules_of(helm, chart, thresholds=thresholds, disabled=["OperatorAbsent", "ChecksLate"])
    assert set(some) == {"DeviceNotSecure"}
    with pytest.raises(HelmRefused, match=r"thresholds\.checksLateSlack has no value"):
        rules_of(helm, chart, thresholds={"checksLateSlack": None})


def test_the_chart_s_own_alerts_are_rendered_with_the_figures_of_its_values(helm: Helm) -> None:
    values = {"metrics": {"serviceMonitor": {"enabled": True}, "prometheusRule": {"enabled": True}}}
    assert only(helm.objects(values), "PrometheusRule")["spec"] == rules.rendered()
    found = rules_of(helm, CHART, runbooks="https://git.example/dco/docs/runbooks/", disabled=["QueueStuck"])
    assert "QueueStuck" not in found
    expr = rules_of(helm, CHART, selector='job="mine"')["OperatorAbsent"]["expr"]
    assert expr == 'absent(devicecert_build_info{job="mine"}) or max(devicecert_leader{job="mine"}) == 0\n'
    assert found["ChecksLate"]["annotations"]["runbook_url"] == "https://git.example/dco/docs/runbooks/ChecksLate.md"


def test_groups_and_labels_of_ones_own_come_with_the_alerts(helm: Helm) -> None:
    mine = {"name": "mine", "rules": [{"alert": "TooFew", "expr": "count(devicecert_device_secure) < 9", "for": "5m"}]}
    rule = {"enabled": True, "labels": {"release": "prometheus"}, "namespace": "watch", "additionalGroups": [mine]}
    found = only(
        helm.objects({"metrics": {"serviceMonitor": {"enabled": True}, "prometheusRule": rule}}), "PrometheusRule"
    )
    assert found["spec"]["groups"] == [*rules.rendered()["groups"], mine]
    assert found["metadata"]["labels"]["release"] == "prometheus"
    assert found["metadata"]["labels"]["app.kubernetes.io/name"] == "device-cert-operator"
    assert found["metadata"]["namespace"] == "watch"


def test_the_dashboard_arrives_in_the_cluster_as_it_is_here(helm: Helm) -> None:
    values = {"metrics": {"dashboard": {"enabled": True, "namespace": "watch", "annotations": {"folder": "Devices"}}}}
    board = only(helm.objects(values), "ConfigMap")
    text = board["data"]["device-cert-operator.json"]
    assert text == (CHART / "files" / "dashboard.json").read_text()
    assert json.loads(text)["panels"]
    assert (board["metadata"]["namespace"], board["metadata"]["annotations"]) == ("watch", {"folder": "Devices"})


def test_a_dashboard_becomes_a_configmap(helm: Helm, tmp_path: Path) -> None:
    text = '{"title": "Devices",\n "legend": "{{name}}"}\n'
    chart = with_files(tmp_path, dashboard__json=text)
    found = list(helm.objects({"metrics": {"dashboard": {"enabled": True}}}, chart=chart))
    board = only(found, "ConfigMap")
    assert yaml.safe_load(board["data"]["device-cert-operator.json"]) == yaml.safe_load(text)
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"


# ----------------------------------------------------------------------------------------------- meaning


def test_roles_follow_the_namespaces_watched(helm: Helm) -> None:
    everywhere, somewhere = helm.objects({}), helm.objects({"watchNamespaces": ["north", "south"]})
    rules = only(everywhere, "ClusterRoleBinding")
    assert rules["subjects"][0]["namespace"] == "devices"
    roles = [one for one in somewhere if one["kind"] == "Role" and not one["metadata"]["name"].endswith("-lease")]
    assert [one["metadata"]["namespace"] for one in roles] == ["north", "south"]
    [whole] = [one for one in everywhere if kinds([one]) == ["ClusterRole/dco-device-cert-operator"]]
    assert [one["rules"] for one in roles] == [whole["rules"]] * 2
    assert not [one for one in somewhere if one["kind"] == "ClusterRoleBinding"]


def test_no_rule_has_a_wildcard(helm: Helm) -> None:
    for one in helm.objects({}):
        for rule in one.get("rules", []):
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_the_roles_of_people_give_no_right_to_a_status(helm: Helm) -> None:
    for one in helm.objects({}):
        labels = one["metadata"].get("labels", {})
        if any(name.startswith("rbac.authorization.k8s.io/aggregate-to") for name in labels):
            assert not [rule for rule in one["rules"] if any("/" in resource for resource in rule["resources"])]


def test_every_object_of_the_release_stands_in_its_namespace(helm: Helm) -> None:
    rendered = helm.objects({"watchNamespaces": [], **CASES["network-policy"], **CASES["monitoring"]})
    placed = [one for one in rendered if "namespace" in one["metadata"]]
    assert {one["metadata"]["namespace"] for one in placed} == {"devices"}
    assert "NetworkPolicy/dco-device-cert-operator" in kinds(placed)


def test_the_readme_documents_every_value() -> None:
    readme = (CHART / "README.md").read_text()
    for path in ("networkPolicy.devices", "metrics.serviceMonitor.enabled", "crds.keep", "extraObjects"):
        assert f"| `{path}` |" in readme
