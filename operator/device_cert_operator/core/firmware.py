"""The checks for certificates that a device's firmware makes: its CA exported, pinned, published; and what is served.

Such a firmware signs one certificate at each start, for the address and by the clock of that moment. So what is wrong
with it is mended by putting the clock right and restarting the device; and what somebody uploaded stands in its way.
"""

import json

from device_cert_operator.core.aliases import alias_prefix
from device_cert_operator.core.findings import Finding, blocked, for_a_person, note, to_do, waiting
from device_cert_operator.core.model import ClockPolicy, ClockSource, Inventory, Management, ObjectKey, Served, is_ip
from device_cert_operator.core.naming import covers
from device_cert_operator.core.placement import is_displaced
from device_cert_operator.core.policy import ADDRESS_CHANGE, DATES, TAKEN_OFF, why_not_reboot
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.status import RevisionState
from device_cert_operator.core.steps import (
    Activate,
    ExportCA,
    ForgetRevisions,
    PublishCA,
    ReadInventory,
    Reboot,
    SetClock,
    UseNTP,
)
from device_cert_operator.reasons import Reason

EXPORTS, RESTARTS = "ExportCA", "Reboot"  # among the capabilities of a status


def firmware_ca_is_not_exported(s: Situation) -> Finding | None:
    """Asked for with each log-in: another firmware may have come with another CA."""
    if s.firmware is None or s.report is None or not s.report.capabilities.can_export_ca or ExportCA in s.done:
        return None
    return to_do(None, Reason.WORKING, "The CA of the device's firmware is being read.", ExportCA())


def firmware_ca_is_not_pinned(s: Situation) -> Finding | None:
    """Nobody has said yet that this CA is the one: nothing is published, and nothing under it is trusted."""
    firmware, found = s.firmware, s.status.firmware_ca
    if firmware is None or s.assignment is None or firmware.issuer.sha256 is not None:
        return None
    if found is None:
        return _not_exported(s)
    told = how_to_pin(
        ObjectKey("DeviceCertificate", s.desired.key.namespace, s.assignment.owner.name), found.fingerprint
    )
    return blocked("Secure", Reason.PIN_NEEDED, f"The firmware's CA is {found.subject or 'without a name'}. {told}")


def how_to_pin(key: ObjectKey, fingerprint: str) -> str:
    """The line to run, and what to look at before."""
    patch = json.dumps({"spec": {"issuer": {"deviceCA": {"sha256": fingerprint}}}}, separators=(",", ":"))
    return (
        f"Its SHA-256 is {fingerprint}: compare it with what the maker or another device of the kind gives, then pin "
        f"it: kubectl -n {key.namespace} patch dcert {key.name} --type=merge -p '{patch}'"
    )


def _not_exported(s: Situation) -> Finding:
    """No CA of this device is known: it is on its way, or it never comes."""
    able = s.report.capabilities.can_export_ca if s.report else EXPORTS in s.status.capabilities
    if able or (s.report is None and not s.status.capabilities):
        return note("Secure", Reason.WORKING, "The CA of the device's firmware has not been read yet.")
    return blocked(
        "Secure",
        Reason.UNSUPPORTED,
        "The device does not give the CA of its firmware: put a copy of it into a ConfigMap labelled "
        "devicecert.io/use=certificate, and name that in deviceCA.caRef, with its sha256.",
    )


def firmware_ca_is_another(s: Situation) -> Finding | None:
    """The device gives another CA than the pinned one: never added by itself."""
    firmware, found = s.firmware, s.status.firmware_ca
    if firmware is None or found is None or firmware.issuer.sha256 in {None, found.fingerprint}:
        return None
    name = s.assignment.owner.name if s.assignment else ""
    return blocked(
        "Secure",
        Reason.AUTHORITY_CHANGED,
        f"The device gives another CA ({found.subject}, SHA-256 {found.fingerprint}) than the pinned one "
        f"({firmware.issuer.sha256}): a new firmware, a factory restore, or another device. If that is meant, have the "
        f"clients trust it and change spec.issuer.deviceCA.sha256 of DeviceCertificate {name}.",
    )


def firmware_ca_is_unknown(s: Situation) -> Finding | None:
    """It is pinned, and its certificate is not at hand."""
    firmware = s.firmware
    if firmware is None or firmware.issuer.sha256 is None or firmware.known:
        return None
    if firmware.problem is not None:
        return blocked("Secure", firmware.problem.reason, firmware.problem.message)
    return _not_exported(s)


def firmware_ca_is_not_published(s: Situation) -> Finding | None:
    """Clients find it in a ConfigMap, in the form that was asked for."""
    firmware = s.firmware
    if firmware is None or not firmware.known or firmware.published:
        return None
    if firmware.unpublishable is not None:
        return note("Secure", firmware.unpublishable.reason, firmware.unpublishable.message)
    if PublishCA in s.done:
        return None
    return to_do(None, Reason.WORKING, "The firmware's CA is being published.", PublishCA())


