"""From objects as the API server gives them to desired values.

Written by hand: it runs for every event of ten thousand objects.

The schema has refused most nonsense before; what it cannot refuse is an InvalidSpec that names the field.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from device_cert_operator.api.durations import parse_duration
from device_cert_operator.core.model import (
    AddressPolicy,
    ClockPolicy,
    DesiredCertificate,
    DesiredDevice,
    IdentityPins,
    KeyAlgorithm,
    Management,
    ObjectKey,
    OnKeyChange,
    RebootPolicy,
    Reference,
    RotationPolicy,
    Security,
    SubjectFields,
    canonical_host,
)
from device_cert_operator.errors import InvalidSpec

Object = Mapping[str, Any]
PAUSED = "devicecert.io/paused"
ACCEPT_KEY = "devicecert.io/accept-key"
REBOOT = "devicecert.io/reboot"
RENEW = "devicecert.io/renew"
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")


def desired_device(obj: Object) -> DesiredDevice:
    """A Device's spec and verbs. Raises InvalidSpec naming the field."""
    key = object_key(obj, "Device")
    try:
        return _device(obj, key)
    except (KeyError, ValueError, TypeError, AttributeError, UnicodeError) as error:
        raise _unreadable(key, error) from None


def desired_certificate(obj: Object) -> DesiredCertificate:
    """A DeviceCertificate's spec and verbs. Raises InvalidSpec naming the field."""
    key = object_key(obj, "DeviceCertificate")
    try:
        return _certificate(obj, key)
    except (KeyError, ValueError, TypeError, AttributeError, UnicodeError) as error:
        raise _unreadable(key, error) from None


def object_key(obj: Object, kind: str) -> ObjectKey:
    """The key of an object in a namespace."""
    return ObjectKey(kind, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])


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
    meta, spec = obj["metadata"], obj["spec"]
    notes = meta.get("annotations") or {}
    address, connection, clock = spec["address"], spec.get("connection") or {}, spec.get("clock") or {}
    return DesiredDevice(
        key=key,
        uid=meta["uid"],
        generation=int(meta.get("generation", 1)),
        driver=spec["driver"],
        host=canonical_host(address["host"]),
        credentials_secret=spec["credentialsSecretRef"]["name"],
        https_port=int(address.get("httpsPort", 443)),
        port=connection.get("port"),
        address_policy=AddressPolicy(address.get("policy", "Follow")),
        locate_subnets=tuple((address.get("locate") or {}).get("subnets") or ()),
        security=Security(connection.get("security", "FirstUse")),
        ca_ref=_reference(connection.get("caRef")),
        on_key_change=OnKeyChange(connection.get("onKeyChange", "Refuse")),
        allow_plaintext_key=bool(connection.get("allowPlaintextKey", False)),
        timeout=_duration(connection, "timeout", timedelta(seconds=10)),
        pins=_pins(spec.get("identity") or {}),
        clock_policy=ClockPolicy(clock.get("policy", "Sync")),
        max_clock_offset=_duration(clock, "maxOffset", timedelta(seconds=30)),
        ntp_servers=tuple(clock.get("ntpServers") or ()),
        ensure_https=bool((spec.get("https") or {}).get("ensureEnabled", True)),
        reboot_policy=RebootPolicy((spec.get("reboot") or {}).get("policy", "WhenNeeded")),
        management=Management(spec.get("management", "Manage")),
        check_interval=_duration(spec, "checkInterval", timedelta(minutes=5)),
        paused=notes.get(PAUSED) == "true",
        accepted_key=_sha256(notes.get(ACCEPT_KEY)),
        reboot_request=notes.get(REBOOT),
        deleting="deletionTimestamp" in meta,
    )


def _certificate(obj: Object, key: ObjectKey) -> DesiredCertificate:
    meta, spec = obj["metadata"], obj["spec"]
    notes = meta.get("annotations") or {}
    subject, private_key = spec.get("subject") or {}, spec.get("privateKey") or {}
    return DesiredCertificate(
        key=key,
        uid=meta["uid"],
        generation=int(meta.get("generation", 1)),
        created_at=parse_time(meta["creationTimestamp"]),
        devices=tuple(device["name"] for device in spec["devices"]),
        ca_secret=spec["issuer"]["caSecretRef"]["name"],
        subject=SubjectFields(
            country=subject.get("country"),
            state=subject.get("state"),
            locality=subject.get("locality"),
            organization=subject.get("organization"),
            organizational_unit=subject.get("organizationalUnit"),
            common_name=canonical_host(subject["commonName"]) if subject.get("commonName") else None,
        ),
        dns_names=tuple(canonical_host(name) for name in spec.get("dnsNames") or ()),
        ip_addresses=tuple(canonical_host(address) for address in spec.get("ipAddresses") or ()),
        include_device_addresses=bool(spec.get("includeDeviceAddresses", True)),
        algorithm=KeyAlgorithm(private_key.get("algorithm", "Auto")),
        key_size=private_key.get("size"),
        rotation_policy=RotationPolicy(private_key.get("rotationPolicy", "Always")),
        duration=_duration(spec, "duration", timedelta(hours=2160)),
        renew_before=_duration(spec, "renewBefore", None),
        renew_before_percentage=spec.get("renewBeforePercentage"),
        secret_name=spec.get("secretName"),
        renew_request=notes.get(RENEW),
        paused=notes.get(PAUSED) == "true",
        deleting="deletionTimestamp" in meta,
    )


def _duration(holder: Object, field: str, default: Any) -> Any:
    text = holder.get(field)
    if text is None:
        return default
    try:
        return parse_duration(text)
    except ValueError as error:
        raise ValueError(f"{field}: {error}") from None


def _reference(ref: Object | None) -> Reference | None:
    return Reference(ref.get("kind", "ConfigMap"), ref["name"], ref.get("key")) if ref else None


def _pins(identity: Object) -> IdentityPins:
    mac = identity.get("macAddress")
    return IdentityPins(
        serial_number=identity.get("serialNumber"),
        mac_address=mac.lower().replace("-", ":") if mac else None,
        public_key_sha256=_sha256(identity.get("publicKeySHA256")),
    )


def _sha256(text: str | None) -> str | None:
    match = _SHA256.fullmatch(text.strip()) if text else None
    return match[1].lower() if match else None


def _unreadable(key: ObjectKey, error: Exception) -> InvalidSpec:
    what = f"spec.{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)[:200]
    return InvalidSpec(f"{key} cannot be read: {what}.")
