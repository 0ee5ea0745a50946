"""Kind `Device`: one physical thing and how to reach it."""

from typing import Annotated, Any, Literal

from pydantic import Field

from device_cert_operator.api.v1alpha1.common import (
    CONDITIONS,
    HOST,
    Condition,
    Count,
    Duration,
    LongText,
    Model,
    Name,
    Port,
    RevisionRef,
    SecretRef,
    Served,
    Sha256,
    Text,
    Time,
    between,
    rule,
    rules,
    rules_on,
)

_SMALL_ENOUGH = "cidr(s).prefixLength() >= (cidr(s).ip().family() == 4 ? 20 : 116)"
_SIZES = str([2**bits for bits in range(12, -1, -1)])
_CIDR = Annotated[str, Field(max_length=49)]
_SCHEDULE = r"^[0-9A-Za-z*/,#-]+( +[0-9A-Za-z*/,#-]+){4}$"


def _is_host(field: str) -> dict[str, Any]:
    """What looks like an address must be one."""
    return rule(
        "!self.matches('^[0-9.]+$') && !self.contains(':') || isIP(self)",
        f"{field} must be a valid IPv4 or IPv6 address without zone and brackets, or a DNS name",
    )


class Locate(Model):
    """Where a device that moved is looked for, by the key it serves."""

    subnets: list[_CIDR] = Field(
        min_length=1,
        max_length=16,
        description="Subnets such as 192.168.1.0/24; at most a /20 (IPv6: /116) each, 4096 addresses in all.",
        json_schema_extra=rules_on(
            (
                f"self.all(s, isCIDR(s) && {_SMALL_ENOUGH})",
                "each subnet must be a CIDR such as 192.168.1.0/24, no larger than /20 (IPv6: /116)",
            ),
            (
                f"self.map(s, isCIDR(s) && {_SMALL_ENOUGH} ? {_SIZES}[cidr(s).prefixLength() - "
                "(cidr(s).ip().family() == 4 ? 20 : 116)] : 0).sum() <= 4096",
                "the subnets hold more than 4096 addresses in all: name smaller ones, or fewer",
            ),
        ),
    )


class Enforce(Model):
    """The network around `host`, for a device that is set back to it."""

    prefix_length: Annotated[int, Field(ge=1, le=128)] = Field(
        description="Length of the network's prefix in bits: at most 32 with IPv4."
    )
    gateway: Annotated[str, Field(max_length=45)] | None = Field(
        None,
        description="Default gateway; where it is left out, the device's own stays.",
        json_schema_extra=rule("isIP(self)", "gateway must be an IPv4 or IPv6 address"),
    )


_NEEDS_ENFORCE = (
    "self.policy != 'Enforce' || has(self.enforce)",
    "policy Enforce needs address.enforce: give prefixLength, and gateway where there is one",
)
_ENFORCES_IP = (
    "self.policy != 'Enforce' || isIP(self.host)",
    "with policy Enforce, host must be an IP address: it is the one that the device is set to",
)
_PREFIX_FITS = (
    "!has(self.enforce) || !isIP(self.host) || ip(self.host).family() == 6 || self.enforce.prefixLength <= 32",
    "enforce.prefixLength is at most 32 where host is an IPv4 address",
)
_GATEWAY_FITS = (
    "!has(self.enforce) || !has(self.enforce.gateway) || !isIP(self.enforce.gateway) || !isIP(self.host) || "
    "ip(self.host).family() == ip(self.enforce.gateway).family() && self.host != self.enforce.gateway",
    "enforce.gateway must be another address in the network of host and prefixLength",
)


class Address(Model):
    """Where the device is, and what to do when it moves."""

    model_config = rules(_NEEDS_ENFORCE, _ENFORCES_IP, _PREFIX_FITS, _GATEWAY_FITS)
    host: Annotated[
        str,
        Field(
            min_length=1,
            max_length=253,
            pattern=HOST,
            description="IPv4 or IPv6 address (no zone, no brackets) or DNS name.",
            json_schema_extra=_is_host("host"),
        ),
    ]
    https_port: Port = Field(443, description="Port of the device's HTTPS server.")
    policy: Literal["Follow", "Enforce", "Report"] = Field(
        "Follow",
        description="Follow: the certificate follows the device. Enforce: a device found elsewhere is set back to "
        "host, unless something answers there. Report: a move is only told.",
    )
    locate: Locate | None = None
    enforce: Enforce | None = None