# ------------------------------------------------------------------------------------------- what is served


def uploaded_certificate_is_served(s: Situation) -> Finding | None:
    """Another issuer's certificate is on the device: ours is taken off, somebody else's is left and told."""
    if not _hides_the_firmwares(s) or s.verdict is None:
        return None
    if not _is_ours(s) and s.verdict.reason is Reason.SIGNATURE_INVALID:
        return blocked("Secure", Reason.SIGNATURE_INVALID, f"{s.verdict.message} The next log-in asks for its CA.")
    if not _is_ours(s):
        return for_a_person(
            "Secure",
            Reason.ISSUER_MISMATCH,
            f"{s.verdict.message} It is not of this operator, so it stays: take it off at the device, and the "
            "firmware's own is served again.",
        )
    if s.report is None:
        return note("Secure", Reason.ISSUER_MISMATCH, s.verdict.message)
    if s.inventory is None:
        return to_do("Secure", Reason.ISSUER_MISMATCH, s.verdict.message, ReadInventory())
    return _take_off(s, s.inventory, s.verdict.message)


def _take_off(s: Situation, inventory: Inventory, message: str) -> Finding:
    """By alias and fingerprint ours; a device that goes on serving what it no longer uses needs a restart."""
    own = next((entry for entry in inventory.certificates if entry.built_in), None)
    if own is None:
        told = "The device offers no way back to its firmware's own: restore that at the device."
        return for_a_person("Secure", Reason.ISSUER_MISMATCH, f"{message} {told}")
    entry = inventory.with_fingerprint(s.served_fingerprint or "")
    if entry is not None and entry.in_use_by_tls:
        if not entry.alias.startswith(alias_prefix(s.desired.key)):
            return for_a_person("Secure", Reason.ISSUER_MISMATCH, f"{message} Somebody else put it there: it stays.")
        if Activate not in s.done:
            return to_do("Secure", Reason.ISSUER_MISMATCH, message, Activate(own.handle))
    return _restart(s, TAKEN_OFF, Reason.ISSUER_MISMATCH, message)


def firmware_certificate_is_stale(s: Situation) -> Finding | None:
    """The firmware's own certificate is for another address, or out of its time: a restart makes another."""
    firmware = s.firmware
    if firmware is None or not firmware.own or not isinstance(s.served, Served) or s.verdict is None:
        return None
    if not covers(s.served.leaf.dns_names, s.served.leaf.ip_addresses, s.address):
        return _wrong_address(s, s.verdict.message)
    if not _in_time(s):
        return _wrong_dates(s, s.verdict.message)
    return None


def address_is_not_permitted(s: Situation) -> Finding | None:
    """In the form that clients are given, the CA is not good for this address."""
    if s.firmware is None or not s.firmware.own or s.verdict is None or s.verdict.reason is not Reason.NAME_CONSTRAINED:
        return None
    return for_a_person(
        "Secure",
        Reason.NAME_CONSTRAINED,
        f"{s.verdict.message} Permit it in deviceCA.constrainedBy.permittedIPRanges and, where that has constraints of "
        "its own, in the CertificateAuthority.",
    )


def _wrong_address(s: Situation, message: str) -> Finding:
    reason = Reason.ADDRESS_NOT_IN_CERTIFICATE
    if is_displaced(s):  # a restart here would make one for the address that it is to leave
        return note("Secure", reason, f"{message} The device is to be back at {s.desired.host} first.")
    if not is_ip(s.address):
        return for_a_person(
            "Secure",
            reason,
            f"{message} Such firmware names the device's IP address: set spec.address.host to that, or use another "
            "issuer.",
        )
    told = s.report.reported_addresses if s.report else s.status.address.reported
    if told and s.address not in told and not _is_under_way(s, ADDRESS_CHANGE):  # what it told may be from before
        return for_a_person(
            "Secure",
            reason,
            f"{message} The device has the address {', '.join(told[:4])} itself (NAT?), and makes certificates for "
            "that: use another issuer.",
        )
    return _restart(s, ADDRESS_CHANGE, reason, message)


def _wrong_dates(s: Situation, message: str) -> Finding:
    """The device dates its certificate: its clock has to be right before it makes another."""
    reason = s.verdict.reason if s.verdict else Reason.CERTIFICATE_EXPIRED
    if not _clock_is_right(s):
        return blocked(
            "Secure", reason, f"{message} The device's clock is off, and would date another one just as wrongly."
        )
    return _restart(s, DATES, reason, message)


