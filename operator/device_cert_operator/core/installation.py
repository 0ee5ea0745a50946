"""The checks by which a revision gets onto a device: store, remember, activate, prove; or back, proven as well.

The order is the safety: what is served is touched only by `Activate`, `activating` is persisted before it, and nothing
old is removed before the new certificate is proven by a handshake.
"""

from dataclasses import replace
from datetime import datetime

from device_cert_operator.core.aliases import alias_prefix
from device_cert_operator.core.failures import NO_LOGIN
from device_cert_operator.core.findings import Finding, blocked, to_do, waiting
from device_cert_operator.core.identity import BY_DEVICE_CA
from device_cert_operator.core.model import (
    Inventory,
    KeyType,
    NotServed,
    Revision,
    Served,
    StoredCertificate,
)
from device_cert_operator.core.one_slot import (
    begin_in_place,
    has_one_slot,
    install_in_place,
    other_way_back,
    own_is_back,
    put_back,
)
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import Activating, FailedRevision, RevisionState
from device_cert_operator.core.steps import (
    Activate,
    BeginActivation,
    BeginRollBack,
    ForgetPrevious,
    Install,
    ReadInventory,
    Reboot,
    RecordFailed,
    RecordInstalled,
    Remove,
    Step,
)
from device_cert_operator.errors import (
    DeviceBusy,
    DeviceRefused,
    DeviceUnreachable,
    MissingReference,
    OperatorError,
    ProtocolViolation,
    Unsupported,
)
from device_cert_operator.reasons import Reason

ACTIVATION = "Activation"  # the cause of reboots that an activation needs


def key_type_of(revision: Revision) -> str:
    """The revision's key as a `KeyType` value, e.g. `RSA-2048`."""
    facts = revision.facts
    return f"ECDSA-P{facts.key_bits}" if facts.key_type == "EC" else f"{facts.key_type}-{facts.key_bits}"


def chain_is_cut(served: Served, revision: Revision) -> bool:
    """The device sends fewer issuers than it was given: it lost them, or never had room for them."""
    return not revision.sent <= {one.fingerprint for one in served.chain}


def chain_as_seen(s: Situation, state: RevisionState) -> bool:
    """`chain_not_sent`, by this look; as before where something else than the installed revision is served."""
    installed = next((kept for kept in _kept_all(s) if kept.ref == state.installed), None)
    if installed is None or not isinstance(s.served, Served):
        return state.chain_not_sent
    same = s.served.leaf.fingerprint == installed.facts.fingerprint
    return chain_is_cut(s.served, installed) if same else state.chain_not_sent


def activation_is_unfinished(s: Situation) -> Finding | None:
    """`activating` is set: it is finished, roll-back included, before anything newer."""
    activating = s.status.revision.activating
    if activating is None:
        return None
    if activating.rolling_back:
        return _roll_back(s, activating)
    if s.served_fingerprint == activating.revision.fingerprint:
        return _recorded(s, activating)
    if s.report is None:
        return waiting(None, Reason.INSTALLING, "The new certificate is being activated.")
    if s.inventory is None:
        return _do(Reason.INSTALLING, "The new certificate is being activated.", ReadInventory())
    entry = s.inventory.with_fingerprint(activating.revision.fingerprint)
    if entry is None and has_one_slot(s):
        return install_in_place(s, activating)
    if entry is None:
        return _do(Reason.NOT_SERVED, "The device lost the new certificate.", RecordFailed(Reason.NOT_SERVED))
    if not entry.in_use_by_tls and Activate not in s.done:
        return _do(Reason.INSTALLING, "The new certificate is being activated.", Activate(entry.handle))
    if _reboot_helps(s, activating):
        return _do(Reason.INSTALLING, "The device needs a restart to serve the new certificate.", Reboot(ACTIVATION))
    if not _broken_while_awake(s) and s.now - _waiting_since(s, activating) < s.restart_for:
        return waiting(None, Reason.INSTALLING, "The device does not serve the new certificate yet.")
    if activating.previous_handle is None:
        return _do(Reason.NOT_SERVED, "The device does not serve the new certificate.", RecordFailed(Reason.NOT_SERVED))
    why = f"The device does not serve the certificate of revision {activating.revision.number}"
    return _do(Reason.ROLLING_BACK, f"{why}; the previous one is put back.", BeginRollBack(why))


