"""The Device story: reach it, recognise it, set its clock, switch HTTPS on, install what it is given, prove, tidy up.

Alone in touching devices and in writing `Device.status`.
"""

from datetime import timedelta

from device_cert_operator.core.decide import Plan, decide
from device_cert_operator.core.model import DesiredDevice, ObjectKey
from device_cert_operator.core.schedule import fraction_of, poll_after, retry_after
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.steps import LEAVES_SIGHT, Rest, State
from device_cert_operator.errors import OperatorError, Retry
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.act import act
from device_cert_operator.reconcile.observe import observe
from device_cert_operator.reconcile.report import report_device, report_unreadable
from device_cert_operator.reconcile.tools import Tools, held_if_all_are
from device_cert_operator.reconcile.visit import Visit

STEPS_A_PASS = 40
HOLD_FOR = timedelta(seconds=12)
A_TURN = timedelta(seconds=5)


async def reconcile(key: ObjectKey, tools: Tools) -> timedelta | None:
    """Bring one Device to what its resource asks for; return after how long to look again."""
    view = tools.cache.device(key)
    if view is None:
        return None
    if view.desired is None:
        return await report_unreadable(view, tools)
    async with Visit(view, held_if_all_are(view.desired, tools.settings), tools) as visit:
        visit.memory.passes += 1
        situation, plan, error = await settle(visit)
        await report_device(visit, situation, plan, error)
        return _look_again(visit, situation, plan, error)


async def settle(visit: Visit) -> tuple[Situation, Plan, OperatorError | None]:
    """Observe, decide, take one step, look again; until there is nothing to do, or something to wait for.

    An error ends the pass and is returned with what was known when it struck.
    """
    situation = await observe(visit)
    plan = decide(situation)
    held_since = visit.tools.clock.monotonic()
    for _ in range(STEPS_A_PASS):
        try:
            if isinstance(plan.next, Rest):
                if not await _wait_here(visit, plan.next, held_since):
                    return situation, plan, None
            elif _is_to_end(visit):
                return situation, plan, None
            else:
                await act(plan.next, situation, visit)
        except OperatorError as error:
            return situation, plan, error
        if not isinstance(plan.next, LEAVES_SIGHT):
            visit.sight = None
        situation = await observe(visit)
        plan = decide(situation)
    return situation, plan, None


def _is_to_end(visit: Visit) -> bool:
    """The process is told to end, and the device is no worse off without the next step.

    In the middle of an activation it would be: the session may be the only way to put the previous certificate back.
    """
    return visit.tools.ending() and not (visit.session_open and visit.status.revision.activating is not None)


async def _wait_here(visit: Visit, rest: Rest, held_since: float) -> bool:
    """Keep an open session through the first seconds after an activation: it may be needed to go back."""
    waited = visit.tools.clock.monotonic() - held_since
    worth_it = visit.session_open and visit.status.revision.activating is not None
    if rest.state is not State.WAITING or not worth_it or waited > HOLD_FOR.total_seconds():
        return False
    await visit.tools.sleep(min(0.1 + waited / 4, 1.0))
    return True


def _look_again(visit: Visit, s: Situation, plan: Plan, error: OperatorError | None) -> timedelta:
    """After how long the next pass is due."""
    uid, memory = visit.view.uid, visit.memory
    error = error or s.login_error
    if error is not None:
        memory.failures += 1
        again = retry_after(error.retry, memory.failures, uid, asked_for=error.retry_after)
        return min(again, s.desired.check_interval) if error.retry is not Retry.SLOW else _routine(s.desired, uid)
    if isinstance(plan.next, Rest) and plan.next.reason is Reason.WAITING_FOR_TURN:
        return min(A_TURN, s.desired.check_interval)
    since = s.away_since if not s.searching else None
    if isinstance(plan.next, Rest) and plan.next.state is State.WAITING and since is not None:
        return poll_after(s.now - since)
    if isinstance(plan.next, Rest) and plan.next.reason in {Reason.DEVICE_UNREACHABLE, Reason.IDENTITY_UNCONFIRMED}:
        memory.failures += 1
        return min(retry_after(Retry.BACKOFF, memory.failures, uid), s.desired.check_interval)
    memory.failures = 0
    if not isinstance(plan.next, Rest):
        return timedelta(0)  # the step budget is spent, the work is not
    if plan.next.until is not None:
        return min(max(plan.next.until - s.now, timedelta(seconds=1)), _routine(s.desired, uid))
    failed = visit.status.revision.failed
    if failed is not None and failed.next_attempt_at > s.now:
        return min(failed.next_attempt_at - s.now, _routine(s.desired, uid))
    return _routine(s.desired, uid)


def _routine(desired: DesiredDevice, uid: str) -> timedelta:
    """The check interval, up to a twentieth shorter, always the same for one Device."""
    return desired.check_interval * (1 - fraction_of(uid, "check") / 20)