def _restart(s: Situation, cause: str, reason: Reason, message: str) -> Finding:
    """Unless that is not allowed, under way, or cannot be asked for now; nor with a clock that may not be set."""
    if _is_under_way(s, cause):
        return waiting("Secure", Reason.DEVICE_RESTARTING, f"{message} The device is restarting.")
    if _clock_is_not_let_be_set(s) and not _clock_is_right(s):
        return blocked("Secure", reason, f"{message} The device's clock is off, and would date another one wrongly.")
    if (held := why_not_reboot(cause, s)) is not None:
        return blocked("Secure", held.reason, f"{message} {held.message}")
    if not _can_restart(s):
        return blocked("Secure", Reason.REBOOT_NEEDED, f"{message} The device has to be restarted by hand.")
    if s.report is None:
        return note("Secure", reason, message)
    return to_do("Secure", reason, f"{message} The device makes another when it starts.", Reboot(cause))


def revisions_are_left_over(s: Situation) -> Finding | None:
    """What was installed before the firmware's certificate was wanted again is gone from the device."""
    state = s.status.revision
    if s.firmware is None or not s.firmware.own or state.activating is not None or state == RevisionState():
        return None
    return to_do(None, Reason.FIRMWARE_RESTORED, "The firmware's own certificate is served.", ForgetRevisions())


# ------------------------------------------------------------------------------------------------- log-ins


def firmware_needs_hands(s: Situation) -> bool:
    """Whether a log-in now would get further; what only a person can mend waits for the routine one."""
    firmware = s.firmware
    if firmware is None or s.desired.management is not Management.MANAGE:
        return firmware is not None and _lacks_ca(s)
    if _lacks_ca(s) or (_hides_the_firmwares(s) and _is_ours(s)):
        return True
    if not firmware.own or not isinstance(s.served, Served):
        return False
    if not covers(s.served.leaf.dns_names, s.served.leaf.ip_addresses, s.address):
        told = s.status.address.reported
        if is_displaced(s):
            return False
        return is_ip(s.address) and (not told or s.address in told or _moved(s)) and _may_restart(s, ADDRESS_CHANGE)
    return not _in_time(s) and _may_restart(s, DATES) and _clock_may_be_right(s)


def _lacks_ca(s: Situation) -> bool:
    """No CA is known, and this device may give it."""
    if s.firmware is None or (s.status.capabilities and EXPORTS not in s.status.capabilities):
        return False
    found = s.status.firmware_ca
    return not s.firmware.known and (found is None or found.fingerprint == s.firmware.issuer.sha256)


def _is_under_way(s: Situation, cause: str) -> bool:
    """It was asked to restart for this, not long ago."""
    last = s.status.last_reboot
    return last is not None and last.cause == cause and s.now - last.at < s.restart_for


def _may_restart(s: Situation, cause: str) -> bool:
    return not _is_under_way(s, cause) and _can_restart(s) and why_not_reboot(cause, s) is None


def _moved(s: Situation) -> bool:
    """What it reported before it moved says nothing."""
    return s.address != s.status.address.current


def _can_restart(s: Situation) -> bool:
    """As far as is known."""
    if s.report is not None:
        return s.report.capabilities.can_reboot
    return not s.status.capabilities or RESTARTS in s.status.capabilities


def _clock_may_be_right(s: Situation) -> bool:
    """Not known to be off, or just corrected."""
    return s.status.clock.offset is None or bool({SetClock, UseNTP} & s.done)


def _clock_is_right(s: Situation) -> bool:
    """As the device told it last; one that does not tell its time gets a try."""
    offset = s.report.clock.offset if s.report else s.status.clock.offset
    return offset is None or abs(offset) <= s.desired.max_clock_offset


def _clock_is_not_let_be_set(s: Situation) -> bool:
    """By the device, although the policy is to set it."""
    unknown = s.report is not None and s.report.clock.source is ClockSource.UNKNOWN
    return s.clock_refusal is not None or (unknown and s.desired.clock_policy is ClockPolicy.SYNC)


def _in_time(s: Situation) -> bool:
    """By our clock, as clients have it."""
    return isinstance(s.served, Served) and s.served.leaf.not_before <= s.now <= s.served.leaf.not_after


def _hides_the_firmwares(s: Situation) -> bool:
    return s.firmware is not None and s.firmware.known and not s.firmware.own and isinstance(s.served, Served)


def _is_ours(s: Situation) -> bool:
    """The fingerprint of a kept revision, or of one that the status remembers."""
    state = s.status.revision
    ours = {revision.facts.fingerprint for revision in (s.assignment.kept if s.assignment else ())}
    ours |= {ref.fingerprint for ref in (state.installed, state.previous) if ref is not None}
    return s.served_fingerprint in ours
