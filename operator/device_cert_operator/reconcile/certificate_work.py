"""The steps of the Device story that are about its certificate: keys, CSRs, storing, activating, proving, tidying."""

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from device_cert_operator.core.aliases import alias_of
from device_cert_operator.core.installation import after_failure, chain_is_cut, ends_step
from device_cert_operator.core.model import CertificateBundle, CSRRequest, Revision, RevisionRef, Served
from device_cert_operator.core.schedule import backoff_for
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import Activating, FailedRevision, RevisionState
from device_cert_operator.core.steps import (
    Activate,
    BeginActivation,
    BeginRollBack,
    CertificateWork,
    ForgetPrevious,
    ForgetRevisions,
    Install,
    MakeDeviceCSR,
    Reboot,
    RecordFailed,
    RecordInstalled,
    Remove,
    WithdrawCSR,
)
from device_cert_operator.errors import (
    ClusterError,
    Conflict,
    DeviceRefused,
    DeviceUnreachable,
    OperatorError,
    Unsupported,
)
from device_cert_operator.kube.csrs import NewCSR, csr_name
from device_cert_operator.kube.views import CertificateView
from device_cert_operator.pki.csr import csr_to_pem, read_csr
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.asking import ask
from device_cert_operator.reconcile.firmware import forget_revisions
from device_cert_operator.reconcile.visit import Visit


async def work_on_certificate(step: CertificateWork, situation: Situation, visit: Visit) -> None:
    """Carry out one of these steps. Raises OperatorError."""
    match step:
        case MakeDeviceCSR(number, request):
            await _make_csr(visit, situation, number, request)
        case WithdrawCSR():
            await _withdraw_csr(visit, situation)
        case Install(revision):
            await _install(visit, situation, revision)
        case BeginActivation(revision):
            await _begin_activation(visit, situation, revision)
        case Activate(handle):
            await _activate(visit, situation, handle)
        case BeginRollBack(why):
            await _begin_roll_back(visit, why)
        case RecordInstalled(revision):
            _record_installed(visit, situation, revision)
        case RecordFailed(reason):
            await _record_failed(visit, situation, reason)
        case Remove(handle, alias):
            await _remove(visit, situation, handle, alias)
        case ForgetPrevious():
            visit.status = replace(visit.status, revision=replace(visit.status.revision, previous=None))
        case ForgetRevisions():
            forget_revisions(visit)
        case _:
            assert_never(step)


# -------------------------------------------------------------------------------- keys of the device's own


async def _make_csr(visit: Visit, situation: Situation, number: int, request: CSRRequest) -> None:
    """The device makes the key; what it gives back is believed only as far as its signature holds."""
    holder = _holder(visit, situation)
    visit.inventory = None
    csr = await ask(visit, situation, "create_csr", lambda driver: driver.create_csr(request))
    facts = read_csr(csr)
    if not facts.signature_valid:
        raise DeviceRefused("The device's CSR is not signed by its own key.", reason=Reason.CSR_UNACCEPTABLE)
    await visit.tools.csrs.publish(holder, NewCSR(number, csr_to_pem(csr), facts.public_key_sha256, visit.view.uid))
    visit.tell(
        "Normal", Reason.CSR_MADE, f"The device made a key and CSR {number} for {', '.join(request.names.all[:4])}."
    )


async def _withdraw_csr(visit: Visit, situation: Situation) -> None:
    holder = _holder(visit, situation)
    namespace = visit.view.key.namespace
    there = visit.tools.cache.secret(namespace, csr_name(holder.key.name), "ConfigMap")
    if there is not None:
        await visit.tools.csrs.withdraw(namespace, holder.key.name, there.uid)
    visit.tell(
        "Warning",
        Reason.DEVICE_KEY_LOST,
        "The device no longer holds the key of its CSR (a factory reset?): what was signed for it will never fit.",
    )


def _holder(visit: Visit, situation: Situation) -> CertificateView:
    """The DeviceCertificate that holds this Device. Raises Conflict when it is gone."""
    owner = situation.assignment.owner if situation.assignment else None
    key = replace(visit.view.key, kind="DeviceCertificate", name=owner.name if owner else "")
    holder = visit.tools.cache.certificate(key)
    if owner is None or holder is None or holder.uid != owner.uid:
        raise Conflict(f"{key} is gone meanwhile.")
    return holder


# ---------------------------------------------------------------------------------------- installation


async def _install(visit: Visit, situation: Situation, revision: Revision) -> None:
    visit.inventory = None
    try:
        await _put_on(visit, situation, revision)
    except OperatorError as error:
        if visit.status.revision.activating is not None:  # one slot: what was served may be gone
            await _after_failure(visit, situation, error)
            return
        if isinstance(error, DeviceRefused):
            visit.status = replace(visit.status, revision=bound(visit, revision.ref, error.reason))
        raise


async def _put_on(visit: Visit, situation: Situation, revision: Revision) -> None:
    material = await visit.tools.secrets.read_revision(visit.view.key.namespace, revision.secret)
    bundle = CertificateBundle(
        alias=alias_of(visit.desired.key, revision.number),
        fingerprint=revision.facts.fingerprint,
        leaf_der=material.leaf_der,
        chain_der=material.chain_der,
        key_der=material.key_der,
    )
    await ask(visit, situation, "install", lambda driver: driver.install(bundle))


