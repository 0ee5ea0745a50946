"""When each alert fires and when it does not, by name: the default figures, series, and what is told at which minute.

Series are promtool's: `a+bxn` is a, a+b … a+nb, `_` is no sample, `stale` a series that is gone; one a minute from
the time 0 on.
"""

from dataclasses import dataclass, field

from tests.alerts.rules import SELECTOR

Labels = dict[str, str]
GATE = '{namespace="cams", name="gate"}'
PLACE: Labels = {"namespace": "cams", "name": "gate"}
HOUR = 60


@dataclass(frozen=True, slots=True)
class Case:
    """told: minute → labels of the alerts that fire then, beside name and severity."""

    sentence: str
    series: Labels
    told: dict[int, list[Labels]] = field(default_factory=dict)
    interval: int = 1


def device(metric: str, **labels: str) -> str:
    """A series of the device cams/gate."""
    return _named(f"devicecert_{metric}", PLACE | labels)


def problem(kind: str, condition: str, reason: str) -> str:
    return device("problem", kind=kind, condition=condition, reason=reason)


def held(kind: str, reason: str) -> str:
    return device("held", kind=kind, reason=reason)


def _named(metric: str, labels: Labels) -> str:
    return metric + "{" + ", ".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def _problem_of_a_device(
    condition: str, reason: str, fires_after: int, *, told_when_observed: bool
) -> tuple[Case, ...]:
    bad = {problem("Device", condition, reason): f"1x{4 * HOUR}"}
    after = fires_after + 2
    return (
        Case("it lasts", bad, {fires_after - 1: [], after: [PLACE]}),
        Case(
            "it passed",
            {problem("Device", condition, reason): f"1x{fires_after - 2} stale"},
            {after: [], 2 * after: []},
        ),
        Case(
            "the operator restarts",
            {problem("Device", condition, reason): f"1x1 stale _x6 1x{fires_after - 2} stale"},
            {fires_after + 1: [], fires_after + 7: []},
        ),
        Case("paused", bad | {held("Device", "Paused"): f"1x{4 * HOUR}"}, {after: []}),
        Case(
            "observe-only",
            bad | {held("Device", "ObserveOnly"): f"1x{4 * HOUR}"},
            {after: [PLACE] if told_when_observed else []},
        ),
        Case("another reason takes over", _in_turn(condition, reason, fires_after), {after: [PLACE]}),
        Case("a second replica tells it too", _twice(condition, reason), {after: [PLACE]}),
    )


def _in_turn(condition: str, reason: str, minutes: int) -> Labels:
    half = minutes // 2 + 1
    other = problem("Device", condition, "IdentityMismatch" if condition == "Identified" else "Other")
    return {problem("Device", condition, reason): f"1x{half - 1} stale", other: f"_x{half} 1x{4 * HOUR}"}


def _twice(condition: str, reason: str) -> Labels:
    labels = {"kind": "Device", "condition": condition, "reason": reason}
    return {device("problem", instance=one, **labels): f"1x{4 * HOUR}" for one in ("a", "b")}


SECURE, REACHABLE = device("device_secure"), device("device_reachable")
AWAY = {REACHABLE: "0x60"}
END, RENEWAL = (
    device("certificate_not_after_timestamp_seconds"),
    device("certificate_renewal_timestamp_seconds"),
)
SERVED_END, SERVED_RENEWAL = (
    device("served_certificate_not_after_timestamp_seconds"),
    device("served_certificate_renewal_timestamp_seconds"),
)
CHECKED, INTERVAL = device("last_check_timestamp_seconds"), device("device_check_interval_seconds")
ROOT_END, ROTATES = device("authority_not_after_timestamp_seconds"), device("authority_rotation_timestamp_seconds")
PHASE_DUE = device("authority_rotation_phase_due_timestamp_seconds", phase="Switching")
ISSUING_CA_END = device("issuing_ca_not_after_timestamp_seconds")
OF_AUTHORITY, OF_SECRET = PLACE | {"kind": "CertificateAuthority"}, PLACE | {"kind": "Secret"}
OF_CERTIFICATE, OF_DEVICE = PLACE | {"kind": "DeviceCertificate"}, PLACE | {"kind": "Device"}
# ends after 600 minutes, to be renewed after 300: half of the window is over after 450
ENDING = {END: "36000x1000", RENEWAL: "18000x1000"}
SERVED_ENDING = {SERVED_END: "36000x1000", SERVED_RENEWAL: "18000x1000"}
EXPIRED = {SERVED_END: "600x60", SECURE: "0x60"}
UNVOUCHED = {problem("Device", "Identified", "ConfigMapMissing"): "1x60"}
UNREADY = problem("CertificateAuthority", "Ready", "CADeleted")
UNISSUED = problem("DeviceCertificate", "Issued", "CAExpired")
UNREAD = {problem("Device", "Ready", "InvalidSpec"): "1x60"}
UNREAD_CERTIFICATE = {problem("DeviceCertificate", "Ready", "InvalidSpec"): "1x60"}
LAST_DAYS = {ROOT_END: "7000000x200"}
BUILD = f'devicecert_build_info{{{SELECTOR}, version="1"}}'
_LEADER_A, _LEADER_B = (f'devicecert_leader{{{SELECTOR}, instance="{one}"}}' for one in "ab")
_OTHERS = SELECTOR.replace("devices", "elsewhere")
OTHERS = {f'devicecert_build_info{{{_OTHERS}, version="1"}}': "1x60", f"devicecert_leader{{{_OTHERS}}}": "1x60"}
OURS: Labels = {"job": "dco-device-cert-operator-metrics", "namespace": "devices"}
QUEUE = 'devicecert_queue_oldest_due_seconds{instance="a"}'

