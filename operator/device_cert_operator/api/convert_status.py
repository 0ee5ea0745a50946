"""Statuses to values and back. Reading forgives everything: an older, newer or damaged status must not stop a device.

Writing gives the complete document for a JSON merge patch: what is absent is written as null, so that it goes away.
"""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, TypeVar

from device_cert_operator.api.convert_spec import parse_time
from device_cert_operator.api.durations import build_duration, parse_signed_duration
from device_cert_operator.core.model import ClockSource, Condition, DeviceIdentity, RevisionRef
from device_cert_operator.core.status import (
    Activating,
    AddressStatus,
    Attempts,
    CertificateStatus,
    ClockStatus,
    CredentialsState,
    DeviceStatus,
    EffectiveStatus,
    FailedRevision,
    IdentityStatus,
    MemberStatus,
    OwnerRef,
    RebootStatus,
    RevisionState,
    ServedStatus,
)

Document = Mapping[str, Any]
T = TypeVar("T")
LONGEST_TEXT = 1024
LONGEST_NAME = 256
MOST_ITEMS = 64
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# ---------------------------------------------------------------------------------------------- reading


def device_status(obj: Document) -> DeviceStatus:
    """`Device.status`; whatever cannot be read is as if it were absent."""
    status = _part(obj, "status")
    return DeviceStatus(
        observed_generation=_integer(status.get("observedGeneration"), -1),
        address=_safe(_address, status.get("address"), AddressStatus()),
        identity=_safe(_identity, status.get("identity"), IdentityStatus()),
        clock=_safe(_clock, status.get("clock"), ClockStatus()),
        served=_safe(_served, status.get("served"), None),
        certificate_ref=_safe(_owner, status.get("certificateRef"), None),
        revision=_revision_state(_part(status, "revision")),
        capabilities=_texts(status.get("capabilities")),
        credentials=_safe(_credentials, status.get("credentials"), CredentialsState()),
        handled_reboot=_part(status, "handledRequests").get("reboot"),
        last_reboot=_safe(_reboot, status.get("lastReboot"), None),
        unreachable_since=_time(status.get("unreachableSince")),
        attempts=_attempts(_part(status, "attempts")),
        conditions=_conditions(status.get("conditions")),
    )


def certificate_status(obj: Document) -> CertificateStatus:
    """`DeviceCertificate.status`; whatever cannot be read is as if it were absent."""
    status = _part(obj, "status")
    return CertificateStatus(
        observed_generation=_integer(status.get("observedGeneration"), -1),
        revision=_integer(status.get("revision"), 0),
        certificate=_safe(_served, status.get("certificate"), None),
        effective=_safe(_effective, status.get("effective"), None),
        members=tuple(
            member for one in status.get("devices") or () if (member := _safe(_member, one, None)) is not None
        ),
        renewal_at=_time(status.get("renewalTime")),
        attempts=Attempts(_integer(status.get("failedAttempts"), 0), _time(status.get("nextAttemptTime"))),
        last_failure_at=_time(status.get("lastFailureTime")),
        handled_renew=_part(status, "handledRequests").get("renew"),
        conditions=_conditions(status.get("conditions")),
    )


def _safe(read: Callable[[Document], T], value: object, default: Any) -> Any:
    if not isinstance(value, Mapping):
        return default
    try:
        return read(value)
    except (KeyError, ValueError, TypeError, AttributeError):
        return default


def _part(holder: Document, field: str) -> Document:
    value = holder.get(field)
    return value if isinstance(value, Mapping) else {}


