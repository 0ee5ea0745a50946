"""What a scrape tells of the objects in the cache, and that nothing of them stays."""

import base64
import subprocess
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from device_cert_operator.kube.cache import Cache
from device_cert_operator.metrics import Metrics, reference
from device_cert_operator.metrics.families import FAMILIES
from device_cert_operator.reasons import Reason
from tests.alerts import rules
from tests.api import manifests
from tests.support import ca

Object = dict[str, Any]
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
START, END = "2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z"
DAY = 86_400.0
SERVED = {
    "fingerprint": "f" * 64,
    "subject": "CN=gate",
    "issuer": "CN=root",
    "serialNumber": "1",
    "notBefore": START,
    "notAfter": END,
}
ROOT = {"subject": {"commonName": "Site"}, "secretName": "site-ca"}


def condition(kind: str, status: str = "False", reason: str = "Trusted") -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": START,
    }


def stored(manifest: Object, status: Object, **annotations: str) -> Object:
    """As the API server gives it."""
    notes = {f"devicecert.io/{key}": value for key, value in annotations.items()}
    meta = {
        "name": manifest["metadata"]["name"],
        "namespace": "cams",
        "uid": f"uid-of-{manifest['kind']}",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": START,
        "annotations": notes,
    }
    return {**manifest, "metadata": meta, "status": status}


def device(*conditions: Object, spec: Object | None = None, **annotations: str) -> Object:
    manifest = manifests.device()
    manifest["spec"] |= spec or {}
    status = {
        "conditions": list(conditions),
        "served": SERVED,
        "certificateRef": {"name": "gate", "uid": "uid-of-DeviceCertificate"},
    }
    return stored(manifest, status, **annotations)


def certificate(*conditions: Object, **annotations: str) -> Object:
    status = {
        "conditions": list(conditions),
        "certificate": SERVED,
        "renewalTime": "2026-03-01T00:00:00Z",
        "effective": {"duration": "2160h", "renewBefore": "480h", "algorithm": "RSA"},
    }
    return stored(manifests.certificate(), status, **annotations)


def authority(secret: str = "site-ca", **status: Any) -> Object:
    manifest = {
        "apiVersion": "devicecert.io/v1alpha1",
        "kind": "CertificateAuthority",
        "metadata": {"name": "site"},
        "spec": ROOT | {"secretName": secret},
    }
    return stored(manifest, {"certificate": SERVED, **status})


class Scraped:
    """Objects in a cache, and what is told of them."""

    def __init__(self, *objects: Object, held: Reason | None = None) -> None:
        self.cache = Cache()
        for one in objects:
            self.cache.apply(one)
        self.metrics = Metrics(self.cache, lambda _uid: (NOON, -2.5), held)

    def series(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """(name without the prefix, values of its labels but namespace and name) → value."""
        text, _ = self.metrics.scrape()
        return {
            (one.name.removeprefix("devicecert_"), _values(one.labels)): one.value
            for family in text_string_to_metric_families(text.decode())
            for one in family.samples
            if "name" in one.labels
        }


def _values(labels: dict[str, str]) -> tuple[str, ...]:
    return tuple(value for label, value in sorted(labels.items()) if label not in {"namespace", "name"})


def test_a_device_and_its_certificate_are_told_in_full() -> None:
    told = Scraped(device(condition("Secure", "True"), condition("Reachable", "True")), certificate()).series()
    end = datetime(2026, 4, 1, tzinfo=UTC).timestamp()
    assert told == {
        ("device_secure", ()): 1,
        ("device_reachable", ()): 1,
        ("device_clock_offset_seconds", ()): -2.5,
        ("served_certificate_not_after_timestamp_seconds", ()): end,
        ("served_certificate_renewal_timestamp_seconds", ()): end - 20 * DAY,
        ("last_check_timestamp_seconds", ()): NOON.timestamp(),
        ("device_check_interval_seconds", ()): 300,
        ("certificate_not_before_timestamp_seconds", ()): end - 90 * DAY,
        ("certificate_not_after_timestamp_seconds", ()): end,
        ("certificate_renewal_timestamp_seconds", ()): end - 31 * DAY,
        ("certificate_ready_status", ("True",)): 0,
        ("certificate_ready_status", ("False",)): 0,
        ("certificate_ready_status", ("Unknown",)): 1,
    }


def test_what_nobody_knows_is_left_out() -> None:
    told = Scraped(stored(manifests.device(), {})).series()
    names = {name for name, _ in told}
    assert names == {"device_clock_offset_seconds", "last_check_timestamp_seconds", "device_check_interval_seconds"}


def test_no_series_is_left_of_what_was_deleted() -> None:
    scraped = Scraped(device(condition("Secure", reason="Expired")), certificate(), authority())
    assert {name for name, _ in scraped.series()} >= {
        "device_secure",
        "problem",
        "authority_not_after_timestamp_seconds",
    }
    scraped.cache.evict("Device", "cams", "gate")
    scraped.cache.evict("DeviceCertificate", "cams", "gate")
    scraped.cache.evict("CertificateAuthority", "cams", "site")
    assert scraped.series() == {}


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            condition("Authenticated", reason="CredentialsRejected"),
            {("Authenticated", "Device", "CredentialsRejected")},
        ),
        (condition("Secure", reason="WaitingForTurn"), set()),
        (condition("Secure", "Unknown", "DeviceUnreachable"), set()),
        (condition("Secure", "True", "Trusted"), set()),
        (condition("Ready", reason="CredentialsRejected"), set()),
        (condition("Secure", reason="WaitingForIssuer"), {("Secure", "Device", "WaitingForIssuer")}),
    ],
    ids=lambda one: f"{one['type']}-{one['status']}-{one['reason']}" if isinstance(one, dict) else "",
)
def test_a_problem_is_a_condition_that_is_false_and_does_not_pass_by_itself(
    said: Object, told: set[tuple[str, ...]]
) -> None:
    assert {labels for name, labels in Scraped(device(said)).series() if name == "problem"} == told


