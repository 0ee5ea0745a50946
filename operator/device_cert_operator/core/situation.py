"""Everything one look at a device and its surroundings showed: the input of every check, and nothing else."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from device_cert_operator.core.addresses import in_effect_since, pending_change
from device_cert_operator.core.conditions import find
from device_cert_operator.core.identity import Recognition
from device_cert_operator.core.model import (
    AddressLook,
    Capabilities,
    Condition,
    CSRRequest,
    DesiredDevice,
    DeviceCAIssuer,
    DeviceReport,
    Inventory,
    NotServed,
    Revision,
    Served,
)
from device_cert_operator.core.status import DeviceStatus, OwnerRef
from device_cert_operator.core.verdict import Verdict
from device_cert_operator.errors import OperatorError
from device_cert_operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class CSRWanted:
    """A CSR that the device is asked for. answered: it stands in the ConfigMap, made by this device.

    allow_gap: the device may destroy its present certificate for it.
    """

    number: int
    request: CSRRequest
    answered: bool = False
    allow_gap: bool = False


@dataclass(frozen=True, slots=True)
class FirmwareWanted:
    """The certificate that the device's firmware makes is the one wanted.

    known: the pinned CA's certificate is at hand. problem: why the copy of it cannot be used. own: what is served was
    signed by the pinned CA. published: clients find it, in the form wanted; unpublishable: why they cannot.
    """

    issuer: DeviceCAIssuer
    known: bool = False
    problem: OperatorError | None = None
    own: bool = False
    published: bool = False
    unpublishable: OperatorError | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the Device's DeviceCertificate wants of it.

    turn: the revision that the device may install now. kept: all revisions that still exist, by number.
    csr: the CSR that it is asked for. allow_gap: nothing of ours may be served for a moment. firmware: instead of a
    revision, what the firmware makes.
    """

    owner: OwnerRef
    wanted: Revision | None = None
    turn: Revision | None = None
    kept: tuple[Revision, ...] = ()
    csr: CSRWanted | None = None
    allow_gap: bool = False
    firmware: FirmwareWanted | None = None
    dns_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """One look.

    address: what was dialled. plain_answers: HTTP answers where HTTPS is refused. report, inventory, login_error: of
    this pass, None when not asked. clock_refusal: why the device did not let its clock be set in this pass.
    full_check_due: the routine log-in is due, or the one after an edit. unseen_edit: no log-in has compared the device
    with this generation of the spec yet. locate_allowed: not too soon after the last search.
    operator_clock_error: our clock against the API server's, None when it cannot be told.
    reboot_now: a recorded request that this pass carries out. found_elsewhere: where a search found the device, under
    policy Report. searched: the last search was in vain. searching: one was promised in this pass, and is not over.
    done: the types of the steps this pass has already taken.
    can_be_found: there are keys by which the device would be known elsewhere. kept_objects: handles that the
    device was asked to let go in this pass, and still lists. declared_look: whether somebody has the declared address,
    while the device is elsewhere. changing_now: another Device that is just taking its address. misnamed: names of the
    certificate under which (SNI) the device shows another one, or none.
    """

    desired: DesiredDevice
    status: DeviceStatus
    now: datetime
    address: str
    served: Served | NotServed
    recognition: Recognition | None = None
    verdict: Verdict | None = None
    plain_answers: bool = False
    report: DeviceReport | None = None
    login_error: OperatorError | None = None
    clock_refusal: OperatorError | None = None
    inventory: Inventory | None = None
    assignment: Assignment | None = None
    full_check_due: bool = False
    unseen_edit: bool = False
    locate_allowed: bool = True
    operator_clock_error: timedelta | None = None
    reboot_now: str | None = None
    found_elsewhere: str | None = None
    searched: bool = False
    searching: bool = False
    done: frozenset[type] = frozenset()
    kept_objects: frozenset[str] = frozenset()
    session_alive: bool = False
    can_be_found: bool = False
    usual_restart: timedelta = Capabilities().restart_for
    prove_for: timedelta = timedelta(seconds=5)
    dry_run: bool = False
    declared_look: AddressLook | None = None
    changing_now: str | None = None
    misnamed: tuple[str, ...] = ()

    @property
    def is_first_pass(self) -> bool:
        """No pass over this Device has ended yet: what it asks for may come from a backup, or from Git."""
        return self.status.observed_generation < 0

    @property
    def told_as_another(self) -> Condition | None:
        """The last log-in showed another device than the one meant, and none has shown otherwise since."""
        told = find(self.status.conditions, "Identified")
        is_another = told is not None and (told.status, told.reason) == ("False", Reason.IDENTITY_MISMATCH)
        return told if is_another and self.report is None else None

    @property
    def turn(self) -> Revision | None:
        return self.assignment.turn if self.assignment else None

    @property
    def firmware(self) -> FirmwareWanted | None:
        return self.assignment.firmware if self.assignment else None

    @property
    def served_fingerprint(self) -> str | None:
        return self.served.leaf.fingerprint if isinstance(self.served, Served) else None

    @property
    def turn_is_served(self) -> bool:
        return self.turn is not None and self.served_fingerprint == self.turn.facts.fingerprint

    @property
    def key_is_learned(self) -> bool:
        """The key that is served is the one that the status remembers."""
        learned = self.status.identity.public_key_sha256
        return isinstance(self.served, Served) and self.served.leaf.public_key_sha256 == learned

    @property
    def away_since(self) -> datetime | None:
        """The last thing we did that takes a device away for a while."""
        activating, reboot = self.status.revision.activating, self.status.last_reboot
        change = pending_change(self.desired, self.status)
        told_at = in_effect_since(change, self.status) if change else None
        moments = [moment for moment in (activating and activating.since, reboot and reboot.at, told_at) if moment]
        return max(moments, default=None)

    @property
    def activation_is_late(self) -> bool:
        """An activated certificate should have appeared by now."""
        activating = self.status.revision.activating
        return activating is not None and self.now - activating.since >= self.prove_for

    @property
    def restart_for(self) -> timedelta:
        """How long this device may be away after an activation or a reboot."""
        return self.report.capabilities.restart_for if self.report else self.usual_restart

    @property
    def plaintext(self) -> bool:
        """Whether the conversation is unencrypted, as the spec asks until a certificate of ours is served."""
        return self.recognition is not None and self.recognition.proven_by == "Plaintext"