def _integer(value: object, default: int) -> int:
    return value if isinstance(value, int) else default


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _time(value: object) -> datetime | None:
    try:
        return parse_time(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _address(part: Document) -> AddressStatus:
    return AddressStatus(part.get("declared"), part.get("current"), _texts(part.get("reported")))


def _identity(part: Document) -> IdentityStatus:
    device = DeviceIdentity(
        part.get("manufacturer") or "",
        part.get("model") or "",
        part.get("firmwareVersion") or "",
        part.get("serialNumber") or "",
        _texts(part.get("macAddresses")),
    )
    return IdentityStatus(device, part.get("publicKeySHA256"), part.get("provenBy"))


def _clock(part: Document) -> ClockStatus:
    offset = part.get("offset")
    return ClockStatus(ClockSource(part.get("source", "Unknown")), parse_signed_duration(offset) if offset else None)


def _served(part: Document) -> ServedStatus:
    return ServedStatus(
        part["fingerprint"],
        part.get("subject", ""),
        part.get("issuer", ""),
        part.get("serialNumber", ""),
        parse_time(part["notBefore"]),
        parse_time(part["notAfter"]),
        _texts(part.get("dnsNames")),
        _texts(part.get("ipAddresses")),
    )


def _owner(part: Document) -> OwnerRef:
    return OwnerRef(part["name"], part["uid"])


def _ref(part: Document) -> RevisionRef:
    return RevisionRef(int(part["number"]), part["secretName"], part["fingerprint"])


def _revision_state(part: Document) -> RevisionState:
    return RevisionState(
        installed=_safe(_ref, part.get("installed"), None),
        previous=_safe(_ref, part.get("previous"), None),
        activating=_safe(_activating, part.get("activating"), None),
        failed=_safe(_failed, part.get("failed"), None),
    )


def _activating(part: Document) -> Activating:
    return Activating(
        _ref(part),
        parse_time(part["since"]),
        part.get("previousHandle"),
        part.get("previousFingerprint"),
        bool(part.get("rollingBack", False)),
    )


def _failed(part: Document) -> FailedRevision:
    return FailedRevision(_ref(part), part["reason"], int(part["attempts"]), parse_time(part["nextAttemptTime"]))


def _credentials(part: Document) -> CredentialsState:
    return CredentialsState(
        part.get("version"),
        part.get("state", "Untried"),
        _integer(part.get("refused"), 0),
        _time(part.get("nextProbeTime")),
    )


def _reboot(part: Document) -> RebootStatus:
    return RebootStatus(
        parse_time(part["time"]), part.get("cause", ""), _integer(part.get("count"), 1), _time(part.get("firstTime"))
    )


def _attempts(part: Document) -> Attempts:
    return Attempts(_integer(part.get("failures"), 0), _time(part.get("nextTime")))


def _effective(part: Document) -> EffectiveStatus:
    return EffectiveStatus(
        parse_signed_duration(part["duration"]), parse_signed_duration(part["renewBefore"]), part["algorithm"]
    )


def _member(part: Document) -> MemberStatus:
    return MemberStatus(
        part["name"],
        part.get("turn"),
        _time(part.get("turnTime")),
        part.get("installed"),
        bool(part.get("secure", False)),
        part.get("reason", ""),
        part.get("message", ""),
    )


def _conditions(value: object) -> tuple[Condition, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(one for item in value if (one := _safe(_condition, item, None)) is not None)


def _condition(part: Document) -> Condition:
    return Condition(
        part["type"],
        part["status"],
        part.get("reason", ""),
        part.get("message", ""),
        _integer(part.get("observedGeneration"), 0),
        _time(part.get("lastTransitionTime")) or EPOCH,
    )


# ---------------------------------------------------------------------------------------------- writing


def device_status_document(status: DeviceStatus) -> dict[str, Any]:
    """The complete `status` of a Device for a merge patch."""
    identity = status.identity
    revision = status.revision
    return {
        "observedGeneration": status.observed_generation,
        "address": {
            "declared": status.address.declared,
            "current": status.address.current,
            "reported": _cut(status.address.reported),
        },
        "identity": {
            "manufacturer": _text(identity.device.manufacturer) or None,
            "model": _text(identity.device.model) or None,
            "firmwareVersion": _text(identity.device.firmware_version) or None,
            "serialNumber": _text(identity.device.serial_number) or None,
            "macAddresses": _cut(identity.device.mac_addresses),
            "publicKeySHA256": identity.public_key_sha256,
            "provenBy": identity.proven_by,
        },
        "clock": {
            "source": str(status.clock.source),
            "offset": build_duration(status.clock.offset) if status.clock.offset is not None else None,
        },
        "served": _served_document(status.served),
        "certificateRef": _flat(status.certificate_ref),
        "revision": {
            "installed": _ref_document(revision.installed),
            "previous": _ref_document(revision.previous),
            "activating": _activating_document(revision.activating),
            "failed": _failed_document(revision.failed),
        },
        "capabilities": _cut(status.capabilities),
        "credentials": {
            "version": status.credentials.version,
            "state": status.credentials.state,
            "refused": status.credentials.refused,
            "nextProbeTime": build_time(status.credentials.next_probe_at),
        },
        "handledRequests": {"reboot": status.handled_reboot},
        "lastReboot": _reboot_document(status.last_reboot),
        "unreachableSince": build_time(status.unreachable_since),
        "attempts": {"failures": status.attempts.failures, "nextTime": build_time(status.attempts.next_at)},
        "conditions": [_condition_document(condition) for condition in status.conditions],
    }


def certificate_status_document(status: CertificateStatus) -> dict[str, Any]:
    """The complete `status` of a DeviceCertificate for a merge patch."""
    effective = status.effective
    return {
        "observedGeneration": status.observed_generation,
        "revision": status.revision,
        "certificate": _served_document(status.certificate),
        "effective": {
            "duration": build_duration(effective.duration),
            "renewBefore": build_duration(effective.renew_before),
            "algorithm": effective.algorithm,
        }
        if effective
        else None,
        "devices": [_member_document(member) for member in status.members],
        "renewalTime": build_time(status.renewal_at),
        "failedAttempts": status.attempts.failures,
        "nextAttemptTime": build_time(status.attempts.next_at),
        "lastFailureTime": build_time(status.last_failure_at),
        "handledRequests": {"renew": status.handled_renew},
        "conditions": [_condition_document(condition) for condition in status.conditions],
    }


def build_time(value: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second, as Kubernetes writes it."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value is not None else None


def _text(value: str, longest: int = LONGEST_NAME) -> str:
    return value if len(value) <= longest else value[: longest - 1] + "…"


def _cut(values: tuple[str, ...]) -> list[str]:
    return [_text(value) for value in values[:MOST_ITEMS]]


def _flat(value: OwnerRef | None) -> dict[str, Any] | None:
    return {field.name: getattr(value, field.name) for field in fields(value)} if value is not None else None


def _served_document(served: ServedStatus | None) -> dict[str, Any] | None:
    if served is None:
        return None
    return {
        "fingerprint": served.fingerprint,
        "subject": _text(served.subject, LONGEST_TEXT),
        "issuer": _text(served.issuer, LONGEST_TEXT),
        "serialNumber": _text(served.serial_number),
        "notBefore": build_time(served.not_before),
        "notAfter": build_time(served.not_after),
        "dnsNames": _cut(served.dns_names),
        "ipAddresses": _cut(served.ip_addresses),
    }


def _ref_document(ref: RevisionRef | None) -> dict[str, Any] | None:
    return {"number": ref.number, "secretName": ref.secret, "fingerprint": ref.fingerprint} if ref else None


def _activating_document(activating: Activating | None) -> dict[str, Any] | None:
    if activating is None:
        return None
    return (_ref_document(activating.revision) or {}) | {
        "since": build_time(activating.since),
        "previousHandle": activating.previous_handle,
        "previousFingerprint": activating.previous_fingerprint,
        "rollingBack": activating.rolling_back,
    }


def _failed_document(failed: FailedRevision | None) -> dict[str, Any] | None:
    if failed is None:
        return None
    return (_ref_document(failed.revision) or {}) | {
        "reason": failed.reason,
        "attempts": failed.attempts,
        "nextAttemptTime": build_time(failed.next_attempt_at),
    }


def _reboot_document(reboot: RebootStatus | None) -> dict[str, Any] | None:
    if reboot is None:
        return None
    return {
        "time": build_time(reboot.at),
        "cause": _text(reboot.cause),
        "count": reboot.count,
        "firstTime": build_time(reboot.first_at),
    }


def _member_document(member: MemberStatus) -> dict[str, Any]:
    document = {
        "name": member.name,
        "turn": member.turn,
        "turnTime": build_time(member.turn_since),
        "installed": member.installed,
        "secure": member.secure,
        "reason": member.reason,
        "message": _text(member.message),
    }
    return {field: value for field, value in document.items() if value is not None}  # a list is replaced whole


def _condition_document(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": _text(condition.message, LONGEST_TEXT),
        "observedGeneration": condition.observed_generation,
        "lastTransitionTime": build_time(condition.last_transition_at),
    }