def test_of_an_authority_its_readiness_is_told() -> None:
    """No other condition says that its root is gone."""
    gone = authority(conditions=[condition("Ready", reason="CADeleted"), condition("Stalled", "True", "CADeleted")])
    assert ("problem", ("Ready", "CertificateAuthority", "CADeleted")) in Scraped(gone).series()
    rotating = authority(conditions=[condition("Ready", reason="Rotating")])
    assert not [name for name, _ in Scraped(rotating).series() if name == "problem"]


@pytest.mark.parametrize(
    ("objects", "everywhere", "held"),
    [
        ((device(),), None, set()),
        ((device(paused="true"),), None, {("Device", "Paused")}),
        ((device(spec={"management": "Observe"}),), None, {("Device", "ObserveOnly")}),
        ((device(), certificate()), Reason.OBSERVE_ONLY, {("Device", "ObserveOnly")}),
        (
            (device(spec={"management": "Observe"}), certificate(), authority()),
            Reason.PAUSED,
            {("Device", "Paused"), ("DeviceCertificate", "Paused"), ("CertificateAuthority", "Paused")},
        ),
        ((device(), certificate(paused="true")), None, {("Device", "Paused"), ("DeviceCertificate", "Paused")}),
        ((authority(),), None, set()),
        (
            (certificate(condition("Issued", reason="ObserveOnly")),),
            None,
            {("DeviceCertificate", "ObserveOnly")},
        ),
    ],
    ids=["managed", "paused", "observed", "dry run", "all paused", "paused certificate", "authority", "no key"],
)
def test_what_a_person_holds_is_told(
    objects: tuple[Object, ...], everywhere: Reason | None, held: set[tuple[str, ...]]
) -> None:
    told = Scraped(*objects, held=everywhere).series()
    assert {labels for name, labels in told if name == "held"} == held


NEVER = [{"schedule": "0 0 30 2 *", "duration": "2h"}]  # the schema cannot see that no February has that day


@pytest.mark.parametrize("paused", [{}, {"paused": "true"}], ids=["", "paused"])
def test_of_what_cannot_be_read_that_is_told(paused: dict[str, str]) -> None:
    """Nothing else is known of it any more, and a pause silences that as well."""
    unread = condition("Ready", reason="InvalidSpec")
    windows = device(unread, spec={"maintenanceWindows": NEVER}, **paused)
    newer = certificate(unread, **paused)
    newer["spec"]["privateKey"] = {"algorithm": "ML-DSA"}
    told = Scraped(windows, newer).series()
    kinds = {("Device",), ("DeviceCertificate",)}
    assert {labels for name, labels in told if name == "problem"} == {("Ready", *kind, "InvalidSpec") for kind in kinds}
    held = {(*kind, "Paused") for kind in kinds} if paused else set()
    assert {labels for name, labels in told if name == "held"} == held
    assert {"device_secure", "device_reachable", "device_check_interval_seconds"}.isdisjoint(name for name, _ in told)


def test_a_rotation_tells_its_phase_and_until_when_it_should_last() -> None:
    rotation = {"phase": "Distributing", "startTime": START, "since": START, "publishedTime": START}
    told = Scraped(authority(rotation=rotation, rotationTime=END)).series()
    until = datetime(2026, 1, 31, tzinfo=UTC).timestamp()
    assert told["authority_rotation_phase_due_timestamp_seconds", ("Distributing",)] == until
    assert told["authority_rotation_timestamp_seconds", ()] == datetime(2026, 4, 1, tzinfo=UTC).timestamp()


