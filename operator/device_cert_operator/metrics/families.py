"""Every metric, declared once: `docs/reference/metrics.md` is written from here, and nothing else is exported.

A label's values come from closed sets, or are the namespace and name of an object: such series are collected from the
cache at each scrape, so that they vanish with the object.
"""

from dataclasses import dataclass
from enum import StrEnum

BUCKETS = (0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 30, 60)
NAMED = ("namespace", "name")


class Per(StrEnum):
    """How many series there are."""

    PROCESS = "one"
    DEVICE = "one a Device"
    CERTIFICATE = "one a DeviceCertificate"
    CERTIFICATE_STATUS = "three a DeviceCertificate"
    AUTHORITY = "one a CertificateAuthority"
    NAMED_CA = "one a Secret that a `caSecretRef` names"
    CONDITION = "one a condition that is False: none for an object that is well"
    HELD = "one an object that is held: usually none"
    KIND = "one a kind: 3"
    KIND_RESULT = "one a kind and result that occurred: a result is `ok`, `bug`, `cut-short` or a reason"
    OPERATION = "one a driver and operation that occurred: some 20 a driver"
    OPERATION_RESULT = "one a driver, operation and result that occurred: a result is `ok`, `error` or a reason"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. name: as it stands in a query, but for a histogram's endings. type: as Prometheus names it."""

    name: str
    type: str
    text: str
    labels: tuple[str, ...]
    per: Per


def _gauge(name: str, text: str, per: Per, labels: tuple[str, ...] = NAMED) -> Family:
    return Family(f"devicecert_{name}", "gauge", text, labels, per)


BUILD = Family("devicecert_build_info", "info", "The running version.", ("version",), Per.PROCESS)
LEADER = _gauge("leader", "1: this process acts, 0: it stands by.", Per.PROCESS, ())
QUEUE_DEPTH = _gauge("queue_depth", "Objects that are due and wait for a worker.", Per.PROCESS, ())
QUEUE_OLDEST = _gauge("queue_oldest_due_seconds", "How long the longest waiting one has been due.", Per.PROCESS, ())
RECONCILES = Family(
    "devicecert_reconcile_total", "counter", "Passes by kind and result.", ("kind", "result"), Per.KIND_RESULT
)
RECONCILE_SECONDS = Family(
    "devicecert_reconcile_duration_seconds", "histogram", "Duration of a pass.", ("kind",), Per.KIND
)
OPERATIONS = Family(
    "devicecert_device_operations_total",
    "counter",
    "What devices were asked, by result.",
    ("driver", "operation", "result"),
    Per.OPERATION_RESULT,
)
OPERATION_SECONDS = Family(
    "devicecert_device_operation_duration_seconds",
    "histogram",
    "How long a device took.",
    ("driver", "operation"),
    Per.OPERATION,
)
SECURE = _gauge(
    "device_secure",
    "1: the clients people use accept the device, 0: they do not. Absent while nobody asked or nobody can tell.",
    Per.DEVICE,
)
REACHABLE = _gauge(
    "device_reachable", "1: the device answers, 0: it does not. Absent before its first check.", Per.DEVICE
)
CLOCK_OFFSET = _gauge("device_clock_offset_seconds", "Device minus operator, at the last log-in.", Per.DEVICE)
SERVED_END = _gauge(
    "served_certificate_not_after_timestamp_seconds", "End of the certificate that the device serves.", Per.DEVICE
)
SERVED_RENEWAL = _gauge(
    "served_certificate_renewal_timestamp_seconds",
    "When what the device serves should be replaced. Absent where nothing is renewed by the operator.",
    Per.DEVICE,
)
CHECKED = _gauge("last_check_timestamp_seconds", "When the device was last looked at by this process.", Per.DEVICE)
INTERVAL = _gauge("device_check_interval_seconds", "How often it is to be looked at.", Per.DEVICE)
CERTIFICATE_START = _gauge("certificate_not_before_timestamp_seconds", "Start of the wanted revision.", Per.CERTIFICATE)
CERTIFICATE_END = _gauge("certificate_not_after_timestamp_seconds", "Its end.", Per.CERTIFICATE)
CERTIFICATE_RENEWAL = _gauge("certificate_renewal_timestamp_seconds", "When it is renewed.", Per.CERTIFICATE)
CERTIFICATE_READY = _gauge(
    "certificate_ready_status",
    "1 for the present status of Ready, 0 for the others.",
    Per.CERTIFICATE_STATUS,
    (*NAMED, "condition"),
)
AUTHORITY_END = _gauge("authority_not_after_timestamp_seconds", "End of the root.", Per.AUTHORITY)
ISSUING_CA_END = _gauge(
    "issuing_ca_not_after_timestamp_seconds",
    "End of the CA in a Secret that a DeviceCertificate names, or of one above it in there. Absent where all of those "
    "are paused, and for the Secret of a CertificateAuthority.",
    Per.NAMED_CA,
)
AUTHORITY_ROTATES = _gauge(
    "authority_rotation_timestamp_seconds",
    "When the root is replaced by itself. Absent where spec.rotation.before is not set.",
    Per.AUTHORITY,
)
ROTATION_DUE = _gauge(
    "authority_rotation_phase_due_timestamp_seconds",
    "When the phase of a rotation under way should be over. Absent without one.",
    Per.AUTHORITY,
    (*NAMED, "phase"),
)
PROBLEM = _gauge(
    "problem",
    "1: the condition is False for this reason, and it does not pass by itself as part of the usual course.",
    Per.CONDITION,
    ("kind", *NAMED, "condition", "reason"),
)
HELD = _gauge(
    "held",
    "1: a person said that nothing be changed: Paused (the object, or the DeviceCertificate that holds the Device) or "
    "ObserveOnly.",
    Per.HELD,
    ("kind", *NAMED, "reason"),
)
FAMILIES = (
    *(SECURE, REACHABLE, CLOCK_OFFSET, SERVED_END, SERVED_RENEWAL, CHECKED, INTERVAL),
    *(CERTIFICATE_START, CERTIFICATE_END, CERTIFICATE_RENEWAL, CERTIFICATE_READY),
    *(AUTHORITY_END, AUTHORITY_ROTATES, ROTATION_DUE, ISSUING_CA_END),
    *(PROBLEM, HELD),
    *(RECONCILES, RECONCILE_SECONDS, OPERATIONS, OPERATION_SECONDS, QUEUE_DEPTH, QUEUE_OLDEST),
    *(LEADER, BUILD),
)
