"""Keys, requests and self-signed certificates: ONVIF Security Service Specification 26.06, chapter 5 (keystore)."""

import asyncio
import base64
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from device_simulator.faults import Fault
from device_simulator.onvif.soap import TAS, Element, Request, SoapFault, argument, binary, maker, value, values
from device_simulator.pfx import StoreFault
from device_simulator.signing_requests import make_csr
from device_simulator.tls import Key, certificate_for, make_key
from device_simulator.uploads import key_is_refused

if TYPE_CHECKING:
    from device_simulator.onvif.device import OnvifDevice

tas = maker(TAS)
CURVES = {"secp256r1": "ECDSA-P256", "secp384r1": "ECDSA-P384"}
NAMES = {
    "Country": NameOID.COUNTRY_NAME,
    "Organization": NameOID.ORGANIZATION_NAME,
    "OrganizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "DistinguishedNameQualifier": NameOID.DN_QUALIFIER,
    "StateOrProvinceName": NameOID.STATE_OR_PROVINCE_NAME,
    "CommonName": NameOID.COMMON_NAME,
    "SerialNumber": NameOID.SERIAL_NUMBER,
    "Locality": NameOID.LOCALITY_NAME,
    "DomainComponent": NameOID.DOMAIN_COMPONENT,
}
_Sha2 = hashes.SHA256 | hashes.SHA384
_RSA: dict[str, type[_Sha2]] = {"1.2.840.113549.1.1.11": hashes.SHA256, "1.2.840.113549.1.1.12": hashes.SHA384}
_ECDSA: dict[str, type[_Sha2]] = {"1.2.840.10045.4.3.2": hashes.SHA256, "1.2.840.10045.4.3.3": hashes.SHA384}


async def _make(device: "OnvifDevice", key_id: str, kind: str) -> None:
    store = device.keystore
    store.fill_key(key_id, await asyncio.to_thread(make_key, kind))


def _begin(device: "OnvifDevice", request: Request, kind: str) -> tuple[str, str]:
    """(key id, estimated time) of a key that is made in the background."""
    if device.faults.strikes(Fault.STORE_FULL):
        raise StoreFault("Action MaximumNumberOfKeysReached")
    takes = device.spec.key_generation_for if device.faults.strikes(Fault.SLOW_KEY_GENERATION) else 0.0
    alias = "" if device.faults.strikes(Fault.KEY_ALIAS_DROPPED) else value(request.body, "Alias") or ""
    key_id = device.keystore.reserve_key(alias, time.monotonic() + takes)
    device.later(lambda: _make(device, key_id, kind), 0.0)
    return key_id, f"PT{max(takes, 0.1):.1f}S"


def create_rsa(device: "OnvifDevice", request: Request) -> Element:
    """CreateRSAKeyPair."""
    kind = f"RSA-{argument(request, 'KeyLength')}"
    if kind not in device.spec.key_types or key_is_refused(device.faults, kind):
        raise SoapFault("Sender", "InvalidArgVal", "KeyLength")
    key_id, takes = _begin(device, request, kind)
    return tas("CreateRSAKeyPairResponse", tas("KeyID", text=key_id), tas("EstimatedCreationTime", text=takes))


def create_ecc(device: "OnvifDevice", request: Request) -> Element:
    """CreateECCKeyPair."""
    kind = CURVES.get(argument(request, "EllipticCurve"), "")
    if kind not in device.spec.key_types or key_is_refused(device.faults, kind):
        raise SoapFault("Sender", "InvalidArgVal", "UnsupportedEllipticCurve")
    key_id, takes = _begin(device, request, kind)
    return tas("CreateECCKeyPairResponse", tas("KeyID", text=key_id), tas("EstimatedCreationTime", text=takes))


def _status(device: "OnvifDevice", key_id: str) -> str:
    if key_id not in device.keystore.keys:
        raise SoapFault("Sender", "InvalidArgVal", "KeyID")
    key = device.keystore.keys[key_id]
    return "generating" if key.public_sha256 is None or time.monotonic() < key.ready_at else "ok"


def get_key_status(device: "OnvifDevice", request: Request) -> Element:
    """GetKeyStatus."""
    return tas("GetKeyStatusResponse", tas("KeyStatus", text=_status(device, argument(request, "KeyID"))))


