"""The CertificateAuthority story: make or adopt a root, publish it, replace it so that nobody is locked out.

Its outside effects are Secrets with roots and one ConfigMap. What the devices follow is in its status.
"""

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from device_cert_operator.core.authority import (
    AuthoritySituation,
    decide_authority,
    number_of,
    rotates_at,
    still_by_secret,
    still_old,
    still_unprepared,
)
from device_cert_operator.core.authority_conditions import authority_claims, remarks_on
from device_cert_operator.core.authority_model import (
    AuthorityStatus,
    Origin,
    Phase,
    RotationStatus,
    with_first_rotation,
)
from device_cert_operator.core.authority_steps import (
    AuthorityStep,
    BeginRotation,
    DeleteNext,
    EnterPhase,
    Finish,
    MakeNext,
    MakeRoot,
    MarkPublished,
    Promote,
    RecordRequests,
    RememberNext,
    RememberRoot,
    WriteBundle,
)
from device_cert_operator.core.conditions import STALLED, find, merge
from device_cert_operator.core.device_conditions import events_between
from device_cert_operator.core.model import ObjectKey
from device_cert_operator.core.schedule import ON_CHANGE_POLL, retry_after
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.errors import Conflict, NotFound, OperatorError
from device_cert_operator.pki.bundle import trust_content
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.authority_look import Look, look
from device_cert_operator.reconcile.report import NAMES_KEPT, report_unreadable, served_status
from device_cert_operator.reconcile.roots import make_next, make_root
from device_cert_operator.reconcile.tools import Tools, held_if_all_are

STEPS_A_PASS = 12
LONGEST_SILENCE = timedelta(hours=1)
WHILE_ROTATING = timedelta(minutes=1)


async def reconcile(key: ObjectKey, tools: Tools) -> timedelta | None:
    """Bring one CertificateAuthority to what its resource asks for; return after how long to look again."""
    view = tools.cache.authority(key)
    if view is None:
        return None
    if view.desired is None:
        return await report_unreadable(view, tools)
    this = Look(view, held_if_all_are(view.desired, tools.settings), tools)
    situation, last = await settle(this)
    if situation is None:
        return _after_failure(this)
    await _report(this, situation, last)
    return _look_again(this, situation, last)


async def settle(this: Look) -> tuple[AuthoritySituation | None, Rest | None]:
    """Observe, decide, take one step, look again. None: the API server did not let us look."""
    situation = None
    for _ in range(STEPS_A_PASS):
        try:
            situation = await look(this)
            step = decide_authority(situation)
            if isinstance(step, Rest):
                return situation, step
            await act(step, this, situation)
        except OperatorError as error:
            this.failure = error
            return situation, None
    return situation, None


# ------------------------------------------------------------------------------------------------- act


async def act(step: AuthorityStep, this: Look, s: AuthoritySituation) -> None:
    """One step. Raises OperatorError."""
    if isinstance(step, (MakeRoot, MakeNext, WriteBundle, Promote, DeleteNext)):
        await _confirm(this)
    roots, namespace, desired = this.tools.roots, this.desired.key.namespace, this.desired
    match step:
        case RecordRequests(rotate, trust):
            await this.save(replace(this.status, handled_rotate=rotate, handled_trust=trust))
        case MakeRoot():
            await make_root(this)
        case RememberRoot(origin, shape):
            await _remember(this, s, origin, shape)
        case WriteBundle():
            await roots.write_bundle(this.view, desired.bundle_name, trust_content(this.bundle_der))
        case BeginRotation(why, request):
            await _begin(this, s, why, request)
        case MakeNext():
            await make_next(this, s)
        case RememberNext():
            await _remember_next(this, s)
        case MarkPublished():
            await this.save_rotation(published_at=s.now)
            this.tell("Normal", Reason.TRUST_PUBLISHED, f"ConfigMap {desired.bundle_name} holds both roots.")
        case EnterPhase(phase):
            await _enter(this, s, phase)
        case Promote():
            await _promote(this)
        case Finish():
            await _finish(this, s)
        case DeleteNext():
            if this.following is not None:
                await roots.delete(namespace, desired.next_secret, this.following)
        case _:
            assert_never(step)


async def _confirm(this: Look) -> None:
    """Raises Conflict unless what asks for a change is still there, unchanged."""
    live = await this.tools.cluster.get_authority(this.view.key)
    if live is None or live.uid != this.view.uid or live.desired != this.desired or this.desired.deleting:
        raise Conflict(f"{this.view.key} was changed meanwhile; nothing is done.")


async def _remember(this: Look, s: AuthoritySituation, origin: Origin, shape: str) -> None:
    facts, news = s.current.facts, this.status.certificate is None
    if facts is None:
        return
    await this.save(replace(this.status, certificate=served_status(facts), origin=origin, shape=shape))
    if not news:
        return
    if origin is Origin.MADE:
        this.tell("Normal", Reason.AUTHORITY_MADE, f"The root {facts.subject} was made.")
        return
    unusual = " ".join(message for _, message in remarks_on(facts, s.now))
    this.tell("Normal", Reason.AUTHORITY_ADOPTED, f"The root {facts.subject} was adopted. {unusual}".strip())


async def _begin(this: Look, s: AuthoritySituation, why: str, request: str | None) -> None:
    """The request counts as handled with the very write that begins the rotation."""
    status = replace(
        this.status,
        rotation=RotationStatus(Phase.PREPARING, s.now, s.now),
        handled_rotate=request if request is not None else this.status.handled_rotate,
        handled_trust=this.desired.trust_distributed,
    )
    await this.save(status)
    this.tell("Normal", Reason.ROTATION_STARTED, f"{why}: a new root is made.")


