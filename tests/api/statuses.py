"""Statuses with every field filled, and every string and list at its bound."""

from datetime import UTC, datetime, timedelta

from device_cert_operator.core.authority_model import AuthorityStatus, Origin, Phase, RotationStatus
from device_cert_operator.core.model import ClockSource, Condition, DeviceIdentity, KeyType, RevisionRef
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

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SHORT, LONG = "鍵" * 256, "鍵" * 1024
MANY = tuple(f"{number:03}" + "n" * 253 for number in range(64))
SERVED = ServedStatus("f" * 64, LONG, LONG, SHORT, datetime(1, 1, 1, tzinfo=UTC), NOON, MANY, MANY)
REVISION = RevisionRef(2**31 - 1, "s" * 253, "a" * 64)
DEVICE_CONDITIONS = (
    *("Reachable", "Identified", "Authenticated", "ClockInSync", "AddressCurrent", "Secure"),
    *("Ready", "Reconciling", "Stalled"),
)
CERTIFICATE_CONDITIONS = ("Issued", "Installed", "Secure", "Ready", "Reconciling", "Stalled")
AUTHORITY_CONDITIONS = ("WellFormed", "UpToDate", "Ready", "Reconciling", "Stalled")


def conditions(kinds: tuple[str, ...], message: str = LONG) -> tuple[Condition, ...]:
    """All of a kind's conditions."""
    return tuple(Condition(kind, "True", "AsWanted", message, 1, NOON) for kind in kinds)


FULL_DEVICE = DeviceStatus(
    observed_generation=1,
    address=AddressStatus("h" * 253, "2001:db8::7", MANY, AddressChange("2001:db8::8", NOON, 3, True, LONG)),
    identity=IdentityStatus(DeviceIdentity(SHORT, SHORT, SHORT, SHORT, MANY), "b" * 64, "Learned"),
    clock=ClockStatus(ClockSource.NTP, -timedelta(days=3_000_000, seconds=1), True),
    served=SERVED,
    certificate_ref=OwnerRef("c" * 253, "0b5a3b1c-0000-4000-8000-000000000000"),
    revision=RevisionState(
        installed=REVISION,
        previous=REVISION,
        activating=Activating(REVISION, NOON, LONG, "c" * 64, rolling_back=True),
        failed=FailedRevision(REVISION, "RolledBack", 3, NOON),
        chain_not_sent=True,
    ),
    capabilities=MANY,
    credentials=CredentialsState("v" * 64, "Refused", 2, NOON, 3, NOON),
    handled_reboot=LONG,
    handled_retry_login=LONG,
    last_reboot=RebootStatus(NOON, SHORT, 2, NOON),
    earlier_reboots=tuple(RebootStatus(NOON, f"{n}" + "鍵" * 255, 2, NOON) for n in range(8)),
    firmware_ca=FirmwareCAStatus("e" * 64, LONG, "c" * 253, shared=True),
    unreachable_since=NOON,
    conditions=conditions(DEVICE_CONDITIONS),
)
FULL_CERTIFICATE = CertificateStatus(
    observed_generation=1,
    revision=2**31 - 1,
    certificate=SERVED,
    effective=EffectiveStatus(timedelta(hours=87_600), timedelta(hours=29_200), "RSA-4096"),
    members=tuple(MemberStatus(f"{n:03}" + "d" * 250, 1, NOON, 1, True, "AsWanted", SHORT) for n in range(64)),
    renewal_at=NOON,
    attempts=Attempts(7, NOON),
    last_failure_at=NOON,
    handled_renew=LONG,
    issuer_name="root-ca",
    request=RequestStatus(
        2**31 - 1,
        tuple(f"{number:03}" + "n" * 253 for number in range(192)),
        KeyType.RSA_4096,
        "h" * 41,
        NOON,
        "k" * 64,
        "c" * 253,
        key_lost=True,
    ),
    conditions=conditions(CERTIFICATE_CONDITIONS),
)
FULL_AUTHORITY = AuthorityStatus(
    observed_generation=1,
    certificate=SERVED,
    origin=Origin.ADOPTED,
    shape="0" * 20,
    rotation=RotationStatus(Phase.DISTRIBUTING, NOON, NOON, NOON, "a" * 64, NOON, MANY, MANY),
    number=2**31 - 1,
    retired="r" * 253,
    rotates_at=NOON,
    bundle="b" * 253,
    handled_rotate=LONG,
    handled_trust=LONG,
    conditions=conditions(AUTHORITY_CONDITIONS),
)
