"""Kind `DeviceCertificate`: which certificate a device, or several, must serve."""

from typing import Annotated, Literal

from pydantic import Field

from device_cert_operator.api.v1alpha1.common import (
    CONDITIONS,
    DNS_NAME,
    Condition,
    Count,
    Duration,
    LongText,
    Model,
    Name,
    SecretRef,
    Served,
    Sha256,
    Text,
    Time,
    between,
    rule,
    rules,
)

_LIFETIME = between("duration", "1h", "87600h")
_BEFORE = between("renewBefore", "5m", "87600h")
_WILDCARD = DNS_NAME.replace("^", r"^(\*\.)?", 1)
_Part = Annotated[str, Field(min_length=1, max_length=64)]


class DeviceRef(Model):
    """A Device in the same namespace."""

    name: Name = Field(description="Name of the Device.")


class AuthorityRef(Model):
    """A CertificateAuthority in the same namespace."""

    name: Name = Field(description="Name of the CertificateAuthority.")


class IssuerRef(Model):
    """An issuer of cert-manager."""

    name: Name = Field(description="Name of the issuer.")
    kind: Annotated[str, Field(min_length=1, max_length=63)] | None = Field(
        None,
        description="Issuer (of the namespace; unless given), ClusterIssuer (if the operator may ask it), or another.",
    )
    group: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        None, description="API group of the issuer; cert-manager.io unless given."
    )


class ReturnedRef(Model):
    """Where the signed chain comes back."""

    kind: Literal["ConfigMap", "Secret"] | None = Field(None, description="ConfigMap (unless given) or Secret.")
    name: Name = Field(description="Its name; labelled devicecert.io/use: certificate.")
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")] | None = Field(
        None,
        description="Key with the chain as PEM, the device's certificate first; tls.crt unless given. ca.crt may hold "
        "the root.",
    )


class External(Model):
    """Somebody outside signs: the CSR goes out in ConfigMap <name>-csr, the chain comes back."""

    certificate_ref: ReturnedRef


class Provided(Model):
    """Certificate and key are made elsewhere."""

    secret_ref: SecretRef = Field(
        description="A Secret with tls.crt (the chain), tls.key and perhaps ca.crt, labelled devicecert.io/use: "
        "certificate."
    )


class FirmwareCARef(Model):
    """A copy of the CA certificate in the devices' firmware."""

    kind: Literal["ConfigMap", "Secret"] | None = Field(None, description="ConfigMap (unless given) or Secret.")
    name: Name = Field(description="Its name; labelled devicecert.io/use: certificate.")
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")] | None = Field(
        None, description="Key with the certificate, PEM or DER; ca.crt unless given."
    )


class ConstrainedBy(Model):
    """Clients are given the firmware's CA below a root of ours, for some addresses only."""

    authority_ref: AuthorityRef
    permitted_ip_ranges: list[Annotated[str, Field(min_length=3, max_length=49)]] = Field(
        alias="permittedIPRanges",
        min_length=1,
        max_length=16,
        description="Addresses that its certificates may be for, as CIDR; DNS names never.",
        json_schema_extra={
            "x-kubernetes-list-type": "set",
            **rule(
                "self.all(r, isCIDR(r) && cidr(r) == cidr(r).masked())",
                "each of permittedIPRanges must be a CIDR without host bits, such as 192.168.1.0/24",
            ),
        },
    )


class DeviceCA(Model):
    """The firmware of the devices issues their certificates, at each start."""

    sha256: Sha256 | None = Field(
        None,
        description="SHA-256 of the firmware's CA certificate (DER); without it nothing is trusted, and the condition "
        "Secure tells the line to run.",
    )
    ca_ref: FirmwareCARef | None = Field(None, description="For devices that do not export it.")
    constrained_by: ConstrainedBy | None = None


_ISSUERS = ("authorityRef", "caSecretRef", "certManagerRef", "external", "provided", "deviceCA")


class Issuer(Model):
    """Who signs: exactly one of these."""

    model_config = rules(
        (
            f"[{', '.join(f'has(self.{one})' for one in _ISSUERS)}].filter(x, x).size() == 1",
            f"name exactly one issuer: {', '.join(_ISSUERS[:-1])} or {_ISSUERS[-1]}",
        )
    )
    authority_ref: AuthorityRef | None = Field(None, description="A CertificateAuthority in the same namespace.")
    ca_secret_ref: SecretRef | None = Field(
        None,
        description="A kubernetes.io/tls Secret with a CA certificate and its key, labelled devicecert.io/use: ca.",
    )
    cert_manager_ref: IssuerRef | None = Field(None, description="An issuer of cert-manager signs a CSR.")
    external: External | None = None
    provided: Provided | None = None
    device_ca: DeviceCA | None = Field(None, alias="deviceCA")


