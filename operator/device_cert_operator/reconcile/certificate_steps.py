"""One step of the DeviceCertificate story, carried out: one match over `CertificateStep`."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from device_cert_operator.core.allowed import why_not_allowed
from device_cert_operator.core.certificate_model import (
    BeginRequest,
    CertificatePlan,
    CertificateSituation,
    CertificateStep,
    DeleteRevision,
    DropKey,
    DropRequest,
    GiveTurn,
    Issue,
    IssueForCSR,
    MakeCSR,
    NoteFailure,
    Publish,
    RecordCSR,
    RecordRenew,
    Resubmit,
    Submit,
    WriteCopy,
)
from device_cert_operator.core.model import AuthorityIssuer, CASecretIssuer, ExternalIssuer, Names, Revision, names_of
from device_cert_operator.core.profile import csr_subject
from device_cert_operator.core.schedule import ISSUING_CEILING, next_attempt
from device_cert_operator.core.status import Attempts, RequestStatus
from device_cert_operator.core.wanted import wanted_names
from device_cert_operator.errors import (
    Conflict,
    InvalidSpec,
    IssuerError,
    IssuerUnavailable,
    MissingReference,
    OperatorError,
    SpecError,
)
from device_cert_operator.issuers.ca import issue, issue_for_csr
from device_cert_operator.pki.authority import Authority
from device_cert_operator.pki.csr import read_csr
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.requests import (
    fetch_for_publication,
    make_csr,
    request_name,
    submit,
    why_no_public_authority,
)
from device_cert_operator.reconcile.round import Round
from device_cert_operator.reconcile.signing import read_decided_on

Remarks = tuple[tuple[Reason, str], ...]
CERT_MANAGER_POLL = timedelta(minutes=2)  # a person who installs it is waiting, and no event tells of it


async def act(step: CertificateStep, this: Round, situation: CertificateSituation, plan: CertificatePlan) -> None:
    """One step. Raises OperatorError."""
    namespace, secrets = this.desired.key.namespace, this.tools.secrets
    match step:
        case RecordRenew(request):
            await this.save(replace(this.status, handled_renew=request, attempts=Attempts()))
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
        case BeginRequest(reason, message, request):
            await _begin_request(this, reason, message, request)
        case RecordCSR(request):
            await this.save(replace(this.status, request=request))
            if isinstance(this.desired.issuer, ExternalIssuer) and (told := why_no_public_authority(request)):
                this.tell("Warning", Reason.PUBLIC_AUTHORITY_CANNOT_SIGN, *told)
        case MakeCSR(request):
            await make_csr(this.tools, this.view, this.desired, request)
        case Submit(request):
            await submit(this.tools, this.view, this.desired, request)
        case NoteFailure(reason, message):
            raise IssuerUnavailable(message, reason=reason)
        case Resubmit(request):
            await this.save(replace(this.status, attempts=replace(this.status.attempts, next_at=None)))
            await this.tools.cert_manager.remove(this.view, request_name(this.desired, request))
            await submit(this.tools, this.view, this.desired, request)
        case IssueForCSR():
            await _issue_for_csr(step, this, situation)
        case Publish():
            await _publish(step, this, situation)
        case DropRequest():
            await this.save(replace(this.status, request=None))
        case DropKey(name):
            await _drop_key(this, name)
        case _:
            assert_never(step)


async def _issue(step: Issue, this: Round, situation: CertificateSituation) -> None:
    """Sign, pass the gate, publish. The key exists only here until the Secret is there."""
    await _confirm(this)
    authority = await _signing(this, situation, step.names)
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
    _published(this, step.reason, step.message, revision, issued.warnings)


async def _issue_for_csr(step: IssueForCSR, this: Round, situation: CertificateSituation) -> None:
    """Our own CA signs the device's key: names and subject are ours."""
    await _confirm(this)
    request, names = step.request, names_of(*step.request.names)
    authority = await _signing(this, situation, names)
    csr = await this.tools.csrs.read(this.desired.key.namespace, this.desired.key.name)
    if csr is None or read_csr(csr).public_key_sha256 != request.public_key_sha256:
        raise Conflict(f"The CSR of {this.desired.key} changed meanwhile.")
    issued = issue_for_csr(authority, this.desired, names, csr, this.tools.clock.now())
    revision = await this.tools.secrets.create_revision(
        this.view,
        tls_crt=issued.tls_crt,
        ca_crt=issued.ca_crt,
        tls_key=b"",
        input_hash=request.input_hash,
        authority_fingerprint=authority.facts.fingerprint,
        number=request.number,
    )
    _published(this, step.reason, step.message, revision, issued.warnings)


