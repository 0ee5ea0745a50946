"""Slim values of what the cache holds: no private keys, no managed fields, no unread parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from device_cert_operator.api.convert_authority import authority_requests, authority_status, desired_authority
from device_cert_operator.api.convert_spec import (
    desired_certificate,
    desired_device,
    device_requests,
    is_paused,
    object_key,
    parse_time,
)
from device_cert_operator.api.convert_status import certificate_status, device_status
from device_cert_operator.core.authority_model import AuthorityStatus, DesiredAuthority
from device_cert_operator.core.model import DesiredCertificate, DesiredDevice, ObjectKey, Revision
from device_cert_operator.core.status import CertificateStatus, DeviceStatus
from device_cert_operator.errors import InvalidSpec, OperatorError

Object = dict[str, Any]
USE = "devicecert.io/use"
OWNER_UID = "devicecert.io/owner-uid"
OWNER_NAME = "devicecert.io/owner-name"
NUMBER = "devicecert.io/number"
INPUT_HASH = "devicecert.io/input-hash"
AUTHORITY = "devicecert.io/authority-sha256"
GIVEN_TO = "devicecert.io/given-to"
DEVICE_UID = "devicecert.io/device-uid"
KEY_SHA256 = "devicecert.io/key-sha256"
SHAPE = "devicecert.io/shape"
CONTENT = "devicecert.io/content-sha256"


@dataclass(frozen=True, slots=True)
class DeviceView:
    """A Device. desired None: the spec cannot be read, `problem` says why.

    paused, and requests (reboot, retry-login): known all the same.
    """

    key: ObjectKey
    uid: str
    resource_version: str
    generation: int
    created_at: datetime
    desired: DesiredDevice | None
    status: DeviceStatus
    problem: OperatorError | None = None
    paused: bool = False
    requests: tuple[str | None, str | None] = (None, None)


@dataclass(frozen=True, slots=True)
class CertificateView:
    """A DeviceCertificate. desired None: the spec cannot be read, `problem` says why. paused: known all the same."""

    key: ObjectKey
    uid: str
    resource_version: str
    generation: int
    created_at: datetime
    desired: DesiredCertificate | None
    status: CertificateStatus
    problem: OperatorError | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class AuthorityView:
    """A CertificateAuthority. desired None: the spec cannot be read, `problem` says why.

    paused, and requests (rotate, trust-distributed): known all the same.
    """

    key: ObjectKey
    uid: str
    resource_version: str
    generation: int
    created_at: datetime
    desired: DesiredAuthority | None
    status: AuthorityStatus
    problem: OperatorError | None = None
    paused: bool = False
    requests: tuple[str | None, str | None] = (None, None)


View = DeviceView | CertificateView | AuthorityView


@dataclass(frozen=True, slots=True)
class SecretView:
    """A labelled Secret, or ConfigMap, without its data. fingerprint: of tls.crt, where it holds one.

    digest: of everything in a ConfigMap of ours, or in what people put there for us, so that an edit is noticed.
    ca_ends_at: until when the CA in it can sign, where it holds one.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str
    use: str
    annotations: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str | None = None
    revision: Revision | None = None
    digest: str | None = field(default=None, repr=False)
    ca_ends_at: datetime | None = None

    @property
    def number(self) -> int:
        """Of the revision or request it belongs to; 0 without."""
        text = self.annotations.get(NUMBER, "")
        return int(text) if text.isdecimal() else 0


def device_view(obj: Object) -> DeviceView:
    """Never raises for a spec that cannot be read."""
    desired, problem = None, None
    try:
        desired = desired_device(obj)
    except InvalidSpec as error:
        problem = error
    meta = obj["metadata"]
    return DeviceView(
        object_key(obj, "Device"),
        meta["uid"],
        meta["resourceVersion"],
        int(meta.get("generation", 1)),
        parse_time(meta["creationTimestamp"]),
        desired,
        device_status(obj),
        problem,
        is_paused(obj),
        device_requests(obj),
    )


def certificate_view(obj: Object) -> CertificateView:
    """Never raises for a spec that cannot be read."""
    desired, problem = None, None
    try:
        desired = desired_certificate(obj)
    except InvalidSpec as error:
        problem = error
    meta = obj["metadata"]
    return CertificateView(
        object_key(obj, "DeviceCertificate"),
        meta["uid"],
        meta["resourceVersion"],
        int(meta.get("generation", 1)),
        parse_time(meta["creationTimestamp"]),
        desired,
        certificate_status(obj),
        problem,
        is_paused(obj),
    )


def authority_view(obj: Object) -> AuthorityView:
    """Never raises for a spec that cannot be read."""
    desired, problem = None, None
    try:
        desired = desired_authority(obj)
    except InvalidSpec as error:
        problem = error
    meta = obj["metadata"]
    return AuthorityView(
        object_key(obj, "CertificateAuthority"),
        meta["uid"],
        meta["resourceVersion"],
        int(meta.get("generation", 1)),
        parse_time(meta["creationTimestamp"]),
        desired,
        authority_status(obj),
        problem,
        is_paused(obj),
        authority_requests(obj),
    )
