"""What may be wrong between a Device and what is wanted of it: one function a gap, true when something is wrong.

Each is total: it answers for any `Situation`, whatever the others say. A `Finding` names the condition it makes untrue,
the reason, a sentence with the next move, and the step that would close the gap, if one would now.
Reading `CHECKS` from top to bottom is reading what the operator does for a device, in order.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from device_cert_operator.core import identity
from device_cert_operator.core.device_key import csr_is_asked_for, csr_key_is_gone
from device_cert_operator.core.failures import failure
from device_cert_operator.core.findings import Finding, blocked, note, to_do, waiting
from device_cert_operator.core.firmware import (
    address_is_not_permitted,
    firmware_ca_is_another,
    firmware_ca_is_not_exported,
    firmware_ca_is_not_pinned,
    firmware_ca_is_not_published,
    firmware_ca_is_unknown,
    firmware_certificate_is_stale,
    firmware_needs_hands,
    revisions_are_left_over,
    uploaded_certificate_is_served,
)
from device_cert_operator.core.installation import (
    activation_is_unfinished,
    installed_is_not_recorded,
    old_objects_remain,
    revision_is_not_served,
    wanted_is_installed,
)
from device_cert_operator.core.model import AddressPolicy, ClockPolicy, ClockSource, NotServed, Security, Served
from device_cert_operator.core.placement import (
    declared_address_is_unseen,
    device_is_not_at_its_address,
    displaced_device_needs_login,
)
from device_cert_operator.core.schedule import OPERATOR_CLOCK_TOLERANCE
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.steps import (
    EnableHTTPS,
    Locate,
    LogIn,
    Reboot,
    RecordReboot,
    RecordRetryLogin,
    SetClock,
    UseNTP,
)
from device_cert_operator.core.zones import is_off_by_its_zone
from device_cert_operator.reasons import Reason

_WITHOUT_CHAIN = (
    "It was given it with its certificate and does not pass it on: see whether another firmware does, or have the "
    "certificate signed by a CA that clients trust directly."
)


def object_is_paused(s: Situation) -> Finding | None:
    """devicecert.io/paused: nothing is done, the handshake goes on."""
    if s.desired.paused:
        return blocked(None, Reason.PAUSED, f"Paused by {s.desired.paused_by}; remove it to go on.")
    return None


def device_is_restarting(s: Situation) -> Finding | None:
    """It does not answer, and we did something that explains it, not long ago."""
    if not isinstance(s.served, NotServed):
        return None
    since = s.away_since
    if s.session_alive and s.activation_is_late:
        return None
    if since is not None and s.now - since < s.restart_for:
        return waiting("Reachable", Reason.DEVICE_RESTARTING, f"The device at {s.address} is restarting.")
    return None


def device_is_unreachable(s: Situation) -> Finding | None:
    """No TLS, and no HTTP either: it is away, or has moved."""
    if not isinstance(s.served, NotServed) or s.plain_answers or s.session_alive:
        return None
    message = f"No HTTPS at {s.address} port {s.served.port}: {s.served.message}."
    if s.searched:
        message += (
            " It was not found in spec.address.locate.subnets either, by the keys that it is known by: see that it has "
            "power and network, or set spec.address.host where it came back with another key."
        )
    elif s.searching:
        message += " The search for it in spec.address.locate.subnets is not over yet."
    elif not s.desired.locate_subnets:
        message += " See that it has power and network; where it may move, set spec.address.locate.subnets."
    return Finding("Reachable", Reason.DEVICE_UNREACHABLE, message, _search(s), blocks=True, waits=s.searching)


def https_is_off(s: Situation) -> Finding | None:
    """HTTP answers, HTTPS does not, and no credentials may travel over HTTP."""
    if isinstance(s.served, Served) or not s.plain_answers or s.desired.security is Security.PLAINTEXT:
        return None
    if s.session_alive:
        return None
    return blocked(
        "Reachable",
        Reason.HTTPS_OFF,
        f"HTTP answers at {s.address}, HTTPS does not on port {s.desired.https_port}: switch HTTPS on at the device, "
        "or let the operator do it over HTTP with spec.connection.security: Plaintext.",
    )


def device_is_not_recognised(s: Situation) -> Finding | None:
    """Somebody answers whose key we do not know: nothing is sent, and ours is looked for elsewhere."""
    if s.recognition is None or s.recognition.may_log_in:
        return None
    reason, message = s.recognition.reason, s.recognition.message
    return Finding("Identified", reason, message, _search(s), blocks=True, waits=s.searching)


def login_retry_is_requested(s: Situation) -> Finding | None:
    """The verb devicecert.io/retry-login: remembered first; a value seen at the very first pass is only remembered."""
    request = s.desired.retry_login_request
    if request is None or s.is_first_pass or request == s.status.handled_retry_login:
        return None
    return to_do(None, Reason.WORKING, "A log-in was asked for.", RecordRetryLogin(request))


def login_failed(s: Situation) -> Finding | None:
    """The log-in of this pass did not work; what follows needs one."""
    if s.login_error is None:
        return None
    return failure(s.login_error, LogIn())


def device_is_another(s: Situation) -> Finding | None:
    """It let us in, and is not the one meant by its own word."""
    if s.report is None:
        return None
    known = s.status.identity.device
    proven_by = s.recognition.proven_by if s.recognition else None
    if (why := identity.why_another(proven_by, s.desired.pins, known, s.report.identity)) is None:
        return None
    return blocked(
        "Identified",
        Reason.IDENTITY_MISMATCH,
        f"The device at {s.address} is another one: {why}. If it was replaced, delete and re-create this Device or "
        "correct spec.identity.",
    )


def login_is_due(s: Situation) -> Finding | None:
    """The routine full check, or something that only a log-in can tell or mend; whether it still is another device."""
    if s.recognition is None or not s.recognition.may_log_in or s.report is not None or s.login_error is not None:
        return None
    if (told := s.told_as_another) is not None:
        return to_do("Identified", Reason.IDENTITY_MISMATCH, told.message, LogIn())
    again = s.done & {SetClock, UseNTP, RecordRetryLogin}  # what was set is read again
    if s.full_check_due or _needs_hands(s) or again:
        return to_do(None, Reason.WORKING, "The device is being asked for its clock and state.", LogIn())
    return None


def clock_is_off(s: Situation) -> Finding | None:
    """Read first, always; corrected only by policy, and only if our own clock can be trusted.

    Where the device does not let it be set, that is told: what else there is to do does not wait for it.
    """
    found = _clock_gap(s)
    if found is None or s.clock_refusal is None:
        return found
    return replace(failure(s.clock_refusal, SetClock()), condition="ClockInSync", blocks=False)


def _clock_gap(s: Situation) -> Finding | None:
    if s.report is None:
        return None
    clock, desired = s.report.clock, s.desired
    if desired.ntp_servers and (clock.source is not ClockSource.NTP or clock.ntp_servers != desired.ntp_servers):
        if desired.clock_policy is ClockPolicy.SYNC and UseNTP not in s.done:
            return to_do("ClockInSync", Reason.CLOCK_OFF, "The device is not on the NTP servers asked for.", UseNTP())
        return note("ClockInSync", Reason.CLOCK_OFF, "The device is not on the NTP servers of spec.clock.ntpServers.")
    if clock.offset is None or abs(clock.offset) <= desired.max_clock_offset:
        return None
    told = f"The device's clock is {describe_offset(clock.offset)}"
    if s.operator_clock_error is not None and abs(s.operator_clock_error) > OPERATOR_CLOCK_TOLERANCE:
        return note(
            "ClockInSync",
            Reason.OPERATOR_CLOCK_SUSPECT,
            f"{told}, but the operator's own clock is {describe_offset(s.operator_clock_error, 'the API server')}: "
            "correct the node's clock; no device's clock is set until then.",
        )
    if desired.clock_policy is ClockPolicy.REPORT:
        return note("ClockInSync", Reason.CLOCK_OFF, f"{told}; spec.clock.policy: Sync would set it.")
    if clock.source is ClockSource.NTP:
        return note(
            "ClockInSync",
            Reason.CLOCK_OFF,
            f"{told} although it is on NTP ({', '.join(clock.ntp_servers) or 'no server'}): see that the server is "
            "reachable from the device, or name others in spec.clock.ntpServers.",
        )
    if clock.source is ClockSource.UNKNOWN:
        return note(
            "ClockInSync",
            Reason.CLOCK_OFF,
            f"{told}, and the device does not say whether time servers set it, so it is not set from here: set it at "
            "the device, or give spec.clock.ntpServers.",
        )
    if is_off_by_its_zone(clock, desired.max_clock_offset) and (SetClock in s.done or s.status.clock.zone_confused):
        return note(
            "ClockInSync",
            Reason.CLOCK_ZONE_CONFUSED,
            f"{told} after it was set, by as much as its time zone ({clock.time_zone}): it tells local time as UTC. It "
            "is not set again; set its time zone to UTC, or spec.clock.policy to Report.",
        )
    if SetClock in s.done:
        return note("ClockInSync", Reason.CLOCK_OFF, f"{told} although it was just set.")
    return to_do("ClockInSync", Reason.CLOCK_OFF, f"{told}.", SetClock())


def reboot_is_requested(s: Situation) -> Finding | None:
    """The verb devicecert.io/reboot: remembered first; a value seen at the very first pass is only remembered."""
    if s.reboot_now is not None and Reboot not in s.done:
        return to_do(None, Reason.WORKING, "A reboot was asked for.", Reboot(s.reboot_now))
    request = s.desired.reboot_request
    if request is None or s.is_first_pass or request == s.status.handled_reboot:
        return None
    return to_do(None, Reason.WORKING, "A reboot was asked for.", RecordReboot(request))


def https_is_not_enabled(s: Situation) -> Finding | None:
    """Over HTTP, by the user's leave: HTTPS goes on first. HTTP is never switched off by us."""
    if not s.plaintext or s.report is None or s.report.https_enabled is not False:
        return None
    if not s.desired.ensure_https:
        return blocked("Secure", Reason.HTTPS_OFF, "HTTPS is off on the device, and spec.https.ensureEnabled is false.")
    if EnableHTTPS in s.done:
        return waiting("Secure", Reason.DEVICE_RESTARTING, "HTTPS was switched on and is not up yet.")
    return to_do("Secure", Reason.HTTPS_OFF, "HTTPS is off on the device.", EnableHTTPS())


