"""The DeviceCertificate story: which names, issue, publish a revision, give turns, tidy up, add up.

Never talks to a device. Its outside effects are Secrets; its say over devices is the turn in its status.
"""

from dataclasses import replace
from datetime import timedelta

from device_cert_operator.core.certificate import decide_certificate
from device_cert_operator.core.certificate_conditions import certificate_claims
from device_cert_operator.core.certificate_model import AuthorityState, CertificatePlan, CertificateSituation, Member
from device_cert_operator.core.conditions import merge
from device_cert_operator.core.device_conditions import events_between
from device_cert_operator.core.firmware_certificate import (
    decide_firmware,
    earliest_served,
    firmware_claims,
    is_firmware,
)
from device_cert_operator.core.installation import key_type_of
from device_cert_operator.core.model import ObjectKey
from device_cert_operator.core.requests import issuer_name, makes_requests, signs_itself
from device_cert_operator.core.schedule import TURN_LASTS, effective_renew_before, poll_after
from device_cert_operator.core.schedule import retry_after as wait_after
from device_cert_operator.core.status import CertificateStatus, DeviceStatus, EffectiveStatus
from device_cert_operator.core.steps import Rest
from device_cert_operator.core.wanted import choose_key_type, follow_at, renewal_at, wanted_names, with_allowed_names
from device_cert_operator.errors import NotFound, OperatorError
from device_cert_operator.reconcile.certificate_steps import act, count_failure
from device_cert_operator.reconcile.report import report_unreadable, served_status
from device_cert_operator.reconcile.requests import read_answer, read_csr_state
from device_cert_operator.reconcile.round import Round
from device_cert_operator.reconcile.signing import authority_state
from device_cert_operator.reconcile.tools import Tools, held_if_all_are

STEPS_A_PASS = 20
ANSWER_POLL = timedelta(seconds=30)  # cert-manager is not watched, nor is what carries no label yet
LONGEST_SILENCE = timedelta(hours=1)


async def reconcile(key: ObjectKey, tools: Tools) -> timedelta | None:
    """Bring one DeviceCertificate to what its resource asks for; return after how long to look again."""
    view = tools.cache.certificate(key)
    if view is None:
        return None
    if view.desired is None:
        return await report_unreadable(view, tools)
    this = Round(view, held_if_all_are(view.desired, tools.settings), tools)
    situation, plan = await settle(this)
    await _report(this, situation, plan)
    return _look_again(this, situation)


async def settle(this: Round) -> tuple[CertificateSituation, CertificatePlan]:
    """Observe, decide, take one step, look again."""
    situation = await observe(this)
    plan = _decide(situation)
    for _ in range(STEPS_A_PASS):
        if isinstance(plan.next, Rest):
            break
        try:
            await act(plan.next, this, situation, plan)
        except OperatorError as error:
            this.failure = error
            count_failure(this, plan.next, error)
            break
        situation = await observe(this)
        plan = _decide(situation)
    return situation, plan


def _decide(situation: CertificateSituation) -> CertificatePlan:
    return decide_firmware(situation) if is_firmware(situation) else decide_certificate(situation)


# --------------------------------------------------------------------------------------------- observe


async def observe(this: Round) -> CertificateSituation:
    """All from the cache, but the CA when its Secret changed."""
    cache, namespace = this.tools.cache, this.desired.key.namespace
    copy = cache.secret(namespace, this.desired.secret_name) if this.desired.secret_name else None
    found = CertificateSituation(
        desired=this.desired,
        status=this.status,
        now=this.tools.clock.now(),
        csr=await read_csr_state(this.tools, namespace, this.desired.key.name),
        pending_keys=_pending_keys(this),
        highest=cache.highest_revision(namespace, this.desired.key.name),
        members=tuple(_member(this, name) for name in this.desired.devices),
        revisions=cache.revisions(namespace, this.view.uid),
        authority=await _authority_state(this),
        live=_live(this),
        operator_clock_error=this.tools.cluster.clock_error(),
        copied=copy.fingerprint if copy else None,
    )
    found = with_allowed_names(found)
    answer = await read_answer(this.tools, this.desired, this.status, wanted_names(found))
    return replace(found, answer=answer) if answer is not None else found


def _pending_keys(this: Round) -> tuple[str, ...]:
    """Stored keys that no request needs; without one, what a lost status may still have meant is kept."""
    request, namespace, uid = this.status.request, this.desired.key.namespace, this.view.uid
    revisions = this.tools.cache.revisions(namespace, uid)
    newest = revisions[-1].number if revisions else 0

    def is_needed(number: int) -> bool:
        if request is not None:
            return number == request.number
        return makes_requests(this.desired) and number > newest

    stored = this.tools.cache.pending_keys(namespace, uid)
    return tuple(key.name for key in stored if not is_needed(key.number))


