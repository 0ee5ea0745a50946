"""What one object has to do with another: whom it names, and what of it others read."""

from device_cert_operator.core.authority_model import AuthorityStatus
from device_cert_operator.core.model import DeviceCAIssuer, ExternalIssuer, Issuer, ProvidedIssuer, Reference
from device_cert_operator.core.status import CertificateStatus, DeviceStatus


def source_of(issuer: Issuer) -> tuple[str, str] | None:
    """(kind, name) of the object by which a certificate comes from outside."""
    match issuer:
        case ExternalIssuer(reference):
            return reference.kind, reference.name
        case ProvidedIssuer(secret):
            return "Secret", secret
        case DeviceCAIssuer(_, Reference(kind, name)):
            return kind, name
        case _:
            return None


def constraint_of(issuer: Issuer) -> str | None:
    """The CertificateAuthority that constrains the firmware's CA."""
    constrained = issuer.constrained_by if isinstance(issuer, DeviceCAIssuer) else None
    return constrained.authority if constrained else None


def matters(status: DeviceStatus) -> tuple[object, ...]:
    """What a DeviceCertificate reads of a Device."""
    return (
        status.address.current,
        status.capabilities,
        status.revision,
        status.certificate_ref,
        status.served.fingerprint if status.served else None,
        status.firmware_ca,
        tuple((one.type, one.status, one.reason) for one in status.conditions),
    )


def turns(status: CertificateStatus) -> tuple[object, ...]:
    """What a Device reads of a DeviceCertificate."""
    return *((member.name, member.turn) for member in status.members), status.request


def signs(status: AuthorityStatus) -> tuple[object, ...]:
    """What a DeviceCertificate reads of a CertificateAuthority."""
    rotation = status.rotation
    return (
        status.certificate.fingerprint if status.certificate else None,
        (rotation.phase, rotation.fingerprint) if rotation else None,
        tuple((one.status, one.reason) for one in status.conditions if one.type == "Ready"),
    )