async def _begin_activation(visit: Visit, situation: Situation, revision: Revision) -> None:
    before = situation.inventory.assigned if situation.inventory else None
    activating = Activating(
        revision=revision.ref,
        since=visit.tools.clock.now(),
        previous_handle=before.handle if before else None,
        previous_fingerprint=before.fingerprints[0] if before and before.fingerprints else situation.served_fingerprint,
    )
    await visit.save(replace(visit.status, revision=replace(visit.status.revision, activating=activating)))


async def _activate(visit: Visit, situation: Situation, handle: str) -> None:
    """The device may drop the connection while it obeys: the handshake tells what came of it."""
    visit.inventory = None
    try:
        await ask(visit, situation, "activate", lambda driver: driver.activate(handle))
    except DeviceUnreachable:
        await visit.close_session()
        visit.look_again()
    except OperatorError as error:
        await _after_failure(visit, situation, error)


async def _after_failure(visit: Visit, situation: Situation, error: OperatorError) -> None:
    """What becomes of an activation whose own step has failed: it is tried again, taken back, or over. Raises the error
    unless something else is tried now.
    """
    activating = visit.status.revision.activating
    if activating is None or not ends_step(situation, error):
        raise error
    final = isinstance(error, DeviceRefused | Unsupported)
    reason = error.reason if final and not activating.rolling_back else Reason.NOT_SERVED
    then = after_failure(situation, activating)
    if then is None:
        await _record_failed(visit, situation, reason)
        raise error
    if not activating.rolling_back:
        visit.status = replace(visit.status, revision=bound(visit, activating.revision, reason))
    await _go_back(visit, then, error.message.rstrip("."))


async def _begin_roll_back(visit: Visit, why: str) -> None:
    activating = visit.status.revision.activating
    if activating is not None:
        await _go_back(visit, replace(activating, rolling_back=True), why)


async def _go_back(visit: Visit, activating: Activating, why: str) -> None:
    """What is to be served again is remembered; the steps towards it are open."""
    state = replace(visit.status.revision, activating=replace(activating, since=visit.tools.clock.now()))
    try:
        await visit.save(replace(visit.status, revision=state))
    except ClusterError:  # edited, deleted, or no API server: the device comes first, and the next pass begins again
        if not visit.session_open:
            raise
        visit.status = replace(visit.status, revision=state)
    visit.done -= {Activate, Install, Reboot}
    visit.tell("Warning", Reason.ROLLING_BACK, f"{why}; the previous certificate is put back.")


def _record_installed(visit: Visit, situation: Situation, revision: Revision) -> None:
    """Proven by the handshake. What was there before is remembered until it is tidied away."""
    state = visit.status.revision
    before = state.installed if state.installed and state.installed != revision.ref else state.previous
    cut = isinstance(situation.served, Served) and chain_is_cut(situation.served, revision)
    now = RevisionState(installed=revision.ref, previous=before, chain_not_sent=cut)
    visit.status = replace(visit.status, revision=now)
    if state.installed != revision.ref:
        visit.tell("Normal", Reason.INSTALLED, f"The device serves revision {revision.number}.")
    visit.inventory = None


async def _record_failed(visit: Visit, situation: Situation, reason: Reason) -> None:
    """The revision is bound to a back-off on this device; whatever was being activated no longer is."""
    activating = visit.status.revision.activating
    revision = activating.revision if activating else situation.turn.ref if situation.turn else None
    if revision is None:
        return
    state, now = visit.status.revision, visit.tools.clock.now()
    failed = state.failed if state.failed is not None and state.failed.revision == revision else None
    begun = activating.since if activating is not None else now
    if failed is not None and failed.next_attempt_at > begun:  # of this activation: why it was taken back
        reason = Reason(failed.reason)
    if failed is None or failed.next_attempt_at <= now:
        state = bound(visit, revision, reason)
    await visit.save(replace(visit.status, revision=replace(state, activating=None)))
    visit.tell("Warning", reason, f"Revision {revision.number} could not be proven on the device.")


def bound(visit: Visit, revision: RevisionRef, reason: Reason) -> RevisionState:
    """The state with this revision failed once more: 5 s, doubling to an hour."""
    state = visit.status.revision
    again = state.failed if state.failed is not None and state.failed.revision == revision else None
    attempts = again.attempts + 1 if again else 1
    next_at = visit.tools.clock.now() + backoff_for(attempts, visit.view.uid, timedelta(hours=1))
    return replace(state, failed=FailedRevision(revision, str(reason), attempts, next_at))


async def _remove(visit: Visit, situation: Situation, handle: str, alias: str) -> None:
    """Asked for once a visit. That it is gone is only the device's word: the next inventory shows it."""
    visit.inventory = None
    if await ask(visit, situation, "remove", lambda driver: driver.remove(handle)):
        visit.removed[handle] = alias
    else:
        visit.tell("Normal", Reason.OLD_OBJECT_KEPT, f"The device still uses the old certificate {alias}; it stays.")
    visit.kept_objects.add(handle)


async def read_inventory(visit: Visit, situation: Situation) -> None:
    """What is in the store, and so what became of that which was removed. A handle that is free may be used again."""
    visit.inventory = await ask(visit, situation, "inventory", lambda driver: driver.inventory())
    there = {entry.handle for entry in visit.inventory.certificates}
    for handle, alias in visit.removed.items():
        if handle in there:
            late = "says that it is removed, and still lists it (until a restart?)"
            visit.tell("Normal", Reason.OLD_OBJECT_KEPT, f"Of the old certificate {alias} the device {late}.")
        else:
            visit.kept_objects.discard(handle)
            visit.tell("Normal", Reason.OLD_OBJECT_REMOVED, f"The old certificate {alias} was removed from the device.")
    visit.removed.clear()
