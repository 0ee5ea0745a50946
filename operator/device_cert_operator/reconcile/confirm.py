"""Before anything is changed on a device: what asks for it is read live once more."""

from dataclasses import replace

from device_cert_operator.core.situation import Situation
from device_cert_operator.errors import Conflict
from device_cert_operator.reconcile.visit import Visit


async def confirm(visit: Visit, situation: Situation) -> None:
    """Read live what asks for a change: still there, unchanged, not paused, and the turn still given.

    Raises Conflict when anything differs from what the decision was made of.
    """
    live = await visit.tools.cluster.get_device(visit.view.key)
    if live is None or live.uid != visit.view.uid or live.desired is None:
        raise Conflict(f"{visit.view.key} was deleted or replaced; nothing is changed on the device.")
    if live.desired != visit.desired:
        raise Conflict(f"{visit.view.key} was edited meanwhile; the new spec is read first.")
    assignment = situation.assignment
    if assignment is None or (assignment.turn, assignment.csr, assignment.firmware) == (None, None, None):
        return
    key = replace(visit.view.key, kind="DeviceCertificate", name=assignment.owner.name)
    holder = await visit.tools.cluster.get_certificate(key)
    if holder is None or holder.uid != assignment.owner.uid:
        raise Conflict(f"{key} was deleted or replaced; nothing is changed on the device.")
    member = next((one for one in holder.status.members if one.name == visit.view.key.name), None)
    if assignment.turn is not None and (member is None or member.turn != assignment.turn.number):
        raise Conflict(f"{key} no longer gives {visit.view.key.name} revision {assignment.turn.number}.")
    if assignment.firmware is not None and (
        holder.desired is None or holder.desired.issuer != assignment.firmware.issuer
    ):
        raise Conflict(f"{key} has another issuer meanwhile; nothing is changed on the device.")
    asked = holder.status.request.number if holder.status.request else None
    if assignment.csr is not None and asked != assignment.csr.number:
        raise Conflict(f"{key} no longer asks {visit.view.key.name} for CSR {assignment.csr.number}.")
