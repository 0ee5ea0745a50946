"""The DeviceCertificate story: which names, issue, publish a revision, give turns, tidy up, add up.

Never talks to a device. Its outside effects are Secrets; its say over devices is the turn in its status.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from device_cert_operator.core.allowed import why_not_allowed
from device_cert_operator.core.certificate import (
    AuthorityState,
    CertificatePlan,
    CertificateSituation,
    CertificateStep,
    DeleteRevision,
    GiveTurn,
    Issue,
    Member,
    RecordRenew,
    WriteCopy,
    choose_key_type,
    decide_certificate,
    follow_at,
    renewal_at,
    with_allowed_names,
)
from device_cert_operator.core.certificate_conditions import certificate_claims
from device_cert_operator.core.conditions import merge
from device_cert_operator.core.device_conditions import events_between
from device_cert_operator.core.installation import key_type_of
from device_cert_operator.core.model import DesiredCertificate, ObjectKey
from device_cert_operator.core.schedule import ISSUING_CEILING, TURN_LASTS, effective_renew_before, next_attempt
from device_cert_operator.core.schedule import retry_after as wait_after
from device_cert_operator.core.status import Attempts, CertificateStatus, DeviceStatus, EffectiveStatus
from device_cert_operator.core.steps import Rest
from device_cert_operator.errors import Conflict, IssuerError, MissingReference, NotFound, OperatorError, SpecError
from device_cert_operator.issuers.ca import issue
from device_cert_operator.kube.views import CertificateView
from device_cert_operator.pki.authority import Authority
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.report import report_unreadable, served_status
from device_cert_operator.reconcile.signing import authority_state, read_signing
from device_cert_operator.reconcile.tools import Tools

STEPS_A_PASS = 20
LONGEST_SILENCE = timedelta(hours=1)


class Round:
    """One pass over one DeviceCertificate."""

    def __init__(self, view: CertificateView, desired: DesiredCertificate, tools: Tools) -> None:
        self.view = view
        self.desired = desired
        self.tools = tools
        self.status = view.status
        self.failure: OperatorError | None = None
        self.events: list[tuple[str, str, str]] = []

    async def save(self, status: CertificateStatus) -> None:
        """Write an intent that must survive a crash. Raises Conflict, ClusterError."""
        self.view = await self.tools.cluster.write_certificate_status(self.view, status)
        self.status = status

    def tell(self, kind: str, reason: str, message: str) -> None:
        """An event for the end of the pass."""
        self.events.append((kind, reason, message))


async def reconcile(key: ObjectKey, tools: Tools) -> timedelta | None:
    """Bring one DeviceCertificate to what its resource asks for; return after how long to look again."""
    view = tools.cache.certificate(key)
    if view is None:
        return None
    if view.desired is None:
        return await report_unreadable(view, tools)
    this = Round(view, view.desired, tools)
    situation, plan = await settle(this)
    await _report(this, situation, plan)
    return _look_again(this, situation)


async def settle(this: Round) -> tuple[CertificateSituation, CertificatePlan]:
    """Observe, decide, take one step, look again."""
    situation = await observe(this)
    plan = decide_certificate(situation)
    for _ in range(STEPS_A_PASS):
        if isinstance(plan.next, Rest):
            break
        try:
            await act(plan.next, this, situation, plan)
        except OperatorError as error:
            this.failure = error
            _count_failure(this, plan.next, error)
            break
        situation = await observe(this)
        plan = decide_certificate(situation)
    return situation, plan


# --------------------------------------------------------------------------------------------- observe


async def observe(this: Round) -> CertificateSituation:
    """All from the cache, but the CA when its Secret changed."""
    cache, namespace = this.tools.cache, this.desired.key.namespace
    copy = cache.secret(namespace, this.desired.secret_name) if this.desired.secret_name else None
    found = CertificateSituation(
        desired=this.desired,
        status=this.status,
        now=this.tools.clock.now(),
        members=tuple(_member(this, name) for name in this.desired.devices),
        revisions=cache.revisions(namespace, this.view.uid),
        authority=await _authority_state(this),
        live_uids=_live_uids(this),
        copied=copy.fingerprint if copy else None,
    )
    return with_allowed_names(found)


def _member(this: Round, name: str) -> Member:
    cache, namespace = this.tools.cache, this.desired.key.namespace
    view = cache.device(ObjectKey("Device", namespace, name))
    if view is None or view.desired is None:
        return Member(name, None, view.status if view else DeviceStatus())
    ref = view.status.certificate_ref
    holds = ref is not None and ref.uid == this.view.uid
    other = None
    if ref is not None and not holds:
        lists = {one.uid: one for one in cache.certificates_listing(namespace, name)}
        other = lists[ref.uid].key.name if ref.uid in lists else None
    return Member(name, view.desired, view.status, other, holds)


def _live_uids(this: Round) -> frozenset[str]:
    """Those of the uids on our revisions that still exist."""
    given = {
        uid
        for revision in this.tools.cache.revisions(this.desired.key.namespace, this.view.uid)
        for uid in revision.given_to
    }
    return frozenset(uid for uid in given if this.tools.cache.exists(uid))


async def _authority_state(this: Round) -> AuthorityState:
    return await authority_state(this.tools, this.desired.key.namespace, this.desired.issuer)


async def _read_authority(this: Round) -> Authority:
    return await read_signing(this.tools, this.desired.key.namespace, this.desired.issuer)


# ------------------------------------------------------------------------------------------------- act


async def act(step: CertificateStep, this: Round, situation: CertificateSituation, plan: CertificatePlan) -> None:
    """One step. Raises OperatorError."""
    namespace, secrets = this.desired.key.namespace, this.tools.secrets
    match step:
        case RecordRenew(request):
            await this.save(replace(this.status, handled_renew=request))
        case Issue():
            await _issue(step, this, situation)
        case GiveTurn(device, uid, revision):
            await secrets.give_to(namespace, revision, uid)
            members = tuple(
                replace(member, turn=revision.number, turn_since=situation.now) if member.name == device else member
                for member in plan.members
            )
            await this.save(replace(this.status, members=members))
        case DeleteRevision(revision):
            await secrets.delete_revision(namespace, revision)
            this.tell("Normal", Reason.REVISION_DELETED, f"Revision {revision.number} is needed no more.")
        case WriteCopy(revision):
            material = await secrets.read_revision(namespace, revision.secret)
            await secrets.write_copy(this.view, this.desired.secret_name or "", material)


async def _issue(step: Issue, this: Round, situation: CertificateSituation) -> None:
    """Sign, pass the gate, publish. The key exists only here until the Secret is there."""
    live = await this.tools.cluster.get_certificate(this.view.key)
    if live is None or live.uid != this.view.uid or live.desired != this.desired:
        raise Conflict(f"{this.view.key} was changed meanwhile; nothing is issued.")
    if (denied := why_not_allowed(situation.authority.allowed, step.names)) is not None:
        raise denied
    authority = await _read_authority(this)
    now: datetime = this.tools.clock.now()
    issued = await asyncio.to_thread(issue, authority, this.desired, step.names, step.key_type, now)
    revision = await this.tools.secrets.create_revision(
        this.view,
        tls_crt=issued.tls_crt,
        ca_crt=issued.ca_crt,
        tls_key=issued.tls_key,
        input_hash=step.input_hash,
        authority_fingerprint=authority.facts.fingerprint,
    )
    this.status = replace(this.status, attempts=Attempts(), last_failure_at=None)
    this.tell("Normal", step.reason, f"{step.message} Revision {revision.number} was issued.")


def _count_failure(this: Round, step: CertificateStep, error: OperatorError) -> None:
    """Only failed issuing backs off in the status; everything else is tried again soon."""
    if isinstance(step, Issue) and isinstance(error, IssuerError | MissingReference | SpecError):
        now = this.tools.clock.now()
        attempts = next_attempt(this.status.attempts, now, this.view.uid, ISSUING_CEILING)
        this.status = replace(this.status, attempts=attempts, last_failure_at=now)


# ---------------------------------------------------------------------------------------------- report


async def _report(this: Round, s: CertificateSituation, plan: CertificatePlan) -> None:
    """Write the status once, and tell of transitions."""
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
        members=plan.members,
        renewal_at=renewal_at(this.desired, wanted) if wanted else None,
        conditions=merge(before.conditions, certificate_claims(s, plan, this.failure), this.desired.generation, s.now),
    )
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
    times += [at for at in (this.status.attempts.next_at, this.status.renewal_at) if at is not None and at > s.now]
    if (follows := follow_at(s)) is not None and follows > s.now:
        times.append(follows)
    times += [
        member.turn_since + TURN_LASTS
        for member in this.status.members
        if member.turn_since is not None and not member.secure and member.turn_since + TURN_LASTS > s.now
    ]
    if s.authority.problem is not None:
        times.append(s.now + wait_after(s.authority.problem.retry, 6, this.view.uid))
    return max(min(times) - s.now, timedelta(seconds=1))