def _recorded(s: Situation, activating: Activating) -> Finding | None:
    revision = _kept(s, activating.revision.number)
    if revision is None:  # its Secret was deleted meanwhile; it is served all the same
        return _do(Reason.INSTALLING, "The revision that is served has been deleted.", RecordFailed(Reason.NOT_SERVED))
    return _do(Reason.INSTALLED, "The new certificate is served.", RecordInstalled(revision))


def _roll_back(s: Situation, activating: Activating) -> Finding:
    """Put the previous path back and prove it, as long as that takes."""
    message = f"Revision {activating.revision.number} could not be proven; the previous certificate is put back."
    former = s.served_fingerprint is not None and s.served_fingerprint == activating.previous_fingerprint
    if former or own_is_back(s, activating):
        return _do(Reason.ROLLED_BACK, message, RecordFailed(Reason.ROLLED_BACK))
    if s.report is None:
        return waiting(None, Reason.ROLLING_BACK, message)
    if s.inventory is None:
        return _do(Reason.ROLLING_BACK, message, ReadInventory())
    if (step := _back(s, activating, s.inventory)) is not None:
        return _do(Reason.ROLLING_BACK, message, step)
    if _reboot_helps(s, activating):
        return _do(Reason.ROLLING_BACK, message, Reboot(ACTIVATION))
    if s.now - _waiting_since(s, activating) < s.restart_for:
        return waiting(None, Reason.ROLLING_BACK, message)
    return _do(Reason.NOT_SERVED, "Neither certificate could be proven.", RecordFailed(Reason.NOT_SERVED))


def _back(s: Situation, activating: Activating, inventory: Inventory) -> Step | None:
    """The step that puts the previous certificate back, until it was taken."""
    if has_one_slot(s):
        return put_back(s, activating, inventory)
    assigned = inventory.assigned
    if (assigned is None or assigned.handle != activating.previous_handle) and Activate not in s.done:
        return Activate(activating.previous_handle or "")
    return None


def ends_step(s: Situation, error: OperatorError) -> bool:
    """Whether the step of an activation in which it struck is not tried again.

    The device said no for good, or there was trouble for as long as it may take. One that lets nobody in is waited for.
    """
    activating = s.status.revision.activating
    if activating is None or error.reason in NO_LOGIN:
        return False
    if isinstance(error, DeviceRefused | Unsupported):
        return True
    trouble = isinstance(error, DeviceBusy | DeviceUnreachable | ProtocolViolation | MissingReference)
    return trouble and s.now - _waiting_since(s, activating) >= s.restart_for


def after_failure(s: Situation, activating: Activating) -> Activating | None:
    """What is tried once the activation's own step has failed for good: the way back, then another way back, if any."""
    if activating.rolling_back:
        return other_way_back(s, activating)
    if activating.previous_handle is None and not has_one_slot(s):
        return None  # nothing was assigned
    return replace(activating, rolling_back=True)