def ca_secret(*chain: ca.Pair, name: str = "root-ca", use: str = "ca") -> Object:
    """tls.crt: the CA that signs first."""
    meta = {
        "name": name,
        "namespace": "cams",
        "uid": name,
        "resourceVersion": "1",
        "labels": {"devicecert.io/use": use},
    }
    crt = base64.b64encode(b"".join(one.cert_pem for one in chain)).decode()
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": {"tls.crt": crt}}


CA_ENDS = ca.NOW + timedelta(days=9)
ROOT_CA = ca.root(until=CA_ENDS)
BELOW = ca.root("Below", issuer=ROOT_CA, until=CA_ENDS + timedelta(days=9))


@pytest.mark.parametrize(
    ("objects", "end"),
    [
        ((certificate(), ca_secret(ROOT_CA)), CA_ENDS),
        ((certificate(), ca_secret(BELOW, ROOT_CA)), CA_ENDS),
        ((certificate(), ca_secret(BELOW)), CA_ENDS + timedelta(days=9)),
        ((certificate(), ca_secret(BELOW, ca.root("Another", until=CA_ENDS))), CA_ENDS + timedelta(days=9)),
        ((certificate(), ca_secret(ROOT_CA, use="certificate")), None),
        ((certificate(), ca_secret()), None),
        ((certificate(),), None),
        ((ca_secret(ROOT_CA),), None),
        ((certificate(paused="true"), ca_secret(ROOT_CA)), None),
        ((certificate(), ca_secret(ROOT_CA), authority()), CA_ENDS),
        ((certificate(), ca_secret(ROOT_CA), authority(secret="root-ca")), None),
    ],
    ids=[
        *("root", "with its root above", "root elsewhere", "beside another", "for something else", "empty", "absent"),
        *("nobody's", "paused", "beside an authority", "of an authority"),
    ],
)
def test_the_end_of_a_ca_is_told_of_the_secret_from_which_certificates_are_issued(
    objects: tuple[Object, ...], end: datetime | None
) -> None:
    scraped = Scraped(*objects)
    [*told] = [
        value for (name, _), value in scraped.series().items() if name == "issuing_ca_not_after_timestamp_seconds"
    ]
    assert told == ([end.timestamp()] if end else [])


def test_another_certificate_of_the_same_name_is_not_the_one_that_holds_the_device() -> None:
    other = certificate(paused="true")
    other["metadata"]["uid"] = "another"
    names = {name for name, labels in Scraped(device(), other).series() if labels != ("DeviceCertificate", "Paused")}
    assert not names & {"served_certificate_renewal_timestamp_seconds", "held"}


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5", "application/openmetrics-text"),
        ("text/plain;version=0.0.4", "text/plain; version=0.0.4"),
        ("", "text/plain; version=0.0.4"),
    ],
)
def test_the_format_is_the_one_asked_for(accept: str, content_type: str) -> None:
    body, told = Scraped(device()).metrics.scrape(accept)
    assert told.startswith(content_type)
    assert body.decode().endswith("# EOF\n") == ("openmetrics" in content_type)


def test_exactly_what_is_declared_is_exported() -> None:
    metrics = Scraped(device(), certificate(), authority()).metrics
    metrics.reconciled("Device", "ok", 0.1)
    metrics.device_operation("onvif", "observe", "ok", 0.1)
    described = {
        line.split(" ")[2]: line.split(" ")[3]
        for line in metrics.scrape()[0].decode().splitlines()
        if line.startswith("# TYPE ")
    }
    assert described == {one.name: "gauge" if one.type == "info" else one.type for one in FAMILIES}


def test_promtool_finds_nothing_wrong_with_names_and_texts(prometheus: None) -> None:
    metrics = Scraped(device(condition("Secure")), certificate(), authority()).metrics
    metrics.reconciled("Device", "ok", 0.1)
    metrics.device_operation("onvif", "observe", "ok", 0.1)
    check = [rules.program("promtool"), "check", "metrics"]
    done = subprocess.run(check, input=metrics.scrape()[0], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_reference_of_the_metrics_is_current() -> None:
    assert reference.PAGE.read_text() == reference.render(), "run `make generate`"


def test_openmetrics_tells_the_same_as_the_text_format() -> None:
    metrics = Scraped(device(condition("Secure", reason='a "strange"\n\\word')), certificate(), authority()).metrics
    metrics.reconciled("Device", "ok", 0.1)
    text, _ = metrics.scrape()
    strict, _ = metrics.scrape("application/openmetrics-text;version=1.0.0")
    plain = {
        (one.name, *sorted(one.labels.items())): one.value
        for family in text_string_to_metric_families(text.decode())
        for one in family.samples
    }
    told = {
        (one.name, *sorted(one.labels.items())): one.value
        for family in openmetrics.text_string_to_metric_families(strict.decode())
        for one in family.samples
    }
    assert told == plain
    assert any(("reason", 'a "strange"\n\\word') in key for key in told)
