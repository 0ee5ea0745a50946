"""Statuses to values and back. Reading forgives everything: an older, newer or damaged status must not stop a device.

Writing gives the complete document for a JSON merge patch: what is absent is written as null, so that it goes away.
"""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from device_cert_operator.api.durations import build_duration, parse_signed_duration
from device_cert_operator.api.tolerant import (
    Document,
    duration_or_none,
    integer,
    needed_number,
    needed_text,
    needed_time,
    number_or_none,
    part_of,
    readable,
    readable_items,
    text,
    text_or_none,
    texts,
    time_or_none,
)
from device_cert_operator.core.model import ClockSource, Condition, DeviceIdentity, KeyType, RevisionRef
from device_cert_operator.core.requests import CSR_KEY
from device_cert_operator.core.status import (
    Activating,
    AddressChange,
    AddressStatus,
    Attempts,
    CertificateStatus,
    ClockStatus,
    CredentialsState,
    DeviceStatus,
    EffectiveStatus,
    FailedRevision,
    FirmwareCAStatus,
    IdentityStatus,
    MemberStatus,
    OwnerRef,
    RebootStatus,
    RequestStatus,
    RevisionState,
    ServedStatus,
)

LONGEST_TEXT = 1024
LONGEST_NAME = 256
MOST_ITEMS = 64
MOST_REBOOTS = 8
SHOWN_NAMES = 3
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOCK_SOURCES = frozenset(ClockSource)


# ---------------------------------------------------------------------------------------------- reading


def device_status(obj: Document) -> DeviceStatus:
    """`Device.status`; whatever cannot be read is as if it were absent."""
    status = part_of(obj, "status")
    return DeviceStatus(
        observed_generation=integer(status.get("observedGeneration"), -1),
        address=_address(part_of(status, "address")),
        identity=_identity(part_of(status, "identity")),
        clock=_clock(part_of(status, "clock")),
        served=readable(read_served, status.get("served")),
        certificate_ref=readable(_owner, status.get("certificateRef")),
        revision=_revision_state(part_of(status, "revision")),
        capabilities=texts(status.get("capabilities")),
        credentials=_credentials(part_of(status, "credentials")),
        handled_reboot=text_or_none(part_of(status, "handledRequests"), "reboot"),
        handled_retry_login=text_or_none(part_of(status, "handledRequests"), "retryLogin"),
        last_reboot=readable(_reboot, status.get("lastReboot")),
        earlier_reboots=readable_items(_reboot, status.get("earlierReboots")),
        firmware_ca=readable(_firmware_ca, status.get("firmwareCA")),
        unreachable_since=time_or_none(status.get("unreachableSince")),
        conditions=readable_items(read_condition, status.get("conditions")),
    )


def certificate_status(obj: Document) -> CertificateStatus:
    """`DeviceCertificate.status`; whatever cannot be read is as if it were absent."""
    status = part_of(obj, "status")
    return CertificateStatus(
        observed_generation=integer(status.get("observedGeneration"), -1),
        revision=integer(status.get("revision"), 0),
        certificate=readable(read_served, status.get("certificate")),
        effective=readable(_effective, status.get("effective")),
        members=readable_items(_member, status.get("devices")),
        renewal_at=time_or_none(status.get("renewalTime")),
        attempts=Attempts(integer(status.get("failedAttempts"), 0), time_or_none(status.get("nextAttemptTime"))),
        last_failure_at=time_or_none(status.get("lastFailureTime")),
        handled_renew=text_or_none(part_of(status, "handledRequests"), "renew"),
        request=readable(_request, status.get("certificateRequest")),
        issuer_name=text(status, "issuerName"),
        conditions=readable_items(read_condition, status.get("conditions")),
    )


def _address(part: Document) -> AddressStatus:
    return AddressStatus(
        text_or_none(part, "declared"),
        text_or_none(part, "current"),
        texts(part.get("reported")),
        readable(_address_change, part.get("change")),
    )


def _address_change(part: Document) -> AddressChange:
    return AddressChange(
        needed_text(part, "to"),
        needed_time(part, "since"),
        integer(part.get("attempts"), 1),
        part.get("restartNeeded") is True,
        text(part, "problem"),
    )


def _identity(part: Document) -> IdentityStatus:
    device = DeviceIdentity(
        text(part, "manufacturer"),
        text(part, "model"),
        text(part, "firmwareVersion"),
        text(part, "serialNumber"),
        texts(part.get("macAddresses")),
    )
    return IdentityStatus(device, text_or_none(part, "publicKeySHA256"), text_or_none(part, "provenBy"))


def _clock(part: Document) -> ClockStatus:
    source = text_or_none(part, "source")
    return ClockStatus(
        ClockSource(source) if source in _CLOCK_SOURCES else ClockSource.UNKNOWN,
        duration_or_none(part.get("offset")),
        part.get("zoneConfused") is True,
    )


