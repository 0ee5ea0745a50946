"""The Device story's dealings with the CA in a firmware: which certificate it is, and what clients are given of it."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from device_cert_operator.core.allowed import why_ranges_not_allowed
from device_cert_operator.core.model import (
    AuthorityIssuer,
    ConstrainedBy,
    DeviceCAIssuer,
    NotServed,
    Served,
    canonical_host,
)
from device_cert_operator.core.naming import covers
from device_cert_operator.core.situation import Assignment, FirmwareWanted, Situation
from device_cert_operator.core.status import FirmwareCAStatus, RevisionState
from device_cert_operator.core.verdict import Fault, Verdict, judge
from device_cert_operator.errors import (
    Conflict,
    DeviceRefused,
    MissingReference,
    OperatorError,
    ProtocolViolation,
    Unsupported,
)
from device_cert_operator.kube.revisions import content_digest
from device_cert_operator.kube.views import CONTENT, OWNER_UID, SHAPE, SecretView
from device_cert_operator.pki.bundle import PEM_KEY, RAW_KEY, constrained_content, firmware_content
from device_cert_operator.pki.facts import fingerprint, pem_to_ders, read_facts
from device_cert_operator.pki.root import constrain
from device_cert_operator.pki.verify import links
from device_cert_operator.reasons import Reason
from device_cert_operator.reconcile.signing import authority_state, read_signing
from device_cert_operator.reconcile.tools import ConstrainedTrust
from device_cert_operator.reconcile.visit import Visit

FORM = 2  # of the ConfigMap; one in an earlier form is written anew


@dataclass(frozen=True, slots=True)
class FirmwareLook:
    """assignment: with what was found. names_address: own, and good for the address that was dialled.

    verdict: of clients that were given the firmware's CA in the form wanted; None while that is not known.
    """

    assignment: Assignment | None
    names_address: bool = False
    verdict: Verdict | None = None


async def look_at_firmware(visit: Visit, served: Served | NotServed, assignment: Assignment | None) -> FirmwareLook:
    """Fill in what the certificate that the firmware makes is judged by. Nothing is raised, problems are kept."""
    if assignment is None or assignment.firmware is None:
        return FirmwareLook(assignment)
    issuer = assignment.firmware.issuer
    anchor, problem = await _anchor(visit, issuer)
    if anchor is None:
        return FirmwareLook(replace(assignment, firmware=FirmwareWanted(issuer, problem=problem)))
    shape, unpublishable = await _wanted_shape(visit, issuer)
    own = isinstance(served, Served) and links(served.chain_der, (anchor,)).anchored
    found = FirmwareWanted(
        issuer,
        known=True,
        own=own,
        published=shape is not None and _is_published(visit, shape),
        unpublishable=unpublishable,
    )
    looked = replace(assignment, firmware=found)
    if not isinstance(served, Served):
        return FirmwareLook(looked)
    named = own and covers(served.leaf.dns_names, served.leaf.ip_addresses, canonical_host(visit.address))
    return FirmwareLook(looked, named, await _verdict(visit, served, issuer, anchor, shape))


# ----------------------------------------------------------------------------------------- which CA it is


async def _anchor(visit: Visit, issuer: DeviceCAIssuer) -> tuple[bytes | None, OperatorError | None]:
    """The certificate with the pinned fingerprint, wherever it is found; or why the copy of it is none."""
    pin, memory = issuer.sha256, visit.tools.memory.firmware_cas
    if pin is None:
        return None, None
    if pin in memory:
        return memory[pin], None
    problem = None
    try:
        found = await _published_ders(visit)
        if issuer.ca_ref is not None and pin not in found:
            copies = await visit.tools.secrets.read_certificates(visit.view.key.namespace, issuer.ca_ref)
            found = {fingerprint(der): der for der in copies}
            if pin not in found:
                raise _copy_of_another(visit, issuer, next(iter(found)))
    except OperatorError as error:
        problem, found = error, {}
    if pin not in found:
        return None, problem
    memory[pin] = found[pin]
    return found[pin], None


def _copy_of_another(visit: Visit, issuer: DeviceCAIssuer, seen: str) -> MissingReference:
    reference = issuer.ca_ref
    where = f"{reference.kind} {visit.view.key.namespace}/{reference.name}" if reference else "The copy"
    return MissingReference(
        f"{where} holds another certificate (SHA-256 {seen}) than deviceCA.sha256 pins ({issuer.sha256}): correct "
        "one of them.",
        reason=Reason.PIN_MISMATCH,
    )


async def export_ca(visit: Visit, situation: Situation, ask: Callable[[], Awaitable[bytes]]) -> None:
    """Have the device give it. One that cannot is no worse where the certificate is at hand. Raises OperatorError."""
    try:
        record_export(visit, await ask())
    except (Unsupported, ProtocolViolation, DeviceRefused):
        if situation.firmware is None or not situation.firmware.known:
            raise


def record_export(visit: Visit, der: bytes) -> None:
    """What the device gave. Kept whole only if it is the pinned one. Raises ProtocolViolation for what is none."""
    facts = read_facts(der)
    before, serial = visit.status.firmware_ca, visit.status.identity.device.serial_number
    other = visit.tools.cache.sharing_firmware_ca(visit.view.key, facts.fingerprint, serial)
    config = config_name(visit) if _is_ours(_view(visit)) else ""
    seen = FirmwareCAStatus(facts.fingerprint, facts.subject, config, other is not None)
    visit.status = replace(visit.status, firmware_ca=seen)
    if facts.fingerprint in _pins(visit):
        visit.tools.memory.firmware_cas[facts.fingerprint] = der
    if other is not None and (before is None or not before.shared or before.fingerprint != facts.fingerprint):
        visit.tell(
            "Warning",
            Reason.SHARED_AUTHORITY,
            f"The CA of this firmware is in that of Device {other} as well: whoever takes one apart can sign for any "
            "of them. Limit what it is trusted for with deviceCA.constrainedBy.",
        )


def _pins(visit: Visit) -> frozenset[str | None]:
    """Of the DeviceCertificates that list this Device."""
    listing = visit.tools.cache.certificates_listing(visit.view.key.namespace, visit.view.key.name)
    issuers = (one.desired.issuer for one in listing if one.desired is not None)
    return frozenset(issuer.sha256 for issuer in issuers if isinstance(issuer, DeviceCAIssuer))


# ---------------------------------------------------------------------------------- what clients are given


def config_name(visit: Visit) -> str:
    """The ConfigMap from which clients get the CA."""
    return f"{visit.view.key.name}-ca"


def _view(visit: Visit) -> SecretView | None:
    return visit.tools.cache.secret(visit.view.key.namespace, config_name(visit), "ConfigMap")


def _is_ours(view: SecretView | None) -> bool:
    return view is not None and view.use == "trust" and OWNER_UID in view.annotations


def _is_published(visit: Visit, shape: str) -> bool:
    """As wanted, and as we wrote it."""
    view = _view(visit)
    if view is None or not _is_ours(view):
        return False
    notes = view.annotations
    return (notes[OWNER_UID], notes.get(SHAPE), notes.get(CONTENT)) == (visit.view.uid, shape, view.digest)


async def _published_ders(visit: Visit) -> dict[str, bytes]:
    """Certificates by fingerprint; the pin decides which one is believed. Raises OperatorError."""
    if not _is_ours(_view(visit)):
        return {}
    texts = await visit.tools.roots.read_bundle(visit.view.key.namespace, config_name(visit))
    return {fingerprint(der): der for der in pem_to_ders(texts.get(RAW_KEY, b""))}


async def _wanted_shape(visit: Visit, issuer: DeviceCAIssuer) -> tuple[str | None, OperatorError | None]:
    """A hash of what is to be published; or why it cannot be, which what is published already outlives."""
    constrained = issuer.constrained_by
    if constrained is None:
        return _digest([FORM, issuer.sha256]), None
    state = await authority_state(visit.tools, visit.view.key.namespace, AuthorityIssuer(constrained.authority))
    problem = state.problem or why_ranges_not_allowed(state.allowed, constrained.permitted_ip)
    if problem is None:
        return _digest([FORM, issuer.sha256, state.fingerprint, sorted(constrained.permitted_ip)]), None
    view = _view(visit)
    if view is not None and _is_ours(view) and view.annotations.get(CONTENT) == view.digest:
        return view.annotations.get(SHAPE), None
    return None, problem


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:20]


def forget_revisions(visit: Visit) -> None:
    """Nothing of ours is on the device any more."""
    visit.status = replace(visit.status, revision=RevisionState())
    visit.tell("Normal", Reason.FIRMWARE_RESTORED, "The device serves its firmware's own certificate again.")


async def publish_ca(visit: Visit, situation: Situation) -> None:
    """Write the ConfigMap `<device>-ca` in the form wanted. Raises Conflict, MissingReference, ClusterError."""
    issuer = situation.firmware.issuer if situation.firmware else None
    anchor = visit.tools.memory.firmware_cas.get(issuer.sha256 or "") if issuer else None
    shape, problem = await _wanted_shape(visit, issuer) if issuer else (None, None)
    if issuer is None or anchor is None or shape is None:
        raise problem or Conflict("The firmware's CA is not known any more; it is asked for again.")
    content = firmware_content(anchor)
    if issuer.constrained_by is not None:
        trust = await _constrained(visit, issuer.constrained_by, anchor, shape)
        visit.memory.constrained = trust
        content = constrained_content(anchor, trust.anchors_der, trust.path_der)
    notes = {OWNER_UID: visit.view.uid, SHAPE: shape, CONTENT: content_digest(content)}
    await visit.tools.roots.write_bundle(visit.view, config_name(visit), content, notes)
    if visit.status.firmware_ca is not None:
        visit.status = replace(
            visit.status, firmware_ca=replace(visit.status.firmware_ca, config_map=config_name(visit))
        )
    limit = issuer.constrained_by
    form = f"below CertificateAuthority {limit.authority}" if limit else f"as it is, in {RAW_KEY} alone"
    told = f"ConfigMap {config_name(visit)} holds the CA of the firmware, {form}."
    visit.tell("Normal", Reason.TRUST_PUBLISHED, told)


async def _constrained(visit: Visit, wanted: ConstrainedBy, anchor: bytes, shape: str) -> ConstrainedTrust:
    authority = await read_signing(visit.tools, visit.view.key.namespace, AuthorityIssuer(wanted.authority))
    cross = await asyncio.to_thread(constrain, anchor, authority, wanted.permitted_ip)
    return ConstrainedTrust(shape, authority.anchors_der, (cross, *authority.sent_der))


async def _constrained_trust(visit: Visit, shape: str | None) -> ConstrainedTrust | None:
    """What was published in this form, read once a process."""
    known, view = visit.memory.constrained, _view(visit)
    if known is not None and known.shape == shape:
        return known
    if shape is None or view is None or not _is_published(visit, shape):
        return None
    try:
        texts = await visit.tools.roots.read_bundle(visit.view.key.namespace, config_name(visit))
        ders = pem_to_ders(texts.get(PEM_KEY, b""))
    except OperatorError:
        return None
    roots = tuple(der for der in ders if read_facts(der).self_issued)
    trust = visit.memory.constrained = ConstrainedTrust(shape, roots, tuple(der for der in ders if der not in roots))
    return trust


# ------------------------------------------------------------------------------------------------ verdict


async def _verdict(
    visit: Visit, served: Served, issuer: DeviceCAIssuer, anchor: bytes, shape: str | None
) -> Verdict | None:
    """Under the CA itself first: what is wrong there is nearer to the device. Then in the form clients are given."""
    now = visit.tools.clock.now()
    verdict = judge(served, links(served.chain_der, (anchor,)), visit.address, now)
    if verdict.secure and issuer.constrained_by is not None:
        trust = await _constrained_trust(visit, shape)
        if trust is None:
            return None
        chain = links((*served.chain_der, *trust.path_der), trust.anchors_der)
        verdict = judge(served, chain, visit.address, now)
    if visit.status.firmware_ca is not None and visit.status.firmware_ca.shared:
        verdict = replace(verdict, warnings=(*verdict.warnings, _SHARED))
    return verdict


_SHARED = Fault(
    Reason.SHARED_AUTHORITY,
    "Other devices here have the same CA in their firmware: whoever takes one apart can sign for all of them.",
    frozenset(),
)