def device_is_elsewhere(s: Situation) -> Finding | None:
    """Policy Report: the search found it, and a person decides."""
    if s.found_elsewhere is None or s.desired.address_policy is not AddressPolicy.REPORT:
        return None
    return note(
        "AddressCurrent",
        Reason.ADDRESS_CHANGED,
        f"The device answers at {s.found_elsewhere}, not at {s.desired.host}: set spec.address.host, or policy Follow.",
    )


def connection_is_not_secure(s: Situation) -> Finding | None:
    """What is served is not what the clients people use would accept. Closing this gap is the certificate's story."""
    if s.assignment is None or not isinstance(s.served, Served):
        return None
    if s.firmware is not None and s.verdict is None:
        return note("Secure", Reason.WORKING, "The CA in the device's firmware is not known yet.")
    if s.firmware is None and s.assignment.wanted is None:
        return note(
            "Secure",
            Reason.WAITING_FOR_CERTIFICATE,
            f"DeviceCertificate {s.assignment.owner.name} has not issued a certificate yet; see its conditions.",
        )
    if s.verdict is not None and not s.verdict.secure:
        if s.verdict.reason is Reason.CHAIN_INCOMPLETE and wanted_is_installed(s):
            return Finding("Secure", Reason.CHAIN_INCOMPLETE, f"{s.verdict.message} {_WITHOUT_CHAIN}", person=True)
        return note("Secure", s.verdict.reason, s.verdict.message)
    if s.misnamed:
        return note(
            "Secure",
            Reason.NAME_SERVED_DIFFERENTLY,
            f"Asked for {', '.join(s.misnamed[:4])} (SNI), the device does not show the certificate that it shows at "
            f"{s.address}: set it up to serve one certificate for all names, or take the name from spec.dnsNames.",
        )
    return None


