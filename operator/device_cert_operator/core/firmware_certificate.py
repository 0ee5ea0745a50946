"""What to do for a DeviceCertificate whose certificates the devices' firmware makes: no revision, no turn, no renewal.

What there is to tell comes from the Devices; what there is to do is to tidy away what an earlier issuer left.
"""

from device_cert_operator.core.certificate_model import (
    CertificatePlan,
    CertificateSituation,
    DeleteRevision,
    DropKey,
    DropRequest,
    Member,
)
from device_cert_operator.core.conditions import Claim, find, no, summary, unknown, yes
from device_cert_operator.core.firmware import how_to_pin
from device_cert_operator.core.model import DeviceCAIssuer, Revision
from device_cert_operator.core.status import MemberStatus, ServedStatus
from device_cert_operator.core.steps import Rest, State
from device_cert_operator.core.tidying import serves_another
from device_cert_operator.reasons import Reason

# what keeps a certificate of the pinned CA from being accepted, other than that it is none
_OF_THE_PINNED_CA = frozenset(
    {
        Reason.ADDRESS_NOT_IN_CERTIFICATE,
        Reason.NAME_ONLY_IN_COMMON_NAME,
        Reason.CERTIFICATE_EXPIRED,
        Reason.CERTIFICATE_NOT_YET_VALID,
        Reason.NAME_CONSTRAINED,
    }
)


def is_firmware(s: CertificateSituation) -> bool:
    """Whether this is the story of this DeviceCertificate."""
    return isinstance(s.desired.issuer, DeviceCAIssuer)


def decide_firmware(s: CertificateSituation) -> CertificatePlan:
    """The first thing to do, and the status of the members."""
    members = tuple(_member_status(member, s) for member in sorted(s.members, key=lambda member: member.name))
    if s.desired.paused:
        told = f"Paused by {s.desired.paused_by}; remove it to go on."
        return CertificatePlan(Rest(State.HELD, Reason.PAUSED, told), members)
    if s.status.request is not None:
        return CertificatePlan(DropRequest(), members)
    if s.pending_keys:
        return CertificatePlan(DropKey(s.pending_keys[0]), members)
    if (revision := next((one for one in s.revisions if _is_needed_no_more(one, s)), None)) is not None:
        return CertificatePlan(DeleteRevision(revision), members)
    behind = next((member for member in members if not member.secure), None)
    if behind is not None:
        told = f"Device {behind.name}: {behind.message}"
        return CertificatePlan(Rest(State.WAITING, Reason(behind.reason), told), members)
    return CertificatePlan(Rest(State.SETTLED, Reason.SETTLED, "Nothing is left to do."), members)


def _member_status(member: Member, s: CertificateSituation) -> MemberStatus:
    if member.secure and member.holds and member.desired is not None and _speaks_of(member, s.desired.issuer):
        return MemberStatus(member.name, secure=True, reason=str(Reason.TRUSTED))
    reason, message = _why_not_secure(member)
    return MemberStatus(member.name, reason=str(reason), message=message[:256])


def _speaks_of(member: Member, issuer: object) -> bool:
    """Whether what the Device reports is about this CA: not about a revision, nor another pin, from before an edit."""
    found = member.status.firmware_ca
    pin = issuer.sha256 if isinstance(issuer, DeviceCAIssuer) else None
    return member.status.revision.installed is None and (found is None or found.fingerprint == pin)


def _why_not_secure(member: Member) -> tuple[Reason, str]:
    if (lacking := member.lacking) is not None:
        return lacking
    if member.claimed_by:
        return (
            Reason.DEVICE_ALREADY_CLAIMED,
            f"DeviceCertificate {member.claimed_by} holds this device: remove it from one of them.",
        )
    for kind in ("Reachable", "Identified", "Authenticated", "Secure"):
        condition = find(member.status.conditions, kind)
        if condition is not None and condition.status == "False" and condition.reason in set(Reason):
            return Reason(condition.reason), condition.message
    return Reason.WAITING_FOR_DEVICE, "The device has not been looked at yet, or not since the issuer was changed."