def revision_is_not_served(s: Situation) -> Finding | None:
    """It is this device's turn, and the handshake shows something else."""
    turn = s.turn
    if turn is None or s.turn_is_served or s.served_fingerprint is None or s.status.revision.activating is not None:
        return None
    if (held := _why_not_install(s, turn)) is not None:
        return held
    if s.report is None:
        return None
    if s.inventory is None:
        return _do(Reason.INSTALLING, f"Revision {turn.number} is being installed.", ReadInventory())
    if s.inventory.with_fingerprint(turn.facts.fingerprint) is not None:
        return _do(Reason.INSTALLING, f"Revision {turn.number} is being activated.", BeginActivation(turn))
    if has_one_slot(s):
        return begin_in_place(s, turn, s.inventory)
    if Install in s.done:
        return _do(
            Reason.NOT_SERVED, "The device took the certificate and did not store it.", RecordFailed(Reason.NOT_SERVED)
        )
    if (s.inventory.free_slots == 0) and (old := _old_objects(s, s.inventory)):
        return _do(Reason.INSTALLING, "An old certificate of ours makes room.", Remove(old[0].handle, old[0].alias))
    return _do(Reason.INSTALLING, f"Revision {turn.number} is being installed.", Install(turn))


def _why_not_install(s: Situation, turn: Revision) -> Finding | None:
    failed = s.status.revision.failed
    if failed and failed.revision.fingerprint == turn.facts.fingerprint and failed.reason == Reason.DEVICE_KEY_LOST:
        return blocked(
            "Secure",
            Reason.DEVICE_KEY_LOST,
            f"The device lost the key of revision {turn.number}, so that this certificate will never fit again; a new "
            "CSR is made.",
        )
    if failed and failed.revision.fingerprint == turn.facts.fingerprint and s.now < failed.next_attempt_at:
        return blocked(
            "Secure",
            Reason(failed.reason),
            f"Revision {turn.number} could not be put on the device ({failed.attempts} tries); the next try is at "
            f"{failed.next_attempt_at:%Y-%m-%d %H:%M} UTC.{_next_move(failed, turn)}",
        )
    if (held := why_no_key_is_sent(s, turn)) is not None:
        return held
    if s.report is None:
        return None
    capabilities = s.report.capabilities
    if not turn.has_key:
        return None if capabilities.can_make_key else _takes_no_certificate()
    if not capabilities.can_install_key_pair:
        return blocked("Secure", Reason.UNSUPPORTED, "The device takes no certificate with a key from outside.")
    if key_type_of(turn) not in {str(kind) for kind in capabilities.key_types}:
        return blocked(
            "Secure",
            Reason.KEY_TYPE_REFUSED,
            f"The device takes no {key_type_of(turn)} keys, only {_listed(capabilities.key_types)}: set "
            "spec.privateKey.algorithm of the DeviceCertificate to Auto.",
        )
    return None


def _next_move(failed: FailedRevision, turn: Revision) -> str:
    """What helps sooner than the next try, if anything."""
    if failed.reason != Reason.KEY_TYPE_REFUSED:
        return ""
    return (
        f" The device refuses {key_type_of(turn)} keys, whatever it lists: set spec.privateKey.algorithm of the "
        f"DeviceCertificate to {'ECDSA' if turn.facts.key_type == 'RSA' else 'RSA'}."
    )


def why_no_key_is_sent(s: Situation, revision: Revision) -> Finding | None:
    """What the connection entitles to; asked before every upload, also of one that was begun in another pass."""
    who = s.recognition
    if not revision.has_key or who is None or not who.may_log_in or who.may_send_key:
        return None
    if who.proven_by == BY_DEVICE_CA:
        return _not_known_well_enough(s)
    return blocked(
        "Secure",
        Reason.PLAINTEXT_KEY_REFUSED,
        "The private key would travel over HTTP: switch HTTPS on at the device, or allow it with "
        "spec.connection.allowPlaintextKey: true.",
    )


def _not_known_well_enough(s: Situation) -> Finding:
    key = s.served.leaf.public_key_sha256 if isinstance(s.served, Served) else ""
    return blocked(
        "Secure",
        Reason.IDENTITY_UNCONFIRMED,
        "No private key is sent to a device that is known by its firmware's CA only. If it is the one that is meant: "
        f"kubectl -n {s.desired.key.namespace} annotate dev {s.desired.key.name} --overwrite "
        f"devicecert.io/accept-key=sha256:{key}",
    )


