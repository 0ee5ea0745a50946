"""Every reason the product can give: condition reason, event reason, metric label and docs anchor are one word.

A reason is a CamelCase word; its sentence, which names the object and the next move, is written where it is given.
What a reason means for kstatus (Reconciling or Stalled) is decided in `core/conditions.py`.
"""

from enum import StrEnum


class Reason(StrEnum):
    """One closed vocabulary."""

    # what is well
    ANSWERS = "Answers"
    KEY_KNOWN = "KeyKnown"
    LEARNED_ON_FIRST_USE = "LearnedOnFirstUse"
    LOGGED_IN = "LoggedIn"
    CLOCK_IN_SYNC = "ClockInSync"
    ADDRESS_ANSWERS = "AddressAnswers"
    TRUSTED = "Trusted"
    ISSUED = "Issued"
    INSTALLED = "Installed"
    READY = "Ready"
    SETTLED = "Settled"
    NOT_STALLED = "NotStalled"

    # nobody knows (yet)
    NOT_CHECKED = "NotChecked"
    NOT_REQUESTED = "NotRequested"
    NOT_LOGGED_IN = "NotLoggedIn"

    # the operator is at work, or waits for something that comes by itself
    WORKING = "Working"
    DEVICE_RESTARTING = "DeviceRestarting"
    DEVICE_BUSY = "DeviceBusy"
    WAITING_FOR_TURN = "WaitingForTurn"
    WAITING_FOR_DEVICE = "WaitingForDevice"
    WAITING_FOR_CERTIFICATE = "WaitingForCertificate"
    INSTALLING = "Installing"
    ROLLING_BACK = "RollingBack"
    RENEWING = "Renewing"
    MOVED = "Moved"
    CLOCK_SET = "ClockSet"
    HTTPS_ENABLED = "HTTPSEnabled"
    REBOOTED = "Rebooted"
    OLD_OBJECT_REMOVED = "OldObjectRemoved"
    REVISION_DELETED = "RevisionDeleted"
    CONFLICT = "Conflict"
    CLUSTER_UNAVAILABLE = "ClusterUnavailable"

    # a person decided so
    PAUSED = "Paused"
    OBSERVE_ONLY = "ObserveOnly"

    # the resource or what it refers to
    INVALID_SPEC = "InvalidSpec"
    UNKNOWN_DRIVER = "UnknownDriver"
    UNSUPPORTED = "Unsupported"
    DEVICE_MISSING = "DeviceMissing"
    DEVICE_ALREADY_CLAIMED = "DeviceAlreadyClaimed"
    SECRET_MISSING = "SecretMissing"  # noqa: S105  # a reason
    SECRET_NOT_SHARED = "SecretNotShared"  # noqa: S105  # a reason
    SECRET_INCOMPLETE = "SecretIncomplete"  # noqa: S105  # a reason
    SECRET_NOT_OURS = "SecretNotOurs"  # noqa: S105  # a reason
    CONFIG_MAP_MISSING = "ConfigMapMissing"

    # the device
    DEVICE_UNREACHABLE = "DeviceUnreachable"
    HTTPS_OFF = "HTTPSOff"
    CREDENTIALS_REJECTED = "CredentialsRejected"
    PERMISSION_MISSING = "PermissionMissing"
    LOGIN_LOCKED = "LoginLocked"
    IDENTITY_UNCONFIRMED = "IdentityUnconfirmed"
    IDENTITY_MISMATCH = "IdentityMismatch"
    IDENTITY_CONFLICT = "IdentityConflict"
    PROTOCOL_VIOLATION = "ProtocolViolation"
    DEVICE_REFUSED = "DeviceRefused"
    STORE_FULL = "StoreFull"
    KEY_TYPE_REFUSED = "KeyTypeRefused"
    PLAINTEXT_KEY_REFUSED = "PlaintextKeyRefused"
    ADDRESS_CHANGED = "AddressChanged"
    ADDRESS_UNKNOWN = "AddressUnknown"
    CLOCK_OFF = "ClockOff"
    CLOCK_UNREAD = "ClockUnread"
    OPERATOR_CLOCK_SUSPECT = "OperatorClockSuspect"
    REBOOT_NEEDED = "RebootNeeded"
    OLD_OBJECT_KEPT = "OldObjectKept"
    ROLLED_BACK = "RolledBack"
    DEVICE_KEY_LOST = "DeviceKeyLost"
    NOT_SERVED = "NotServed"

    # issuing
    CA_MISSING = "CAMissing"
    CA_NOT_SHARED = "CANotShared"
    CA_EXPIRED = "CAExpired"
    CA_NOT_YET_VALID = "CANotYetValid"
    CA_KEY_MISSING = "CAKeyMissing"
    CA_KEY_MISMATCH = "CAKeyMismatch"
    CA_NOT_A_CA = "CANotACA"
    CA_UNREADABLE = "CAUnreadable"
    CA_NAME_NOT_PERMITTED = "CANameNotPermitted"
    AUTHORITY_EXPIRES_SOON = "AuthorityExpiresSoon"
    AUTHORITY_LEGACY_FORM = "AuthorityLegacyForm"
    ISSUANCE_FAILED = "IssuanceFailed"
    ISSUANCE_DENIED = "IssuanceDenied"
    ISSUER_UNAVAILABLE = "IssuerUnavailable"
    UNACCEPTABLE_CERTIFICATE = "UnacceptableCertificate"
    CSR_UNACCEPTABLE = "CSRUnacceptable"
    RENEWAL_DUE = "RenewalDue"
    NAMES_CHANGED = "NamesChanged"
    SPEC_CHANGED = "SpecChanged"
    AUTHORITY_CHANGED = "AuthorityChanged"
    RENEW_REQUESTED = "RenewRequested"
    KEY_DOES_NOT_FIT = "KeyDoesNotFit"
    FIRST_ISSUE = "FirstIssue"

    # a CertificateAuthority
    AUTHORITY_MADE = "AuthorityMade"
    AUTHORITY_ADOPTED = "AuthorityAdopted"
    AUTHORITY_MISSING = "AuthorityMissing"
    AUTHORITY_NOT_READY = "AuthorityNotReady"
    CA_DELETED = "CADeleted"
    CA_REPLACED = "CAReplaced"
    CONFIG_MAP_NOT_OURS = "ConfigMapNotOurs"
    NAME_NOT_ALLOWED = "NameNotAllowed"
    WELL_FORMED = "WellFormed"
    AUTHORITY_UNCONSTRAINED = "AuthorityUnconstrained"
    AUTHORITY_WITHOUT_KEY_USAGE = "AuthorityWithoutKeyUsage"
    AUTHORITY_CANNOT_CROSS_SIGN = "AuthorityCannotCrossSign"
    UP_TO_DATE = "UpToDate"
    ROTATION_PENDING = "RotationPending"
    ROTATION_STARTED = "RotationStarted"
    ROTATING = "Rotating"
    ROTATION_DONE = "RotationDone"
    CONFIRMATION_NEEDED = "ConfirmationNeeded"
    TRUST_PUBLISHED = "TrustPublished"
    CHAIN_NOT_TAKEN = "ChainNotTaken"

    # the verdict on what is served
    ADDRESS_NOT_IN_CERTIFICATE = "AddressNotInCertificate"
    NAME_ONLY_IN_COMMON_NAME = "NameOnlyInCommonName"
    CERTIFICATE_EXPIRED = "CertificateExpired"
    CERTIFICATE_NOT_YET_VALID = "CertificateNotYetValid"
    ISSUER_MISMATCH = "IssuerMismatch"
    CHAIN_INCOMPLETE = "ChainIncomplete"
    SIGNATURE_INVALID = "SignatureInvalid"
    NOT_FOR_SERVERS = "NotForServers"
    KEY_USAGE_UNFIT = "KeyUsageUnfit"
    KEY_TYPE_NOT_IN_BROWSERS = "KeyTypeNotInBrowsers"
    WEAK_KEY = "WeakKey"
    WEAK_SIGNATURE = "WeakSignature"
    NAME_CONSTRAINED = "NameConstrained"
    EMPTY_SUBJECT_SAN_NOT_CRITICAL = "EmptySubjectSANNotCritical"
    TLS_TOO_OLD = "TLSTooOld"
    NOT_FOR_APPLE = "NotForApple"
    CERTIFICATE_UNREADABLE = "CertificateUnreadable"

    INTERNAL_ERROR = "InternalError"