def _is_needed_no_more(revision: Revision, s: CertificateSituation) -> bool:
    """Every device it was given to is gone, or serves its firmware's own and remembers nothing of it."""
    by_uid = {member.desired.uid: member for member in s.members if member.desired is not None}
    for uid in revision.given_to & s.live.keys():
        if (member := by_uid.get(uid)) is None:  # listed no more, or its spec cannot be read
            if not serves_another(s.live[uid], revision):
                return False
            continue
        if not member.secure or not member.holds:
            return False
        state = member.status.revision
        if state.installed is not None or state.previous is not None or state.activating is not None:
            return False
    return True


def earliest_served(s: CertificateSituation) -> ServedStatus | None:
    """Of the certificates that the devices serve, the one that ends first."""
    served = [member.status.served for member in s.members if member.holds and member.status.served is not None]
    return min(served, key=lambda one: one.not_after, default=None)


# ---------------------------------------------------------------------------------------------- conditions


def firmware_claims(s: CertificateSituation, plan: CertificatePlan) -> tuple[Claim, ...]:
    """Issued, Installed, Secure, then Ready, Reconciling and Stalled."""
    issued, secure = _issued(s), _secure(plan)
    at_rest = isinstance(plan.next, Rest) and plan.next.state is not State.WAITING
    stalled = any(member.stalled for member in s.members if member.holds)
    ready = _ready(s, issued, secure)
    return (issued, _installed(plan), secure, *summary(ready, at_rest=at_rest, stalled_early=stalled))


def _issued(s: CertificateSituation) -> Claim:
    if not isinstance(s.desired.issuer, DeviceCAIssuer) or s.desired.issuer.sha256 is not None:
        return yes(
            "Issued",
            Reason.FIRMWARE_ISSUES,
            "The firmware of the devices issues their certificates, at each start; nothing is renewed from here.",
        )
    seen = sorted({member.status.firmware_ca.fingerprint for member in s.members if member.status.firmware_ca})
    if not seen:
        return no("Issued", Reason.WORKING, "No device has given the CA of its firmware yet.")
    more = f" ({len(seen)} different ones among these devices: list each kind on its own.)" if len(seen) > 1 else ""
    told = f"The devices have given the CA of their firmware. {how_to_pin(s.desired.key, seen[0])}{more}"
    return no("Issued", Reason.PIN_NEEDED, told)


def _installed(plan: CertificatePlan) -> Claim:
    other = [one for one in plan.members if not one.secure and Reason(one.reason) not in _OF_THE_PINNED_CA]
    if not other:
        return yes("Installed", Reason.INSTALLED, "Every device serves a certificate of the pinned CA.")
    return no("Installed", Reason(other[0].reason), f"Device {other[0].name}: {other[0].message}")


def _secure(plan: CertificatePlan) -> Claim:
    behind = [member for member in plan.members if not member.secure]
    if not plan.members:
        return unknown("Secure", Reason.DEVICE_MISSING, "No device is listed.")
    if not behind:
        return yes("Secure", Reason.TRUSTED, "Clients that trust the firmware's CA, as published, accept every device.")
    more = f" ({len(behind)} of {len(plan.members)} devices are not secure)" if len(behind) > 1 else ""
    return no("Secure", Reason(behind[0].reason), f"Device {behind[0].name}: {behind[0].message}{more}")


def _ready(s: CertificateSituation, issued: Claim, secure: Claim) -> Claim:
    if s.desired.paused:
        return no("Ready", Reason.PAUSED, f"Paused by {s.desired.paused_by}.")
    if secure.status == "True":
        return yes("Ready", Reason.READY, "Every device is secure.")
    if issued.status != "True":
        return no("Ready", issued.reason, issued.message)
    return no("Ready", secure.reason, secure.message)
