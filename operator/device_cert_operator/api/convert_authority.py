"""A CertificateAuthority as the API server gives it, to values and back.

Reading a spec raises InvalidSpec naming the field; reading a status forgives everything.
"""

import ipaddress
from typing import Any

from device_cert_operator.api.convert_spec import is_paused, object_key, request_of, subject_fields
from device_cert_operator.api.convert_status import (
    build_time,
    condition_document,
    cut,
    read_condition,
    read_served,
    served_document,
)
from device_cert_operator.api.strict import Part
from device_cert_operator.api.tolerant import (
    Document,
    integer,
    needed_text,
    needed_time,
    part_of,
    readable,
    readable_items,
    text_or_none,
    texts,
    time_or_none,
)
from device_cert_operator.core.authority_model import (
    PRIVATE_RANGES,
    TEN_YEARS,
    AllowedNames,
    AuthorityStatus,
    DesiredAuthority,
    Origin,
    Phase,
    RootShape,
    RotationPolicy,
    RotationStatus,
)
from device_cert_operator.core.model import KeyType, ObjectKey, SubjectFields
from device_cert_operator.errors import InvalidSpec

ROTATE = "devicecert.io/rotate"
TRUST_DISTRIBUTED = "devicecert.io/trust-distributed"
_DEFAULT_SIZE = {"ECDSA": 256, "RSA": 3072}


def desired_authority(obj: Document) -> DesiredAuthority:
    """A CertificateAuthority's spec and verbs. Raises InvalidSpec naming the field."""
    key = object_key(obj, "CertificateAuthority")
    try:
        return _authority(obj, key)
    except ValueError as error:
        raise InvalidSpec(f"{key} cannot be read: {error}.") from None


def authority_requests(obj: Document) -> tuple[str | None, str | None]:
    """The values of rotate and of trust-distributed, which need no spec to be read."""
    notes = obj["metadata"].get("annotations") or {}
    return request_of(notes.get(ROTATE)), request_of(notes.get(TRUST_DISTRIBUTED))


def _authority(obj: Document, key: ObjectKey) -> DesiredAuthority:
    meta = obj["metadata"]
    spec = Part(obj.get("spec"), "spec")
    rotate, trust = authority_requests(obj)
    return DesiredAuthority(
        key=key,
        uid=meta["uid"],
        generation=int(meta.get("generation", 1)),
        secret_name=spec.text("secretName"),
        bundle_name=spec.part("trustBundle").text_or_none("configMapName") or f"{key.name}-trust",
        shape=_shape(spec, key.name),
        duration=spec.duration("duration", TEN_YEARS),
        allowed=_allowed(spec.part("allowed")),
        rotation=_rotation(spec.part("rotation")),
        rotate_request=rotate,
        trust_distributed=trust,
        paused=is_paused(obj),
        deleting="deletionTimestamp" in meta,
    )


def _shape(spec: Part, name: str) -> RootShape:
    constraints = spec.part("nameConstraints")
    subject = spec.part("subject")
    fields = subject_fields(subject, subject.text_or_none("commonName"))
    ranges = _ranges(constraints, "permittedIPRanges")
    return RootShape(
        subject=SubjectFields(common_name=name[:64]) if fields == SubjectFields() else fields,
        key_type=_key_type(spec.part("privateKey")),
        permitted_dns=constraints.hosts("permittedDNSDomains"),
        permitted_ip=PRIVATE_RANGES if ranges is None else ranges,
    )


def _key_type(part: Part) -> KeyType:
    algorithm = part.text_or_none("algorithm") or "ECDSA"
    if algorithm not in _DEFAULT_SIZE:
        raise ValueError(f"spec.privateKey.algorithm must be one of {', '.join(_DEFAULT_SIZE)}")
    size = part.number("size", _DEFAULT_SIZE[algorithm])
    try:
        return KeyType(f"ECDSA-P{size}" if algorithm == "ECDSA" else f"RSA-{size}")
    except ValueError:
        raise ValueError(f"spec.privateKey.size: there is no {algorithm} key of {size} bits to be had") from None


def _allowed(part: Part) -> AllowedNames | None:
    if not part.given:
        return None
    return AllowedNames(part.hosts("dnsNames"), _ranges(part, "ipRanges") or ())


def _ranges(part: Part, field: str) -> tuple[str, ...] | None:
    """CIDRs in canonical form; None where the list is absent, which is not the same as empty."""
    if not part.has(field):
        return None
    try:
        return tuple(ipaddress.ip_network(one).compressed for one in part.texts(field))
    except ValueError as error:
        raise ValueError(f"{field}: {str(error)[:200]}") from None


def _rotation(part: Part) -> RotationPolicy:
    return RotationPolicy(
        before=part.duration("before", None),
        overlap=part.duration("overlap", RotationPolicy().overlap),
        require_confirmation=part.flag("requireConfirmation", False),
    )


# ----------------------------------------------------------------------------------------------- status


def authority_status(obj: Document) -> AuthorityStatus:
    """`CertificateAuthority.status`; whatever cannot be read is as if it were absent."""
    status = part_of(obj, "status")
    handled = part_of(status, "handledRequests")
    origin = text_or_none(status, "origin")
    return AuthorityStatus(
        observed_generation=integer(status.get("observedGeneration"), -1),
        certificate=readable(read_served, status.get("certificate")),
        origin=Origin(origin) if origin in set(Origin) else None,
        shape=text_or_none(status, "shape"),
        rotation=readable(_rotation_status, status.get("rotation")),
        number=integer(status.get("number"), 1),
        retired=text_or_none(status, "retiredSecretName"),
        rotates_at=time_or_none(status.get("rotationTime")),
        bundle=text_or_none(status, "trustBundle"),
        handled_rotate=text_or_none(handled, "rotate"),
        handled_trust=text_or_none(handled, "trustDistributed"),
        conditions=readable_items(read_condition, status.get("conditions")),
    )


def _rotation_status(part: Document) -> RotationStatus:
    return RotationStatus(
        phase=Phase(needed_text(part, "phase")),
        started_at=needed_time(part, "startTime"),
        since=needed_time(part, "since"),
        published_at=time_or_none(part.get("publishedTime")),
        fingerprint=text_or_none(part, "fingerprint"),
        not_after=time_or_none(part.get("notAfter")),
        waiting_for=texts(part.get("waitingFor")),
        without_chain=texts(part.get("withoutChain")),
    )


def authority_status_document(status: AuthorityStatus) -> dict[str, Any]:
    """The complete `status` of a CertificateAuthority for a merge patch."""
    return {
        "observedGeneration": status.observed_generation,
        "certificate": served_document(status.certificate),
        "origin": str(status.origin) if status.origin else None,
        "shape": status.shape,
        "trustBundle": status.bundle,
        "rotation": _rotation_document(status.rotation),
        "rotationTime": build_time(status.rotates_at),
        "number": status.number,
        "retiredSecretName": status.retired,
        "handledRequests": {"rotate": status.handled_rotate, "trustDistributed": status.handled_trust},
        "conditions": [condition_document(condition) for condition in status.conditions],
    }


def _rotation_document(rotation: RotationStatus | None) -> dict[str, Any] | None:
    if rotation is None:
        return None
    return {
        "phase": str(rotation.phase),
        "startTime": build_time(rotation.started_at),
        "since": build_time(rotation.since),
        "publishedTime": build_time(rotation.published_at),
        "fingerprint": rotation.fingerprint,
        "notAfter": build_time(rotation.not_after),
        "waitingFor": cut(rotation.waiting_for),
        "withoutChain": cut(rotation.without_chain),
    }
