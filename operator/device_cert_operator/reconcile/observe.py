"""From a Device and its surroundings to a `Situation`: one handshake, the cache, and what this pass has learned."""

from datetime import timedelta

from device_cert_operator.core import identity
from device_cert_operator.core.addresses import where_else
from device_cert_operator.core.aliases import alias_of
from device_cert_operator.core.identity import Recognition
from device_cert_operator.core.model import (
    Capabilities,
    CSRRequest,
    DeviceCAIssuer,
    KeySource,
    NotServed,
    Revision,
    Security,
    Served,
    names_of,
)
from device_cert_operator.core.profile import csr_subject
from device_cert_operator.core.schedule import backoff_for
from device_cert_operator.core.situation import Assignment, CSRWanted, FirmwareWanted, Situation
from device_cert_operator.core.status import OwnerRef
from device_cert_operator.core.verdict import Verdict, judge
from device_cert_operator.errors import ClusterError, InvalidSpec, OperatorError
from device_cert_operator.kube.csrs import csr_name
from device_cert_operator.kube.views import DEVICE_UID, CertificateView, DeviceView
from device_cert_operator.pki.verify import links
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.firmware import look_at_firmware
from device_cert_operator.reconcile.placement import changing_now
from device_cert_operator.reconcile.tools import Search, Tools
from device_cert_operator.reconcile.visit import Visit

MOST_NAMES = 8  # handshakes that a full check makes beside its own


async def observe(visit: Visit) -> Situation:
    """Look once: shake hands at the address, unless nothing has happened since; recognise who answers, judge it."""
    desired, tools = visit.desired, visit.tools
    served = visit.sight = visit.sight or await _look(visit)
    firmware = await look_at_firmware(visit, served, assignment_of(visit.view, tools))
    assignment = firmware.assignment
    plain = isinstance(served, NotServed) and await _plain_answers(visit)
    now = tools.clock.now()
    recognition = await _recognise(visit, served, plain_answers=plain, by_firmware=firmware.names_address)
    search = _search(visit, recognition)
    return Situation(
        desired=desired,
        status=visit.status,
        now=now,
        address=visit.address,
        served=served,
        recognition=recognition,
        verdict=firmware.verdict or _verdict(visit, served, assignment),
        plain_answers=plain,
        report=visit.report,
        login_error=visit.login_error,
        clock_refusal=visit.clock_refusal,
        inventory=visit.inventory,
        assignment=assignment,
        full_check_due=_full_check_due(visit),
        unseen_edit=_is_unseen(visit),
        locate_allowed=_locate_allowed(visit),
        operator_clock_error=tools.cluster.clock_error(),
        reboot_now=visit.reboot_now,
        found_elsewhere=search.found_at if search else None,
        searched=search is not None,
        searching=visit.searching,
        done=frozenset(visit.done),
        kept_objects=frozenset(visit.kept_objects),
        session_alive=visit.session_open,
        can_be_found=bool(identity.keys_of(desired, visit.status, _given(visit))),
        usual_restart=(visit.memory.capabilities or Capabilities()).restart_for,
        dry_run=tools.settings.dry_run,
        declared_look=visit.declared_look,
        changing_now=changing_now(visit) if visit.declared_look is not None else None,
        misnamed=await _misnamed(visit, served, assignment),
    )


def _search(visit: Visit, recognition: Recognition | None) -> Search | None:
    """What the last search came to holds between searches, which are rare, until the device is proven here."""
    memory = visit.memory
    if recognition is not None and recognition.may_log_in:
        memory.search = None
        if memory.sweep is not None:
            memory.sweep.askers.discard(visit.view.key)
            memory.sweep = None
    return memory.search if memory.search is not None and memory.search.address == visit.address else None


