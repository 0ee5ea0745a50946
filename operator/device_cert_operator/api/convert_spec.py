"""From objects as the API server gives them to desired values.

Written by hand: it runs for every event of ten thousand objects.

The schema has refused most nonsense before; what it cannot refuse is an InvalidSpec that names the field.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address, ip_network
from typing import Any

from device_cert_operator.api.strict import Part
from device_cert_operator.core.model import (
    AddressPolicy,
    AuthorityIssuer,
    CASecretIssuer,
    CertManagerIssuer,
    ClockPolicy,
    ConstrainedBy,
    DesiredCertificate,
    DesiredDevice,
    DeviceCAIssuer,
    EnforcedNetwork,
    ExternalIssuer,
    IdentityPins,
    Issuer,
    KeyAlgorithm,
    KeySource,
    MaintenanceWindow,
    Management,
    ObjectKey,
    OnKeyChange,
    ProvidedIssuer,
    RebootPolicy,
    Reference,
    Security,
    SubjectFields,
    is_ip,
)
from device_cert_operator.core.windows import read_window
from device_cert_operator.errors import InvalidSpec

Object = Mapping[str, Any]
PAUSED = "devicecert.io/paused"
ACCEPT_KEY = "devicecert.io/accept-key"
REBOOT = "devicecert.io/reboot"
RETRY_LOGIN = "devicecert.io/retry-login"
RENEW = "devicecert.io/renew"
LONGEST_REQUEST = 1024
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")


def desired_device(obj: Object) -> DesiredDevice:
    """A Device's spec and verbs. Raises InvalidSpec naming the field."""
    key = object_key(obj, "Device")
    try:
        return _device(obj, key)
    except ValueError as error:
        raise InvalidSpec(f"{key} cannot be read: {error}.") from None


def desired_certificate(obj: Object) -> DesiredCertificate:
    """A DeviceCertificate's spec and verbs. Raises InvalidSpec naming the field."""
    key = object_key(obj, "DeviceCertificate")
    try:
        return _certificate(obj, key)
    except ValueError as error:
        raise InvalidSpec(f"{key} cannot be read: {error}.") from None


