"""Kind `CertificateAuthority`: a root of one's own, made or adopted, published and replaced in time."""

from typing import Annotated, Literal

from pydantic import Field

from device_cert_operator.api.v1alpha1.certificate import Subject
from device_cert_operator.api.v1alpha1.common import (
    CONDITIONS,
    DNS_NAME,
    Condition,
    Count,
    Duration,
    LongText,
    Model,
    Name,
    Served,
    Text,
    Time,
    between,
    rule,
    rules,
)

_LIFETIME = between("duration", "24h", "262800h")
_BEFORE = between("before", "1h", "262800h")
_OVERLAP = between("overlap", "1m", "87600h")
_WILDCARD = DNS_NAME.replace("^", r"^(\*\.)?", 1)
_SET = {"x-kubernetes-list-type": "set"}
_Range = Annotated[str, Field(min_length=4, max_length=49)]
_NO_ADDRESS = "self.all(n, !isIP(n))"
_NO_RANGE = "self.all(r, isCIDR(r) && cidr(r).masked() == cidr(r))"


class RootSubject(Subject):
    """Attributes of the root's subject; by default the object's name as common name."""

    common_name: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="What people see in their list of trusted roots."
    )


class RootKey(Model):
    """The root's key pair."""

    model_config = rules(
        (
            "!has(self.size) || (has(self.algorithm) && self.algorithm == 'RSA' ? self.size in [2048, 3072, 4096] : "
            "self.size in [256, 384])",
            "size must be 256 or 384 with ECDSA, which is the default, and 2048, 3072 or 4096 with algorithm RSA",
        ),
    )
    algorithm: Literal["ECDSA", "RSA"] | None = Field(None, description="ECDSA unless given.")
    size: Annotated[int, Field(ge=256, le=4096)] | None = Field(
        None, description="ECDSA: 256 (default) or 384 bits. RSA: 2048, 3072 (default) or 4096."
    )


class NameConstraints(Model):
    """What the root can ever sign, as every client checks (RFC 5280, 4.2.1.10); what is not permitted is excluded."""

    model_config = rules(
        (
            "!has(self.permittedIPRanges) || size(self.permittedIPRanges) > 0 || "
            "(has(self.permittedDNSDomains) && size(self.permittedDNSDomains) > 0)",
            "permit at least one domain or one range: a root that may sign nothing is of no use",
        ),
    )
    permitted_dns_domains: list[Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_NAME)]] | None = Field(
        None,
        alias="permittedDNSDomains",
        max_length=32,
        description="Domains with all below them; without any, every DNS name is excluded.",
        json_schema_extra={**_SET, **rule(_NO_ADDRESS, "an address belongs into permittedIPRanges")},
    )
    permitted_ip_ranges: list[_Range] | None = Field(
        None,
        alias="permittedIPRanges",
        max_length=32,
        description="CIDR. Unless given, the private and link-local ranges; an empty list excludes every address.",
        json_schema_extra={
            **_SET,
            **rule(_NO_RANGE, "each range must be a CIDR without host bits, such as 10.0.0.0/8"),
        },
    )


class Allowed(Model):
    """What is signed, checked by the operator at signing; a kind that is not listed is not signed."""

    model_config = rules(
        (
            "size(self.dnsNames) + size(self.ipRanges) > 0",
            "list dnsNames or ipRanges, or leave allowed out to sign whatever the root permits",
        ),
    )
    dns_names: list[Annotated[str, Field(min_length=1, max_length=253, pattern=_WILDCARD)]] = Field(
        default_factory=list,
        max_length=64,
        description="A name, or *.domain for every name below it.",
        json_schema_extra={"default": [], **_SET, **rule(_NO_ADDRESS, "an address belongs into ipRanges, as a CIDR")},
    )
    ip_ranges: list[_Range] = Field(
        default_factory=list,
        max_length=64,
        description="CIDR.",
        json_schema_extra={
            "default": [],
            **_SET,
            **rule(_NO_RANGE, "each range must be a CIDR without host bits, such as 10.0.0.0/8"),
        },
    )