class Subject(Model):
    """Attributes of the certificate's subject; none is needed."""

    country: Annotated[str, Field(pattern="^[A-Z]{2}$", max_length=2)] | None = Field(
        None, description="Two capital letters (ISO 3166)."
    )
    state: _Part | None = Field(None, description="State or province.")
    locality: _Part | None = Field(None, description="City.")
    organization: _Part | None = Field(None, description="Organization.")
    organizational_unit: _Part | None = Field(None, description="Part of the organization.")
    common_name: Annotated[str, Field(min_length=1, max_length=64)] | None = Field(
        None, description="One of the certificate's names; by default the first that fits."
    )


class PrivateKey(Model):
    """The key pair: who makes it, and of which kind."""

    model_config = rules(
        (
            "!has(self.size) || has(self.algorithm) && (self.algorithm == 'RSA' ? self.size in [2048, 3072, 4096] : "
            "self.algorithm == 'ECDSA' && self.size in [256, 384])",
            "size must be 2048, 3072 or 4096 with algorithm RSA, 256 or 384 with ECDSA, and absent with Auto",
        ),
    )
    source: Literal["Operator", "Device"] | None = Field(
        None,
        description="Operator (unless given): made here and uploaded. Device: made on the device, which it never "
        "leaves; only a certificate is uploaded, and after a factory reset it fits no more.",
    )
    algorithm: Literal["Auto", "ECDSA", "RSA"] | None = Field(
        None, description="Auto: ECDSA P-256 where every device takes it, else RSA."
    )
    size: Annotated[int, Field(ge=256, le=4096)] | None = Field(
        None, description="ECDSA: 256 (default) or 384 bits. RSA: 2048 (default), 3072 or 4096."
    )
    rotation_policy: Literal["Always"] | None = Field(None, description="Always: a new key with each revision.")


_DEVICE_KEY = "has(self.privateKey) && has(self.privateKey.source) && self.privateKey.source == 'Device'"


