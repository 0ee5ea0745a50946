"""What the DeviceCertificate story sees, may do, and says: values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from device_cert_operator.core.authority_model import AllowedNames
from device_cert_operator.core.conditions import HOLDS_THE_NEXT, find, status_of
from device_cert_operator.core.model import (
    AddressPolicy,
    DesiredCertificate,
    DesiredDevice,
    KeyType,
    Names,
    Revision,
    names_of,
)
from device_cert_operator.core.requests import (
    Answer,
    CSRState,
)
from device_cert_operator.core.status import CertificateStatus, DeviceStatus, MemberStatus, RequestStatus
from device_cert_operator.core.steps import Rest
from device_cert_operator.errors import OperatorError
from device_cert_operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Member:
    """One device that the DeviceCertificate lists. desired None: its spec cannot be read, or there is no such Device.

    problem: why it cannot be read.
    claimed_by: the name of another DeviceCertificate that holds the Device.
    """

    name: str
    desired: DesiredDevice | None = None
    status: DeviceStatus = DeviceStatus()
    claimed_by: str | None = None
    holds: bool = False
    problem: OperatorError | None = None

    @property
    def lacking(self) -> tuple[Reason, str] | None:
        """Why nobody knows what is wanted of the device, if so."""
        if self.desired is not None:
            return None
        if self.problem is not None:
            return self.problem.reason, self.problem.message
        return Reason.DEVICE_MISSING, f"There is no Device {self.name} in this namespace."

    @property
    def identified(self) -> bool:
        return self.desired is not None and status_of(self.status.conditions, "Identified") == "True"

    @property
    def stalled(self) -> bool:
        return status_of(self.status.conditions, "Stalled") == "True"

    @property
    def beyond_help(self) -> bool:
        """Stalled for another reason than the certificate it has: another certificate would not get there."""
        parts = ("Reachable", "Identified", "Authenticated")
        off = self.desired is None or self.desired.paused
        return self.stalled and (off or any(status_of(self.status.conditions, part) == "False" for part in parts))

    @property
    def standstill(self) -> tuple[Reason, str] | None:
        """Why nothing that a DeviceCertificate wants is done with the device before a person acts, if so."""
        told = find(self.status.conditions, "Stalled")
        if told is None or told.status != "True" or told.reason not in set(Reason):
            return None
        stands = self.beyond_help or told.reason == Reason.OBSERVE_ONLY
        return (Reason(told.reason), told.message) if stands else None

    @property
    def holds_the_next(self) -> tuple[Reason, str] | None:
        """What keeps the device from its next certificate, whether the present one is good or not."""
        ready = find(self.status.conditions, "Ready")
        return (Reason(ready.reason), ready.message) if ready is not None and ready.reason in HOLDS_THE_NEXT else None

    @property
    def loses_chain(self) -> bool:
        """Stalled because it does not send the issuers that it was given."""
        told = find(self.status.conditions, "Stalled")
        return told is not None and told.status == "True" and told.reason == Reason.CHAIN_INCOMPLETE

    @property
    def secure(self) -> bool:
        return status_of(self.status.conditions, "Secure") == "True"

    @property
    def key_types(self) -> frozenset[str]:
        return frozenset(self.status.capabilities) & {str(kind) for kind in KeyType}

    @property
    def makes_key_types(self) -> frozenset[str]:
        """Kinds of key that the device makes itself."""
        return frozenset(str(kind) for kind in KeyType if f"Make{kind}" in self.status.capabilities)

    def names(self) -> Names:
        """The address where the device was proven; before that, the declared one. Policy Report: the declared one."""
        if self.desired is None:
            return Names()
        proven = self.status.address.current
        follows = self.desired.address_policy is AddressPolicy.FOLLOW
        return names_of(proven if proven and follows else self.desired.host)


@dataclass(frozen=True, slots=True)
class AuthorityState:
    """The CA as far as decisions go. problem: why it cannot be used. warnings: (reason, sentence).

    cross: fingerprint of the cross-certificate that devices have to send beside the leaf. allowed: the names that it
    may sign, None for all. changed_at, spread: what is not as it should be is issued anew within `spread` of then.
    """

    fingerprint: str | None = None
    not_after: datetime | None = None
    problem: OperatorError | None = None
    warnings: tuple[tuple[Reason, str], ...] = ()
    cross: str | None = None
    allowed: AllowedNames | None = None
    changed_at: datetime | None = None
    spread: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class CertificateSituation:
    """One look. revisions: all that exist, by number. copied: the fingerprint in `secretName`, None when absent.

    live: of the Devices on our revisions those that exist, by uid. csr: what stands in the CSR's ConfigMap. answer: of
    whoever signs, to the open request; with a provided certificate always. pending_keys: Secrets with keys that no
    request needs now.
    highest: the highest number that a revision of this name ever had, whoever owned it. operator_clock_error: our clock
    against the API server's, None when it cannot be told.
    """

    desired: DesiredCertificate
    status: CertificateStatus
    now: datetime
    members: tuple[Member, ...]
    revisions: tuple[Revision, ...]
    authority: AuthorityState
    live: Mapping[str, DeviceStatus] = field(default_factory=dict)
    copied: str | None = None
    csr: CSRState | None = None
    answer: Answer | None = None
    pending_keys: tuple[str, ...] = ()
    highest: int = 0
    operator_clock_error: timedelta | None = None

    @property
    def wanted(self) -> Revision | None:
        return self.revisions[-1] if self.revisions else None

    def why_held_back(self, member: Member) -> tuple[Reason, str] | None:
        """What keeps the next certificate from this device; a gap that is allowed meanwhile no longer does."""
        held = member.holds_the_next
        return None if held is None or (held[0] is Reason.GAP_NOT_ALLOWED and self.desired.allow_gap) else held


@dataclass(frozen=True, slots=True)
class RecordRenew:
    """Remember the renew request as handled; it is part of the inputs, so a new revision follows."""

    request: str


@dataclass(frozen=True, slots=True)
class Issue:
    """Sign and publish a new revision."""

    reason: Reason
    message: str
    names: Names
    key_type: KeyType
    input_hash: str


@dataclass(frozen=True, slots=True)
class GiveTurn:
    """Let this device install the wanted revision: its uid goes onto the revision, then its turn into the status."""

    device: str
    device_uid: str
    revision: Revision


@dataclass(frozen=True, slots=True)
class DeleteRevision:
    """Delete a revision that no device needs any more."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class WriteCopy:
    """Write the proven key pair to `spec.secretName`."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class BeginRequest:
    """Ask for a CSR: of the device, or of ourselves. It is remembered first."""

    reason: Reason
    message: str
    request: RequestStatus


@dataclass(frozen=True, slots=True)
class MakeCSR:
    """Make a key, store it, and publish a CSR for it."""

    request: RequestStatus


@dataclass(frozen=True, slots=True)
class RecordCSR:
    """The CSR is there: remember its key."""

    request: RequestStatus


@dataclass(frozen=True, slots=True)
class IssueForCSR:
    """Sign the CSR with our own CA, and publish the revision."""

    reason: Reason
    message: str
    request: RequestStatus


@dataclass(frozen=True, slots=True)
class Submit:
    """Hand the CSR to cert-manager."""

    request: RequestStatus


@dataclass(frozen=True, slots=True)
class NoteFailure:
    """Whoever signs failed, not for good: count it, so that another try comes after a while."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Resubmit:
    """Hand the same CSR to cert-manager once more, in place of the request that failed."""

    request: RequestStatus


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish the chain that came back, or that was provided (request None), as a revision."""

    reason: Reason
    message: str
    request: RequestStatus | None
    input_hash: str


@dataclass(frozen=True, slots=True)
class DropRequest:
    """The revision of the open request is published, or nobody needs one: forget it."""


@dataclass(frozen=True, slots=True)
class DropKey:
    """Delete a stored key that no request needs."""

    secret: str


CertificateStep = (
    RecordRenew
    | Issue
    | GiveTurn
    | DeleteRevision
    | WriteCopy
    | BeginRequest
    | MakeCSR
    | RecordCSR
    | IssueForCSR
    | Submit
    | NoteFailure
    | Resubmit
    | Publish
    | DropRequest
    | DropKey
)


@dataclass(frozen=True, slots=True)
class CertificatePlan:
    """next: one step, or the rest. members: the complete list for the status, turns included."""

    next: CertificateStep | Rest
    members: tuple[MemberStatus, ...]
