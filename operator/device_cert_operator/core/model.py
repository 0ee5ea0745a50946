"""The values that the whole product speaks in: what is desired, and what was observed.

Frozen and slotted; made at the edges (`api/`, `net/`, `pki/`, `drivers/`), judged in `core/`.
Addresses are text in canonical form (`ipaddress` compressed, IPv6 without brackets or zone); DNS names are lower-case
A-labels without a trailing dot; fingerprints are lower-case hex SHA-256 over DER.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address

# --------------------------------------------------------------------------------------------- objects


@dataclass(frozen=True, slots=True, order=True)
class ObjectKey:
    """What names one object of ours in the cluster. kind: `Device`, `DeviceCertificate` or `CertificateAuthority`."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


# ---------------------------------------------------------------------------------------- certificates


@dataclass(frozen=True, slots=True)
class NameConstraints:
    """What a CA certificate permits and excludes (RFC 5280, section 4.2.1.10). `None` = the list is absent.

    …_directory: of subjects, in the form of `CertificateFacts.subject`.
    """

    permitted_dns: tuple[str, ...] | None = None
    excluded_dns: tuple[str, ...] | None = None
    permitted_ip: tuple[str, ...] | None = None
    excluded_ip: tuple[str, ...] | None = None
    permitted_directory: tuple[str, ...] | None = None
    excluded_directory: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says, as values. Made by `pki.facts.read_facts`; survives odd certificates.

    fingerprint: SHA-256 over the DER. public_key_sha256: SHA-256 over the SubjectPublicKeyInfo.
    key_type: `RSA`, `EC`, `Ed25519`, `Ed448`, `DSA` or `unknown`; curve: e.g. `secp256r1`; key_bits: size in bits.
    version: 1 or 3. key_usage: OpenSSL's short words (`digitalSignature`, …) or None when absent.
    extended_key_usage: dotted OIDs or None. dns_names, ip_addresses: from the SAN, at most 128 of each (`names_cut`).
    signature_hash: `sha256`, …, `sha1`, `md5` or None (EdDSA). path_length: how many CAs may follow below a CA.
    extensions_problem: why clients refuse its extensions: broken, or critical and unknown.
    ca_critical: whether basicConstraints are critical, where there are any (RFC 5280, section 4.2.1.9).
    """

    fingerprint: str
    public_key_sha256: str
    subject: str
    issuer: str
    serial_number: str
    not_before: datetime
    not_after: datetime
    common_name: str | None
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    key_type: str
    curve: str | None
    key_bits: int
    signature_hash: str | None
    version: int
    is_ca: bool | None
    key_usage: frozenset[str] | None
    extended_key_usage: tuple[str, ...] | None
    has_san: bool
    san_critical: bool
    subject_is_empty: bool
    name_constraints: NameConstraints | None = None
    names_cut: bool = False
    path_length: int | None = None
    extensions_problem: str | None = None
    ca_critical: bool = True

    @property
    def self_issued(self) -> bool:
        return self.subject == self.issuer


@dataclass(frozen=True, slots=True)
class Names:
    """The names a certificate is for: what becomes its SAN. Sorted, without duplicates, canonical."""

    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()

    def __or__(self, other: "Names") -> "Names":
        return names_of(*self.all, *other.all)

    @property
    def all(self) -> tuple[str, ...]:
        return self.dns_names + self.ip_addresses

    def missing_from(self, facts: CertificateFacts) -> tuple[str, ...]:
        """Those of these names that the certificate's SAN does not hold literally (a wildcard does not count)."""
        have = {name.lower() for name in facts.dns_names} | set(facts.ip_addresses)
        return tuple(name for name in self.all if name not in have)