class CARef(Model):
    """The CA that the device's certificate must chain to before it is logged in to."""

    kind: Literal["ConfigMap", "Secret"] = Field("ConfigMap", description="Kind of the object that holds the CA.")
    name: Name = Field(description="Its name; it is in the same namespace, labelled devicecert.io/use: certificate.")
    key: Annotated[str, Field(max_length=253, pattern="^[-._a-zA-Z0-9]+$")] = Field(
        "ca.crt", description="Key of the data with the PEM certificate."
    )


class Connection(Model):
    """How much is known of the device before it is logged in to."""

    model_config = rules(
        (
            "self.security != 'Verified' || has(self.caRef)",
            "security Verified needs connection.caRef: name the CA, or use FirstUse",
        ),
        (
            "!has(self.caRef) || self.security == 'Verified'",
            "caRef is used with security Verified only: set it, or leave caRef out",
        ),
        (
            "!self.allowPlaintextKey || self.security == 'Plaintext'",
            "allowPlaintextKey belongs to security Plaintext",
        ),
    )
    security: Literal["Verified", "FirstUse", "Plaintext"] = Field(
        "FirstUse",
        description="Verified: only under a known CA. FirstUse: the key seen first is the device's. Plaintext: HTTP "
        "until a certificate of ours is served.",
    )
    port: Port | None = Field(None, description="Port to talk to, where it is not httpsPort (Plaintext: not 80).")
    ca_ref: CARef | None = None
    on_key_change: Literal["Refuse", "Accept", "AcceptDeviceCA"] = Field(
        "Refuse",
        description="What to do with a device that shows a key that is not known. AcceptDeviceCA: accepted when its "
        "certificate is the pinned firmware CA's and names the address, and the identity fits after log-in.",
    )
    allow_plaintext_key: bool = Field(False, description="Whether a private key may travel over HTTP.")
    timeout: Annotated[
        Duration,
        Field(json_schema_extra=between("timeout", "1s", "60s")),
    ] = Field("10s", description="Longest wait for one answer.")


class Identity(Model):
    """What must be so for the device to be the one that is meant."""

    serial_number: Text | None = Field(None, description="Serial number as the device tells it after log-in.")
    mac_address: Annotated[str, Field(max_length=17, pattern="^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$")] | None = Field(
        None, description="One of its network interfaces' addresses, with colons or dashes."
    )
    public_key_sha256: Sha256 | None = Field(None, alias="publicKeySHA256", description="Of the key it serves now.")


class Clock(Model):
    """What to do about the device's clock."""

    policy: Literal["Sync", "Report"] = Field(
        "Sync", description="Sync: set it when it is off, keeping zone and NTP. Report: only tell."
    )
    max_offset: Annotated[
        Duration,
        Field(json_schema_extra=between("maxOffset", "2s", "24h")),
    ] = Field("30s", description="How far the clock may be off.")
    ntp_servers: (
        list[
            Annotated[
                str, Field(min_length=1, max_length=253, pattern=HOST, json_schema_extra=_is_host("each of ntpServers"))
            ]
        ]
        | None
    ) = Field(None, max_length=4, description="Where given, the device is put on NTP with these servers.")


class HTTPS(Model):
    """What to do about the HTTPS server."""

    ensure_enabled: bool = Field(True, description="Switch HTTPS on where it is off. HTTP is never switched off.")


class Reboot(Model):
    """When the device may be restarted."""

    policy: Literal["WhenNeeded", "InWindow", "Never"] = Field(
        "WhenNeeded",
        description="WhenNeeded: at most 2 a day for one cause. InWindow: the same, in a maintenance window only. "
        "Never: a person restarts it.",
    )


class MaintenanceWindow(Model):
    """When the device may be restarted under reboot.policy InWindow."""

    schedule: Annotated[str, Field(min_length=9, max_length=128, pattern=_SCHEDULE)] = Field(
        description="When it opens, as five fields of cron: minute, hour, day of month, month, day of week."
    )
    duration: Annotated[Duration, Field(json_schema_extra=between("duration", "1m", "24h"))] = Field(
        description="How long it stays open."
    )
    time_zone: Annotated[str, Field(min_length=1, max_length=64, pattern="^[A-Za-z0-9_+/-]+$")] = Field(
        "UTC", description="IANA name of the schedule's time zone, such as Asia/Tokyo."
    )


