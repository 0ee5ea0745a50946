"""One step of the Device story, carried out: one match over `Step`.

Whatever changes a device is preceded by a live read of the objects that ask for it; what a step learned goes onto the
visit, and the next look decides what follows.
"""

import asyncio
import logging
from dataclasses import replace
from typing import assert_never

from device_cert_operator.core import credentials, identity
from device_cert_operator.core.addresses import CHANGE_OF_ADDRESS
from device_cert_operator.core.model import AddressPolicy, Served
from device_cert_operator.core.policy import with_reboot
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.steps import (
    CHANGES_DEVICE,
    Activate,
    BeginActivation,
    BeginRollBack,
    CertificateWork,
    DeviceWork,
    EnableHTTPS,
    ExportCA,
    Install,
    Locate,
    LogIn,
    LookAtDeclared,
    PublishCA,
    ReadInventory,
    Reboot,
    RecordReboot,
    RecordRetryLogin,
    SetAddress,
    SetClock,
    Step,
    UseNTP,
)
from device_cert_operator.errors import (
    CredentialsRejected,
    DeviceError,
    DeviceRefused,
    MissingReference,
    OperatorError,
    PermissionMissing,
    ProtocolViolation,
    UnknownDriver,
    Unsupported,
)
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.asking import ask
from device_cert_operator.reconcile.certificate_work import read_inventory, work_on_certificate
from device_cert_operator.reconcile.confirm import confirm
from device_cert_operator.reconcile.firmware import export_ca, publish_ca
from device_cert_operator.reconcile.placement import begin_restart, go_to_declared, look_at_declared, set_address
from device_cert_operator.reconcile.tools import Search
from device_cert_operator.reconcile.visit import Visit

CLOCK_STAYS = (DeviceRefused, PermissionMissing, ProtocolViolation, Unsupported)
LOG = logging.getLogger(__name__)


async def act(step: Step, situation: Situation, visit: Visit) -> None:
    """Carry out one step and log it. Raises OperatorError; a refused log-in is only an observation, kept as a value.

    So is a clock that the device does not let be set.
    """
    started, reason = visit.tools.clock.monotonic(), "ok"
    try:
        await _confirmed(step, situation, visit)
    except OperatorError as error:
        reason = str(error.reason)
        if not isinstance(step, SetClock | UseNTP) or not isinstance(error, CLOCK_STAYS):
            raise
        visit.clock_refusal = error
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


async def _confirmed(step: Step, situation: Situation, visit: Visit) -> None:
    if isinstance(step, (*CHANGES_DEVICE, BeginActivation, BeginRollBack, PublishCA)) and not _puts_right(step, visit):
        await confirm(visit, situation)
    visit.done.add(type(step))  # a step that goes back takes off the list what may be done again
    if isinstance(step, CertificateWork):
        await work_on_certificate(step, situation, visit)
    else:
        await _act(step, situation, visit)


def _puts_right(step: Step, visit: Visit) -> bool:
    """Whoever began an activation takes it back when it fails, whatever became of the objects: only he may still be
    connected to the device."""
    activating = visit.status.revision.activating
    if BeginActivation not in visit.done or activating is None:
        return False
    return isinstance(step, BeginRollBack) or (activating.rolling_back and isinstance(step, Activate | Install))


async def _act(step: DeviceWork, situation: Situation, visit: Visit) -> None:
    match step:
        case Locate():
            await _locate(visit)
        case LookAtDeclared():
            await look_at_declared(visit)
        case LogIn():
            await _log_in(visit, situation)
        case RecordRetryLogin(request):
            await _record_retry_login(visit, request)
        case ReadInventory():
            await read_inventory(visit, situation)
        case RecordReboot(request):
            await visit.save(replace(visit.status, handled_reboot=request))
            visit.reboot_now = request
        case Reboot(cause):
            await _reboot(visit, situation, cause)
        case SetClock():
            await _set_clock(visit, situation)
        case UseNTP():
            await _use_ntp(visit, situation)
        case SetAddress(address):
            await set_address(visit, situation, address)
        case EnableHTTPS():
            await _enable_https(visit, situation)
        case ExportCA():
            await export_ca(visit, situation, lambda: ask(visit, situation, "export_ca", lambda one: one.export_ca()))
        case PublishCA():
            await publish_ca(visit, situation)
        case _:
            assert_never(step)


# ------------------------------------------------------------------------------- looking and logging in