class TrustBundle(Model):
    """The ConfigMap from which clients get what they have to trust."""

    config_map_name: Name | None = Field(
        None,
        description="Holds ca.crt (PEM; both roots during a rotation) and cacert.crt (DER). Default: <name>-trust.",
    )


class Rotation(Model):
    """How the root is replaced."""

    model_config = rules(
        (
            "!has(self.before) || duration(self.before) > duration(has(self.overlap) ? self.overlap : '720h')",
            "before must be longer than overlap, which is 720h unless given: both roots are trusted meanwhile",
        ),
    )
    before: Annotated[Duration, Field(json_schema_extra=_BEFORE)] | None = Field(
        None, description="How long before its end the root is replaced; unless given only when asked for."
    )
    overlap: Annotated[Duration, Field(json_schema_extra=_OVERLAP)] | None = Field(
        None, description="How long both roots are published before the new one signs; 720h (30 days) unless given."
    )
    require_confirmation: bool = Field(
        False, description="Whether the new root signs only after the annotation devicecert.io/trust-distributed."
    )


class CertificateAuthoritySpec(Model):
    """What is wanted."""

    model_config = rules(
        (
            "!has(self.rotation) || !has(self.rotation.before) || duration(self.rotation.before) < "
            "duration(has(self.duration) ? self.duration : '87600h')",
            "rotation.before must be shorter than duration",
        ),
    )
    secret_name: Name = Field(
        description="kubernetes.io/tls Secret with the root and its key. One that is there and labelled "
        "devicecert.io/use: ca is adopted.",
        json_schema_extra=rule("self == oldSelf", "secretName cannot be changed: make another CertificateAuthority"),
    )
    subject: RootSubject | None = None
    private_key: RootKey | None = None
    duration: Annotated[Duration, Field(json_schema_extra=_LIFETIME)] | None = Field(
        None, description="Lifetime of a root; 87600h (10 years) unless given."
    )
    name_constraints: NameConstraints | None = None
    allowed: Allowed | None = None
    trust_bundle: TrustBundle | None = None
    rotation: Rotation | None = None


class RotationState(Model):
    """A rotation that is under way."""

    phase: Text | None = Field(None, description="Preparing, Distributing, Switching or Retiring.")
    start_time: Time | None = Field(None, description="When it began.")
    since: Time | None = Field(None, description="Since when it is in this phase.")
    published_time: Time | None = Field(None, description="Since when both roots are published.")
    fingerprint: Text | None = Field(None, description="SHA-256 over the DER of the new root, hex.")
    not_after: Time | None = Field(None, description="Until when the new root is valid.")
    waiting_for: list[Text] | None = Field(None, max_length=64, description="Devices that keep it in this phase.")
    without_chain: list[Text] | None = Field(
        None, max_length=64, description="Devices that send no cross-certificate: clients of one root only refuse them."
    )


class HandledRequests(Model):
    """Annotations that were seen or carried out."""

    rotate: LongText | None = Field(None, description="Value of devicecert.io/rotate.")
    trust_distributed: LongText | None = Field(None, description="Value of devicecert.io/trust-distributed.")


class CertificateAuthorityStatus(Model):
    """What came of it."""

    observed_generation: int | None = Field(
        None, description="Generation of the spec that this status is about; -1 before the first pass."
    )
    certificate: Served | None = Field(None, description="The root; another one in the Secret is told, not used.")
    origin: Text | None = Field(None, description="Made or Adopted.")
    shape: Text | None = Field(None, description="Hash of what the root was made of, or adopted under.")
    trust_bundle: Text | None = Field(None, description="ConfigMap with what clients have to trust.")
    rotation: RotationState | None = None
    rotation_time: Time | None = Field(None, description="When the root is replaced by itself.")
    number: Count | None = Field(None, description="Counts the roots that there were, this one included.")
    retired_secret_name: Text | None = Field(None, description="Secret that keeps the root before.")
    handled_requests: HandledRequests | None = None
    conditions: list[Condition] | None = Field(None, max_length=16, json_schema_extra=CONDITIONS)


class CertificateAuthority(Model):
    """A root of one's own that signs for devices."""

    spec: CertificateAuthoritySpec
    status: CertificateAuthorityStatus | None = Field(None, json_schema_extra={"default": {"observedGeneration": -1}})
