"""What the real API server refuses, and what it tells the person who wrote it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from kubernetes.dynamic.exceptions import DynamicApiError

from local_control_plane.plane import ControlPlane
from tests.api.manifests import (
    ABSENT,
    Manifest,
    authority,
    certificate,
    changed,
    device,
    full_authority,
    full_certificate,
    full_device,
    full_firmware_certificate,
)
from tests.support.admin import admin, said
from tests.support.control_plane import read

D, C, A = device(), certificate(), authority()
NO_RANGE = "each range must be a CIDR without host bits, such as 10.0.0.0/8"
NO_ROOT_SIZE = "size must be 256 or 384 with ECDSA, which is the default, and 2048, 3072 or 4096 with algorithm RSA"
E = changed(D, "spec.address", {"host": "192.0.2.7", "policy": "Enforce", "enforce": {"prefixLength": 24}})
ENFORCED_IPV6 = {"host": "2001:db8::7", "policy": "Enforce", "enforce": {"prefixLength": 64, "gateway": "2001:db8::1"}}
DAILY = "0 2 * * *"
NO_GATEWAY = "enforce.gateway must be another address in the network of host and prefixLength"
NO_HOST = "must be a valid IPv4 or IPv6 address without zone and brackets, or a DNS name"
NO_SUBNET = "each subnet must be a CIDR such as 192.168.1.0/24, no larger than /20 (IPv6: /116)"
FIRMWARE = changed(C, "spec.issuer", {"deviceCA": {"sha256": "ab" * 32}})
NO_FIRMWARE = "with deviceCA the firmware makes keys, names and dates: leave out privateKey, subject, duration"
NO_SIZE = "size must be 2048, 3072 or 4096 with algorithm RSA, 256 or 384 with ECDSA, and absent with Auto"

# sentence, manifest, field, its value, what is told
INVALID: list[tuple[str, Manifest, str, Any, str]] = [
    ("a device without driver", D, "spec.driver", ABSENT, "spec.driver: Required value"),
    ("a driver that is no word", D, "spec.driver", "ONVIF!", "spec.driver"),
    ("a device without address", D, "spec.address", ABSENT, "spec.address: Required value"),
    ("a device without host", D, "spec.address", {}, "spec.address.host: Required value"),
    ("a device without credentials", D, "spec.credentialsSecretRef", ABSENT, "credentialsSecretRef: Required value"),
    ("credentials without a name", D, "spec.credentialsSecretRef", {}, "credentialsSecretRef.name: Required value"),
    ("a Secret name in capitals", D, "spec.credentialsSecretRef.name", "Login", "credentialsSecretRef.name"),
    ("an IPv4 address with a part too large", D, "spec.address.host", "192.0.2.256", NO_HOST),
    ("an IPv4 address with leading zeros", D, "spec.address.host", "192.000.002.001", NO_HOST),
    ("an IPv4 address with a part missing", D, "spec.address.host", "192.0.2", NO_HOST),
    ("an IPv6 address with a zone", D, "spec.address.host", "fe80::1%eth0", "spec.address.host"),
    ("an IPv6 address in brackets", D, "spec.address.host", "[2001:db8::1]", "spec.address.host"),
    ("an IPv6 address with too many colons", D, "spec.address.host", "2001::db8::1", NO_HOST),
    ("a host with a port", D, "spec.address.host", "192.0.2.7:443", NO_HOST),
    ("a host that is a URL", D, "spec.address.host", "https://cam", "spec.address.host"),
    ("a host with a wildcard", D, "spec.address.host", "*.example", "spec.address.host"),
    ("a host with a blank", D, "spec.address.host", "my cam", "spec.address.host"),
    ("an empty host", D, "spec.address.host", "", "spec.address.host"),
    ("a host too long", D, "spec.address.host", "a." * 127, "spec.address.host: Too long"),
    ("port 0", D, "spec.address.httpsPort", 0, "spec.address.httpsPort"),
    ("a port too large", D, "spec.connection.port", 65536, "spec.connection.port"),
    ("a port in quotes", D, "spec.address.httpsPort", "443", "spec.address.httpsPort"),
    ("an unknown address policy", D, "spec.address.policy", "Chase", 'supported values: "Follow", "Enforce", "Report"'),
    ("Enforce without a network", E, "spec.address.enforce", ABSENT, "policy Enforce needs address.enforce"),
    ("Enforce at a name", E, "spec.address.host", "gate.example", "with policy Enforce, host must be an IP address"),
    ("Enforce at an IPv6 address that ONVIF cannot set", D, "spec.address", ENFORCED_IPV6, "sets IPv4 addresses only"),
    ("a network without size", E, "spec.address.enforce", {"gateway": "192.0.2.1"}, "enforce.prefixLength: Required"),
    ("an IPv4 network beyond 32 bits", E, "spec.address.enforce.prefixLength", 33, "prefixLength is at most 32"),
    ("a network of 0 bits", E, "spec.address.enforce.prefixLength", 0, "spec.address.enforce.prefixLength"),
    ("a gateway that is a name", E, "spec.address.enforce.gateway", "gw", "gateway must be an IPv4 or IPv6 address"),
    ("a gateway of another family", E, "spec.address.enforce.gateway", "2001:db8::1", NO_GATEWAY),
    ("a device as its own gateway", E, "spec.address.enforce.gateway", "192.0.2.7", NO_GATEWAY),
    ("nowhere to look", D, "spec.address.locate.subnets", [], "spec.address.locate.subnets"),
    ("a subnet that is none", D, "spec.address.locate.subnets", ["192.0.2"], NO_SUBNET),
    ("an address as a subnet", D, "spec.address.locate.subnets", ["192.0.2.7"], NO_SUBNET),
    ("an IPv4 subnet too large", D, "spec.address.locate.subnets", ["10.0.0.0/19"], NO_SUBNET),
    ("an IPv6 subnet too large", D, "spec.address.locate.subnets", ["2001:db8::/115"], NO_SUBNET),
    ("one bad subnet among good ones", D, "spec.address.locate.subnets", ["10.0.0.0/24", "x"], NO_SUBNET),
    (
        "subnets too large together",
        D,
        "spec.address.locate.subnets",
        ["10.0.0.0/21", "10.0.8.0/21", "10.0.16.0/32"],
        "the subnets hold more than 4096 addresses in all: name smaller ones, or fewer",
    ),
    (
        "too many subnets",
        D,
        "spec.address.locate.subnets",
        [f"10.0.{number}.0/30" for number in range(17)],
        "spec.address.locate.subnets: Too many",
    ),
    ("unknown security", D, "spec.connection.security", "Trust", 'supported values: "Verified", "FirstUse", "Plain'),
    (
        "Verified without a CA",
        D,
        "spec.connection.security",
        "Verified",
        "security Verified needs connection.caRef: name the CA, or use FirstUse",
    ),
    ("a CA under FirstUse", D, "spec.connection.caRef.name", "ca", "caRef is used with security Verified only"),
    (
        "a CA without a name",
        D,
        "spec.connection",
        {"security": "Verified", "caRef": {"key": "ca.crt"}},
        "spec.connection.caRef.name: Required value",
    ),
    (
        "a CA in a Pod",
        D,
        "spec.connection",
        {"security": "Verified", "caRef": {"kind": "Pod", "name": "ca"}},
        'supported values: "ConfigMap", "Secret"',
    ),
    ("a key over HTTP under FirstUse", D, "spec.connection.allowPlaintextKey", True, "belongs to security Plaintext"),
    ("an unknown answer to a new key", D, "spec.connection.onKeyChange", "Ask", 'supported values: "Refuse", "Accept"'),
    ("a time-out too long", D, "spec.connection.timeout", "61s", "timeout must be between 1s and 60s"),
    ("a time-out of nothing", D, "spec.connection.timeout", "0s", "timeout must be between 1s and 60s"),
    ("a time-out without unit", D, "spec.connection.timeout", "10", "written such as 30s, 5m or 1h30m"),
    ("a MAC address cut short", D, "spec.identity.macAddress", "aa:bb:cc", "spec.identity.macAddress"),
    ("a pin that is no SHA-256", D, "spec.identity.publicKeySHA256", "sha256:ab", "spec.identity.publicKeySHA256"),
    ("an unknown clock policy", D, "spec.clock.policy", "Ignore", 'supported values: "Sync", "Report"'),
    ("a clock too exact", D, "spec.clock.maxOffset", "1s", "maxOffset must be between 2s and 24h"),
    ("a clock off for days", D, "spec.clock.maxOffset", "25h", "maxOffset must be between 2s and 24h"),
    ("a time server that is no host", D, "spec.clock.ntpServers", ["192.0.2.300"], f"each of ntpServers {NO_HOST}"),
    ("too many time servers", D, "spec.clock.ntpServers", ["a", "b", "c", "d", "e"], "ntpServers: Too many"),
    ("an unknown reboot policy", D, "spec.reboot.policy", "Always", 'supported values: "WhenNeeded", "InWindow", '),
    ("restarts in no window", D, "spec.reboot.policy", "InWindow", "reboot.policy InWindow needs maintenanceWindows"),
    ("no window in the list", D, "spec.maintenanceWindows", [], "spec.maintenanceWindows"),
    ("a window without times", D, "spec.maintenanceWindows", [{"duration": "1h"}], "schedule: Required value"),
    ("a window without end", D, "spec.maintenanceWindows", [{"schedule": DAILY}], "duration: Required value"),
    (
        "a schedule of six fields",
        D,
        "spec.maintenanceWindows",
        [{"schedule": DAILY + " *", "duration": "1h"}],
        "schedule",
    ),
    (
        "a window open for two days",
        D,
        "spec.maintenanceWindows",
        [{"schedule": DAILY, "duration": "48h"}],
        "duration must be between 1m and 24h",
    ),
    ("unknown management", D, "spec.management", "Ignore", 'supported values: "Manage", "Observe"'),
    ("checks too often", D, "spec.checkInterval", "1s", "checkInterval must be between 2s and 24h"),
    ("checks too seldom", D, "spec.checkInterval", "2000m", "checkInterval must be between 2s and 24h"),
    ("an interval in days", D, "spec.checkInterval", "1d", "written such as 30s, 5m or 1h30m"),
    ("an interval below zero", D, "spec.checkInterval", "-5m", "spec.checkInterval"),
    ("a misspelt field", D, "spec.adress", {"host": "a"}, 'unknown field "spec.adress"'),
    ("no devices", C, "spec.devices", [], "spec.devices"),
    ("a device twice", C, "spec.devices", [{"name": "a"}, {"name": "a"}], "spec.devices[1]: Duplicate value"),
    ("too many devices", C, "spec.devices", [{"name": f"d{n}"} for n in range(65)], "spec.devices: Too many"),
    ("devices without names", C, "spec.devices", [{}], "spec.devices[0].name: Required value"),
    ("no issuer", C, "spec.issuer", ABSENT, "spec.issuer: Required value"),
    ("a CA of the firmware and another", changed(C, "spec.issuer.deviceCA", {}), "spec.allowGap", False, "exactly one"),
    ("a firmware CA and a subject", FIRMWARE, "spec.subject", {"country": "JP"}, NO_FIRMWARE),
    ("a firmware CA and a key", FIRMWARE, "spec.privateKey", {"algorithm": "RSA"}, NO_FIRMWARE),
    ("a firmware CA and a lifetime", FIRMWARE, "spec.duration", "24h", NO_FIRMWARE),
    ("a firmware CA and a renewal", FIRMWARE, "spec.renewBefore", "24h", NO_FIRMWARE),
    ("a firmware CA and a part of the lifetime", FIRMWARE, "spec.renewBeforePercentage", 30, NO_FIRMWARE),
    ("a firmware CA and a copy", FIRMWARE, "spec.secretName", "gate-tls", NO_FIRMWARE),
    ("a firmware CA and names", FIRMWARE, "spec.dnsNames", ["gate"], NO_FIRMWARE),
    ("a firmware CA and addresses", FIRMWARE, "spec.ipAddresses", ["192.0.2.7"], NO_FIRMWARE),
    ("a pin that is no hash", C, "spec.issuer", {"deviceCA": {"sha256": "abc"}}, "spec.issuer.deviceCA.sha256"),
    (
        "a firmware CA constrained to nothing",
        C,
        "spec.issuer",
        {"deviceCA": {"constrainedBy": {"authorityRef": {"name": "site-ca"}, "permittedIPRanges": []}}},
        "permittedIPRanges",
    ),
    (
        "a firmware CA constrained to a range with host bits",
        C,
        "spec.issuer",
        {"deviceCA": {"constrainedBy": {"authorityRef": {"name": "site-ca"}, "permittedIPRanges": ["10.0.0.1/8"]}}},
        "without host bits, such as 192.168.1.0/24",
    ),
    (
        "a firmware CA constrained by nobody",
        C,
        "spec.issuer",
        {"deviceCA": {"constrainedBy": {"permittedIPRanges": ["10.0.0.0/8"]}}},
        "constrainedBy.authorityRef: Required value",
    ),
    ("an issuer that names none", C, "spec.issuer", {}, "name exactly one issuer"),
    (
        "two issuers",
        C,
        "spec.issuer",
        {"authorityRef": {"name": "a"}, "caSecretRef": {"name": "b"}},
        "name exactly one issuer",
    ),
    ("an issuer without a name", C, "spec.issuer", {"authorityRef": {}}, "authorityRef.name: Required value"),
    ("a country in words", C, "spec.subject.country", "Japan", "spec.subject.country"),
    ("a country in small letters", C, "spec.subject.country", "jp", "spec.subject.country"),
    ("an organization beyond RFC 5280", C, "spec.subject.organization", "o" * 65, "organization: Too long"),
    ("an empty common name", C, "spec.subject.commonName", "", "spec.subject.commonName"),
    ("an address as a DNS name", C, "spec.dnsNames", ["192.0.2.7"], "an address belongs into ipAddresses"),
    ("a wildcard in the middle", C, "spec.dnsNames", ["a.*.example"], "spec.dnsNames[0]"),
    ("a DNS name twice", C, "spec.dnsNames", ["a", "a"], "spec.dnsNames[1]: Duplicate value"),
    ("a name as an address", C, "spec.ipAddresses", ["gate"], "each of ipAddresses must be an IPv4 or IPv6 address"),
    ("an address with a zone", C, "spec.ipAddresses", ["fe80::1%1"], "each of ipAddresses must be an IPv4 or IPv6"),
    ("a subnet as an address", C, "spec.ipAddresses", ["10.0.0.0/8"], "each of ipAddresses must be an IPv4 or IPv6"),
    (
        "a certificate for no name at all",
        C,
        "spec.includeDeviceAddresses",
        False,
        "without includeDeviceAddresses list dnsNames or ipAddresses",
    ),
    ("an unknown algorithm", C, "spec.privateKey.algorithm", "DSA", 'supported values: "Auto", "ECDSA", "RSA"'),
    ("an RSA key too small", C, "spec.privateKey", {"algorithm": "RSA", "size": 1024}, NO_SIZE),
    ("an ECDSA key of RSA's size", C, "spec.privateKey", {"algorithm": "ECDSA", "size": 2048}, NO_SIZE),
    ("a size without an algorithm", C, "spec.privateKey", {"size": 2048}, NO_SIZE),
    ("a size with Auto", C, "spec.privateKey", {"algorithm": "Auto", "size": 256}, NO_SIZE),
    ("a lifetime too short", C, "spec.duration", "59m", "duration must be between 1h and 87600h"),
    ("a lifetime too long", C, "spec.duration", "87601h", "duration must be between 1h and 87600h"),
    ("a lifetime in days", C, "spec.duration", "90d", "written such as 30s, 5m or 1h30m"),
    ("a renewal at the last minute", C, "spec.renewBefore", "4m", "renewBefore must be between 5m and 87600h"),
    ("a renewal before the default lifetime", C, "spec.renewBefore", "2160h", "renewBefore must be shorter than"),
    (
        "a renewal before the issue",
        changed(C, "spec.duration", "24h"),
        "spec.renewBefore",
        "24h",
        "renewBefore must be shorter than duration",
    ),
    (
        "two times of renewal",
        changed(C, "spec.renewBefore", "24h"),
        "spec.renewBeforePercentage",
        30,
        "give renewBefore or renewBeforePercentage, not both",
    ),
    ("a renewal at once", C, "spec.renewBeforePercentage", 100, "spec.renewBeforePercentage"),
    ("a Secret with an underscore", C, "spec.secretName", "gate_tls", "spec.secretName"),
    ("a root without a Secret", A, "spec.secretName", ABSENT, "spec.secretName: Required value"),
    ("a root's common name too long", A, "spec.subject.commonName", "n" * 65, "commonName: Too long"),
    ("a root with a key of Auto", A, "spec.privateKey.algorithm", "Auto", 'supported values: "ECDSA", "RSA"'),
    ("a root with RSA-1024", A, "spec.privateKey", {"algorithm": "RSA", "size": 1024}, NO_ROOT_SIZE),
    ("a root with an ECDSA key of RSA's size", A, "spec.privateKey", {"size": 2048}, NO_ROOT_SIZE),
    ("a root with P-521", A, "spec.privateKey", {"algorithm": "ECDSA", "size": 521}, NO_ROOT_SIZE),
    ("a root for an hour", A, "spec.duration", "1h", "duration must be between 24h and 262800h"),
    ("a root for ever", A, "spec.duration", "262801h", "duration must be between 24h and 262800h"),
    ("a range with host bits", A, "spec.nameConstraints.permittedIPRanges", ["10.0.0.1/8"], NO_RANGE),
    ("an address as a range", A, "spec.nameConstraints.permittedIPRanges", ["10.0.0.1"], NO_RANGE),
    ("a range twice", A, "spec.allowed.ipRanges", ["10.0.0.0/8", "10.0.0.0/8"], "ipRanges[1]: Duplicate value"),
    ("an address as a domain", A, "spec.nameConstraints.permittedDNSDomains", ["10.0.0.1"], "into permittedIPRanges"),
    ("a wildcard as a domain", A, "spec.nameConstraints.permittedDNSDomains", ["*.example"], "permittedDNSDomains[0]"),
    ("a root that permits nothing", A, "spec.nameConstraints", {"permittedIPRanges": []}, "permit at least one domain"),
    ("nothing allowed", A, "spec.allowed", {}, "list dnsNames or ipRanges, or leave allowed out"),
    ("an allowed address as a name", A, "spec.allowed.dnsNames", ["10.0.0.1"], "belongs into ipRanges, as a CIDR"),
    ("a foreign range among those allowed", A, "spec.allowed.ipRanges", ["10.0.0.0/8", "all"], NO_RANGE),
    ("a bundle with a bad name", A, "spec.trustBundle.configMapName", "Trust", "trustBundle.configMapName"),
    ("no overlap", A, "spec.rotation.overlap", "0s", "overlap must be between 1m and 87600h"),
    (
        "a rotation that begins too late for its overlap",
        A,
        "spec.rotation",
        {"before": "720h"},
        "before must be longer than overlap, which is 720h unless given",
    ),
    (
        "a rotation that begins before the root",
        changed(A, "spec.duration", "1000h"),
        "spec.rotation.before",
        "1000h",
        "rotation.before must be shorter than duration",
    ),
]


def create(plane: ControlPlane, namespace: str, manifest: Manifest) -> str:
    """Create it, or only try; the error, or an empty text."""
    return refusal(partial(admin(plane).create, namespace, manifest, dry_run=True))


def refusal(request: Callable[[], object]) -> str:
    """What the API server says against a request; empty when it takes it."""
    try:
        request()
    except DynamicApiError as refused:
        return said(refused)
    return ""


@pytest.mark.parametrize(
    ("manifest", "path", "value", "told"),
    [row[1:] for row in INVALID],
    ids=[row[0].replace(" ", "-") for row in INVALID],
)
def test_it_is_refused(control_plane: ControlPlane, manifest: Manifest, path: str, value: Any, told: str) -> None:
    assert told in create(control_plane, "default", changed(manifest, path, value))


@pytest.mark.parametrize(
    "manifest",
    [D, C, A, full_device(), full_certificate(), full_firmware_certificate(), full_authority()],
    ids=["D", "C", "A", "full D", "full C", "full firmware C", "full A"],
)
def test_short_and_full_manifests_are_taken(control_plane: ControlPlane, manifest: Manifest) -> None:
    """The full ones hold every list and string at its bound: rules must stay within the server's cost limits."""
    assert create(control_plane, "default", manifest) == ""