async def _remember_next(this: Look, s: AuthoritySituation) -> None:
    if (facts := s.following.facts) is not None:
        await this.save_rotation(fingerprint=facts.fingerprint, not_after=facts.not_after)


async def _enter(this: Look, s: AuthoritySituation, phase: Phase) -> None:
    known = this.status.rotation
    await this.save_rotation(phase=phase, since=s.now, without_chain=s.without_chain)
    _tell_without_chain(this, s, known)
    if phase is Phase.SWITCHING:
        this.tell("Normal", Reason.ROTATING, "The new root signs from now on; the devices follow.")


async def _promote(this: Look) -> None:
    """The old root is kept aside first; a crash between finds it there."""
    known, old, new = this.status.certificate, this.current, this.following_root()
    if known is None or old is None or new is None:
        return
    await this.tools.roots.keep_aside(this.view, _retired_name(this, known.fingerprint), old)
    await this.tools.roots.replace(this.view, this.desired.secret_name, old, new)


async def _finish(this: Look, s: AuthoritySituation) -> None:
    known, facts = this.status.certificate, s.current.facts
    if known is None or facts is None:
        return
    status = replace(
        this.status,
        certificate=served_status(facts),
        origin=Origin.MADE,
        shape=s.current.shape or this.desired.shape.digest,
        number=max(this.status.number + 1, number_of(facts)),
        retired=_retired_name(this, known.fingerprint),
        rotation=None,
    )
    await this.save(status)
    told = f"The root is {facts.subject} now; {known.subject} is retired, its key stays in Secret {status.retired}."
    this.tell("Normal", Reason.ROTATION_DONE, told)


def _retired_name(this: Look, fingerprint: str) -> str:
    return f"{this.desired.secret_name}-{fingerprint[:8]}"


# ---------------------------------------------------------------------------------------------- report


async def _report(this: Look, s: AuthoritySituation, last: Rest | None) -> None:
    """Write the status once, and tell of transitions."""
    before = this.status
    if before.rotation is not None:
        _tell_without_chain(this, s, before.rotation)
    conditions = merge(before.conditions, authority_claims(s, last, this.failure), this.desired.generation, s.now)
    desired = this.desired
    status = replace(
        with_first_rotation(before, desired.rotate_request, desired.trust_distributed),
        observed_generation=desired.generation,
        rotation=_rotation_as_seen(s, before),
        rotates_at=rotates_at(s),
        bundle=this.desired.bundle_name,
        conditions=conditions,
    )
    try:
        await this.save(status)
    except NotFound:
        return
    events = [*this.events, *events_between(before.conditions, conditions), *_stalled_event(before, status)]
    for kind, reason, message in events:
        await this.tools.events.emit(this.view, kind, reason, message)


def _rotation_as_seen(s: AuthoritySituation, status: AuthorityStatus) -> RotationStatus | None:
    rotation = status.rotation
    if rotation is None:
        return None
    waiting: tuple[str, ...] = ()
    if rotation.phase is Phase.PREPARING:
        waiting = still_unprepared(s)
    if rotation.phase is Phase.SWITCHING:
        waiting = still_old(s)
    if rotation.phase is Phase.RETIRING:
        waiting = still_by_secret(s)
    return replace(rotation, waiting_for=waiting, without_chain=s.without_chain)


def _tell_without_chain(this: Look, s: AuthoritySituation, before: RotationStatus | None) -> None:
    """Which devices are the exception, each once: some show it only when they were given a chain."""
    known = before.without_chain if before is not None else ()
    if not (news := [one for one in s.without_chain[:NAMES_KEPT] if one not in known]):
        return
    told = ", ".join(news[:8]) + ("…" if len(news) > 8 else "")
    message = (
        f"These devices send no chain: {told}. Clients that do not trust the new root when it begins to sign will "
        "refuse them."
    )
    this.tell("Warning", Reason.CHAIN_NOT_TAKEN, message)


def _stalled_event(before: AuthorityStatus, after: AuthorityStatus) -> list[tuple[str, str, str]]:
    """That a person must act is told once; for this kind no other condition says it."""
    old, new = find(before.conditions, "Ready"), find(after.conditions, "Ready")
    if new is None or new.status == "True" or new.reason not in STALLED:
        return []
    if old is not None and (old.status, old.reason) == (new.status, new.reason):
        return []
    return [("Warning", new.reason, new.message)]


def _after_failure(this: Look) -> timedelta:
    failures = this.tools.memory.failures
    failures[this.view.key] = failures.get(this.view.key, 0) + 1
    retry = this.failure.retry if this.failure else Conflict.default_retry
    return retry_after(retry, failures[this.view.key], this.view.uid)


def _look_again(this: Look, s: AuthoritySituation, last: Rest | None) -> timedelta:
    """The next thing that time alone brings; everything else comes as an event."""
    if this.failure is not None:
        return _after_failure(this)
    this.tools.memory.failures.pop(this.view.key, None)
    if last is None:
        return timedelta(0)  # the step budget is spent, the work is not
    if last.state is State.HELD and last.reason is not Reason.PAUSED:
        return ON_CHANGE_POLL
    times = [s.now + LONGEST_SILENCE]
    if (rotation := s.rotation) is not None:
        times.append(s.now + WHILE_ROTATING)
        if rotation.published_at is not None:
            times.append(rotation.published_at + this.desired.rotation.overlap)
    if (at := rotates_at(s)) is not None:
        times.append(at)
    return max(min(one for one in times if one > s.now) - s.now, timedelta(seconds=1))