def _member(this: Round, name: str) -> Member:
    cache, namespace = this.tools.cache, this.desired.key.namespace
    view = cache.device(ObjectKey("Device", namespace, name))
    if view is None or view.desired is None:
        return Member(name, None, view.status, problem=view.problem) if view else Member(name)
    ref = view.status.certificate_ref
    holds = ref is not None and ref.uid == this.view.uid
    other = None
    if ref is not None and not holds:
        lists = {one.uid: one for one in cache.certificates_listing(namespace, name)}
        other = lists[ref.uid].key.name if ref.uid in lists else None
    return Member(name, view.desired, view.status, other, holds)


def _live(this: Round) -> dict[str, DeviceStatus]:
    """The Devices on our revisions that still exist, listed or not."""
    cache = this.tools.cache
    revisions = cache.revisions(this.desired.key.namespace, this.view.uid)
    given = {uid for revision in revisions for uid in revision.given_to}
    return {uid: view.status for uid in given if (view := cache.device_with_uid(uid)) is not None}


async def _authority_state(this: Round) -> AuthorityState:
    return await authority_state(this.tools, this.desired.key.namespace, this.desired.issuer)


# ---------------------------------------------------------------------------------------------- report


async def _report(this: Round, s: CertificateSituation, plan: CertificatePlan) -> None:
    """Write the status once, and tell of transitions."""
    if is_firmware(s):
        await _write(this, _firmware_status(this, s, plan))
        return
    wanted = s.wanted
    before = this.status
    facts = wanted.facts if wanted else None
    lifetime = (facts.not_after - facts.not_before) if facts else this.desired.duration
    effective = EffectiveStatus(
        this.desired.duration,
        effective_renew_before(lifetime, this.desired.renew_before, this.desired.renew_before_percentage),
        key_type_of(wanted) if wanted else str(choose_key_type(s)),
    )
    status = replace(
        before,
        observed_generation=this.desired.generation,
        revision=wanted.number if wanted else 0,
        certificate=served_status(facts) if facts else None,
        effective=effective,
        issuer_name=issuer_name(this.desired),
        members=plan.members,
        renewal_at=renewal_at(this.desired, wanted.facts) if wanted else None,
        conditions=merge(before.conditions, certificate_claims(s, plan, this.failure), this.desired.generation, s.now),
    )
    await _write(this, status)


def _firmware_status(this: Round, s: CertificateSituation, plan: CertificatePlan) -> CertificateStatus:
    """No revision, no renewal; certificate: what the devices serve, the one that ends first."""
    before = this.status
    return replace(
        before,
        observed_generation=this.desired.generation,
        revision=0,
        issuer_name=issuer_name(this.desired),
        certificate=earliest_served(s),
        effective=None,
        members=plan.members,
        renewal_at=None,
        conditions=merge(before.conditions, firmware_claims(s, plan), this.desired.generation, s.now),
    )


async def _write(this: Round, status: CertificateStatus) -> None:
    before = this.status
    try:
        await this.save(status)
    except NotFound:
        return
    for kind, reason, message in [*this.events, *events_between(before.conditions, status.conditions)]:
        await this.tools.events.emit(this.view, kind, reason, message)


def _look_again(this: Round, s: CertificateSituation) -> timedelta:
    """The next thing that time alone brings; everything else comes as an event."""
    failures = this.tools.memory.failures
    if this.failure is not None:
        failures[this.view.key] = failures.get(this.view.key, 0) + 1
        if this.status.attempts.next_at is None:
            return wait_after(this.failure.retry, failures[this.view.key], this.view.uid)
    else:
        failures.pop(this.view.key, None)
    times = [s.now + LONGEST_SILENCE]
    if this.status.request is not None and not signs_itself(this.desired):
        times.append(s.now + min(poll_after(s.now - this.status.request.since) * 2, ANSWER_POLL))
    times += [at for at in (this.status.attempts.next_at, this.status.renewal_at) if at is not None and at > s.now]
    if (follows := follow_at(s)) is not None and follows > s.now:
        times.append(follows)
    times += [
        member.turn_since + TURN_LASTS
        for member in this.status.members
        if member.turn_since is not None and member.installed != member.turn and member.turn_since + TURN_LASTS > s.now
    ]
    if s.authority.problem is not None:
        times.append(s.now + wait_after(s.authority.problem.retry, 6, this.view.uid))
    return max(min(times) - s.now, timedelta(seconds=1))
