"""What a certificate has to be, and why another one is needed: names, key, inputs, dates. Pure."""

import hashlib
import json
from dataclasses import asdict, replace
from datetime import datetime, timedelta

from device_cert_operator.core.allowed import why_not_allowed
from device_cert_operator.core.certificate_model import CertificateSituation, Member
from device_cert_operator.core.installation import key_type_of
from device_cert_operator.core.model import (
    CertificateFacts,
    CertManagerIssuer,
    DesiredCertificate,
    ExternalIssuer,
    KeyAlgorithm,
    KeySource,
    KeyType,
    Names,
    ProvidedIssuer,
    Revision,
    names_of,
)
from device_cert_operator.core.profile import end_of_leaf
from device_cert_operator.core.requests import (
    Signed,
    signs_itself,
)
from device_cert_operator.core.schedule import (
    OPERATOR_CLOCK_TOLERANCE,
    effective_renew_before,
    fraction_of,
    is_worth_a_renewal,
    renewal_time,
)
from device_cert_operator.reasons import Reason

FROM_THE_FUTURE = timedelta(minutes=5)  # a NotBefore this far ahead is no matter of two clocks


def wanted_names(s: CertificateSituation) -> Names:
    """What the SAN has to hold: from the spec, and from addresses where devices were proven; nothing else."""
    names = names_of(*s.desired.dns_names, *s.desired.ip_addresses)
    if s.desired.include_device_addresses:
        for member in s.members:
            names = names | member.names()
    return names


def choose_key_type(s: CertificateSituation) -> KeyType:
    """Auto: ECDSA P-256 where every device lists it, and has not refused it; else RSA, also for one never asked."""
    algorithm, size = s.desired.algorithm, s.desired.key_size
    if algorithm is KeyAlgorithm.AUTO:
        every = all(KeyType.ECDSA_P256 in _fitting(member, s) for member in s.members if member.desired is not None)
        return KeyType.ECDSA_P256 if every else KeyType.RSA_2048
    if algorithm is KeyAlgorithm.ECDSA:
        return KeyType(f"ECDSA-P{size or 256}")
    return KeyType(f"RSA-{size or 2048}")


def input_hash(s: CertificateSituation, names: Names) -> str:
    """`<spec>-<names>`: equal inputs make an equal revision. The first half tells that the spec changed.

    The spec half holds everything that shapes the certificate but the devices' addresses and the CA: subject, extra
    names, key parameters, duration and the last handled renew request.
    """
    desired = s.desired
    shape = {
        "subject": asdict(desired.subject),
        "names": sorted((*desired.dns_names, *desired.ip_addresses)),
        "addresses": desired.include_device_addresses,
        "devices": sorted(desired.devices),
        "key": [desired.algorithm, desired.key_size, desired.key_source],
        "issuer": _issuer_words(desired),
        "duration": desired.duration.total_seconds(),
        "renew": s.status.handled_renew,
    }
    return f"{_digest(shape)}-{_digest([*names.all, s.authority.fingerprint])}"


def _issuer_words(desired: DesiredCertificate) -> list[str]:
    """What of the issuer makes a new certificate when it changes. A CA's certificate is in the other half."""
    match desired.issuer:
        case CertManagerIssuer(name, kind, group):
            return ["cert-manager", name, kind, group]
        case ExternalIssuer():
            return ["external"]
        case ProvidedIssuer():
            return ["provided"]
        case _:
            return ["ca"]


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


def why_issue(s: CertificateSituation) -> tuple[Reason, str] | None:
    """Why a new revision is needed, if it is: the first of these."""
    revision = s.wanted
    if revision is None:
        return Reason.FIRST_ISSUE, "There is no certificate yet."
    if _another_is_provided(s, revision):
        return Reason.REPLACEMENT_PROVIDED, "Another certificate was provided."
    if (lost := _key_lost_by(s, revision)) is not None:
        return Reason.DEVICE_KEY_LOST, f"Device {lost} lost its key: no certificate for it will ever fit again."
    names = wanted_names(s)
    if missing := names.missing_from(revision.facts):
        return Reason.NAMES_CHANGED, f"The certificate does not cover {', '.join(missing[:4])}."
    if not is_under_authority(s, revision) and s.now >= (follow_at(s) or s.now):
        return Reason.AUTHORITY_CHANGED, "The issuer's CA certificate changed."
    if not _has_inputs(s, revision, names):
        return Reason.SPEC_CHANGED, "The spec changed, or a renewal was asked for."
    if (unfit := _unfit_device(s, revision)) is not None:
        return Reason.KEY_DOES_NOT_FIT, f"Device {unfit} takes no {key_type_of(revision)} keys."
    if is_from_the_future(s, revision):
        return (
            Reason.RENEWAL_DUE,
            f"The certificate is valid from {revision.facts.not_before:%Y-%m-%d %H:%M} UTC: the operator's clock was "
            "ahead when it was made.",
        )
    if is_due(s, revision):
        return Reason.RENEWAL_DUE, "The certificate is due for renewal."
    return None