CASES: dict[str, tuple[Case, ...]] = {
    "DeviceNotSecure": (
        Case("it lasts", {SECURE: "0x60", REACHABLE: "1x60"}, {14: [], 16: [PLACE]}),
        Case("it was healed in time", {SECURE: "0x10 1x40", REACHABLE: "1x60"}, {9: [], 16: [], 30: []}),
        Case("renewal in progress: it restarts", {SECURE: "1x10 0x3 1x40", REACHABLE: "1x60"}, {12: [], 30: []}),
        Case(
            "the operator restarts",
            {SECURE: "1x10 stale _x7 1x30", REACHABLE: "1x10 stale _x7 1x30"},
            {12: [], 20: [], 40: []},
        ),
        Case("paused", {SECURE: "0x60", REACHABLE: "1x60", held("Device", "Paused"): "1x60"}, {30: []}),
        Case("observe-only", {SECURE: "0x60", REACHABLE: "1x60", held("Device", "ObserveOnly"): "1x60"}, {30: []}),
        Case("it is away: told elsewhere", {SECURE: "0x60", REACHABLE: "0x60"}, {30: []}),
        Case(
            "a replica's cache is behind",
            {device("device_secure", instance="a"): "0x60", device("device_secure", instance="b"): "1x60"},
            {30: []},
        ),
        Case("nobody asked for a certificate", {REACHABLE: "1x60"}, {30: []}),
    ),
    "DeviceUnreachable": (
        Case("it lasts", AWAY, {14: [], 16: [PLACE]}),
        Case("renewal in progress: it restarts", {REACHABLE: "1x5 0x6 1x40"}, {11: [], 22: []}),
        Case("the operator restarts", {REACHABLE: "1x10 stale _x7 0x3 1x30"}, {12: [], 21: [], 30: []}),
        Case("paused", AWAY | {held("Device", "Paused"): "1x60"}, {30: []}),
        Case("observe-only: it cannot be looked at", AWAY | {held("Device", "ObserveOnly"): "1x60"}, {30: [PLACE]}),
    ),
    "DeviceClockDrift": _problem_of_a_device("ClockInSync", "ClockOff", HOUR, told_when_observed=False),
    "DeviceCredentialsRejected": (
        *_problem_of_a_device("Authenticated", "CredentialsRejected", 5, told_when_observed=True),
        Case("the CA that is to vouch for it is missing", UNVOUCHED, {4: [], 7: [PLACE]}),
        Case("no driver", {problem("Device", "Authenticated", "UnknownDriver"): "1x60"}, {4: [], 7: [PLACE]}),
        Case("another device answers", {problem("Device", "Identified", "IdentityMismatch"): "1x60"}, {30: []}),
    ),
    "DeviceIdentityConflict": (
        *_problem_of_a_device("Identified", "IdentityConflict", 5, told_when_observed=True),
        Case("the CA that is to vouch for it is missing", UNVOUCHED, {30: []}),
    ),
    "ChecksLate": (
        Case("nobody looks", {CHECKED: "0x60", INTERVAL: "300x60"}, {29: [], 32: [{"namespace": "cams"}]}),
        Case("it was never looked at", {INTERVAL: "300x60"}, {9: [], 11: [{"namespace": "cams"}]}),
        Case("every few minutes", {CHECKED: "0+60x60", INTERVAL: "300x60"}, {30: [], 60: []}),
        Case("once a day is often enough", {CHECKED: "0x900", INTERVAL: "86400x900"}, {900: []}),
        Case(
            "the operator restarts",
            {CHECKED: "0+60x10 _x6 1020+60x30", INTERVAL: "300x10 _x2 300x34"},
            {11: [], 14: [], 20: [], 30: []},
        ),
        Case(
            "renewal in progress: a pass takes ten minutes",
            {CHECKED: "0+60x10 600x9 1200+60x40", INTERVAL: "300x60"},
            {15: [], 20: [], 30: []},
        ),
        Case("paused", {CHECKED: "0x60", INTERVAL: "300x60", held("Device", "Paused"): "1x60"}, {40: []}),
        Case("paused before it was looked at", {INTERVAL: "300x60", held("Device", "Paused"): "1x60"}, {40: []}),
        Case(
            "observe-only: it cannot be looked at",
            {CHECKED: "0x60", INTERVAL: "300x60", held("Device", "ObserveOnly"): "1x60"},
            {32: [{"namespace": "cams"}]},
        ),
        Case(
            "another replica has taken over",
            {
                device("last_check_timestamp_seconds", instance="a"): "0x60",
                device("last_check_timestamp_seconds", instance="b"): "0+60x60",
                INTERVAL: "300x60",
            },
            {60: []},
        ),
    ),
    "SpecUnreadable": (
        Case("a Device", UNREAD, {4: [], 6: [OF_DEVICE]}),
        Case("a DeviceCertificate", UNREAD_CERTIFICATE, {4: [], 6: [OF_CERTIFICATE]}),
        Case("it was corrected", {problem("Device", "Ready", "InvalidSpec"): "1x3 stale"}, {2: [], 7: [], 20: []}),
        Case(
            "the operator restarts",
            {problem("Device", "Ready", "InvalidSpec"): "1x3 stale _x6 1x3 stale"},
            {6: [], 12: [], 20: []},
        ),
        Case("paused", UNREAD | {held("Device", "Paused"): "1x60"}, {30: []}),
        Case(
            "another object of its name is paused",
            UNREAD | {held("DeviceCertificate", "Paused"): "1x60"},
            {30: [OF_DEVICE]},
        ),
        Case("dry run: it is not even looked at", UNREAD | {held("Device", "ObserveOnly"): "1x60"}, {30: [OF_DEVICE]}),
        Case(
            "an authority: told elsewhere", {problem("CertificateAuthority", "Ready", "InvalidSpec"): "1x60"}, {30: []}
        ),
    ),
    "CertificateExpiringSoon": (
        Case("no new revision comes", ENDING, {440: [], 460: [], 467: [OF_CERTIFICATE]}),
        Case("the new revision is not served", SERVED_ENDING, {440: [], 460: [], 467: [OF_DEVICE]}),
        Case("renewal in progress", {END: "36000x420 72000x500", RENEWAL: "18000x420 54000x500"}, {410: [], 470: []}),
        Case(
            "the operator restarts while it renews",
            {END: "36000x452 stale _x7 72000x500", RENEWAL: "18000x452 stale _x7 54000x500"},
            {455: [], 462: [], 480: []},
        ),
        Case("long before its renewal", ENDING, {30: [], 290: []}),
        Case("expired: told elsewhere", ENDING | SERVED_ENDING, {620: []}),
        Case("paused", ENDING | {held("DeviceCertificate", "Paused"): "1x1000"}, {500: []}),
        Case("paused device", SERVED_ENDING | {held("Device", "Paused"): "1x1000"}, {500: []}),
        Case("observe-only", SERVED_ENDING | {held("Device", "ObserveOnly"): "1x1000"}, {500: []}),
        Case("the firmware renews", {SERVED_END: "36000x1000"}, {500: []}),
    ),
    "CertificateExpired": (
        Case("it is served", EXPIRED, {9: [], 14: [], 17: [OF_DEVICE]}),
        Case("it is the wanted one", {END: "600x60"}, {9: [], 17: [OF_CERTIFICATE]}),
        Case(
            "renewal in progress: another takes its place",
            {SERVED_END: "600x12 9000x60", SECURE: "0x12 1x60"},
            {11: [], 13: [], 30: []},
        ),
        Case(
            "the operator restarts",
            {SERVED_END: "600x12 stale _x7 9000x60", SECURE: "0x12 stale _x7 1x60"},
            {12: [], 17: [], 30: []},
        ),
        Case("nobody asked for another", {SERVED_END: "600x60"}, {30: []}),
        Case("paused", EXPIRED | {held("Device", "Paused"): "1x60"}, {30: []}),
        Case("observe-only", EXPIRED | {held("Device", "ObserveOnly"): "1x60"}, {30: []}),
    ),
    "CertificateIssuanceFailing": (
        Case("it lasts", {UNISSUED: "1x60"}, {29: [], 31: [PLACE]}),
        Case("renewal in progress: the issuer was away for a while", {UNISSUED: "1x20 stale"}, {19: [], 40: []}),
        Case("the operator restarts", {UNISSUED: "1x20 stale _x7 1x20 stale"}, {31: [], 45: []}),
        Case(
            "somebody has yet to sign",
            {problem("DeviceCertificate", "Issued", "WaitingForSignature"): "1x60"},
            {45: []},
        ),
        Case("paused", {UNISSUED: "1x60", held("DeviceCertificate", "Paused"): "1x60"}, {45: []}),
        Case(
            "observe-only: the device may not be asked for a key",
            {
                problem("DeviceCertificate", "Issued", "ObserveOnly"): "1x60",
                held("DeviceCertificate", "ObserveOnly"): "1x60",
            },
            {45: []},
        ),
    ),
    "AuthorityNotReady": (
        Case("its root is gone", {UNREADY: "1x60"}, {14: [], 16: [PLACE]}),
        Case("the Secret is put back", {UNREADY: "1x12 stale"}, {11: [], 16: [], 30: []}),
        Case("the operator restarts", {UNREADY: "1x10 stale _x7 1x10 stale"}, {16: [], 28: []}),
        Case("renewal in progress: a rotation", {PHASE_DUE: "5000000x60"}, {30: []}),
        Case("paused", {UNREADY: "1x60", held("CertificateAuthority", "Paused"): "1x60"}, {30: []}),
    ),
    "AuthorityExpiring": (
        Case("its last three months", LAST_DAYS, {59: [], 61: [OF_AUTHORITY]}),
        Case("it has years", {ROOT_END: "300000000x200"}, {150: []}),
        Case("its rotation is planned", LAST_DAYS | {ROTATES: "5000000x200"}, {150: []}),
        Case("its rotation was planned and did not begin", LAST_DAYS | {ROTATES: "0x200"}, {61: [OF_AUTHORITY]}),
        Case("that of a caSecretRef", {ISSUING_CA_END: "7000000x200"}, {59: [], 61: [OF_SECRET]}),
        Case("a caSecretRef has years", {ISSUING_CA_END: "300000000x200"}, {150: []}),
        Case(
            "a new CA was put into the Secret", {ISSUING_CA_END: "7000000x50 300000000x150"}, {49: [], 61: [], 150: []}
        ),
        Case(
            "a Secret has the name of a CertificateAuthority",
            LAST_DAYS | {ISSUING_CA_END: "7000000x200", PHASE_DUE: "5000000x200"},
            {61: [OF_SECRET]},
        ),
        Case("the operator restarts", {ROOT_END: "7000000x50 stale _x7 7000000x40 stale"}, {61: [], 95: []}),
        Case("renewal in progress: its rotation is under way", LAST_DAYS | {PHASE_DUE: "5000000x200"}, {150: []}),
        Case("paused", LAST_DAYS | {held("CertificateAuthority", "Paused"): "1x200"}, {150: []}),
    ),
    "AuthorityRotationStuck": (
        Case(
            "a day past its time", {PHASE_DUE: "0x400"}, {1490: [], 1510: [PLACE | {"phase": "Switching"}]}, interval=5
        ),
        Case("it has time", {PHASE_DUE: "100000x400"}, {1600: []}, interval=5),
        Case("it went on", {PHASE_DUE: "0x297 stale"}, {1480: [], 1600: []}, interval=5),
        Case("the operator restarts", {PHASE_DUE: "0x291 stale _x2 0x10 stale"}, {1460: [], 1510: []}, interval=5),
        Case("paused", {PHASE_DUE: "0x400", held("CertificateAuthority", "Paused"): "1x400"}, {1600: []}, interval=5),
    ),
    "OperatorAbsent": (
        Case("nothing is scraped", {}, {9: [], 11: [OURS]}),
        Case("it went away", {BUILD: "1x10 stale"}, {19: [], 22: [OURS]}),
        Case("another release's is there", OTHERS, {9: [], 11: [OURS]}),
        Case("another release's leads", OTHERS | {BUILD: "1x60", _LEADER_A: "0x60"}, {9: [], 11: [{}]}),
        Case("the operator restarts", {BUILD: "1x10 stale _x7 1x30"}, {14: [], 18: [], 30: []}),
        Case("all replicas stand by", {BUILD: "1x60", _LEADER_A: "0x60", _LEADER_B: "0x60"}, {9: [], 11: [{}]}),
        Case("another takes over", {BUILD: "1x60", _LEADER_A: "1x10 0x40", _LEADER_B: "0x12 1x40"}, {11: [], 25: []}),
        Case("one of two replicas is there", {f'devicecert_build_info{{{SELECTOR}, instance="b"}}': "1x60"}, {30: []}),
    ),
    "QueueStuck": (
        Case("work waits ever longer", {QUEUE: "0+60x60"}, {14: [], 17: [{"instance": "a"}]}),
        Case("the operator restarts: a burst", {QUEUE: "0 120 240 360 0x40"}, {3: [], 20: []}),
        Case("busy, and nobody waits long", {QUEUE: "30x60"}, {40: []}),
    ),
}