class DeviceCertificateSpec(Model):
    """What is wanted."""

    model_config = rules(
        (
            "!(has(self.renewBefore) && has(self.renewBeforePercentage))",
            "give renewBefore or renewBeforePercentage, not both",
        ),
        (
            "!has(self.renewBefore) || duration(self.renewBefore) < duration(has(self.duration) ? self.duration : "
            "'2160h')",
            "renewBefore must be shorter than duration",
        ),
        (
            "self.includeDeviceAddresses || size(self.dnsNames) > 0 || size(self.ipAddresses) > 0",
            "without includeDeviceAddresses list dnsNames or ipAddresses",
        ),
        (
            f"!({_DEVICE_KEY}) || size(self.devices) == 1",
            "a key made on a device fits that device only: list one device, or use privateKey.source: Operator",
        ),
        (
            f"!({_DEVICE_KEY}) || !has(self.issuer.provided)",
            "provided brings its own key: leave out privateKey",
        ),
        (
            f"!({_DEVICE_KEY}) || !has(self.secretName)",
            "a key made on the device cannot be copied: leave out secretName",
        ),
        (
            "!has(self.issuer.provided) || !has(self.privateKey) && !has(self.subject) && !has(self.duration) && "
            "!has(self.renewBefore) && !has(self.renewBeforePercentage)",
            "provided brings its own key, subject and dates: leave out privateKey, subject, duration and renewBefore",
        ),
        (
            "!has(self.issuer.deviceCA) || !has(self.privateKey) && !has(self.subject) && !has(self.duration) && "
            "!has(self.renewBefore) && !has(self.renewBeforePercentage) && !has(self.secretName) && "
            "size(self.dnsNames) == 0 && size(self.ipAddresses) == 0",
            "with deviceCA the firmware makes keys, names and dates: leave out privateKey, subject, duration, "
            "renewBefore, renewBeforePercentage, secretName, dnsNames and ipAddresses",
        ),
        (
            "!has(oldSelf.secretName) || has(self.secretName) && self.secretName == oldSelf.secretName",
            "secretName cannot be changed: make another DeviceCertificate",
        ),
    )
    devices: list[DeviceRef] = Field(
        min_length=1,
        max_length=64,
        description="The devices that serve this certificate, one after another.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    issuer: Issuer
    subject: Subject | None = None
    dns_names: list[Annotated[str, Field(min_length=1, max_length=253, pattern=_WILDCARD)]] = Field(
        default_factory=list,
        max_length=64,
        description="Names beside what the devices' addresses give.",
        json_schema_extra={
            "default": [],
            "x-kubernetes-list-type": "set",
            **rule("self.all(n, !isIP(n))", "an address belongs into ipAddresses, not into dnsNames"),
        },
    )
    ip_addresses: list[Annotated[str, Field(min_length=2, max_length=45)]] = Field(
        description="IPv4 and IPv6 addresses beside the devices' own.",
        default_factory=list,
        max_length=64,
        json_schema_extra={
            "default": [],
            "x-kubernetes-list-type": "set",
            **rule("self.all(a, isIP(a))", "each of ipAddresses must be an IPv4 or IPv6 address without zone"),
        },
    )
    include_device_addresses: bool = Field(True, description="Whether the devices' addresses are among the names.")
    private_key: PrivateKey | None = None
    duration: Annotated[Duration, Field(json_schema_extra=_LIFETIME)] | None = Field(
        None, description="Lifetime of a certificate; 2160h (90 days) unless given."
    )
    renew_before: Annotated[Duration, Field(json_schema_extra=_BEFORE)] | None = Field(
        None, description="How long before its end it is renewed; at most, and unless given, a third of its lifetime."
    )
    renew_before_percentage: Annotated[int, Field(ge=1, le=99)] | None = Field(
        None, description="The same, in percent of the lifetime."
    )
    allow_gap: bool | None = Field(
        None,
        description="Whether a device that destroys its present certificate to make a CSR, or to take another, may do "
        "so.",
    )
    secret_name: Name | None = Field(None, description="Secret to which the proven key pair is copied for others.")


class Effective(Model):
    """What the spec's defaults came to."""

    duration: Text | None = Field(None, description="Lifetime of the certificate.")
    renew_before: Text | None = Field(None, description="How long before its end it is renewed.")
    algorithm: Text | None = Field(None, description="Kind and size of the key.")


class Member(Model):
    """One of the devices."""

    name: Text = Field(description="Name of the Device.")
    turn: Count | None = Field(None, description="The revision that this device may install.")
    turn_time: Time | None = Field(None, description="Since when.")
    installed: Count | None = Field(None, description="The revision that it serves.")
    secure: bool | None = Field(None, description="Whether browsers that trust the CA accept the connection.")
    reason: Text | None = Field(None, description="Why not, in one word.")
    message: Text | None = Field(None, description="Why not, and the next move.")


class CertificateRequest(Model):
    """The CSR that is asked for, or waits for its signature."""

    number: Count | None = Field(None, description="Of the revision that it becomes.")
    names: list[Text] | None = Field(None, description="Names that it asks for.", max_length=192)
    algorithm: Text | None = Field(None, description="Kind and size of the key.")
    config_map: Text | None = Field(None, description="ConfigMap in which the CSR stands.")
    key: Text | None = Field(None, description="Its key, with the CSR as PEM.")
    public_key_sha256: Text | None = Field(
        None, alias="publicKeySHA256", description="Of the CSR's key (SPKI, hex), once it was seen."
    )
    input_hash: Text | None = Field(None, description="Of what it was made for.")
    key_lost: bool | None = Field(
        None, description="Whether the device lost its earlier key: what was signed for that will never fit again."
    )
    time: Time | None = Field(None, description="When it was asked for.")


class HandledRequests(Model):
    """Annotations that were carried out."""

    renew: LongText | None = Field(None, description="Value of devicecert.io/renew.")


class DeviceCertificateStatus(Model):
    """What came of it."""

    observed_generation: int | None = Field(
        None, description="Generation of the spec that this status is about; -1 before the first pass."
    )
    revision: Count | None = Field(None, description="Number of the wanted revision; 0 before the first.")
    certificate: Served | None = Field(None, description="What the wanted revision says.")
    effective: Effective | None = None
    certificate_request: CertificateRequest | None = None
    issuer_name: Text | None = Field(None, description="Who signs, for kubectl get.")
    device_names: Text | None = Field(None, description="The devices, for kubectl get.")
    devices: list[Member] | None = Field(
        None,
        description="Each device, sorted by name.",
        max_length=64,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    renewal_time: Time | None = Field(None, description="When the next revision is issued.")
    failed_attempts: Count | None = Field(None, description="Failures to issue in a row.")
    next_attempt_time: Time | None = Field(None, description="Nothing is issued before.")
    last_failure_time: Time | None = Field(None, description="When issuing failed last.")
    handled_requests: HandledRequests | None = None
    conditions: list[Condition] | None = Field(None, max_length=16, json_schema_extra=CONDITIONS)


class DeviceCertificate(Model):
    """The certificate that one or several devices must serve."""

    spec: DeviceCertificateSpec
    status: DeviceCertificateStatus | None = Field(None, json_schema_extra={"default": {"observedGeneration": -1}})