VALID: list[tuple[Manifest, str, Any]] = [
    (D, "spec.address.host", "2001:db8::1"),
    (D, "spec.address.host", "gate_cam.example."),
    (D, "spec.address.host", "cam-1"),
    (D, "spec.address.host", "1cam"),
    (D, "spec.address.locate.subnets", ["10.0.0.0/20"]),
    (D, "spec.address.locate.subnets", ["2001:db8::/116"]),
    (D, "spec.address.locate.subnets", ["10.0.0.0/21", "2001:db8::/117"]),
    (E, "spec.address.enforce.gateway", "192.0.2.1"),
    (E, "spec.address.locate", {"subnets": ["192.0.2.0/24"]}),
    (D, "spec.address", {**ENFORCED_IPV6, "policy": "Report"}),
    (changed(D, "spec.driver", "camera-web"), "spec.address", ENFORCED_IPV6),
    (
        D,
        "spec.maintenanceWindows",
        [{"schedule": "*/15 2-4 1,15 JAN SUN#1", "duration": "1h", "timeZone": "Etc/GMT+3"}],
    ),
    (D, "spec.connection", {"security": "Plaintext", "allowPlaintextKey": True}),
    (D, "spec.connection", {"security": "Verified", "caRef": {"name": "vendor-ca"}}),
    (D, "spec.checkInterval", "2s"),
    (D, "spec.checkInterval", "1h30m"),
    (D, "spec.clock.ntpServers", ["192.0.2.1", "2001:db8::1", "ntp.example"]),
    (C, "spec.issuer", {"deviceCA": {}}),
    (C, "spec.issuer", {"deviceCA": {"caRef": {"name": "copy"}}}),
    (FIRMWARE, "spec.devices", [{"name": f"d{number}"} for number in range(64)]),
    (D, "spec.connection.onKeyChange", "AcceptDeviceCA"),
    (C, "spec.dnsNames", ["*.example", "gate"]),
    (C, "spec.ipAddresses", ["192.0.2.7", "2001:db8::7"]),
    (C, "spec.renewBeforePercentage", 33),
    (C, "spec.privateKey", {"algorithm": "ECDSA", "size": 384}),
    (C, "spec.privateKey", {"algorithm": "RSA"}),
    (C, "spec.duration", "1h"),
    (C, "spec.duration", "87600h"),
    (changed(C, "spec.ipAddresses", ["192.0.2.7"]), "spec.includeDeviceAddresses", False),
    (C, "spec.issuer", {"authorityRef": {"name": "site-ca"}}),
    (A, "spec.privateKey", {"size": 384}),
    (A, "spec.privateKey", {"algorithm": "RSA"}),
    (A, "spec.nameConstraints", {"permittedDNSDomains": ["cams.example"], "permittedIPRanges": []}),
    (A, "spec.nameConstraints", {"permittedIPRanges": ["0.0.0.0/0", "::/0"]}),
    (A, "spec.allowed", {"dnsNames": ["*.example", "gate"]}),
    (A, "spec.rotation", {"before": "721h"}),
    (A, "spec.rotation", {"before": "2h", "overlap": "1h"}),
]