def is_ip(host: str) -> bool:
    """Whether the host is an IPv4 or IPv6 address (no zone) rather than a DNS name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def canonical_host(host: str) -> str:
    """An address compressed, a DNS name as lower-case A-labels without trailing dot."""
    if is_ip(host):
        return ip_address(host).compressed
    name = host.rstrip(".").lower()
    return name if name.isascii() else name.encode("idna").decode("ascii")


def names_of(*hosts: str) -> Names:
    """Sort hosts into DNS names and addresses, canonical and without duplicates."""
    canonical = {canonical_host(host) for host in hosts}
    addresses = sorted((host for host in canonical if is_ip(host)), key=lambda host: (len(host), host))
    return Names(tuple(sorted(host for host in canonical if not is_ip(host))), tuple(addresses))


# --------------------------------------------------------------------------------------- what is served


@dataclass(frozen=True, slots=True)
class Served:
    """What one handshake at one address showed.

    tls_version: `TLSv1` … `TLSv1.3`. chain: the certificates as sent, leaf first (DER and facts in step).
    signatures_linked: for i, whether certificate i is signed by i+1's key. anchored: whether the last link that
    holds ends at the intended CA (its certificate sent or not); None where no CA is intended.
    browser_grade: whether the handshake itself (version, key exchange, signature) is one that browsers make;
    if not, `why_not` is a sentence.
    """

    address: str
    port: int
    leaf: CertificateFacts
    leaf_der: bytes = field(repr=False)
    chain: tuple[CertificateFacts, ...]
    chain_der: tuple[bytes, ...] = field(repr=False)
    tls_version: str
    cipher: str
    browser_grade: bool
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class NotServed:
    """No handshake: why. answers: something is there (TCP), but speaks no TLS that we know."""

    address: str
    port: int
    message: str
    answers: bool


# ------------------------------------------------------------------------------------ drivers and devices


class KeyType(StrEnum):
    """Key pairs that may be made for a device."""

    ECDSA_P256 = "ECDSA-P256"
    ECDSA_P384 = "ECDSA-P384"
    RSA_2048 = "RSA-2048"
    RSA_3072 = "RSA-3072"
    RSA_4096 = "RSA-4096"


class Pkcs12Encryption(StrEnum):
    """How a PKCS#12 file for a device is encrypted; ONVIF's baseline is PBES2 with AES-128-CBC."""

    PBES2_AES128_CBC = "PBES2-AES128-CBC"
    PBES2_AES256_CBC = "PBES2-AES256-CBC"
    PBE_SHA1_3DES = "PBE-SHA1-3DES"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one device can do, as its driver found. What is not supported is a value here, not an error.

    key_types: key pairs the device takes with a certificate. chain_length: certificates of a chain it serves, leaf
    included. restart_for: how long it may be away after an activation or a reboot.
    can_make_key: makes a key pair and a CSR for it; makes_key_types: of which kinds.
    csr_takes_san: its CSRs carry the names asked for. csr_clears_first: a CSR destroys the present certificate.
    clears_first: so does an upload, and until it is done nothing or the maker's own is served.
    replaces_in_place: there is one slot: an upload is served at once, instead of the upload before, which is gone.
    login_budget: refused log-ins after which the driver's devices lock the account.
    """

    can_install_key_pair: bool = False
    can_make_key: bool = False
    csr_takes_san: bool = True
    csr_clears_first: bool = False
    can_export_ca: bool = False
    can_set_address: bool = False
    can_set_clock: bool = False
    can_use_ntp: bool = False
    can_reboot: bool = False
    can_enable_https: bool = False
    key_types: frozenset[KeyType] = frozenset()
    makes_key_types: frozenset[KeyType] = frozenset()
    pkcs12_encryptions: tuple[Pkcs12Encryption, ...] = ()
    chain_length: int = 1
    free_slots: int | None = None
    needs_reboot: bool = False
    clears_first: bool = False
    replaces_in_place: bool = False
    restart_for: timedelta = timedelta(seconds=60)
    login_budget: int = 2


class ClockSource(StrEnum):
    """Who sets the device's clock."""

    MANUAL = "Manual"
    NTP = "NTP"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The device's clock beside ours. offset: device minus operator. None: the device did not tell.

    time_zone: POSIX TZ as the device gave it, kept when the clock is set. daylight_saving: likewise.
    ntp_servers: as configured on the device, in order.
    """

    source: ClockSource
    offset: timedelta | None
    time_zone: str | None = None
    daylight_saving: bool = False
    ntp_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceIdentity:
    """Who the device says it is, after log-in. MAC addresses are lower-case with colons."""

    manufacturer: str = ""
    model: str = ""
    firmware_version: str = ""
    serial_number: str = ""
    mac_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One session's observation (driver method `observe`). reported_addresses is information, never drift."""

    identity: DeviceIdentity
    clock: ClockReading
    capabilities: Capabilities
    https_enabled: bool | None
    https_port: int | None = None
    reported_addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredCertificate:
    """One certification path (or slot) in the device's store.

    handle: the device's own id of the path. alias: what its maker named it. fingerprints: leaf first.
    in_use_by_tls: assigned to the HTTPS server. in_use_elsewhere: assigned to another service (802.1X, RTSPS).
    built_in: the device's own, made by its firmware and always there.
    """

    handle: str
    alias: str
    fingerprints: tuple[str, ...]
    has_key: bool | None
    in_use_by_tls: bool
    in_use_elsewhere: bool = False
    built_in: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """What is in the device's store (driver method `inventory`). keys: aliases of the private keys that it holds."""

    certificates: tuple[StoredCertificate, ...]
    free_slots: int | None = None
    keys: frozenset[str] = frozenset()

    def with_fingerprint(self, fingerprint: str) -> StoredCertificate | None:
        """The entry whose leaf has this fingerprint."""
        return next((entry for entry in self.certificates if entry.fingerprints[:1] == (fingerprint,)), None)

    @property
    def assigned(self) -> StoredCertificate | None:
        """The entry that the HTTPS server is set to use."""
        return next((entry for entry in self.certificates if entry.in_use_by_tls), None)