async def _publish(step: Publish, this: Round, situation: CertificateSituation) -> None:
    """What somebody else signed, read and checked once more."""
    await _confirm(this)
    names = wanted_names(situation)
    returned, key = await fetch_for_publication(this.tools, this.view, situation, step.request, names)
    revision = await this.tools.secrets.create_revision(
        this.view,
        tls_crt=returned.tls_crt,
        ca_crt=returned.ca_crt,
        tls_key=key,
        input_hash=step.input_hash,
        authority_fingerprint=returned.anchor.fingerprint,
        number=step.request.number if step.request else None,
    )
    _published(this, step.reason, step.message, revision)


async def _begin_request(this: Round, reason: Reason, message: str, request: RequestStatus) -> None:
    """Remembered before anybody makes a key. What failed before has nothing to do with it."""
    csr_subject(this.desired.subject, names_of(*request.names))  # what no CSR can ask for is told now
    await this.save(replace(this.status, request=request, attempts=Attempts()))
    kind = "Warning" if reason is Reason.DEVICE_KEY_LOST else "Normal"
    this.tell(kind, reason, f"{message} Request {request.number} is made.")


async def _drop_key(this: Round, name: str) -> None:
    namespace = this.desired.key.namespace
    if (view := this.tools.cache.secret(namespace, name)) is not None:
        await this.tools.csrs.drop_key(namespace, name, view.uid)


async def _confirm(this: Round) -> None:
    """Nothing is issued for an object that was changed meanwhile."""
    live = await this.tools.cluster.get_certificate(this.view.key)
    if live is None or live.uid != this.view.uid or live.desired != this.desired:
        raise Conflict(f"{this.view.key} was changed meanwhile; nothing is issued.")


async def _signing(this: Round, situation: CertificateSituation, names: Names) -> Authority:
    """The CA with its key, if it is the one decided on and may sign these names."""
    if (denied := why_not_allowed(situation.authority.allowed, names)) is not None:
        raise denied
    if not isinstance(this.desired.issuer, CASecretIssuer | AuthorityIssuer):
        raise InvalidSpec(f"{this.desired.key} is not signed by a CA of ours.")
    namespace, issuer = this.desired.key.namespace, this.desired.issuer
    return await read_decided_on(this.tools, namespace, issuer, situation.authority)


def _published(this: Round, reason: Reason, message: str, revision: Revision, warnings: Remarks = ()) -> None:
    this.status = replace(this.status, attempts=Attempts(), last_failure_at=None)
    this.tell("Normal", reason, f"{message} Revision {revision.number} was issued.")
    for kind, told in warnings:
        if kind is Reason.AUTHORITY_CANNOT_CROSS_SIGN:  # the others stand in the conditions
            this.tell("Warning", kind, told)


def count_failure(this: Round, step: CertificateStep, error: OperatorError) -> None:
    """Only failed issuing backs off in the status; everything else is tried again soon."""
    issues = isinstance(step, Issue | IssueForCSR | Publish | Submit | Resubmit | NoteFailure | MakeCSR)
    if issues and isinstance(error, IssuerError | MissingReference | SpecError):
        now = this.tools.clock.now()
        ceiling = CERT_MANAGER_POLL if error.reason is Reason.CERT_MANAGER_MISSING else ISSUING_CEILING
        attempts = next_attempt(this.status.attempts, now, this.view.uid, ceiling)
        this.status = replace(this.status, attempts=attempts, last_failure_at=now)
