"""Devices with one slot: an upload is served at once, in place of the one before.

So `Install` is what changes what is served, and is remembered first. The way back is the earlier revision, uploaded
again, or the certificate that the device has of its own where the earlier one's key is gone or it is refused.
"""

from dataclasses import replace

from device_cert_operator.core.aliases import alias_of
from device_cert_operator.core.findings import Finding, blocked, to_do
from device_cert_operator.core.model import Inventory, Revision, StoredCertificate
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import Activating
from device_cert_operator.core.steps import Activate, BeginActivation, BeginRollBack, Install, RecordFailed
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
        if s.served_fingerprint == activating.previous_fingerprint:
            lost = "The device lost the new certificate."
            return to_do(None, Reason.NOT_SERVED, lost, RecordFailed(Reason.NOT_SERVED))
        why = f"The device lost the certificate of revision {activating.revision.number}"
        return to_do(None, Reason.ROLLING_BACK, f"{why}; the previous one is put back.", BeginRollBack(why))
    return to_do(None, Reason.INSTALLING, f"Revision {revision.number} is being installed.", Install(revision))


def put_back(s: Situation, activating: Activating, inventory: Inventory) -> Activate | Install | None:
    """The step back, until it was taken: the earlier revision into the slot, or the device's own certificate."""
    uploaded = _uploaded(inventory)
    if uploaded is not None and uploaded.fingerprints[:1] == (activating.previous_fingerprint,):
        return None
    if (before := _before(s, activating, inventory)) is not None:
        return Install(before) if Install not in s.done else None
    own = own_certificate(inventory)
    return Activate(own.handle) if own is not None and not own.in_use_by_tls and Activate not in s.done else None


def own_is_back(s: Situation, activating: Activating) -> bool:
    """The device serves its own certificate, and there is nothing else to go back to."""
    if s.inventory is None or not has_one_slot(s) or _before(s, activating, s.inventory) is not None:
        return False
    own = own_certificate(s.inventory)
    return own is not None and own.in_use_by_tls and own.fingerprints[:1] == (s.served_fingerprint,)


def other_way_back(s: Situation, activating: Activating) -> Activating | None:
    """Once the earlier revision was refused: the certificate that the device has of its own, where that was not it."""
    own = own_certificate(s.inventory) if s.inventory is not None and has_one_slot(s) else None
    if own is None or _kept(s, activating.previous_fingerprint) is None:
        return None
    return replace(activating, previous_handle=own.handle, previous_fingerprint=next(iter(own.fingerprints), None))


def own_certificate(inventory: Inventory) -> StoredCertificate | None:
    """The one that the device made without being asked."""
    return next((entry for entry in inventory.certificates if entry.built_in), None)


def _before(s: Situation, activating: Activating, inventory: Inventory) -> Revision | None:
    """The revision to go back to, while there is a key for it: the operator's, or one that the device still has."""
    before = _kept(s, activating.previous_fingerprint)
    if before is None or before.has_key or alias_of(s.desired.key, before.number) in inventory.keys:
        return before
    return None


def _uploaded(inventory: Inventory) -> StoredCertificate | None:
    return next((entry for entry in inventory.certificates if not entry.built_in), None)


def _may_have_gap(s: Situation) -> bool:
    return s.assignment is not None and s.assignment.allow_gap


def _kept(s: Situation, fingerprint: str | None) -> Revision | None:
    kept = s.assignment.kept if s.assignment else ()
    return next((revision for revision in kept if revision.facts.fingerprint == fingerprint), None)
