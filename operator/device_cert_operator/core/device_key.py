"""The checks for keys that a device makes itself: a CSR when one is asked for, and whether its key is still there."""

from device_cert_operator.core.findings import Finding, blocked, to_do
from device_cert_operator.core.situation import CSRWanted, Situation
from device_cert_operator.core.steps import MakeDeviceCSR, ReadInventory, WithdrawCSR
from device_cert_operator.reasons import Reason


def csr_is_asked_for(s: Situation) -> Finding | None:
    """The DeviceCertificate wants a CSR of this device, and none is there."""
    wanted = s.assignment.csr if s.assignment else None
    if wanted is None or wanted.answered or s.report is None:
        return None
    if (why := _why_not(s, wanted)) is not None:
        return blocked(None if s.verdict and s.verdict.secure else "Secure", *why)
    return to_do(
        None, Reason.WORKING, "The device is making a key and a CSR.", MakeDeviceCSR(wanted.number, wanted.request)
    )


def _why_not(s: Situation, wanted: CSRWanted) -> tuple[Reason, str] | None:
    able = s.report.capabilities if s.report else None
    if able is None or not able.can_make_key:
        return Reason.UNSUPPORTED, (
            "The device makes no key of its own: set spec.privateKey.source of the DeviceCertificate to Operator."
        )
    if able.makes_key_types and wanted.request.key_type not in able.makes_key_types:
        return Reason.KEY_TYPE_REFUSED, (
            f"The device makes no {wanted.request.key_type} keys, only {', '.join(sorted(able.makes_key_types))}: set "
            "spec.privateKey.algorithm of the DeviceCertificate to Auto."
        )
    if able.csr_clears_first and not wanted.allow_gap:
        return Reason.GAP_NOT_ALLOWED, (
            "Making a CSR destroys the certificate that the device serves, until the new one is there: allow it with "
            "spec.allowGap: true in the DeviceCertificate, or use privateKey.source: Operator."
        )
    return None


def csr_key_is_gone(s: Situation) -> Finding | None:
    """The CSR waits for its signature, and the device lost the key: the CSR is taken back, never to fit again."""
    wanted = s.assignment.csr if s.assignment else None
    if wanted is None or not wanted.answered or s.report is None:
        return None
    if s.inventory is None:
        return to_do(None, Reason.WORKING, "The device's keys are looked at.", ReadInventory())
    if wanted.request.alias in s.inventory.keys:
        return None
    if MakeDeviceCSR in s.done:  # of this visit: it is there, under another name or none
        return blocked(
            None if s.verdict and s.verdict.secure else "Secure",
            Reason.UNSUPPORTED,
            "The device does not keep the name of a key that it makes: set spec.privateKey.source of the "
            "DeviceCertificate to Operator.",
        )
    return to_do(None, Reason.DEVICE_KEY_LOST, "The device lost the key of its CSR.", WithdrawCSR())