async def _look(visit: Visit) -> Served | NotServed:
    """A handshake where the device should be; under Enforce also at the other address where it may be.

    Only with a key of its own is it taken for the device there.
    """
    desired = visit.desired

    async def at(address: str) -> Served | NotServed:
        return await visit.tools.probe(address, desired.https_port, server_name=address, timeout=desired.timeout)

    served = await at(visit.address)
    other = where_else(desired, visit.status, visit.address)
    if isinstance(served, Served) or other is None or visit.session_open:
        return served
    there = await at(other)
    keys = identity.keys_of(desired, visit.status, _given(visit))
    if not isinstance(there, Served) or there.leaf.public_key_sha256 not in keys:
        return served
    visit.address = other
    return there


def assignment_of(view: DeviceView, tools: Tools) -> Assignment | None:
    """Which DeviceCertificate holds this Device, and what it lets it install.

    The holder stays while it exists and lists the Device; otherwise the oldest, then by name.
    """
    namespace = view.key.namespace
    candidates = [
        certificate
        for certificate in tools.cache.certificates_listing(namespace, view.key.name)
        if certificate.desired is not None and not certificate.desired.deleting
    ]
    if not candidates:
        return None
    held_by = view.status.certificate_ref.uid if view.status.certificate_ref else None
    holder = next((one for one in candidates if one.uid == held_by), None)
    if holder is None:
        holder = min(candidates, key=lambda one: (one.created_at, one.key.name))
    return _assignment(view, holder, tools)


def _assignment(view: DeviceView, holder: CertificateView, tools: Tools) -> Assignment:
    kept = tools.cache.revisions(view.key.namespace, holder.uid)
    if holder.desired is not None and isinstance(holder.desired.issuer, DeviceCAIssuer):
        return Assignment(
            OwnerRef(holder.key.name, holder.uid), kept=kept, firmware=FirmwareWanted(holder.desired.issuer)
        )
    member = next((one for one in holder.status.members if one.name == view.key.name), None)
    turn = next(
        (
            revision
            for revision in kept
            if member is not None and revision.number == member.turn and view.uid in revision.given_to
        ),
        None,
    )
    return Assignment(
        OwnerRef(holder.key.name, holder.uid),
        kept[-1] if kept else None,
        turn,
        kept,
        _csr_wanted(view, holder, tools),
        holder.desired.allow_gap if holder.desired else False,
        dns_names=holder.desired.dns_names if holder.desired else (),
    )


def _csr_wanted(view: DeviceView, holder: CertificateView, tools: Tools) -> CSRWanted | None:
    """The CSR that its DeviceCertificate asks this Device for."""
    desired, request = holder.desired, holder.status.request
    if desired is None or request is None or desired.key_source is not KeySource.DEVICE:
        return None
    names = names_of(*request.names)
    try:
        subject = csr_subject(desired.subject, names)
    except InvalidSpec:  # told by the DeviceCertificate
        return None
    there = tools.cache.secret(view.key.namespace, csr_name(holder.key.name), "ConfigMap")
    answered = there is not None and (there.number, there.annotations.get(DEVICE_UID)) == (request.number, view.uid)
    alias = alias_of(view.key, request.number)
    wanted = CSRRequest(alias, names, subject, request.key_type)
    return CSRWanted(request.number, wanted, answered, desired.allow_gap)


def _given(visit: Visit) -> tuple[Revision, ...]:
    return visit.tools.cache.revisions_given_to(visit.view.key.namespace, visit.view.uid)


async def _plain_answers(visit: Visit) -> bool:
    """Whether something listens on the HTTP port, which tells "HTTPS is off" from "away"."""
    port = visit.desired.port if visit.desired.security is Security.PLAINTEXT else None
    there = await visit.tools.probe(
        visit.address, port or 80, server_name=None, timeout=min(visit.desired.timeout, timedelta(seconds=2))
    )
    return isinstance(there, Served) or there.answers