def object_key(obj: Object, kind: str) -> ObjectKey:
    """The key of an object in a namespace."""
    return ObjectKey(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


def is_paused(obj: Object) -> bool:
    """The annotation, which needs no spec to be read."""
    return (obj["metadata"].get("annotations") or {}).get(PAUSED) == "true"


def device_requests(obj: Object) -> tuple[str | None, str | None]:
    """The values of reboot and of retry-login, which need no spec to be read."""
    notes = obj["metadata"].get("annotations") or {}
    return request_of(notes.get(REBOOT)), request_of(notes.get(RETRY_LOGIN))


def parse_time(text: str) -> datetime:
    """RFC 3339, to an aware time in UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text!r} is outside of the calendar") from None


def _device(obj: Object, key: ObjectKey) -> DesiredDevice:
    meta = obj["metadata"]
    notes = meta.get("annotations") or {}
    spec = Part(obj.get("spec"), "spec")
    address, connection, clock = spec.part("address"), spec.part("connection"), spec.part("clock")
    reboot, retry_login = device_requests(obj)
    return DesiredDevice(
        key=key,
        uid=meta["uid"],
        generation=int(meta.get("generation", 1)),
        driver=spec.text("driver"),
        host=address.host(),
        credentials_secret=spec.part("credentialsSecretRef").text("name"),
        https_port=address.number("httpsPort", 443),
        port=connection.number("port", None),
        address_policy=address.choice("policy", AddressPolicy.FOLLOW),
        locate_subnets=address.part("locate").texts("subnets"),
        enforced=_enforced(address.part("enforce"), address.host()),
        security=connection.choice("security", Security.FIRST_USE),
        ca_ref=_reference(connection.part("caRef")),
        on_key_change=connection.choice("onKeyChange", OnKeyChange.REFUSE),
        allow_plaintext_key=connection.flag("allowPlaintextKey", False),
        timeout=connection.duration("timeout", timedelta(seconds=10)),
        pins=_pins(spec.part("identity")),
        clock_policy=clock.choice("policy", ClockPolicy.SYNC),
        max_clock_offset=clock.duration("maxOffset", timedelta(seconds=30)),
        ntp_servers=clock.hosts("ntpServers"),
        ensure_https=spec.part("https").flag("ensureEnabled", True),
        reboot_policy=spec.part("reboot").choice("policy", RebootPolicy.WHEN_NEEDED),
        windows=tuple(_window(window) for window in spec.parts("maintenanceWindows")),
        management=spec.choice("management", Management.MANAGE),
        check_interval=spec.duration("checkInterval", timedelta(minutes=5)),
        paused=is_paused(obj),
        accepted_key=_sha256(notes.get(ACCEPT_KEY)),
        reboot_request=reboot,
        retry_login_request=retry_login,
        deleting="deletionTimestamp" in meta,
    )


def _enforced(enforce: Part, host: str) -> EnforcedNetwork | None:
    """Whether the gateway is in the network is too much for the server's cost limits: it is seen here."""
    if not enforce.given:
        return None
    if (prefix_length := enforce.number("prefixLength", None)) is None:
        raise ValueError(f"{enforce.path}.prefixLength is missing")
    gateway = enforce.host_or_none("gateway")
    if gateway is not None and is_ip(host):
        network = enforce.read(lambda: ip_network(f"{host}/{prefix_length}", strict=False))
        if gateway == host or not is_ip(gateway) or ip_address(gateway) not in network:
            raise ValueError(f"{enforce.path}.gateway: {gateway} is no other address in the network {network}")
    return EnforcedNetwork(prefix_length, gateway)


def _window(window: Part) -> MaintenanceWindow:
    schedule, zone = window.text("schedule"), window.text_or_none("timeZone") or "UTC"
    if (duration := window.duration("duration", None)) is None:
        raise ValueError(f"{window.path}.duration is missing")
    return window.read(lambda: read_window(schedule, duration, zone))


def _certificate(obj: Object, key: ObjectKey) -> DesiredCertificate:
    meta = obj["metadata"]
    notes = meta.get("annotations") or {}
    spec = Part(obj.get("spec"), "spec")
    subject, private_key = spec.part("subject"), spec.part("privateKey")
    return DesiredCertificate(
        key=key,
        uid=meta["uid"],
        generation=int(meta.get("generation", 1)),
        created_at=parse_time(meta["creationTimestamp"]),
        devices=tuple(device.text("name") for device in spec.parts("devices")),
        issuer=_issuer(spec.part("issuer")),
        subject=subject_fields(subject, subject.host_or_none("commonName")),
        dns_names=spec.hosts("dnsNames"),
        ip_addresses=spec.hosts("ipAddresses"),
        include_device_addresses=spec.flag("includeDeviceAddresses", True),
        algorithm=private_key.choice("algorithm", KeyAlgorithm.AUTO),
        key_size=private_key.number("size", None),
        key_source=private_key.choice("source", KeySource.OPERATOR),
        allow_gap=spec.flag("allowGap", False),
        duration=spec.duration("duration", timedelta(hours=2160)),
        renew_before=spec.duration("renewBefore", None),
        renew_before_percentage=spec.number("renewBeforePercentage", None),
        secret_name=spec.text_or_none("secretName"),
        renew_request=request_of(notes.get(RENEW)),
        paused=is_paused(obj),
        deleting="deletionTimestamp" in meta,
    )


def subject_fields(subject: Part, common_name: str | None) -> SubjectFields:
    """The attributes given. Raises ValueError."""
    return SubjectFields(
        country=subject.text_or_none("country"),
        state=subject.text_or_none("state"),
        locality=subject.text_or_none("locality"),
        organization=subject.text_or_none("organization"),
        organizational_unit=subject.text_or_none("organizationalUnit"),
        common_name=common_name,
    )


def _issuer(issuer: Part) -> Issuer:
    if issuer.part("authorityRef").given:
        return AuthorityIssuer(issuer.part("authorityRef").text("name"))
    if (part := issuer.part("certManagerRef")).given:
        return CertManagerIssuer(
            part.text("name"), part.text_or_none("kind") or "Issuer", part.text_or_none("group") or "cert-manager.io"
        )
    if (part := issuer.part("external").part("certificateRef")).given:
        return ExternalIssuer(
            Reference(
                part.text_or_none("kind") or "ConfigMap", part.text("name"), part.text_or_none("key") or "tls.crt"
            )
        )
    if (part := issuer.part("provided").part("secretRef")).given:
        return ProvidedIssuer(part.text("name"))
    if (part := issuer.part("deviceCA")).given:
        return _device_ca(part)
    return CASecretIssuer(issuer.part("caSecretRef").text("name"))


def _device_ca(part: Part) -> DeviceCAIssuer:
    constrained = part.part("constrainedBy")
    return DeviceCAIssuer(
        _sha256(part.text_or_none("sha256")),
        _reference(part.part("caRef")),
        ConstrainedBy(constrained.part("authorityRef").text("name"), constrained.texts("permittedIPRanges"))
        if constrained.given
        else None,
    )


def _reference(ref: Part) -> Reference | None:
    if not ref.given:
        return None
    return Reference(ref.text_or_none("kind") or "ConfigMap", ref.text("name"), ref.text_or_none("key"))


def _pins(identity: Part) -> IdentityPins:
    mac = identity.text_or_none("macAddress")
    return IdentityPins(
        serial_number=identity.text_or_none("serialNumber"),
        mac_address=mac.lower().replace("-", ":") if mac else None,
        public_key_sha256=_sha256(identity.text_or_none("publicKeySHA256")),
    )


def _sha256(text: str | None) -> str | None:
    match = _SHA256.fullmatch(text.strip()) if text else None
    return match[1].lower() if match else None


def request_of(text: str | None) -> str | None:
    """The value of a verb, as the status remembers it: an annotation may be longer than the status takes."""
    if text is None or len(text) <= LONGEST_REQUEST:
        return text
    return f"sha256:{sha256(text.encode()).hexdigest()}"
