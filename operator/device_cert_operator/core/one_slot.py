"""Devices with one slot: an upload is served at once, in place of the one before.

So `Install` is what changes what is served, and is remembered first. The way back is the earlier revision, uploaded
again, or the certificate that the device has of its own.
"""

from device_cert_operator.core.findings import Finding, blocked, to_do
from device_cert_operator.core.model import Inventory, Revision, StoredCertificate
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import Activating
from device_cert_operator.core.steps import Activate, BeginActivation, Install, RecordFailed
from device_cert_operator.reasons import Reason


def has_one_slot(s: Situation) -> bool:
    """Whether this device serves an upload at once, in place of the one before."""
    return s.report is not None and s.report.capabilities.replaces_in_place


def begin_in_place(s: Situation, turn: Revision, inventory: Inventory) -> Finding:
    """Remember what to go back to; a device that has to clear its slot first needs the user's leave."""
    if s.report and s.report.capabilities.clears_first and _uploaded(inventory) and not _may_have_gap(s):
        return blocked(
            None if s.verdict and s.verdict.secure else "Secure",
            Reason.GAP_NOT_ALLOWED,
            "The device takes a certificate only after the one before is deleted, and serves its own in between: allow "
            "it with spec.allowGap: true in the DeviceCertificate.",
        )
    return to_do(None, Reason.INSTALLING, f"Revision {turn.number} is being installed.", BeginActivation(turn))


def install_in_place(s: Situation, activating: Activating) -> Finding:
    """It is remembered, and not in the slot: put it there. Once a pass: a device that lost it again has failed."""
    revision = _kept(s, activating.revision.fingerprint)
    if revision is None or Install in s.done:
        return to_do(None, Reason.NOT_SERVED, "The device lost the new certificate.", RecordFailed(Reason.NOT_SERVED))
    return to_do(None, Reason.INSTALLING, f"Revision {revision.number} is being installed.", Install(revision))


def put_back(s: Situation, activating: Activating, inventory: Inventory) -> Activate | Install | None:
    """The step back, until it was taken: the earlier revision into the slot, or the device's own certificate."""
    before = _kept(s, activating.previous_fingerprint)
    if before is not None:
        there = inventory.with_fingerprint(before.facts.fingerprint)
        return Install(before) if there is None and Install not in s.done else None
    own = next((entry for entry in inventory.certificates if entry.built_in), None)
    return Activate(own.handle) if own is not None and not own.in_use_by_tls and Activate not in s.done else None


def _uploaded(inventory: Inventory) -> StoredCertificate | None:
    return next((entry for entry in inventory.certificates if not entry.built_in), None)


def _may_have_gap(s: Situation) -> bool:
    return s.assignment is not None and s.assignment.allow_gap


def _kept(s: Situation, fingerprint: str | None) -> Revision | None:
    kept = s.assignment.kept if s.assignment else ()
    return next((revision for revision in kept if revision.facts.fingerprint == fingerprint), None)
