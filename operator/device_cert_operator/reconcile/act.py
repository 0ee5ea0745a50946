"""One step of the Device story, carried out: one match over `Step`.

Whatever changes a device is preceded by a live read of the objects that ask for it; what a step learned goes onto the
visit, and the next look decides what follows.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar, assert_never

from device_cert_operator.core import identity
from device_cert_operator.core.installation import alias_prefix
from device_cert_operator.core.model import AddressPolicy, CertificateBundle, CSRRequest, Revision, RevisionRef, Served
from device_cert_operator.core.schedule import backoff_for
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import Activating, FailedRevision, RebootStatus, RevisionState
from device_cert_operator.core.steps import (
    CHANGES_DEVICE,
    Activate,
    BeginActivation,
    BeginRollBack,
    EnableHTTPS,
    ForgetPrevious,
    Install,
    Locate,
    LogIn,
    MakeDeviceCSR,
    ReadInventory,
    Reboot,
    RecordFailed,
    RecordInstalled,
    RecordReboot,
    Remove,
    SetClock,
    Step,
    UseNTP,
    WithdrawCSR,
)
from device_cert_operator.errors import (
    Conflict,
    CredentialsRejected,
    DeviceError,
    DeviceRefused,
    DeviceUnreachable,
    MissingReference,
    OperatorError,
    UnknownDriver,
    Unsupported,
)
from device_cert_operator.kube.csrs import NewCSR, csr_name
from device_cert_operator.kube.views import CertificateView
from device_cert_operator.pki.csr import csr_to_pem, read_csr
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.visit import Visit

LOG = logging.getLogger(__name__)
A_DAY = timedelta(days=1)
T = TypeVar("T")


async def act(step: Step, situation: Situation, visit: Visit) -> None:
    """Carry out one step and log it. Raises OperatorError; a refused log-in is only an observation, kept as a value."""
    started, reason = visit.tools.clock.monotonic(), "ok"
    try:
        await _act(step, situation, visit)
    except OperatorError as error:
        reason = str(error.reason)
        raise
    except asyncio.CancelledError:
        reason = "CutShort"
        raise
    finally:
        _log(step, visit, reason, visit.tools.clock.monotonic() - started)


def _log(step: Step, visit: Visit, reason: str, seconds: float) -> None:
    """Changes of a device at INFO, looking at DEBUG."""
    level = logging.INFO if isinstance(step, CHANGES_DEVICE) else logging.DEBUG
    name = type(step).__name__
    extra = {
        "object": str(visit.view.key),
        "device": visit.address,
        "step": name,
        "reason": reason,
        "duration": round(seconds, 3),
    }
    LOG.log(level, "%s: %s", name, reason, extra=extra)


async def _act(step: Step, situation: Situation, visit: Visit) -> None:
    if isinstance(step, (*CHANGES_DEVICE, BeginActivation, BeginRollBack)):
        await confirm(visit, situation)
    match step:
        case Locate():
            await _locate(visit, situation)
        case LogIn():
            await _log_in(visit, situation)
        case ReadInventory():
            visit.inventory = await _ask(visit, situation, "inventory", lambda driver: driver.inventory())
        case RecordReboot(request, execute):
            await visit.save(replace(visit.status, handled_reboot=request))
            visit.reboot_now = request if execute else None
        case Reboot(cause):
            await _reboot(visit, situation, cause)
        case SetClock():
            await _set_clock(visit, situation)
        case UseNTP():
            await _use_ntp(visit, situation)
        case EnableHTTPS():
            await _ask(visit, situation, "enable_https", lambda driver: driver.enable_https())
            visit.tell("Normal", Reason.HTTPS_ENABLED, "HTTPS was switched on.")
            visit.look_again()
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
            _record_installed(visit, revision)
        case RecordFailed(reason):
            await _record_failed(visit, situation, reason)
        case Remove(handle, alias):
            await _remove(visit, situation, handle, alias)
        case ForgetPrevious():
            visit.status = replace(visit.status, revision=replace(visit.status.revision, previous=None))
        case _:
            assert_never(step)
    visit.done.add(type(step))


async def confirm(visit: Visit, situation: Situation) -> None:
    """Read live what asks for a change: still there, unchanged, not paused, and the turn still given.

    Raises Conflict when anything differs from what the decision was made of.
    """
    live = await visit.tools.cluster.get_device(visit.view.key)
    if live is None or live.uid != visit.view.uid or live.desired is None:
        raise Conflict(f"{visit.view.key} was deleted or replaced; nothing is changed on the device.")
    if live.desired != visit.desired:
        raise Conflict(f"{visit.view.key} was edited meanwhile; the new spec is read first.")
    assignment = situation.assignment
    if assignment is None or (assignment.turn is None and assignment.csr is None):
        return
    key = replace(visit.view.key, kind="DeviceCertificate", name=assignment.owner.name)
    holder = await visit.tools.cluster.get_certificate(key)
    if holder is None or holder.uid != assignment.owner.uid:
        raise Conflict(f"{key} was deleted or replaced; nothing is changed on the device.")
    member = next((one for one in holder.status.members if one.name == visit.view.key.name), None)
    if assignment.turn is not None and (member is None or member.turn != assignment.turn.number):
        raise Conflict(f"{key} no longer gives {visit.view.key.name} revision {assignment.turn.number}.")
    asked = holder.status.request.number if holder.status.request else None
    if assignment.csr is not None and asked != assignment.csr.number:
        raise Conflict(f"{key} no longer asks {visit.view.key.name} for CSR {assignment.csr.number}.")


# ------------------------------------------------------------------------------------------- asking


async def _ask(visit: Visit, situation: Situation, operation: str, call: Callable[..., Awaitable[T]]) -> T:
    """One driver operation, counted and timed."""
    started = visit.tools.clock.monotonic()
    result = "error"
    try:
        answer = await call(await visit.driver(situation))
        result = "ok"
        return answer
    except OperatorError as error:
        result = str(error.reason)
        raise
    finally:
        visit.tools.counters.device_operation(
            visit.desired.driver, operation, result, visit.tools.clock.monotonic() - started
        )


async def _locate(visit: Visit, situation: Situation) -> None:
    """Found by its key at one other address: that is where it is. Several answers prove nothing."""
    desired = visit.desired
    given = visit.tools.cache.revisions_given_to(desired.key.namespace, desired.uid)
    keys = identity.keys_of(desired, visit.status, given)
    visit.memory.located_at = visit.tools.clock.now()
    found = await visit.tools.locate(
        keys,
        desired.locate_subnets,
        desired.https_port,
        near=visit.address,
        timeout=min(desired.timeout, timedelta(seconds=2)),
    )
    elsewhere = sorted({served.address for served in found} - {visit.address})
    if len(elsewhere) != 1 or len(found) != 1:
        visit.searched = True
        return
    if desired.address_policy is AddressPolicy.REPORT:
        visit.found_elsewhere, visit.searched = elsewhere[0], True
        return
    await visit.close_session()
    visit.tell("Normal", Reason.MOVED, f"The device moved from {visit.address} to {elsewhere[0]}.")
    visit.address = elsewhere[0]
    visit.memory.located_at = None


async def _log_in(visit: Visit, situation: Situation) -> None:
    """Identity, clock, addresses, capabilities. What goes wrong is an observation, judged like the rest."""
    try:
        report = await _ask(visit, situation, "observe", lambda driver: driver.observe())
    except CredentialsRejected as error:
        secret = f"{visit.desired.key.namespace}/{visit.desired.credentials_secret}"
        told = f"The device at {visit.address} refuses user name or password of Secret {secret}: correct them."
        visit.login_error = CredentialsRejected(told) if secret not in error.message else error
        await visit.close_session()
        return
    except (DeviceError, MissingReference, Unsupported, UnknownDriver) as error:
        visit.login_error = error
        await visit.close_session()
        return
    visit.report = report
    visit.memory.capabilities = report.capabilities
    visit.memory.last_full_pass = visit.memory.passes
    visit.memory.offset = report.clock.offset
    if situation.recognition is None or not isinstance(situation.served, Served):
        return
    known = visit.status.identity
    if identity.pins_broken(visit.desired.pins, known.device, report.identity) is not None:
        return
    learned = situation.served.leaf.public_key_sha256 if situation.recognition.learn else known.public_key_sha256
    visit.status = replace(
        visit.status,
        identity=replace(
            known,
            device=report.identity,
            public_key_sha256=learned,
            proven_by=situation.recognition.proven_by,
        ),
    )


# ------------------------------------------------------------------------------------ clock and reboot


async def _set_clock(visit: Visit, situation: Situation) -> None:
    report = situation.report
    if report is None:
        return
    await _ask(visit, situation, "set_clock", lambda driver: driver.set_clock(visit.tools.clock.now, report.clock))
    visit.tell("Normal", Reason.CLOCK_SET, "The device's clock was set.")
    visit.look_again()


async def _use_ntp(visit: Visit, situation: Situation) -> None:
    report, servers = situation.report, visit.desired.ntp_servers
    if report is None:
        return
    await _ask(visit, situation, "use_ntp", lambda driver: driver.use_ntp(servers, report.clock))
    visit.tell("Normal", Reason.CLOCK_SET, f"The device was put on NTP ({', '.join(servers)}).")
    visit.look_again()


async def _reboot(visit: Visit, situation: Situation, cause: str) -> None:
    """The reboot is remembered before it is asked for, so that a crash cannot make it two."""
    now, last = visit.tools.clock.now(), visit.status.last_reboot
    again = last is not None and last.cause == cause and now - (last.first_at or last.at) < A_DAY
    entry = RebootStatus(
        at=now,
        cause=cause[:64],
        count=last.count + 1 if again and last else 1,
        first_at=(last.first_at or last.at) if again and last else now,
    )
    visit.reboot_now = None
    await visit.save(replace(visit.status, last_reboot=entry))
    await _ask(visit, situation, "reboot", lambda driver: driver.reboot())
    visit.tell("Normal", Reason.REBOOTED, f"The device was asked to restart ({cause[:64]}).")
    await visit.close_session()
    visit.inventory = None
    visit.look_again()


# -------------------------------------------------------------------------------- keys of the device's own


async def _make_csr(visit: Visit, situation: Situation, number: int, request: CSRRequest) -> None:
    """The device makes the key; what it gives back is believed only as far as its signature holds."""
    holder = _holder(visit, situation)
    visit.inventory = None
    csr = await _ask(visit, situation, "create_csr", lambda driver: driver.create_csr(request))
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
    material = await visit.tools.secrets.read_revision(visit.view.key.namespace, revision.secret)
    bundle = CertificateBundle(
        alias=f"{alias_prefix(visit.desired.key)}r{revision.number}",
        fingerprint=revision.facts.fingerprint,
        leaf_der=material.leaf_der,
        chain_der=material.chain_der,
        key_der=material.key_der,
    )
    visit.inventory = None
    try:
        await _ask(visit, situation, "install", lambda driver: driver.install(bundle))
    except DeviceRefused as error:
        visit.status = replace(visit.status, revision=bound(visit, revision.ref, error.reason))
        if (activating := visit.status.revision.activating) is not None:  # one slot: what was served may be gone
            state = replace(visit.status.revision, activating=replace(activating, rolling_back=True))
            await visit.save(replace(visit.status, revision=state))
        raise


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
        await _ask(visit, situation, "activate", lambda driver: driver.activate(handle))
    except DeviceUnreachable:
        await visit.close_session()
        visit.look_again()


async def _begin_roll_back(visit: Visit, why: str) -> None:
    state = visit.status.revision
    if state.activating is None:
        return
    activating = replace(state.activating, rolling_back=True, since=visit.tools.clock.now())
    await visit.save(replace(visit.status, revision=replace(state, activating=activating)))
    visit.done -= {Activate, Install, Reboot}
    visit.tell("Warning", Reason.ROLLING_BACK, f"{why}; the previous certificate is put back.")


def _record_installed(visit: Visit, revision: Revision) -> None:
    """Proven by the handshake. What was there before is remembered until it is tidied away."""
    state = visit.status.revision
    before = state.installed if state.installed and state.installed != revision.ref else state.previous
    visit.status = replace(visit.status, revision=RevisionState(installed=revision.ref, previous=before))
    if state.installed != revision.ref:
        visit.tell("Normal", Reason.INSTALLED, f"The device serves revision {revision.number}.")
    visit.inventory = None


async def _record_failed(visit: Visit, situation: Situation, reason: Reason) -> None:
    """The revision is bound to a back-off on this device; whatever was being activated no longer is."""
    activating = visit.status.revision.activating
    revision = activating.revision if activating else situation.turn.ref if situation.turn else None
    if revision is None:
        return
    failed = visit.status.revision.failed
    told = failed is not None and failed.revision == revision and failed.next_attempt_at > visit.tools.clock.now()
    state = visit.status.revision if told else bound(visit, revision, reason)
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
    visit.inventory = None
    if await _ask(visit, situation, "remove", lambda driver: driver.remove(handle)):
        visit.tell("Normal", Reason.OLD_OBJECT_REMOVED, f"The old certificate {alias} was removed from the device.")
        return
    visit.kept_objects.add(handle)
    visit.tell("Normal", Reason.OLD_OBJECT_KEPT, f"The device still uses the old certificate {alias}; it stays.")
