"""Specs become desired values with every default filled in; what does not fit names its field."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_cert_operator.api.convert_spec import LONGEST_REQUEST, desired_certificate, desired_device
from device_cert_operator.api.durations import build_duration, parse_duration, parse_signed_duration
from device_cert_operator.core.model import (
    AddressPolicy,
    CASecretIssuer,
    ClockPolicy,
    DesiredCertificate,
    DesiredDevice,
    EnforcedNetwork,
    IdentityPins,
    KeyAlgorithm,
    MaintenanceWindow,
    Management,
    ObjectKey,
    OnKeyChange,
    RebootPolicy,
    Reference,
    Security,
    SubjectFields,
)
from device_cert_operator.errors import InvalidSpec

META = {
    "namespace": "cams",
    "name": "gate",
    "uid": "u-1",
    "generation": 3,
    "creationTimestamp": "2026-06-01T12:00:00Z",
    "resourceVersion": "7",
}
DEVICE: dict[str, Any] = {
    "driver": "onvif",
    "address": {"host": "192.0.2.7"},
    "credentialsSecretRef": {"name": "gate-login"},
}
CERTIFICATE: dict[str, Any] = {"devices": [{"name": "gate"}], "issuer": {"caSecretRef": {"name": "root-ca"}}}


def device(spec: Any = None, **metadata: Any) -> DesiredDevice:
    """What a Device of this spec asks for."""
    return desired_device({"metadata": META | metadata, "spec": DEVICE if spec is None else spec})


def certificate(spec: Any = None, **metadata: Any) -> DesiredCertificate:
    """What a DeviceCertificate of this spec asks for."""
    return desired_certificate({"metadata": META | metadata, "spec": CERTIFICATE if spec is None else spec})


def test_a_short_device_gets_every_default() -> None:
    wanted = DesiredDevice(ObjectKey("Device", "cams", "gate"), "u-1", 3, "onvif", "192.0.2.7", "gate-login")
    assert device() == wanted


def test_a_short_certificate_gets_every_default() -> None:
    created = datetime(2026, 6, 1, 12, tzinfo=UTC)
    key = ObjectKey("DeviceCertificate", "cams", "gate")
    assert certificate() == DesiredCertificate(key, "u-1", 3, created, ("gate",), CASecretIssuer("root-ca"))


def test_every_field_of_a_device_is_read() -> None:
    spec = {
        "driver": "onvif",
        "address": {
            "host": "Gate.Example.",
            "httpsPort": 8443,
            "policy": "Report",
            "locate": {"subnets": ["192.0.2.0/28"]},
            "enforce": {"prefixLength": 28, "gateway": "2001:db8:0::1"},
        },
        "connection": {
            "security": "Verified",
            "port": 8444,
            "caRef": {"kind": "Secret", "name": "vendor-ca", "key": "tls.crt"},
            "onKeyChange": "Accept",
            "allowPlaintextKey": True,
            "timeout": "1m30s",
        },
        "credentialsSecretRef": {"name": "gate-login"},
        "identity": {
            "serialNumber": "S1",
            "macAddress": "AA-BB-CC-00-11-22",
            "publicKeySHA256": "sha256:" + "AB" * 32,
        },
        "clock": {"policy": "Report", "maxOffset": "2m", "ntpServers": ["NTP.example", "2001:db8:0::1"]},
        "https": {"ensureEnabled": False},
        "reboot": {"policy": "InWindow"},
        "maintenanceWindows": [
            {"schedule": "0 2 * * SUN", "duration": "2h", "timeZone": "Asia/Tokyo"},
            {"schedule": "30 12 * * *", "duration": "90s"},
        ],
        "management": "Observe",
        "checkInterval": "2s",
    }
    notes = {
        "devicecert.io/paused": "true",
        "devicecert.io/accept-key": "sha256:" + "CD" * 32,
        "devicecert.io/reboot": "monday",
        "devicecert.io/retry-login": "tuesday",
    }
    assert device(spec, annotations=notes, deletionTimestamp="2026-06-02T00:00:00Z") == DesiredDevice(
        key=ObjectKey("Device", "cams", "gate"),
        uid="u-1",
        generation=3,
        driver="onvif",
        host="gate.example",
        credentials_secret="gate-login",
        https_port=8443,
        port=8444,
        address_policy=AddressPolicy.REPORT,
        locate_subnets=("192.0.2.0/28",),
        enforced=EnforcedNetwork(28, "2001:db8::1"),
        security=Security.VERIFIED,
        ca_ref=Reference("Secret", "vendor-ca", "tls.crt"),
        on_key_change=OnKeyChange.ACCEPT,
        allow_plaintext_key=True,
        timeout=timedelta(seconds=90),
        pins=IdentityPins("S1", "aa:bb:cc:00:11:22", "ab" * 32),
        clock_policy=ClockPolicy.REPORT,
        max_clock_offset=timedelta(minutes=2),
        ntp_servers=("ntp.example", "2001:db8::1"),
        ensure_https=False,
        reboot_policy=RebootPolicy.IN_WINDOW,
        windows=(
            MaintenanceWindow("0 2 * * SUN", timedelta(hours=2), "Asia/Tokyo"),
            MaintenanceWindow("30 12 * * *", timedelta(seconds=90)),
        ),
        management=Management.OBSERVE,
        check_interval=timedelta(seconds=2),
        paused=True,
        accepted_key="cd" * 32,
        reboot_request="monday",
        retry_login_request="tuesday",
        deleting=True,
    )


def test_every_field_of_a_certificate_is_read() -> None:
    spec = {
        "devices": [{"name": "gate"}, {"name": "door"}],
        "issuer": {"caSecretRef": {"name": "root-ca"}},
        "subject": {
            "country": "JP",
            "state": "Tokyo",
            "locality": "Minato",
            "organization": "Example",
            "organizationalUnit": "Doors",
            "commonName": "Gate.Example",
        },
        "dnsNames": ["*.Example.", "gate.example"],
        "ipAddresses": ["2001:DB8:0::1"],
        "includeDeviceAddresses": False,
        "privateKey": {"algorithm": "RSA", "size": 3072, "rotationPolicy": "Always"},
        "duration": "48h",
        "renewBefore": "12h",
        "secretName": "gate-tls",
    }
    notes = {"devicecert.io/paused": "yes", "devicecert.io/renew": "1"}
    assert certificate(spec, annotations=notes) == DesiredCertificate(
        key=ObjectKey("DeviceCertificate", "cams", "gate"),
        uid="u-1",
        generation=3,
        created_at=datetime(2026, 6, 1, 12, tzinfo=UTC),
        devices=("gate", "door"),
        issuer=CASecretIssuer("root-ca"),
        subject=SubjectFields("JP", "Tokyo", "Minato", "Example", "Doors", "gate.example"),
        dns_names=("*.example", "gate.example"),
        ip_addresses=("2001:db8::1",),
        include_device_addresses=False,
        algorithm=KeyAlgorithm.RSA,
        key_size=3072,
        duration=timedelta(hours=48),
        renew_before=timedelta(hours=12),
        secret_name="gate-tls",
        renew_request="1",
    )


def test_a_field_that_is_null_is_a_default() -> None:
    nulls = dict.fromkeys(("connection", "identity", "clock", "https", "reboot", "management", "checkInterval"))
    assert device(DEVICE | nulls) == device()


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "g" * 64, "sha256:" + "a" * 63, "md5:" + "a" * 32])
def test_a_key_that_is_none_is_not_accepted(text: str) -> None:
    assert device(annotations={"devicecert.io/accept-key": text}).accepted_key is None


def test_two_long_requests_differ_and_fit_into_the_status() -> None:
    """The status remembers the value; were it cut, the device would be restarted for ever, or once for both."""
    one, other = (device(annotations={"devicecert.io/reboot": "x" * 5000 + end}).reboot_request for end in "12")
    assert one is not None
    assert one != other
    assert len(one) <= LONGEST_REQUEST


WINDOW = {"schedule": "0 2 * * *", "duration": "2h"}
UNREADABLE_DEVICES: list[tuple[Any, str]] = [
    ({}, "spec.driver is missing"),
    ([], "spec must be an object"),
    (DEVICE | {"address": {}}, "spec.address.host is missing"),
    (DEVICE | {"address": "192.0.2.7"}, "spec.address must be an object"),
    (DEVICE | {"address": {"host": 7}}, "spec.address.host must be a string"),
    (DEVICE | {"address": {"host": "ä" * 80}}, "spec.address.host: "),
    (
        DEVICE | {"address": {"host": "a", "policy": "Chase"}},
        "spec.address.policy must be one of Follow, Enforce, Report",
    ),
    (DEVICE | {"address": {"host": "a", "httpsPort": "443"}}, "spec.address.httpsPort must be a whole number"),
    (DEVICE | {"address": {"host": "a", "locate": {"subnets": "x"}}}, "spec.address.locate.subnets must be a list"),
    (DEVICE | {"credentialsSecretRef": {}}, "spec.credentialsSecretRef.name is missing"),
    (DEVICE | {"connection": {"caRef": {}}}, "spec.connection.caRef.name is missing"),
    (DEVICE | {"connection": {"timeout": "10"}}, "spec.connection.timeout: '10' is no duration such as 30s"),
    (DEVICE | {"clock": {"ntpServers": ["a", 5]}}, "spec.clock.ntpServers[1] must be a string"),
    (DEVICE | {"https": {"ensureEnabled": "yes"}}, "spec.https.ensureEnabled must be true or false"),
    (DEVICE | {"address": {"host": "a", "enforce": {}}}, "spec.address.enforce.prefixLength is missing"),
    (
        DEVICE | {"address": {"host": "192.0.2.7", "enforce": {"prefixLength": 24, "gateway": "192.0.3.1"}}},
        "enforce.gateway: 192.0.3.1 is no other address in the network 192.0",
    ),
    (
        DEVICE | {"address": {"host": "192.0.2.7", "enforce": {"prefixLength": 24, "gateway": "gw"}}},
        "enforce.gateway: gw is no other address in the network 192.0.2.0/24",
    ),
    (
        DEVICE | {"address": {"host": "192.0.2.7", "enforce": {"prefixLength": 33, "gateway": "192.0.2.1"}}},
        "spec.address.enforce: '192.0.2.7/33' does not appear",
    ),
    (
        DEVICE | {"maintenanceWindows": [WINDOW | {"schedule": "0 2 * *"}]},
        "spec.maintenanceWindows[0]: '0 2 * *' is no schedule of five fields",
    ),
    (
        DEVICE | {"maintenanceWindows": [WINDOW | {"schedule": "0 25 * * *"}]},
        "spec.maintenanceWindows[0]: '0 25 * * *' is no schedule: bad hour",
    ),
    (
        DEVICE | {"maintenanceWindows": [WINDOW | {"timeZone": "Mars/Base"}]},
        "spec.maintenanceWindows[0]: 'Mars/Base' is no time zone such as",
    ),
    (DEVICE | {"maintenanceWindows": [WINDOW | {"duration": None}]}, "spec.maintenanceWindows[0].duration is missing"),
    (
        DEVICE | {"maintenanceWindows": [WINDOW | {"duration": "2"}]},
        "spec.maintenanceWindows[0].duration: '2' is no duration such as 30s",
    ),
    (DEVICE | {"management": ["Manage"]}, "spec.management must be one of Manage, Observe"),
    (DEVICE | {"checkInterval": 5}, "spec.checkInterval must be a string"),
]


@pytest.mark.parametrize(("spec", "told"), UNREADABLE_DEVICES, ids=[told for _, told in UNREADABLE_DEVICES])
def test_a_device_that_cannot_be_read_names_the_field(spec: Any, told: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        device(spec)
    assert caught.value.message.startswith("Device cams/gate cannot be read: ")
    assert told in caught.value.message


UNREADABLE_CERTIFICATES: list[tuple[Any, str]] = [
    (CERTIFICATE | {"devices": [{}]}, "spec.devices[0].name is missing"),
    (CERTIFICATE | {"devices": ["gate"]}, "spec.devices[0] must be an object"),
    (CERTIFICATE | {"issuer": {}}, "spec.issuer.caSecretRef.name is missing"),
    (CERTIFICATE | {"dnsNames": ["a..b.ä"]}, "spec.dnsNames[0]: "),
    (CERTIFICATE | {"privateKey": {"algorithm": "DSA"}}, "spec.privateKey.algorithm must be one of Auto, ECDSA, RSA"),
    (CERTIFICATE | {"duration": "90 days"}, "spec.duration: '90 days' is no duration"),
    (CERTIFICATE | {"renewBefore": ""}, "spec.renewBefore: '' is no duration"),
]


@pytest.mark.parametrize(("spec", "told"), UNREADABLE_CERTIFICATES, ids=[told for _, told in UNREADABLE_CERTIFICATES])
def test_a_certificate_that_cannot_be_read_names_the_field(spec: Any, told: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        certificate(spec)
    assert caught.value.message.startswith("DeviceCertificate cams/gate cannot be read: ")
    assert told in caught.value.message


def complaint(read: Callable[[Any], object], spec: Any) -> str:
    """What an InvalidSpec says of it; empty where it can be read."""
    try:
        read(spec)
    except InvalidSpec as error:
        return error.message
    return ""


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one, max_size=3)))
def test_nonsense_anywhere_is_an_invalid_spec_or_none(nonsense: Any) -> None:
    for field in (*DEVICE, "connection", "identity", "clock", "https", "reboot", "management", "checkInterval"):
        assert f"spec.{field}" in (complaint(device, DEVICE | {field: nonsense}) or f"spec.{field}")
    for field in (*CERTIFICATE, "subject", "dnsNames", "ipAddresses", "privateKey", "duration", "secretName"):
        assert f"spec.{field}" in (complaint(certificate, CERTIFICATE | {field: nonsense}) or f"spec.{field}")


@given(st.integers(0, 999_999 * 3600 + 3599).map(lambda seconds: timedelta(seconds=seconds)))
def test_a_duration_comes_back_as_it_was(value: timedelta) -> None:
    assert parse_duration(build_duration(value)) == value
    assert parse_signed_duration(build_duration(-value)) == -value


@pytest.mark.parametrize("text", ["", "s", "10", "1h-5m", "-5m", "5m1h", "1.5h", "5d", " 5m", "5m\n", "٣s", "1000000h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)