class DeviceSpec(Model):
    """What is wanted of the device."""

    model_config = rules(
        (
            "self.reboot.policy != 'InWindow' || has(self.maintenanceWindows)",
            "reboot.policy InWindow needs maintenanceWindows: say when the device may be restarted",
        ),
        (
            "self.driver != 'onvif' || self.address.policy != 'Enforce' || !isIP(self.address.host) || "
            "ip(self.address.host).family() == 4",
            "driver onvif sets IPv4 addresses only: with policy Enforce give an IPv4 host, or use policy Follow or "
            "Report",
        ),
    )
    driver: Annotated[str, Field(min_length=1, max_length=63, pattern="^[a-z0-9][-a-z0-9]*$")] = Field(
        description="Protocol of the device, e.g. onvif."
    )
    address: Address
    connection: Connection = Field(
        default_factory=Connection, json_schema_extra={"default": {"security": "FirstUse", "allowPlaintextKey": False}}
    )
    credentials_secret_ref: SecretRef = Field(
        description="Secret with the keys username and password, labelled devicecert.io/use: credentials."
    )
    identity: Identity | None = None
    clock: Clock = Field(default_factory=Clock, json_schema_extra={"default": {}})
    https: HTTPS = Field(default_factory=HTTPS, json_schema_extra={"default": {}})
    reboot: Reboot = Field(default_factory=Reboot, json_schema_extra={"default": {}})
    maintenance_windows: list[MaintenanceWindow] | None = Field(
        None, min_length=1, max_length=8, description="Used with reboot.policy InWindow."
    )
    management: Literal["Manage", "Observe"] = Field("Manage", description="Observe: look and report, never change.")
    check_interval: Annotated[
        Duration,
        Field(json_schema_extra=between("checkInterval", "2s", "24h")),
    ] = Field("5m", description="How often the device is looked at.")


class AddressChange(Model):
    """An address that the device was told to take."""

    to: Text | None = Field(None, description="The address.")
    since: Time | None = Field(None, description="When it was told so last.")
    attempts: Count | None = Field(None, description="How often.")
    restart_needed: bool | None = Field(None, description="Whether the device takes it with its next restart.")
    problem: LongText | None = Field(None, description="Why the device refused.")


class AddressStatus(Model):
    """Where the device is."""

    declared: Text | None = Field(None, description="spec.address.host of the last pass.")
    current: Text | None = Field(None, description="Where it was last proven.")
    reported: list[Text] | None = Field(None, max_length=64, description="What the device says of itself.")
    change: AddressChange | None = Field(
        None, description="Under policy Enforce, until the device is proven at the address it was told to take."
    )


class IdentityStatus(Model):
    """Who the device is."""

    manufacturer: Text | None = Field(None, description="As the device tells it.")
    model: Text | None = Field(None, description="As the device tells it.")
    firmware_version: Text | None = Field(None, description="As the device tells it.")
    serial_number: Text | None = Field(None, description="As the device tells it.")
    mac_addresses: list[Text] | None = Field(None, description="Of its network interfaces.", max_length=64)
    public_key_sha256: Text | None = Field(None, alias="publicKeySHA256", description="Key learned or accepted.")
    proven_by: Text | None = Field(
        None,
        description="What showed that it is the device that is meant: Revision, Pin, Learned, Accepted, DeviceCA or "
        "Verified.",
    )


class ClockStatus(Model):
    """The clock; the offset is written only while it is beyond what is allowed."""

    source: Text | None = Field(None, description="Who sets it: Manual, NTP or Unknown.")
    offset: Text | None = Field(None, description="Device minus operator, such as -1h2m.")
    zone_confused: bool | None = Field(
        None, description="Whether it stayed off by the device's own time zone after it was set."
    )


class CertificateRef(Model):
    """The DeviceCertificate that holds this Device."""

    name: Text | None = Field(None, description="Its name.")
    uid: Text | None = Field(None, description="Its uid: another one of the same name does not hold the Device.")


