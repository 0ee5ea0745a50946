"""The errors of the product: the type says who can fix it and when another try is sensible.

    OperatorError
    ├── SpecError                  the user edits the resource             ON_CHANGE
    │   ├── InvalidSpec
    │   ├── UnknownDriver
    │   └── Unsupported
    ├── MissingReference           Secret or issuer not there (yet)        BACKOFF
    ├── DeviceError
    │   ├── DeviceUnreachable      DNS, refused, timeout, reset            BACKOFF
    │   ├── DeviceBusy             "later", restarting, no log-in now      SOON
    │   ├── CredentialsRejected    a wrong password, counted               ON_CHANGE, else SLOW
    │   ├── PermissionMissing      logged in, but the role is too small    SLOW
    │   ├── IdentityMismatch       not the device we know: never act       SLOW
    │   ├── ProtocolViolation      an answer we cannot read                BACKOFF
    │   └── DeviceRefused          a well-formed no                        SLOW
    ├── IssuerError
    │   ├── IssuerUnavailable      no answer from the CA                   BACKOFF
    │   ├── IssuanceDenied         policy said no                          ON_CHANGE
    │   └── UnacceptableCertificate  not what was asked                    SLOW
    ├── VerificationFailed         the handshake differs                   BACKOFF
    └── ClusterError               the API server                          SOON
        ├── Conflict               read again                              AGAIN
        ├── NotFound               it is gone                              SOON
        └── NotLeading             another replica may act now             SOON

Every leaf carries a `Reason`, a message for a person that names the object and the next move (never a secret) and a
`Retry`. Waiting is no error: it is a result.
"""

from datetime import timedelta
from enum import Enum, auto
from typing import ClassVar

from device_cert_operator.reasons import Reason


class Retry(Enum):
    """When another try is sensible; `core/schedule.py` makes due times of these."""

    AGAIN = auto()  # at once, a few times
    SOON = auto()  # seconds
    BACKOFF = auto()  # doubling to a ceiling, with jitter
    SLOW = auto()  # about an hour: trying does harm
    ON_CHANGE = auto()  # a watch event wakes the key


class OperatorError(Exception):
    """Anything the product knows how to report.

    message: a sentence for a person: what is wrong with which object, and the next move.
    reason: overrides the reason of the class. retry_after: what the other side asked for, if it said so.
    """

    default_reason: ClassVar[Reason] = Reason.INTERNAL_ERROR
    default_retry: ClassVar[Retry] = Retry.BACKOFF

    def __init__(
        self,
        message: str,
        *,
        reason: Reason | None = None,
        retry: Retry | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason
        self.retry = retry or self.default_retry
        self.retry_after = retry_after


class SpecError(OperatorError):
    """The user has to edit the resource."""

    default_reason = Reason.INVALID_SPEC
    default_retry = Retry.ON_CHANGE


class InvalidSpec(SpecError):
    """A value that passed the schema and still cannot work."""


class UnknownDriver(SpecError):
    """`spec.driver` names no driver that is built in."""

    default_reason = Reason.UNKNOWN_DRIVER


class Unsupported(SpecError):
    """The device or driver cannot do what the resource asks for."""

    default_reason = Reason.UNSUPPORTED


class MissingReference(OperatorError):
    """A Secret, ConfigMap or issuer that is not there yet, not labelled, or incomplete."""

    default_reason = Reason.SECRET_MISSING
    default_retry = Retry.BACKOFF


class DeviceError(OperatorError):
    """Something between us and the device."""

    default_reason = Reason.PROTOCOL_VIOLATION


class DeviceUnreachable(DeviceError):
    """DNS failure, refused, timeout or reset connection."""

    default_reason = Reason.DEVICE_UNREACHABLE


class DeviceBusy(DeviceError):
    """The device said "later", is restarting, or gets no log-in for a while."""

    default_reason = Reason.DEVICE_BUSY
    default_retry = Retry.SOON


class CredentialsRejected(DeviceError):
    """The device refused user name or password."""

    default_reason = Reason.CREDENTIALS_REJECTED
    default_retry = Retry.ON_CHANGE


class PermissionMissing(DeviceError):
    """Logged in, but the role is too small for the operation."""

    default_reason = Reason.PERMISSION_MISSING
    default_retry = Retry.SLOW


class IdentityMismatch(DeviceError):
    """The other end is not the device we know. Nothing may be sent to it."""

    default_reason = Reason.IDENTITY_MISMATCH
    default_retry = Retry.SLOW


class ProtocolViolation(DeviceError):
    """An answer we cannot read; the message holds a safe excerpt."""

    default_reason = Reason.PROTOCOL_VIOLATION
    default_retry = Retry.BACKOFF


class DeviceRefused(DeviceError):
    """A well-formed no: keystore full, key type not taken, object in use."""

    default_reason = Reason.DEVICE_REFUSED
    default_retry = Retry.SLOW


class IssuerError(OperatorError):
    """Something between us and the CA."""

    default_reason = Reason.ISSUANCE_FAILED


class IssuerUnavailable(IssuerError):
    """The CA gives no answer now."""

    default_reason = Reason.ISSUER_UNAVAILABLE
    default_retry = Retry.BACKOFF


class IssuanceDenied(IssuerError):
    """The CA's policy said no."""

    default_reason = Reason.ISSUANCE_DENIED
    default_retry = Retry.ON_CHANGE


class UnacceptableCertificate(IssuerError):
    """The CA returned something else than was asked for."""

    default_reason = Reason.UNACCEPTABLE_CERTIFICATE
    default_retry = Retry.SLOW


class VerificationFailed(OperatorError):
    """The handshake shows something else than was installed."""

    default_reason = Reason.NOT_SERVED
    default_retry = Retry.BACKOFF


class ClusterError(OperatorError):
    """The API server refused, failed or did not answer."""

    default_reason = Reason.CLUSTER_UNAVAILABLE
    default_retry = Retry.SOON


class Conflict(ClusterError):
    """The object changed since it was read (409): read again."""

    default_reason = Reason.CONFLICT
    default_retry = Retry.AGAIN


class NotLeading(ClusterError):
    """Another replica may act now: nothing is started here any more."""

    default_reason = Reason.NOT_LEADING


class NotFound(ClusterError):
    """The object is gone (404)."""
