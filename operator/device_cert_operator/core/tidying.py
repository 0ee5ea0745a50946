"""Whether a Device may still need a revision: the key that it serves is what it is recognised by. Pure."""

from device_cert_operator.core.conditions import status_of
from device_cert_operator.core.model import Revision, RevisionRef
from device_cert_operator.core.status import DeviceStatus


def has_to_do_with(device: DeviceStatus, revision: Revision) -> bool:
    """It has the revision, had it just before, is getting it, or serves it."""
    state = device.revision
    refs: tuple[RevisionRef | None, ...] = (
        state.installed,
        state.previous,
        state.activating.revision if state.activating else None,
    )
    return serves(device, revision) or any(ref is not None and _is(ref, revision) for ref in refs)


def serves(device: DeviceStatus, revision: Revision) -> bool:
    """As last seen."""
    return device.served is not None and device.served.fingerprint == revision.facts.fingerprint


def serves_another(device: DeviceStatus, revision: Revision) -> bool:
    """A Device that is listed no more was recognised by another key, and is not on its way to or from this revision.

    Not recognised, it is not known whose certificate it is that was seen at its address.
    """
    state = device.revision
    if state.activating is not None or status_of(device.conditions, "Identified") != "True":
        return False
    if state.previous is not None and _is(state.previous, revision) and device.certificate_ref is not None:
        return False  # whoever holds the Device now has it tidied away first
    return device.served is not None and not serves(device, revision)


def _is(ref: RevisionRef, revision: Revision) -> bool:
    return ref.fingerprint == revision.facts.fingerprint