class ActivatingRevision(RevisionRef):
    """A revision that is being activated."""

    since: Time | None = Field(None, description="When it began.")
    previous_handle: LongText | None = Field(
        None, description="The device's own id of what it served before, to go back to."
    )
    previous_fingerprint: Text | None = Field(None, description="What it served before.")
    rolling_back: bool | None = Field(
        None, description="Whether the device is being put back to what it served before."
    )


class FailedRevision(RevisionRef):
    """A revision that this device could not serve."""

    reason: Text | None = Field(None, description="Why, in one word.")
    attempts: Count | None = Field(None, description="How often it was tried.")
    next_attempt_time: Time | None = Field(None, description="When it is tried again.")


class RevisionStatus(Model):
    """Which revisions the device has, is getting, and could not take."""

    installed: RevisionRef | None = Field(None, description="On the device and served.")
    previous: RevisionRef | None = Field(None, description="Served before that.")
    activating: ActivatingRevision | None = Field(
        None, description="Being put into use; finished or rolled back before anything else."
    )
    failed: FailedRevision | None = Field(None, description="Could not be served; binds this revision only.")
    chain_not_sent: bool | None = Field(
        None, description="Whether the device sends fewer issuers than the installed revision holds."
    )


class CredentialsStatus(Model):
    """The log-in budget of the present user name and password."""

    version: Text | None = Field(None, description="Tells versions of the Secret's data apart; reveals nothing.")
    state: Text | None = Field(None, description="Untried, Accepted or Refused.")
    refused: Count | None = Field(None, description="How often the device refused this version.")
    next_probe_time: Time | None = Field(
        None, description="When one is tried once more that worked before, or was never answered."
    )
    unanswered: Count | None = Field(
        None, description="How often it was sent without an answer that tells whether it is right."
    )
    locked_until: Time | None = Field(None, description="Before this no log-in is sent: the device has locked it.")


class DeviceHandledRequests(Model):
    """Annotations that were carried out."""

    reboot: LongText | None = Field(None, description="Value of devicecert.io/reboot.")
    retry_login: LongText | None = Field(None, description="Value of devicecert.io/retry-login.")


class RebootStatus(Model):
    """The last restart that we asked for."""

    time: Time | None = Field(None, description="When.")
    cause: Text | None = Field(None, description="Why.")
    count: Count | None = Field(None, description="How often for this cause within a day.")
    first_time: Time | None = Field(None, description="When that day began.")


class EarlierReboot(RebootStatus):
    """The last restart for one of our causes."""

    cause: Text = Field(description="Why.")


class FirmwareCA(Model):
    """The CA in the firmware, as the device exported it last."""

    fingerprint: Text | None = Field(None, description="SHA-256 over the DER, hex: what sha256 of deviceCA pins.")
    subject: LongText | None = Field(None, description="RFC 4514.")
    config_map: Text | None = Field(None, description="ConfigMap from which clients get it, once it is pinned.")
    shared: bool | None = Field(None, description="Whether another device of this namespace has the same one.")


class DeviceStatus(Model):
    """What was observed."""

    observed_generation: int | None = Field(
        None, description="Generation of the spec that this status is about; -1 before the first pass."
    )
    address: AddressStatus | None = None
    identity: IdentityStatus | None = None
    clock: ClockStatus | None = None
    served: Served | None = None
    certificate_ref: CertificateRef | None = None
    revision: RevisionStatus | None = None
    capabilities: list[Text] | None = Field(
        None, description="What the device can do, as its driver found.", max_length=64
    )
    credentials: CredentialsStatus | None = None
    handled_requests: DeviceHandledRequests | None = None
    last_reboot: RebootStatus | None = None
    earlier_reboots: list[EarlierReboot] | None = Field(
        None,
        description="For each other cause of ours the last restart, as long as it counts towards 2 a day.",
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["cause"]},
    )
    firmware_ca: FirmwareCA | None = Field(None, alias="firmwareCA")
    unreachable_since: Time | None = Field(None, description="Since when it has not answered.")
    conditions: list[Condition] | None = Field(None, max_length=16, json_schema_extra=CONDITIONS)


class Device(Model):
    """A network device with an HTTPS server, and what is wanted of it."""

    spec: DeviceSpec
    status: DeviceStatus | None = Field(None, json_schema_extra={"default": {"observedGeneration": -1}})