def _has_inputs(s: CertificateSituation, revision: Revision, names: Names) -> bool:
    """Made from the spec as it is. One that is provided is what it is: while it fits, an edit asks for no other."""
    if isinstance(s.desired.issuer, ProvidedIssuer) and isinstance(s.answer, Signed):
        return True
    return revision.input_hash.partition("-")[0] == input_hash(s, names).partition("-")[0]


def follow_at(s: CertificateSituation) -> datetime | None:
    """When this certificate follows a CA that changed: a fleet does not do so all at once."""
    if s.authority.changed_at is None:
        return None
    return s.authority.changed_at + s.authority.spread * fraction_of(s.desired.uid, "authority")


def is_under_authority(s: CertificateSituation, revision: Revision) -> bool:
    """Signed by the CA that signs now, with its cross-certificate where a device of it takes one."""
    authority = s.authority
    if authority.fingerprint is None:
        return True
    if revision.authority_fingerprint != authority.fingerprint:
        return False
    takes_chain = any("Chain" in member.status.capabilities for member in s.members)
    return authority.cross is None or authority.cross in revision.sent or not takes_chain


def with_allowed_names(s: CertificateSituation) -> CertificateSituation:
    """The same, with a name that the CertificateAuthority may not sign as the authority's problem."""
    if s.authority.allowed is None or s.authority.problem is not None:
        return s
    if (problem := why_not_allowed(s.authority.allowed, wanted_names(s))) is None:
        return s
    return replace(s, authority=replace(s.authority, problem=problem))


def _another_is_provided(s: CertificateSituation, revision: Revision) -> bool:
    return (
        isinstance(s.desired.issuer, ProvidedIssuer)
        and isinstance(s.answer, Signed)
        and s.answer.facts.fingerprint != revision.facts.fingerprint
    )


def renewal_at(desired: DesiredCertificate, facts: CertificateFacts) -> datetime:
    """When a certificate is renewed."""
    before = effective_renew_before(
        facts.not_after - facts.not_before, desired.renew_before, desired.renew_before_percentage
    )
    return renewal_time(facts.not_before, facts.not_after, before, desired.uid)


def is_from_the_future(s: CertificateSituation, revision: Revision) -> bool:
    """Our own CA signed it by a clock that ran ahead; another is dated back, within the CA's validity, and so is not.

    Unless it is the clock of now that is off.
    """
    error = s.operator_clock_error
    if error is not None and abs(error) > OPERATOR_CLOCK_TOLERANCE:
        return False
    return signs_itself(s.desired) and revision.facts.not_before > s.now + FROM_THE_FUTURE


def is_due(s: CertificateSituation, revision: Revision) -> bool:
    """Its renewal is due. Under a CA of ours that ends too soon for another to last longer, it is the last one."""
    if s.now < renewal_at(s.desired, revision.facts):
        return False
    ca_ends = s.authority.not_after
    until = end_of_leaf(s.desired, ca_ends, s.now) if ca_ends is not None else None
    return until is None or is_worth_a_renewal(until, revision.facts.not_after, s.now)


def _unfit_device(s: CertificateSituation, revision: Revision) -> str | None:
    kind = key_type_of(revision)
    if s.desired.algorithm is not KeyAlgorithm.AUTO or kind == choose_key_type(s):
        return None  # another one would be of the same kind
    return next((member.name for member in s.members if _fitting(member, s) and kind not in _fitting(member, s)), None)


def _fitting(member: Member, s: CertificateSituation) -> frozenset[str]:
    """Kinds of key that fit the device: those it takes, or those it makes."""
    if s.desired.key_source is KeySource.DEVICE:
        return member.makes_key_types
    return member.key_types - _refused_by(member, s)


def _refused_by(member: Member, s: CertificateSituation) -> frozenset[str]:
    """ECDSA that the device lists and refused all the same. Never RSA: the two would take turns without end."""
    failed = member.status.revision.failed
    if failed is None or failed.reason != Reason.KEY_TYPE_REFUSED:
        return frozenset()
    kinds = (key_type_of(revision) for revision in s.revisions if revision.ref == failed.revision)
    return frozenset(kind for kind in kinds if kind.startswith("ECDSA"))


def _key_lost_by(s: CertificateSituation, revision: Revision) -> str | None:
    """The device that says that it holds no key for this certificate."""
    for member in s.members:
        failed = member.status.revision.failed
        if failed is not None and failed.reason == Reason.DEVICE_KEY_LOST and failed.revision == revision.ref:
            return member.name
    return None
