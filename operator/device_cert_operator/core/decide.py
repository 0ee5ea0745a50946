"""What to do for one Device now: the first gap that can be closed, or why there is nothing to do."""

from dataclasses import dataclass

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
            return Plan(held_back(finding.step, s) or finding.step, findings)
        if finding.blocks:
            state = State.WAITING if finding.waits else State.HELD
            return Plan(Rest(state, finding.reason, finding.message), findings)
    return Plan(Rest(State.SETTLED, Reason.SETTLED, "Nothing is left to do."), findings)
