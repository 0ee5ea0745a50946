"""A CertificateAuthority as values: what is wanted of it, and what its status remembers."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from device_cert_operator.core.model import Condition, KeyType, NameConstraints, ObjectKey, SubjectFields
from device_cert_operator.core.status import ServedStatus

PRIVATE_RANGES = (  # RFC 1918, RFC 3927, RFC 4193, RFC 4291
    *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
    *("fc00::/7", "fe80::/10"),
)
TEN_YEARS = timedelta(hours=87600)
LONGEST_SPREAD = timedelta(hours=24)
EVERY_ADDRESS = ("0.0.0.0/0", "::/0")
EVERY_NAME = ("",)


@dataclass(frozen=True, slots=True)
class AllowedNames:
    """What may be signed beside the root's own constraints; a kind that is not listed may not be.

    dns_names: a name, or `*.domain` for all below it. ip_ranges: CIDR.
    """

    dns_names: tuple[str, ...] = ()
    ip_ranges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RotationPolicy:
    """before: how long before its end a root is replaced by itself; None: only when asked. overlap: how long both roots
    are published before the new one signs."""

    before: timedelta | None = None
    overlap: timedelta = timedelta(hours=720)
    require_confirmation: bool = False

    @property
    def spread(self) -> timedelta:
        """Over how long the devices follow a change of the signing root."""
        return min(self.overlap / 4, LONGEST_SPREAD)


@dataclass(frozen=True, slots=True)
class RootShape:
    """What makes a root. Editing it never makes another one by itself."""

    subject: SubjectFields
    key_type: KeyType
    permitted_dns: tuple[str, ...] = ()
    permitted_ip: tuple[str, ...] = PRIVATE_RANGES

    @property
    def digest(self) -> str:
        """Tells shapes apart."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    @property
    def constraints(self) -> NameConstraints:
        """A kind of name that is not permitted is excluded: constraints on one kind leave the other free."""
        return NameConstraints(
            permitted_dns=self.permitted_dns or None,
            excluded_dns=None if self.permitted_dns else EVERY_NAME,
            permitted_ip=self.permitted_ip or None,
            excluded_ip=None if self.permitted_ip else EVERY_ADDRESS,
        )


@dataclass(frozen=True, slots=True)
class DesiredAuthority:
    """A CertificateAuthority's spec and verbs with every default filled in."""

    key: ObjectKey
    uid: str
    generation: int
    secret_name: str
    bundle_name: str
    shape: RootShape
    duration: timedelta = TEN_YEARS
    allowed: AllowedNames | None = None
    rotation: RotationPolicy = RotationPolicy()
    rotate_request: str | None = None
    trust_distributed: str | None = None
    paused: bool = False
    paused_by: str = "the annotation devicecert.io/paused"
    deleting: bool = False

    @property
    def next_secret(self) -> str:
        """The Secret of the root that is to follow."""
        return f"{self.secret_name}-next"


class Origin(StrEnum):
    """Where the root came from."""

    MADE = "Made"
    ADOPTED = "Adopted"


class Phase(StrEnum):
    """How far a rotation is.

    PREPARING: the new root exists; devices get certificates of the old one with a cross-certificate beside them, so
    that who trusts only the new one accepts them as well. DISTRIBUTING: both roots are published. SWITCHING: the new
    one signs; devices get its certificates, with a cross-certificate for who trusts only the old one. RETIRING: the new
    one takes its place, and is followed by those who read its Secret.
    """

    PREPARING = "Preparing"
    DISTRIBUTING = "Distributing"
    SWITCHING = "Switching"
    RETIRING = "Retiring"


@dataclass(frozen=True, slots=True)
class RotationStatus:
    """since: of this phase. published_at: since when both roots are published. fingerprint, not_after: of the new root,
    None before it is made. waiting_for: Devices that keep it in this phase; without_chain: those that send no
    cross-certificate."""

    phase: Phase
    started_at: datetime
    since: datetime
    published_at: datetime | None = None
    fingerprint: str | None = None
    not_after: datetime | None = None
    waiting_for: tuple[str, ...] = ()
    without_chain: tuple[str, ...] = ()

    def due_at(self, policy: RotationPolicy) -> datetime:
        """When this phase is over if every device takes part and who has to confirm does so in time."""
        match self.phase:
            case Phase.PREPARING:
                return self.started_at + policy.overlap
            case Phase.DISTRIBUTING:
                return (self.published_at or self.since) + policy.overlap
            case Phase.SWITCHING:
                return self.since + policy.spread
            case Phase.RETIRING:
                return self.since
            case _:
                assert_never(self.phase)


@dataclass(frozen=True, slots=True)
class AuthorityStatus:
    """`CertificateAuthority.status`. observed_generation -1: never reconciled.

    certificate: the root, remembered so that another one, or none, is noticed. shape: hash of what it was made of, or
    of the spec under which it was adopted. retired: the Secret that keeps the root before.
    """

    observed_generation: int = -1
    certificate: ServedStatus | None = None
    origin: Origin | None = None
    shape: str | None = None
    rotation: RotationStatus | None = None
    number: int = 1
    retired: str | None = None
    rotates_at: datetime | None = None
    bundle: str | None = None
    handled_rotate: str | None = None
    handled_trust: str | None = None
    conditions: tuple[Condition, ...] = field(default=())


def with_first_rotation(status: AuthorityStatus, rotate: str | None, trust: str | None) -> AuthorityStatus:
    """In the write that ends the first pass, whatever that came to, what was asked for until then counts as handled.

    It may come from a backup, or from Git: an operator that was only paused then must not rotate for it later.
    """
    if status.observed_generation >= 0:
        return status
    return replace(status, handled_rotate=rotate, handled_trust=trust)