def read_served(part: Document) -> ServedStatus:
    """What a certificate says. Raises ValueError."""
    return ServedStatus(
        needed_text(part, "fingerprint"),
        text(part, "subject"),
        text(part, "issuer"),
        text(part, "serialNumber"),
        needed_time(part, "notBefore"),
        needed_time(part, "notAfter"),
        texts(part.get("dnsNames")),
        texts(part.get("ipAddresses")),
    )


def _owner(part: Document) -> OwnerRef:
    return OwnerRef(needed_text(part, "name"), needed_text(part, "uid"))


def _ref(part: Document) -> RevisionRef:
    return RevisionRef(needed_number(part, "number"), needed_text(part, "secretName"), needed_text(part, "fingerprint"))


def _revision_state(part: Document) -> RevisionState:
    return RevisionState(
        installed=readable(_ref, part.get("installed")),
        previous=readable(_ref, part.get("previous")),
        activating=readable(_activating, part.get("activating")),
        failed=readable(_failed, part.get("failed")),
        chain_not_sent=part.get("chainNotSent") is True,
    )


def _activating(part: Document) -> Activating:
    return Activating(
        _ref(part),
        needed_time(part, "since"),
        text_or_none(part, "previousHandle"),
        text_or_none(part, "previousFingerprint"),
        part.get("rollingBack") is True,
    )


def _failed(part: Document) -> FailedRevision:
    return FailedRevision(
        _ref(part), text(part, "reason"), integer(part.get("attempts"), 0), needed_time(part, "nextAttemptTime")
    )


def _credentials(part: Document) -> CredentialsState:
    state = text_or_none(part, "state")
    return CredentialsState(
        text_or_none(part, "version"),
        "Untried" if state is None else state,
        integer(part.get("refused"), 0),
        time_or_none(part.get("nextProbeTime")),
        integer(part.get("unanswered"), 0),
        time_or_none(part.get("lockedUntil")),
    )


def _reboot(part: Document) -> RebootStatus:
    return RebootStatus(
        needed_time(part, "time"),
        text(part, "cause"),
        integer(part.get("count"), 1),
        time_or_none(part.get("firstTime")),
    )


def _firmware_ca(part: Document) -> FirmwareCAStatus:
    return FirmwareCAStatus(
        needed_text(part, "fingerprint"),
        text(part, "subject"),
        text(part, "configMap"),
        part.get("shared") is True,
    )


def _effective(part: Document) -> EffectiveStatus:
    return EffectiveStatus(
        parse_signed_duration(needed_text(part, "duration")),
        parse_signed_duration(needed_text(part, "renewBefore")),
        text(part, "algorithm"),
    )


def _member(part: Document) -> MemberStatus:
    return MemberStatus(
        needed_text(part, "name"),
        number_or_none(part, "turn"),
        time_or_none(part.get("turnTime")),
        number_or_none(part, "installed"),
        part.get("secure") is True,
        text(part, "reason"),
        text(part, "message"),
    )


def read_condition(part: Document) -> Condition:
    """A condition. Raises ValueError."""
    return Condition(
        needed_text(part, "type"),
        needed_text(part, "status"),
        text(part, "reason"),
        text(part, "message"),
        integer(part.get("observedGeneration"), 0),
        time_or_none(part.get("lastTransitionTime")) or EPOCH,
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
            "reported": cut(status.address.reported),
            "change": _address_change_document(status.address.change),
        },
        "identity": {
            "manufacturer": _text(identity.device.manufacturer) or None,
            "model": _text(identity.device.model) or None,
            "firmwareVersion": _text(identity.device.firmware_version) or None,
            "serialNumber": _text(identity.device.serial_number) or None,
            "macAddresses": cut(identity.device.mac_addresses),
            "publicKeySHA256": identity.public_key_sha256,
            "provenBy": identity.proven_by,
        },
        "clock": {
            "source": str(status.clock.source),
            "offset": build_duration(status.clock.offset) if status.clock.offset is not None else None,
            "zoneConfused": status.clock.zone_confused or None,
        },
        "served": served_document(status.served),
        "certificateRef": _flat(status.certificate_ref),
        "revision": {
            "installed": _ref_document(revision.installed),
            "previous": _ref_document(revision.previous),
            "activating": _activating_document(revision.activating),
            "failed": _failed_document(revision.failed),
            "chainNotSent": revision.chain_not_sent or None,
        },
        "capabilities": cut(status.capabilities),
        "credentials": {
            "version": status.credentials.version,
            "state": status.credentials.state,
            "refused": status.credentials.refused,
            "nextProbeTime": build_time(status.credentials.next_probe_at),
            "unanswered": status.credentials.unanswered or None,
            "lockedUntil": build_time(status.credentials.locked_until),
        },
        "handledRequests": {"reboot": status.handled_reboot, "retryLogin": status.handled_retry_login},
        "lastReboot": _reboot_document(status.last_reboot),
        "earlierReboots": [_reboot_document(one) for one in status.earlier_reboots[:MOST_REBOOTS]] or None,
        "firmwareCA": _firmware_ca_document(status.firmware_ca),
        "unreachableSince": build_time(status.unreachable_since),
        "conditions": [condition_document(condition) for condition in status.conditions],
    }