@dataclass(frozen=True, slots=True)
class CertificateBundle:
    """A revision as it goes onto a device. alias: `dc-<8 hex>-r<N>`.

    key_der: PKCS#8, never shown; empty where the device made the key itself.
    """

    alias: str
    fingerprint: str
    leaf_der: bytes = field(repr=False)
    chain_der: tuple[bytes, ...] = field(repr=False)
    key_der: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class CSRRequest:
    """A key pair and a CSR that a device shall make. alias: `dc-<8 hex>-r<N>`, N the number of the request.

    names: asked for as SAN. subject: as in `LeafProfile`: (field of `SubjectFields`, value), in order.
    """

    alias: str
    names: Names
    subject: tuple[tuple[str, str], ...]
    key_type: KeyType


@dataclass(frozen=True, slots=True)
class CSRFacts:
    """What a certificate signing request says. Made by `pki.csr.read_csr`; fields as in `CertificateFacts`.

    dns_names, ip_addresses: asked for as SAN. signature_valid: whoever made it holds the key (RFC 2986).
    """

    public_key_sha256: str
    key_type: str
    curve: str | None
    key_bits: int
    subject: str
    common_name: str | None
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    has_san: bool
    signature_valid: bool
    names_cut: bool = False
    extensions_problem: str | None = None

    @property
    def names(self) -> Names:
        """The names asked for in the SAN, as they stand there."""
        return Names(self.dns_names, self.ip_addresses)


@dataclass(frozen=True, slots=True)
class StaticAddress:
    """An address that a device shall have. was: the one to be replaced. gateway None: left as it is."""

    address: str
    prefix_length: int
    was: str
    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class AddressLook:
    """Whether somebody has an address. taken_by: what shows it, as the end of a sentence; None: nobody was heard."""

    address: str
    taken_by: str | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """A log-in. Redacts itself."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    version: str = ""  # a salted hash of the data: tells versions apart, reveals nothing


# --------------------------------------------------------------------------------------- desired: Device


class AddressPolicy(StrEnum):
    FOLLOW = "Follow"
    ENFORCE = "Enforce"
    REPORT = "Report"


class Security(StrEnum):
    VERIFIED = "Verified"
    FIRST_USE = "FirstUse"
    PLAINTEXT = "Plaintext"


class OnKeyChange(StrEnum):
    REFUSE = "Refuse"
    ACCEPT = "Accept"
    ACCEPT_DEVICE_CA = "AcceptDeviceCA"


class ClockPolicy(StrEnum):
    SYNC = "Sync"
    REPORT = "Report"


class RebootPolicy(StrEnum):
    WHEN_NEEDED = "WhenNeeded"
    IN_WINDOW = "InWindow"
    NEVER = "Never"


class Management(StrEnum):
    MANAGE = "Manage"
    OBSERVE = "Observe"


@dataclass(frozen=True, slots=True)
class Reference:
    """A Secret or ConfigMap in the object's own namespace. key: the data key, where one is named."""

    kind: str
    name: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class IdentityPins:
    """What must be so for the device to be the one that is meant. None = not pinned."""

    serial_number: str | None = None
    mac_address: str | None = None
    public_key_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class EnforcedNetwork:
    """The network around an enforced address. gateway None: the device's own is left as it is."""

    prefix_length: int
    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """Open for `duration` from each time that the schedule names, in local time.

    schedule: five fields of cron. time_zone: IANA name. Made by `core.windows.read_window`, which refuses nonsense.
    """

    schedule: str
    duration: timedelta
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class DesiredDevice:
    """A Device's spec and verbs with every default filled in."""

    key: ObjectKey
    uid: str
    generation: int
    driver: str
    host: str
    credentials_secret: str
    https_port: int = 443
    port: int | None = None
    address_policy: AddressPolicy = AddressPolicy.FOLLOW
    locate_subnets: tuple[str, ...] = ()
    enforced: EnforcedNetwork | None = None
    security: Security = Security.FIRST_USE
    ca_ref: Reference | None = None
    on_key_change: OnKeyChange = OnKeyChange.REFUSE
    allow_plaintext_key: bool = False
    timeout: timedelta = timedelta(seconds=10)
    pins: IdentityPins = IdentityPins()
    clock_policy: ClockPolicy = ClockPolicy.SYNC
    max_clock_offset: timedelta = timedelta(seconds=30)
    ntp_servers: tuple[str, ...] = ()
    ensure_https: bool = True
    reboot_policy: RebootPolicy = RebootPolicy.WHEN_NEEDED
    windows: tuple[MaintenanceWindow, ...] = ()
    management: Management = Management.MANAGE
    check_interval: timedelta = timedelta(minutes=5)
    paused: bool = False
    paused_by: str = "the annotation devicecert.io/paused"
    accepted_key: str | None = None
    reboot_request: str | None = None
    retry_login_request: str | None = None
    deleting: bool = False