async def _locate(visit: Visit) -> None:
    """Found by its key at one other address: that is where it is. Several answers prove nothing.

    While others are looked for, nothing is known yet: the pass that follows the search takes what it found.
    """
    desired, memory = visit.desired, visit.memory
    given = visit.tools.cache.revisions_given_to(desired.key.namespace, desired.uid)
    keys = identity.keys_of(desired, visit.status, given)
    sweep = memory.sweep
    if sweep is None or not sweep.answers(desired, keys, visit.tools.clock.now()):
        sweep = memory.sweep = await visit.tools.searches.ask(desired, keys, visit.address)
        if sweep.ended_at is not None:
            visit.sight = None  # that took a while
    if sweep.ended_at is None:
        visit.searching = True
        return
    memory.sweep, memory.located_at = None, sweep.ended_at
    found = sweep.with_one_of(keys)
    elsewhere = sorted({served.address for served in found} - {visit.address})
    if len(elsewhere) != 1 or len(found) != 1:
        memory.search = Search(visit.address)
        return
    if desired.address_policy is AddressPolicy.REPORT:
        memory.search = Search(visit.address, elsewhere[0])
        return
    await visit.close_session()
    visit.tell("Normal", Reason.MOVED, f"The device moved from {visit.address} to {elsewhere[0]}.")
    visit.address, visit.sight = elsewhere[0], None
    memory.located_at = None


async def _record_retry_login(visit: Visit, request: str) -> None:
    """The request and the try that it wins are one write: a crash neither loses nor doubles it."""
    known = visit.memory.unwritten_login or visit.status.credentials
    await visit.save(
        replace(visit.status, handled_retry_login=request, credentials=credentials.another_try(known)),
    )
    visit.memory.unwritten_login = None


async def _log_in(visit: Visit, situation: Situation) -> None:
    """Identity, clock, addresses, capabilities. What goes wrong is an observation, judged like the rest."""
    try:
        report = await ask(visit, situation, "observe", lambda driver: driver.observe())
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
    visit.memory.offset = report.clock.offset
    known = visit.status.identity
    proven_by = situation.recognition.proven_by if situation.recognition else None
    if identity.why_another(proven_by, visit.desired.pins, known.device, report.identity) is not None:
        visit.memory.last_full_pass = None  # whoever it is: the device that is meant is still to be checked
        return
    visit.memory.last_full_pass = visit.memory.passes
    visit.memory.full_check_of = visit.desired.generation
    if situation.recognition is None or not isinstance(situation.served, Served):
        return
    learned = situation.served.leaf.public_key_sha256 if situation.recognition.learn else known.public_key_sha256
    visit.status = replace(
        visit.status,
        identity=replace(
            known,
            device=report.identity,
            public_key_sha256=learned,
            proven_by=proven_by,
        ),
    )


# ------------------------------------------------------------------------------------ clock and reboot


async def _set_clock(visit: Visit, situation: Situation) -> None:
    report = situation.report
    if report is None:
        return
    await ask(visit, situation, "set_clock", lambda driver: driver.set_clock(visit.tools.clock.now, report.clock))
    visit.tell("Normal", Reason.CLOCK_SET, "The device's clock was set.")
    visit.look_again()


async def _enable_https(visit: Visit, situation: Situation) -> None:
    await ask(visit, situation, "enable_https", lambda driver: driver.enable_https())
    visit.tell("Normal", Reason.HTTPS_ENABLED, "HTTPS was switched on.")
    visit.look_again()


async def _use_ntp(visit: Visit, situation: Situation) -> None:
    report, servers = situation.report, visit.desired.ntp_servers
    if report is None:
        return
    await ask(visit, situation, "use_ntp", lambda driver: driver.use_ntp(servers, report.clock))
    visit.tell("Normal", Reason.CLOCK_SET, f"The device was put on NTP ({', '.join(servers)}).")
    visit.look_again()


async def _reboot(visit: Visit, situation: Situation, cause: str) -> None:
    """The reboot is remembered before it is asked for, so that a crash cannot make it two.

    So is where the device is: it may come back with a key by which it cannot be found again.
    """
    visit.reboot_now = None
    here = replace(visit.status.address, declared=visit.desired.host, current=visit.address)
    restarting = replace(with_reboot(visit.status, cause, visit.tools.clock.now()), address=here)
    if cause != CHANGE_OF_ADDRESS:
        await visit.save(restarting)
    elif not await begin_restart(visit, restarting):
        return
    await ask(visit, situation, "reboot", lambda driver: driver.reboot())
    visit.tell("Normal", Reason.REBOOTED, f"The device was asked to restart ({cause[:64]}).")
    await visit.close_session()
    visit.inventory = None
    visit.look_again()
    if cause == CHANGE_OF_ADDRESS:
        await go_to_declared(visit)