def _takes_no_certificate() -> Finding:
    return blocked("Secure", Reason.UNSUPPORTED, "The device makes no keys, and takes no certificate without one.")


def installed_is_not_recorded(s: Situation) -> Finding | None:
    """A kept revision is served that the status does not name: truth is on the device."""
    revision = next((kept for kept in _kept_all(s) if kept.facts.fingerprint == s.served_fingerprint), None)
    if revision is None or s.status.revision.activating is not None:
        return None
    if s.status.revision.installed == revision.ref:
        return None
    return _do(Reason.INSTALLED, "The certificate is served.", RecordInstalled(revision))


def wanted_is_installed(s: Situation) -> bool:
    """What is wanted is recorded, and served: nothing more is put on the device."""
    wanted, state = s.assignment.wanted if s.assignment else None, s.status.revision
    served = wanted is not None and wanted.facts.fingerprint == s.served_fingerprint
    return wanted is not None and served and state.activating is None and state.installed == wanted.ref


def old_objects_remain(s: Situation) -> Finding | None:
    """The new certificate is proven: what is left of our older ones goes."""
    if s.status.revision.previous is None or s.status.revision.activating is not None or not s.turn_is_served:
        return None
    if s.report is None or s.verdict is None or not s.verdict.secure:
        return None
    if s.inventory is None:
        return _do(Reason.OLD_OBJECT_REMOVED, "Old certificates are looked for.", ReadInventory())
    if old := _old_objects(s, s.inventory):
        return _do(Reason.OLD_OBJECT_REMOVED, "An old certificate is removed.", Remove(old[0].handle, old[0].alias))
    return _do(Reason.OLD_OBJECT_REMOVED, "No old certificate is left.", ForgetPrevious())


def _old_objects(s: Situation, inventory: Inventory) -> list[StoredCertificate]:
    """Ours by alias and by fingerprint, unused, and not what is wanted."""
    ours = {revision.facts.fingerprint for revision in _kept_all(s)}
    ours |= {ref.fingerprint for ref in (s.status.revision.previous, s.status.revision.installed) if ref}
    wanted = s.turn.facts.fingerprint if s.turn else None
    prefix = alias_prefix(s.desired.key)
    return [
        entry
        for entry in inventory.certificates
        if entry.alias.startswith(prefix)
        and entry.fingerprints[:1]
        and entry.fingerprints[0] in ours - {wanted}
        and not (entry.in_use_by_tls or entry.in_use_elsewhere)
        and entry.handle not in s.kept_objects
    ]


def _reboot_helps(s: Situation, activating: Activating) -> bool:
    """A device that needs a restart gets one at once; another one only when waiting did not help."""
    if s.report is None or not s.report.capabilities.can_reboot or Reboot in s.done:
        return False
    rebooted = s.status.last_reboot is not None and s.status.last_reboot.at >= activating.since
    if rebooted:
        return False
    if isinstance(s.served, NotServed):
        return False  # a restart would end the only session that can still put the previous certificate back
    return s.report.capabilities.needs_reboot or s.activation_is_late


def _broken_while_awake(s: Situation) -> bool:
    """No handshake although our session still holds: the device is not restarting, it cannot serve the certificate."""
    return s.session_alive and s.activation_is_late and isinstance(s.served, NotServed)


def _waiting_since(s: Situation, activating: Activating) -> datetime:
    reboot = s.status.last_reboot
    return max(activating.since, reboot.at) if reboot else activating.since


def _kept_all(s: Situation) -> tuple[Revision, ...]:
    return s.assignment.kept if s.assignment else ()


def _kept(s: Situation, number: int) -> Revision | None:
    return next((revision for revision in _kept_all(s) if revision.number == number), None)


def _do(reason: Reason, message: str, step: Step) -> Finding:
    return to_do(None, reason, message, step)


def _listed(key_types: frozenset[KeyType]) -> str:
    return ", ".join(sorted(key_types)) or "none"