def certificate_status_document(status: CertificateStatus) -> dict[str, Any]:
    """The complete `status` of a DeviceCertificate for a merge patch."""
    effective = status.effective
    return {
        "observedGeneration": status.observed_generation,
        "revision": status.revision,
        "certificate": served_document(status.certificate),
        "effective": {
            "duration": build_duration(effective.duration),
            "renewBefore": build_duration(effective.renew_before),
            "algorithm": effective.algorithm,
        }
        if effective
        else None,
        "certificateRequest": _request_document(status.request),
        "issuerName": status.issuer_name or None,
        "deviceNames": _device_names(status),
        "devices": [_member_document(member) for member in status.members],
        "renewalTime": build_time(status.renewal_at),
        "failedAttempts": status.attempts.failures,
        "nextAttemptTime": build_time(status.attempts.next_at),
        "lastFailureTime": build_time(status.last_failure_at),
        "handledRequests": {"renew": status.handled_renew},
        "conditions": [condition_document(condition) for condition in status.conditions],
    }


def _request(part: Document) -> RequestStatus:
    return RequestStatus(
        integer(part.get("number"), 0),
        texts(part.get("names")),
        KeyType(needed_text(part, "algorithm")),
        needed_text(part, "inputHash"),
        needed_time(part, "time"),
        text_or_none(part, "publicKeySHA256"),
        text(part, "configMap"),
        part.get("keyLost") is True,
    )


def _request_document(request: RequestStatus | None) -> dict[str, Any] | None:
    if request is None:
        return None
    return {
        "number": request.number,
        "names": list(request.names),
        "algorithm": request.key_type,
        "configMap": request.config_map,
        "key": CSR_KEY,
        "publicKeySHA256": request.public_key_sha256,
        "inputHash": request.input_hash,
        "keyLost": request.key_lost or None,
        "time": build_time(request.since),
    }


def _device_names(status: CertificateStatus) -> str | None:
    """For `kubectl get`, which shows only the first of a list. Nothing reads it."""
    names = [member.name for member in status.members]
    told, more = ", ".join(names[:SHOWN_NAMES]), len(names) - SHOWN_NAMES
    return _text(f"{told} and {more} more" if more > 0 else told) or None


def build_time(value: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second, as Kubernetes writes it."""
    if value is None:
        return None
    return value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"  # strftime cuts years below 1000


def _text(value: str, longest: int = LONGEST_NAME) -> str:
    return value if len(value) <= longest else value[: longest - 1] + "…"


def _maybe(value: str | None, longest: int) -> str | None:
    return _text(value, longest) if value is not None else None


def cut(values: tuple[str, ...]) -> list[str]:
    """As many texts, and as long, as the schema takes."""
    return [_text(value) for value in values[:MOST_ITEMS]]


def _flat(value: OwnerRef | None) -> dict[str, Any] | None:
    return {field.name: getattr(value, field.name) for field in fields(value)} if value is not None else None


def served_document(served: ServedStatus | None) -> dict[str, Any] | None:
    """What a certificate says, as it is written."""
    if served is None:
        return None
    return {
        "fingerprint": served.fingerprint,
        "subject": _text(served.subject, LONGEST_TEXT),
        "issuer": _text(served.issuer, LONGEST_TEXT),
        "serialNumber": _text(served.serial_number),
        "notBefore": build_time(served.not_before),
        "notAfter": build_time(served.not_after),
        "dnsNames": cut(served.dns_names),
        "ipAddresses": cut(served.ip_addresses),
    }


def _ref_document(ref: RevisionRef | None) -> dict[str, Any] | None:
    return {"number": ref.number, "secretName": ref.secret, "fingerprint": ref.fingerprint} if ref else None


def _activating_document(activating: Activating | None) -> dict[str, Any] | None:
    if activating is None:
        return None
    return (_ref_document(activating.revision) or {}) | {
        "since": build_time(activating.since),
        "previousHandle": _maybe(activating.previous_handle, LONGEST_TEXT),
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


def _address_change_document(change: AddressChange | None) -> dict[str, Any] | None:
    if change is None:
        return None
    return {
        "to": _text(change.to),
        "since": build_time(change.since),
        "attempts": change.attempts,
        "restartNeeded": change.restart_needed,
        "problem": _text(change.problem, LONGEST_TEXT),
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


def _firmware_ca_document(found: FirmwareCAStatus | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "fingerprint": found.fingerprint,
        "subject": _text(found.subject, LONGEST_TEXT),
        "configMap": found.config_map or None,
        "shared": found.shared,
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


def condition_document(condition: Condition) -> dict[str, Any]:
    """A condition as it is written."""
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": _text(condition.message, LONGEST_TEXT),
        "observedGeneration": condition.observed_generation,
        "lastTransitionTime": build_time(condition.last_transition_at),
    }