# ---------------------------------------------------------------------------- desired: DeviceCertificate


@dataclass(frozen=True, slots=True)
class SubjectFields:
    """Subject attributes asked for; None = left out (RFC 5280, appendix A: upper bounds)."""

    country: str | None = None
    state: str | None = None
    locality: str | None = None
    organization: str | None = None
    organizational_unit: str | None = None
    common_name: str | None = None


class KeyAlgorithm(StrEnum):
    AUTO = "Auto"
    ECDSA = "ECDSA"
    RSA = "RSA"


class KeySource(StrEnum):
    """Who makes the key pair. DEVICE: it never leaves the device, which makes a CSR."""

    OPERATOR = "Operator"
    DEVICE = "Device"


@dataclass(frozen=True, slots=True)
class CASecretIssuer:
    """A CA whose certificate and key stand in a Secret of the namespace."""

    secret: str


@dataclass(frozen=True, slots=True)
class AuthorityIssuer:
    """A CertificateAuthority of the namespace."""

    name: str


@dataclass(frozen=True, slots=True)
class CertManagerIssuer:
    """An issuer of cert-manager. kind: `Issuer`, `ClusterIssuer`, or one of another group."""

    name: str
    kind: str = "Issuer"
    group: str = "cert-manager.io"


@dataclass(frozen=True, slots=True)
class ExternalIssuer:
    """Somebody outside, who is given a CSR and puts the signed chain into this ConfigMap or Secret."""

    certificate_ref: Reference


@dataclass(frozen=True, slots=True)
class ProvidedIssuer:
    """Certificate and key made elsewhere, in a Secret of the namespace."""

    secret: str


@dataclass(frozen=True, slots=True)
class ConstrainedBy:
    """The firmware's CA is given to clients below a root of ours only, for these addresses (CIDR) and no name."""

    authority: str
    permitted_ip: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeviceCAIssuer:
    """The CA in the devices' firmware. sha256: its pinned fingerprint; None: nobody has looked at it yet.

    ca_ref: a copy of its certificate, where devices cannot export it.
    """

    sha256: str | None = None
    ca_ref: Reference | None = None
    constrained_by: ConstrainedBy | None = None


OwnCAIssuer = CASecretIssuer | AuthorityIssuer
Issuer = OwnCAIssuer | CertManagerIssuer | ExternalIssuer | ProvidedIssuer | DeviceCAIssuer


@dataclass(frozen=True, slots=True)
class DesiredCertificate:
    """A DeviceCertificate's spec and verbs with every default filled in."""

    key: ObjectKey
    uid: str
    generation: int
    created_at: datetime
    devices: tuple[str, ...]
    issuer: Issuer
    subject: SubjectFields = SubjectFields()
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    include_device_addresses: bool = True
    algorithm: KeyAlgorithm = KeyAlgorithm.AUTO
    key_size: int | None = None
    key_source: KeySource = KeySource.OPERATOR
    allow_gap: bool = False
    duration: timedelta = timedelta(hours=2160)
    renew_before: timedelta | None = None
    renew_before_percentage: int | None = None
    secret_name: str | None = None
    renew_request: str | None = None
    paused: bool = False
    paused_by: str = "the annotation devicecert.io/paused"
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class RevisionRef:
    """One revision as a status names it."""

    number: int
    secret: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Revision:
    """A published revision Secret without its key.

    given_to: uids of Devices that were given a turn on it. authority_fingerprint: the CA certificate that signed it.
    anchors_der: the trust anchors of verdicts, as far as the Secret holds them; two during a rotation.
    chain_der: what a device sends after the leaf, without roots; sent: the fingerprints.
    has_key: the Secret holds the key; else the device made it.
    """

    number: int
    secret: str
    owner_uid: str
    input_hash: str
    authority_fingerprint: str
    facts: CertificateFacts
    given_to: frozenset[str] = frozenset()
    anchors_der: tuple[bytes, ...] = field(default=(), repr=False)
    chain_der: tuple[bytes, ...] = field(default=(), repr=False)
    sent: frozenset[str] = frozenset()
    has_key: bool = True

    @property
    def ref(self) -> RevisionRef:
        return RevisionRef(self.number, self.secret, self.facts.fingerprint)


# ------------------------------------------------------------------------------- conditions and status


@dataclass(frozen=True, slots=True)
class Condition:
    """A status condition (Kubernetes API conventions). status: `True`, `False` or `Unknown`."""

    type: str
    status: str
    reason: str
    message: str
    observed_generation: int
    last_transition_at: datetime


Annotations = Mapping[str, str]