def get_private_key_status(device: "OnvifDevice", request: Request) -> Element:
    """GetPrivateKeyStatus."""
    key_id = argument(request, "KeyID")
    _status(device, key_id)
    return tas(
        "GetPrivateKeyStatusResponse",
        tas("hasPrivateKey", text=device.keystore.keys[key_id].private is not None),
    )


def get_all_keys(device: "OnvifDevice", request: Request) -> Element:
    """GetAllKeys."""
    return tas(
        "GetAllKeysResponse",
        *(
            tas(
                "KeyAttribute",
                tas("KeyID", text=key_id),
                tas("Alias", text=key.alias),
                tas("hasPrivateKey", text=key.private is not None),
                tas("KeyStatus", text=_status(device, key_id)),
                tas("externallyGenerated", text=key.external),
                tas("securelyStored", text=False),
            )
            for key_id, key in device.keystore.keys.items()
        ),
    )


def delete_key(device: "OnvifDevice", request: Request) -> Element:
    """DeleteKey."""
    key_id = argument(request, "KeyID")
    if not device.faults.strikes(Fault.DELETION_IGNORED):
        device.keystore.delete_key(key_id)
    return tas("DeleteKeyResponse")


def _private(device: "OnvifDevice", request: Request) -> Key:
    key_id = argument(request, "KeyID")
    if _status(device, key_id) != "ok":
        raise SoapFault("Sender", "InvalidArgVal", "InvalidKeyStatus")
    key = device.keystore.keys[key_id].private
    if key is None:
        raise SoapFault("Sender", "InvalidArgVal", "NoPrivateKey")
    return key


def _signing(device: "OnvifDevice", request: Request) -> tuple[Key, _Sha2]:
    key_id = argument(request, "KeyID")
    if _status(device, key_id) != "ok":
        raise SoapFault("Sender", "InvalidArgVal", "InvalidKeyStatus")
    key = device.keystore.keys[key_id].private
    if key is None:
        raise SoapFault("Sender", "InvalidArgVal", "NoPrivateKey")
    known = _RSA if isinstance(key, rsa.RSAPrivateKey) else _ECDSA
    wanted = value(request.body, "SignatureAlgorithm", "algorithm") or ""
    if wanted not in known:
        raise SoapFault("Sender", "InvalidArgVal", "UnsupportedSignatureAlgorithm")
    return key, known[wanted]()


def _subject(request: Request) -> x509.Name:
    subject = next((one for one in request.body if one.tag == f"{{{TAS}}}Subject"), None)
    if subject is None:
        raise SoapFault("Sender", "InvalidArgVal", "InvalidSubject")
    try:
        return x509.Name(x509.NameAttribute(oid, text) for name, oid in NAMES.items() for text in values(subject, name))
    except ValueError:
        raise SoapFault("Sender", "InvalidArgVal", "InvalidSubject") from None


def create_csr(device: "OnvifDevice", request: Request) -> Element:
    """CreatePKCS10CSR; extensions are taken over as they came."""
    key, hashed = _signing(device, request)
    try:
        made = make_csr(device, key, _subject(request), _extensions(request), hashed)
    except ValueError:
        raise SoapFault("Sender", "InvalidArgVal", "InvalidAttribute") from None
    device.made_csr(argument(request, "KeyID"))
    return tas("CreatePKCS10CSRResponse", tas("PKCS10CSR", text=csr_data(device, made)))


def _extensions(request: Request) -> Iterator[tuple[x509.ExtensionType, bool]]:
    for extension in request.body.iter(f"{{{TAS}}}X509v3Extension"):
        made = x509.UnrecognizedExtension(
            x509.ObjectIdentifier(value(extension, "extnOID") or ""), binary(value(extension, "extnValue") or "")
        )
        yield made, value(extension, "critical") == "true"


def csr_data(device: "OnvifDevice", made: x509.CertificateSigningRequest) -> str:
    """Base64 of what the device takes for the request's encoding."""
    encoding = serialization.Encoding.PEM if device.faults.strikes(Fault.CSR_AS_PEM) else serialization.Encoding.DER
    return base64.b64encode(made.public_bytes(encoding)).decode()


def create_self_signed(device: "OnvifDevice", request: Request) -> Element:
    """CreateSelfSignedCertificate."""
    key, _ = _signing(device, request)
    certificate = certificate_for(key, _subject(request), device.now())
    made = device.keystore.add_certificate(certificate, value(request.body, "Alias") or "")
    return tas("CreateSelfSignedCertificateResponse", tas("CertificateID", text=made))
