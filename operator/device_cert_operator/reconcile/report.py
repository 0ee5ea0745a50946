"""From what a pass came to, to the status and the events: written once, on every path, and only what changed."""

from dataclasses import replace
from datetime import timedelta

from device_cert_operator.core.addresses import pending_change
from device_cert_operator.core.authority_model import with_first_rotation
from device_cert_operator.core.conditions import merge, no, summary
from device_cert_operator.core.decide import Plan
from device_cert_operator.core.device_conditions import claims, events_between
from device_cert_operator.core.failures import failure
from device_cert_operator.core.firmware import EXPORTS
from device_cert_operator.core.identity import why_another
from device_cert_operator.core.installation import chain_as_seen
from device_cert_operator.core.model import CertificateFacts, DeviceReport, Served
from device_cert_operator.core.schedule import ON_CHANGE_POLL
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import AddressStatus, ClockStatus, DeviceStatus, ServedStatus, with_first_requests
from device_cert_operator.core.steps import Rest, SetClock, State
from device_cert_operator.core.zones import is_off_by_its_zone
from device_cert_operator.errors import Conflict, InvalidSpec, NotFound, OperatorError
from device_cert_operator.kube.views import AuthorityView, CertificateView, DeviceView, View
from device_cert_operator.reconcile.tools import Tools
from device_cert_operator.reconcile.visit import Visit

NAMES_KEPT = 64


async def report_device(visit: Visit, s: Situation, plan: Plan, error: OperatorError | None) -> None:
    """Write the Device's status and events. A conflict is no loss: the next pass looks again."""
    if error is not None and not isinstance(error, Conflict):
        plan = _with_error(plan, error)
    before = visit.status
    status = _device_status(visit, s)
    status = replace(status, conditions=merge(status.conditions, claims(s, plan), visit.desired.generation, s.now))
    visit.memory.looked_at = s.now
    try:
        await visit.save(status)
    except NotFound:
        return
    for kind, reason, message in [*visit.events, *events_between(before.conditions, status.conditions)]:
        await visit.tools.events.emit(visit.view, kind, reason, message)


def _with_error(plan: Plan, error: OperatorError) -> Plan:
    """An error of this pass is a finding like the others, and the first."""
    finding = failure(error, plan.next)
    state = State.WAITING if finding.waits else State.HELD
    return Plan(Rest(state, finding.reason, finding.message), (finding, *plan.findings))


def _device_status(visit: Visit, s: Situation) -> DeviceStatus:
    """Everything but the conditions."""
    desired = visit.desired
    status = with_first_requests(visit.status, desired.reboot_request, desired.retry_login_request)
    answered = isinstance(s.served, Served) or s.plain_answers
    proven = s.recognition is not None and s.recognition.may_log_in and _identity_holds(s)
    report = s.report
    return replace(
        status,
        observed_generation=desired.generation,
        address=_address_status(s, report_of=report, proven=proven),
        clock=_clock_status(s),
        served=served_status(s.served.leaf) if isinstance(s.served, Served) else status.served,
        certificate_ref=s.assignment.owner if s.assignment else None,
        revision=replace(status.revision, chain_not_sent=chain_as_seen(s, status.revision)),
        capabilities=_capabilities(s),
        unreachable_since=None if answered else status.unreachable_since or s.now,
    )


def _address_status(s: Situation, report_of: DeviceReport | None, *, proven: bool) -> AddressStatus:
    """Proven where it was dialled; what it was told to take is forgotten once it is proven there, or not wanted."""
    old, host = s.status.address, s.desired.host
    return AddressStatus(
        declared=host if proven or old.declared is None else old.declared,
        current=s.address if proven else old.current,
        reported=report_of.reported_addresses if report_of else old.reported,
        change=None if proven and s.address == host else pending_change(s.desired, s.status),
    )


def _identity_holds(s: Situation) -> bool:
    proven_by = s.recognition.proven_by if s.recognition else None
    known = s.status.identity.device
    if s.report is None:
        return s.told_as_another is None
    return why_another(proven_by, s.desired.pins, known, s.report.identity) is None


def _clock_status(s: Situation) -> ClockStatus:
    """The offset is written only when it is beyond what is allowed: it changes all the time."""
    if s.report is None:
        return s.status.clock
    clock, limit = s.report.clock, s.desired.max_clock_offset
    beyond = clock.offset is not None and abs(clock.offset) > limit
    by_zone = beyond and is_off_by_its_zone(clock, limit)
    confused = by_zone and (SetClock in s.done or s.status.clock.zone_confused)
    return ClockStatus(clock.source, clock.offset if beyond else None, confused)


def _capabilities(s: Situation) -> tuple[str, ...]:
    if s.report is None:
        return s.status.capabilities
    able = s.report.capabilities
    words = {str(kind) for kind in able.key_types} | {f"Make{kind}" for kind in able.makes_key_types}
    for name, holds in (
        ("InstallKeyPair", able.can_install_key_pair),
        ("MakeKey", able.can_make_key),
        ("SetClock", able.can_set_clock),
        ("NTP", able.can_use_ntp),
        ("Reboot", able.can_reboot),
        ("EnableHTTPS", able.can_enable_https),
        ("SetAddress", able.can_set_address),
        ("Chain", able.chain_length > 1),
        (EXPORTS, able.can_export_ca),
    ):
        if holds:
            words.add(name)
    return tuple(sorted(words))


def served_status(facts: CertificateFacts) -> ServedStatus:
    """What is served, as a status names it."""
    return ServedStatus(
        fingerprint=facts.fingerprint,
        subject=facts.subject,
        issuer=facts.issuer,
        serial_number=facts.serial_number,
        not_before=facts.not_before,
        not_after=facts.not_after,
        dns_names=facts.dns_names[:NAMES_KEPT],
        ip_addresses=facts.ip_addresses[:NAMES_KEPT],
    )


async def report_unreadable(view: View, tools: Tools) -> timedelta:
    """A spec that passed the schema and cannot be read: Stalled, and nothing is done."""
    problem = view.problem or InvalidSpec(f"{view.key} cannot be read.")
    claim = no("Ready", problem.reason, problem.message)
    now = tools.clock.now()
    conditions = merge(view.status.conditions, summary(claim, at_rest=True), view.generation, now)
    seen = view.generation
    match view:
        case DeviceView():
            known = with_first_requests(view.status, *view.requests)
            device = replace(known, observed_generation=seen, conditions=conditions)
            await tools.cluster.write_device_status(view, device)
        case CertificateView():
            certificate = replace(view.status, observed_generation=seen, conditions=conditions)
            await tools.cluster.write_certificate_status(view, certificate)
        case AuthorityView():
            root = with_first_rotation(view.status, *view.requests)
            authority = replace(root, observed_generation=seen, conditions=conditions)
            await tools.cluster.write_authority_status(view, authority)
    return ON_CHANGE_POLL