CHECKS: tuple[Callable[[Situation], Finding | None], ...] = (
    object_is_paused,
    device_is_elsewhere,
    device_is_restarting,
    https_is_off,
    device_is_unreachable,
    device_is_not_recognised,
    login_retry_is_requested,
    login_failed,
    device_is_another,
    declared_address_is_unseen,
    login_is_due,
    reboot_is_requested,
    clock_is_off,
    https_is_not_enabled,
    activation_is_unfinished,
    device_is_not_at_its_address,
    csr_is_asked_for,
    csr_key_is_gone,
    firmware_ca_is_not_exported,
    firmware_ca_is_not_pinned,
    firmware_ca_is_another,
    firmware_ca_is_unknown,
    firmware_ca_is_not_published,
    uploaded_certificate_is_served,
    firmware_certificate_is_stale,
    address_is_not_permitted,
    revisions_are_left_over,
    revision_is_not_served,
    installed_is_not_recorded,
    old_objects_remain,
    connection_is_not_secure,
)


def describe_offset(offset: timedelta, other: str = "the operator's") -> str:
    """`12 s behind the operator's`, `365 d ahead of the operator's`."""
    seconds = abs(offset.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            amount = f"{seconds / size:.0f} {unit}"
            break
    else:
        amount = f"{seconds:.0f} s"
    return f"{amount} {'ahead of' if offset > timedelta(0) else 'behind'} {other}"


def _search(s: Situation) -> Locate | None:
    """Look for it elsewhere, where that is wanted, possible, and not tried too recently."""
    findable = s.desired.locate_subnets and s.can_be_found
    return Locate() if findable and s.locate_allowed and Locate not in s.done and not s.desired.paused else None


def _needs_hands(s: Situation) -> bool:
    """Whether something is left that only a logged-in session can do."""
    request = s.desired.reboot_request
    return (
        (s.turn is not None and not s.turn_is_served)
        or s.status.revision.activating is not None
        or s.status.revision.previous is not None
        or _owes_csr(s)
        or displaced_device_needs_login(s)
        or firmware_needs_hands(s)
        or (request is not None and request != s.status.handled_reboot)
        or s.reboot_now is not None
        or (s.plaintext and not isinstance(s.served, Served))
        or (s.recognition is not None and s.recognition.learn)
    )


def _owes_csr(s: Situation) -> bool:
    return s.assignment is not None and s.assignment.csr is not None and not s.assignment.csr.answered
