"""What to do for one Device now: the first gap that can be closed, or why there is nothing to do."""

from dataclasses import dataclass, replace

from device_cert_operator.core.checks import CHECKS
from device_cert_operator.core.findings import Finding
from device_cert_operator.core.policy import held_back
from device_cert_operator.core.situation import Situation
from device_cert_operator.core.steps import Rest, State, Step
from device_cert_operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Plan:
    """next: one step, or the rest. findings: every gap seen, in the order of `CHECKS`."""

    next: Step | Rest
    findings: tuple[Finding, ...]


def decide(s: Situation) -> Plan:
    """Look at every check once; the first finding that has a step, or that blocks, decides."""
    findings = tuple(finding for check in CHECKS if (finding := check(s)) is not None)
    for finding in findings:
        if finding.step is not None:
            if (held := held_back(finding.step, s)) is None:
                return Plan(finding.step, findings)
            return Plan(held, tuple(_held(one, held, s) if one is finding else one for one in findings))
        if finding.blocks:
            state = State.WAITING if finding.waits else State.HELD
            return Plan(Rest(state, finding.reason, finding.message), findings)
    return Plan(Rest(State.SETTLED, Reason.SETTLED, "Nothing is left to do."), findings)


def _held(finding: Finding, held: Rest, s: Situation) -> Finding:
    """A restart that has to wait is told by the condition that waits for it; other brakes change no finding."""
    if held.reason not in {Reason.WAITING_FOR_WINDOW, Reason.REBOOT_NEEDED}:
        return finding
    insecure = s.verdict is not None and not s.verdict.secure
    condition = finding.condition or ("Secure" if insecure else None)
    return replace(finding, condition=condition, reason=held.reason, message=held.message)