@pytest.mark.parametrize(("manifest", "path", "value"), VALID, ids=[f"{path}={value}" for _, path, value in VALID])
def test_it_is_taken(control_plane: ControlPlane, manifest: Manifest, path: str, value: Any) -> None:
    assert create(control_plane, "default", changed(manifest, path, value)) == ""


def test_the_copy_s_name_may_be_given_later_and_never_changed(control_plane: ControlPlane, namespace: str) -> None:
    def apply(manifest: Manifest) -> str:
        return refusal(partial(admin(control_plane).apply, namespace, manifest))

    assert apply(certificate()) == ""
    assert apply(changed(certificate(), "spec.secretName", "gate-tls")) == ""
    told = "secretName cannot be changed: make another DeviceCertificate"
    assert told in apply(changed(certificate(), "spec.secretName", "other-tls"))
    assert told in apply(certificate())
    assert apply(changed(changed(certificate(), "spec.secretName", "gate-tls"), "spec.dnsNames", ["gate"])) == ""


def test_a_short_device_is_stored_with_its_defaults(control_plane: ControlPlane, namespace: str) -> None:
    admin(control_plane).create(namespace, device())
    stored = read(control_plane, namespace, "device", "gate")
    assert stored["spec"] == {
        "driver": "onvif",
        "address": {"host": "192.0.2.7", "httpsPort": 443, "policy": "Follow"},
        "connection": {
            "security": "FirstUse",
            "onKeyChange": "Refuse",
            "allowPlaintextKey": False,
            "timeout": "10s",
        },
        "credentialsSecretRef": {"name": "gate-login"},
        "clock": {"policy": "Sync", "maxOffset": "30s"},
        "https": {"ensureEnabled": True},
        "reboot": {"policy": "WhenNeeded"},
        "management": "Manage",
        "checkInterval": "5m",
    }
    assert stored["status"] == {"observedGeneration": -1}


def test_a_short_certificate_is_stored_without_choices_made_for_it(control_plane: ControlPlane, namespace: str) -> None:
    """A default for duration, key or renewal would break the rules on what may be given together."""
    admin(control_plane).create(namespace, certificate())
    stored = read(control_plane, namespace, "devicecertificate", "gate")
    assert stored["spec"] == {
        "devices": [{"name": "gate"}],
        "issuer": {"caSecretRef": {"name": "root-ca"}},
        "dnsNames": [],
        "ipAddresses": [],
        "includeDeviceAddresses": True,
    }
    assert stored["status"] == {"observedGeneration": -1}


def test_a_root_s_secret_is_never_another(control_plane: ControlPlane, namespace: str) -> None:
    def apply(manifest: Manifest) -> str:
        return refusal(partial(admin(control_plane).apply, namespace, manifest))

    assert apply(authority()) == ""
    told = "secretName cannot be changed: make another CertificateAuthority"
    assert told in apply(changed(authority(), "spec.secretName", "other"))
    assert apply(changed(authority(), "spec.subject.organization", "Example")) == ""
