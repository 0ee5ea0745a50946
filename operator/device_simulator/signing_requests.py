"""Certificate signing requests as devices make them: PKCS#10 (RFC 2986), with what some firmware does to them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtensionOID, NameOID

from device_simulator.faults import Fault
from device_simulator.tls import Key

if TYPE_CHECKING:
    from device_simulator.device import SimulatedDevice

Extension = tuple[x509.ExtensionType, bool]  # with whether it is critical


def make_csr(
    device: "SimulatedDevice",
    key: Key,
    subject: x509.Name,
    extensions: Iterable[Extension] = (),
    hashed: hashes.SHA256 | hashes.SHA384 | None = None,
) -> x509.CertificateSigningRequest:
    """For a key, over what was asked for and what the device makes of that. Raises ValueError for an odd extension."""
    if device.faults.strikes(Fault.CSR_SUBJECT_EXTENDED):
        subject = x509.Name([*subject, *_of_the_device(device)])
    bare = device.faults.strikes(Fault.CSR_WITHOUT_SAN)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension, critical in extensions:
        if not (bare and extension.oid == ExtensionOID.SUBJECT_ALTERNATIVE_NAME):
            builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, hashed or hashes.SHA256())


def _of_the_device(device: "SimulatedDevice") -> list[x509.NameAttribute[str]]:
    return [
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, device.spec.manufacturer),
        x509.NameAttribute(NameOID.SERIAL_NUMBER, device.serial_number),
    ]
