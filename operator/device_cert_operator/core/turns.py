"""Whose turn it is to install: one device after another, and what is told of each. Pure."""

from dataclasses import replace

from device_cert_operator.core.certificate_model import CertificateSituation, GiveTurn, Member
from device_cert_operator.core.conditions import find, status_of
from device_cert_operator.core.model import (
    Names,
    ProvidedIssuer,
    Revision,
    names_of,
)
from device_cert_operator.core.schedule import TURN_LASTS
from device_cert_operator.core.status import MemberStatus
from device_cert_operator.core.wanted import input_hash, is_due, is_from_the_future, is_under_authority, renewal_at
from device_cert_operator.reasons import Reason


def next_turn(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> GiveTurn | None:
    """One device after another; a device that another kept revision still satisfies is left alone."""
    wanted = s.wanted
    if wanted is None or any(_turn_is_open(status, member, s) for status, member in _paired(s, members)):
        return None
    if any(_failed_on(member, wanted) for member in s.members) and not _is_over_one_that_is_gone(s, wanted):
        return None  # halted until a retry succeeds or a new revision exists
    for status, member in _paired(s, members):
        device = member.desired
        if device is None or not _may_have_turn(member) or is_satisfied(member, s):
            continue
        if status.turn != wanted.number or device.uid not in wanted.given_to:
            return GiveTurn(member.name, device.uid, wanted)
    return None


def _may_have_turn(member: Member) -> bool:
    return member.identified and member.holds and not member.beyond_help


def _turn_is_open(status: MemberStatus, member: Member, s: CertificateSituation) -> bool:
    """The device has its turn and has not ended it: installed and Secure, failed, Stalled, gone, or too late.

    A turn is of one Device: of another that has its name by now it is not.
    """
    wanted = s.wanted
    if wanted is None or status.turn != wanted.number or member.desired is None or not member.holds:
        return False
    if member.desired.uid not in wanted.given_to:
        return False
    if has_revision(member, wanted) or _failed_on(member, wanted) or member.stalled:
        return False
    return status.turn_since is None or s.now - status.turn_since < TURN_LASTS


def _is_over_one_that_is_gone(s: CertificateSituation, wanted: Revision) -> bool:
    """The only device that failed is gone, and what the others serve is halfway from its renewal to its end."""
    failed = [member for member in s.members if _failed_on(member, wanted)]
    if len(failed) > 1 or any(not _is_gone(member) for member in failed):
        return False
    served = {member.status.revision.installed for member in s.members if member not in failed}
    return any(_ends_soon(s, kept) for kept in s.revisions if kept is not wanted and kept.ref in served)


def _is_gone(member: Member) -> bool:
    return member.stalled and status_of(member.status.conditions, "Reachable") == "False"


def _ends_soon(s: CertificateSituation, revision: Revision) -> bool:
    ends = revision.facts.not_after
    return s.now >= ends - (ends - renewal_at(s.desired, revision.facts)) / 2


def has_revision(member: Member, revision: Revision) -> bool:
    return member.status.revision.installed == revision.ref and member.secure


def _failed_on(member: Member, revision: Revision) -> bool:
    failed = member.status.revision.failed
    return failed is not None and failed.revision.fingerprint == revision.facts.fingerprint


def is_satisfied(member: Member, s: CertificateSituation) -> bool:
    """An older kept revision on this device still says what is wanted of it and is not due."""
    revision = next((kept for kept in s.revisions if kept.ref == member.status.revision.installed), None)
    if revision is None or revision is s.wanted or not member.secure or isinstance(s.desired.issuer, ProvidedIssuer):
        return False  # whoever provides another pair wants it everywhere
    return (
        not (names_of(*s.desired.dns_names, *s.desired.ip_addresses) | member.names()).missing_from(revision.facts)
        and revision.input_hash.partition("-")[0] == input_hash(s, Names()).partition("-")[0]
        and is_under_authority(s, revision)
        and not is_from_the_future(s, revision)
        and not is_due(s, revision)
    )


def _paired(s: CertificateSituation, members: tuple[MemberStatus, ...]) -> list[tuple[MemberStatus, Member]]:
    by_name = {member.name: member for member in s.members}
    return [(status, by_name[status.name]) for status in members]


def member_status(member: Member, s: CertificateSituation) -> MemberStatus:
    before = next((status for status in s.status.members if status.name == member.name), MemberStatus(member.name))
    installed = member.status.revision.installed
    number = installed.number if installed and any(kept.ref == installed for kept in s.revisions) else None
    secure = number is not None and member.secure  # an older revision counts: a renewal under way disturbs nobody
    if not any(revision.number == before.turn for revision in s.revisions):  # its revision is gone, and so is the turn
        before = replace(before, turn=None, turn_since=None)
    reason, message = (Reason.TRUSTED, "") if secure else _why_not_secure(member, before, s)
    return replace(before, installed=number, secure=secure, reason=str(reason), message=message[:256])


def _why_not_secure(member: Member, before: MemberStatus, s: CertificateSituation) -> tuple[Reason, str]:
    if (lacking := member.lacking) is not None:
        return lacking
    if member.claimed_by:
        return (
            Reason.DEVICE_ALREADY_CLAIMED,
            f"DeviceCertificate {member.claimed_by} holds this device: remove it from one of them.",
        )
    if (standstill := member.standstill) is not None:
        return standstill
    for kind in ("Reachable", "Identified", "Authenticated", "Secure"):
        condition = find(member.status.conditions, kind)
        if condition is not None and condition.status == "False" and condition.reason in set(Reason):
            return Reason(condition.reason), condition.message
    if s.wanted is None:
        return Reason.WAITING_FOR_CERTIFICATE, "No certificate has been issued yet."
    if not member.identified:
        return Reason.WAITING_FOR_DEVICE, "The device has not been recognised yet."
    if before.turn == s.wanted.number:
        return Reason.INSTALLING, f"Revision {s.wanted.number} is being installed."
    return Reason.WAITING_FOR_TURN, "Another device is being worked on first."
