"""Builders of core values for table tests: everything is well unless a test says otherwise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from device_cert_operator.core.identity import Recognition
from device_cert_operator.core.model import (
    Capabilities,
    CASecretIssuer,
    CertificateFacts,
    ClockReading,
    ClockSource,
    DesiredCertificate,
    DesiredDevice,
    DeviceIdentity,
    DeviceReport,
    Inventory,
    KeyType,
    NotServed,
    ObjectKey,
    Revision,
    Served,
    StoredCertificate,
)
from device_cert_operator.core.situation import Assignment, Situation
from device_cert_operator.core.status import DeviceStatus, OwnerRef, RevisionState
from device_cert_operator.core.verdict import Verdict
from device_cert_operator.reasons import Reason

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
KEY = ObjectKey("Device", "cams", "gate")
PREFIX = "dc-"


def facts(mark: str = "a", **more: Any) -> CertificateFacts:
    """Certificate facts; `mark` makes fingerprint and key differ."""
    given: dict[str, Any] = {
        "fingerprint": mark * 64,
        "public_key_sha256": f"key-{mark}",
        "subject": "CN=10.0.0.1",
        "issuer": "CN=root",
        "serial_number": "1",
        "not_before": NOW - timedelta(days=1),
        "not_after": NOW + timedelta(days=89),
        "common_name": "10.0.0.1",
        "dns_names": (),
        "ip_addresses": ("10.0.0.1",),
        "key_type": "EC",
        "curve": "secp256r1",
        "key_bits": 256,
        "signature_hash": "sha256",
        "version": 3,
        "is_ca": False,
        "key_usage": frozenset({"digitalSignature"}),
        "extended_key_usage": ("1.3.6.1.5.5.7.3.1",),
        "has_san": True,
        "san_critical": False,
        "subject_is_empty": False,
    }
    return CertificateFacts(**{**given, **more})


def served(mark: str = "a", address: str = "10.0.0.1", **more: Any) -> Served:
    """A good handshake."""
    given: dict[str, Any] = {"tls_version": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256", "browser_grade": True}
    leaf = facts(mark)
    return Served(address, 443, leaf, b"leaf", (leaf,), (b"leaf",), **{**given, **more})


AWAY = NotServed("10.0.0.1", 443, "timed out", answers=False)


def desired(**more: Any) -> DesiredDevice:
    """A Device that wants nothing special."""
    given: dict[str, Any] = {
        "key": KEY,
        "uid": "uid-gate",
        "generation": 1,
        "driver": "onvif",
        "host": "10.0.0.1",
        "credentials_secret": "login",
    }
    return DesiredDevice(**{**given, **more})


def revision(number: int = 1, mark: str = "a", **more: Any) -> Revision:
    """A revision given to the device."""
    given: dict[str, Any] = {
        "secret": f"gate-r{number}",
        "owner_uid": "uid-cert",
        "input_hash": "spec-names",
        "authority_fingerprint": "ca",
        "facts": facts(mark),
        "given_to": frozenset({"uid-gate"}),
    }
    return Revision(number, **{**given, **more})


def report(**more: Any) -> DeviceReport:
    """A log-in that showed nothing wrong."""
    given: dict[str, Any] = {
        "identity": DeviceIdentity("Maker", "Model", "1", "SER", ("02:00:00:00:00:01",)),
        "clock": ClockReading(ClockSource.MANUAL, timedelta(0)),
        "capabilities": Capabilities(
            can_install_key_pair=True, can_reboot=True, key_types=frozenset({KeyType.ECDSA_P256, KeyType.RSA_2048})
        ),
        "https_enabled": True,
    }
    return DeviceReport(**{**given, **more})


def stored(handle: str, mark: str, alias: str = "", *, tls: bool = False, elsewhere: bool = False) -> StoredCertificate:
    """One path in a device's store."""
    return StoredCertificate(handle, alias, (mark * 64,), True, tls, elsewhere)


def inventory(*entries: StoredCertificate, free: int | None = 3) -> Inventory:
    """A store."""
    return Inventory(entries, free)


KNOWN = Recognition("Revision", Reason.KEY_KNOWN, "known", may_log_in=True, may_send_key=True)
STRANGER = Recognition(None, Reason.IDENTITY_UNCONFIRMED, "who is it?")
SECURE = Verdict(())


def assignment(turn: Revision | None, *kept: Revision) -> Assignment:
    """What the DeviceCertificate wants."""
    every = tuple(sorted({*kept, *([turn] if turn else [])}, key=lambda one: one.number))
    return Assignment(OwnerRef("gate", "uid-cert"), every[-1] if every else None, turn, every)


def situation(**more: Any) -> Situation:
    """A secure device at rest."""
    one = revision()
    given: dict[str, Any] = {
        "desired": desired(),
        "status": DeviceStatus(observed_generation=1, revision=RevisionState(installed=one.ref)),
        "now": NOW,
        "address": "10.0.0.1",
        "served": served(),
        "recognition": KNOWN,
        "verdict": SECURE,
        "assignment": assignment(one),
    }
    return Situation(**{**given, **more})


def with_revision_state(s: Situation, **more: Any) -> Situation:
    """The same with another `status.revision`."""
    return replace(s, status=replace(s.status, revision=replace(s.status.revision, **more)))


def certificate(**more: Any) -> DesiredCertificate:
    """A DeviceCertificate that wants nothing special."""
    given: dict[str, Any] = {
        "key": ObjectKey("DeviceCertificate", "cams", "gate"),
        "uid": "uid-cert",
        "generation": 1,
        "created_at": NOW - timedelta(days=9),
        "devices": ("gate",),
        "issuer": CASecretIssuer("root"),
    }
    return DesiredCertificate(**{**given, **more})