async def _recognise(
    visit: Visit, served: Served | NotServed, *, plain_answers: bool, by_firmware: bool
) -> Recognition | None:
    desired = visit.desired
    if isinstance(served, NotServed):
        if _may_be_plain(visit) and plain_answers:
            return identity.plain_http(desired)
        return None
    others = visit.tools.cache.others_with_key(served.leaf.public_key_sha256, visit.view.uid)
    unreadable: OperatorError | None = None
    try:
        vouched = await _chains_to_given_ca(visit, served)
    except OperatorError as error:
        vouched, unreadable = False, error
    recognition = identity.recognise(desired, visit.status, _given(visit), served, others, vouched, by_firmware)
    if unreadable is not None and recognition.reason is Reason.IDENTITY_UNCONFIRMED:
        if isinstance(unreadable, ClusterError):
            raise unreadable  # who is there cannot be told now: the pass is tried again soon
        return identity.not_vouched_for(unreadable)
    unknown = not recognition.may_log_in and not others
    if unknown and _may_be_plain(visit):
        return identity.plain_http(desired)
    return recognition


def _may_be_plain(visit: Visit) -> bool:
    """HTTP, where the spec asks for it, until a certificate of ours was served."""
    return visit.desired.security is Security.PLAINTEXT and visit.status.revision.installed is None


async def _chains_to_given_ca(visit: Visit, served: Served) -> bool:
    """Under Verified: the served chain ends at the CA given, and a client would accept its name here.

    Raises OperatorError when that CA cannot be read.
    """
    desired = visit.desired
    if desired.security is not Security.VERIFIED or desired.ca_ref is None:
        return False
    anchor = await visit.tools.secrets.read_anchor(desired.key.namespace, desired.ca_ref)
    chain = links(served.chain_der, anchor)
    return judge(served, chain, visit.address, visit.tools.clock.now()).secure


def _verdict(visit: Visit, served: Served | NotServed, assignment: Assignment | None) -> Verdict | None:
    if not isinstance(served, Served) or assignment is None or assignment.wanted is None:
        return None
    anchors = tuple(sorted({der for revision in assignment.kept for der in revision.anchors_der}))
    known = tuple(sorted({der for revision in assignment.kept for der in revision.chain_der}))
    return judge(served, links(served.chain_der, anchors, known), visit.address, visit.tools.clock.now())


async def _misnamed(visit: Visit, served: Served | NotServed, assignment: Assignment | None) -> tuple[str, ...]:
    """Names under which (SNI) something else than the certificate that is wanted is shown; tried with full checks."""
    wanted = assignment.wanted if assignment is not None else None
    if wanted is None or not isinstance(served, Served) or served.leaf.fingerprint != wanted.facts.fingerprint:
        return ()
    memory, fingerprint = visit.memory, wanted.facts.fingerprint
    known, before = memory.named if memory.named is not None else ("", ())
    if known != fingerprint or (not visit.session_open and (before or _full_check_due(visit))):
        names = [one for one in (assignment.dns_names if assignment else ()) if one != visit.address and "*" not in one]
        before = tuple([name for name in names[:MOST_NAMES] if await _shows_by_name(visit, name) != fingerprint])
        memory.named = fingerprint, before
    return before


async def _shows_by_name(visit: Visit, name: str) -> str | None:
    desired = visit.desired
    seen = await visit.tools.probe(visit.address, desired.https_port, server_name=name, timeout=desired.timeout)
    return seen.leaf.fingerprint if isinstance(seen, Served) else None


def _full_check_due(visit: Visit) -> bool:
    last, every = visit.memory.last_full_pass, visit.tools.settings.full_check_every
    return last is None or visit.memory.passes - last >= every or _is_unseen(visit)


def _is_unseen(visit: Visit) -> bool:
    """The spec was edited since the device was compared with it; a process that knows of no log-in makes one anyway."""
    known = visit.memory.full_check_of
    return visit.desired.generation != (visit.view.status.observed_generation if known is None else known)


def _locate_allowed(visit: Visit) -> bool:
    """Searching backs off like everything else; what was promised is waited for."""
    if visit.memory.located_at is None or visit.memory.sweep is not None:
        return True
    return visit.tools.clock.now() - visit.memory.located_at >= backoff_for(
        visit.memory.failures, visit.view.uid
    ) - timedelta(seconds=1)
