"""The certificate operations of Device Management (tds): ONVIF Core Specification 16.06, chapter 8.4; deprecated since.

They look at the same store as the Security Service does: a legacy certificate is a certification path of one, its
CertificateID the path's id, and the one whose status is true the path that is assigned.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from asn1crypto import csr as asn1_csr
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509.oid import NameOID

from device_simulator.faults import Fault
from device_simulator.keystore import StoredCertificate, parse_certificate, to_der
from device_simulator.onvif.keys import csr_data
from device_simulator.onvif.soap import TDS, TT, Element, Request, SoapFault, argument, binary, maker, value, values
from device_simulator.pfx import Contents, StoreFault
from device_simulator.signing_requests import Extension, make_csr
from device_simulator.tls import Key, certificate_for, make_key, spki_sha256

if TYPE_CHECKING:
    from device_simulator.onvif.device import OnvifDevice

tds, tt = maker(TDS), maker(TT)


@contextmanager
def _in_legacy_words() -> Iterator[None]:
    """The store's faults as 8.4 calls them."""
    try:
        yield
    except StoreFault as refused:
        first, *rest = str(refused).split()
        if first == "Action":
            raise SoapFault("Receiver", "Action", "MaxCertificates") from None
        known = {"NoMatchingPrivateKey": "KeysNotMatching", "BadCertificate": "CertificateFormat"}
        raise SoapFault("Sender", first, *(known.get(word, word) for word in rest)) from None


def _stored(device: "OnvifDevice", certificate_id: str) -> StoredCertificate:
    path = device.keystore.paths.get(certificate_id)
    if path is None:
        raise SoapFault("Sender", "InvalidArgVal", "CertificateID")
    return device.keystore.certificates[path.certificate_ids[0]]


def _free_id(device: "OnvifDevice", wanted: str | None) -> str:
    if wanted in device.keystore.paths:
        raise SoapFault("Sender", "InvalidArgVal", "CertificateID")
    return wanted or device.keystore.new_id("certificate")


def _name(text: str | None, default: str) -> x509.Name:
    """A subject as RFC 4514 writes it; what is no such thing is taken for a CN."""
    try:
        return x509.Name.from_rfc4514_string(text or f"CN={default}")
    except ValueError:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text or default)])


def _date(request: Request, name: str) -> datetime | None:
    text = value(request.body, name)
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise SoapFault("Sender", "InvalidArgVal", "InvalidDateTime") from None


async def create_certificate(device: "OnvifDevice", request: Request) -> Element:
    """CreateCertificate: a key pair and a certificate that it signs itself."""
    certificate_id = _free_id(device, value(request.body, "CertificateID"))
    starts, ends = _date(request, "ValidNotBefore"), _date(request, "ValidNotAfter")
    kinds = device.spec.key_types
    kind = next((one for one in kinds if one.startswith("RSA")), kinds[0])
    key = await asyncio.to_thread(make_key, kind)
    subject = _name(value(request.body, "Subject"), device.spec.model)
    try:
        made = certificate_for(key, subject, device.now(), starts=starts, ends=ends)
    except ValueError:
        raise SoapFault("Sender", "InvalidArgVal", "InvalidDateTime") from None
    with _in_legacy_words():
        _add(device, certificate_id, Contents(key, (made,)))
    return tds("CreateCertificateResponse", _certificate("NvtCertificate", certificate_id, made))


def _add(device: "OnvifDevice", certificate_id: str, contents: Contents) -> None:
    if device.faults.strikes(Fault.STORE_FULL):
        raise StoreFault("Action MaximumNumberOfCertificatesReached")
    device.keystore.add_pair(contents, certificate_id, certificate_id, path_id=certificate_id)


def _certificate(name: str, certificate_id: str, certificate: x509.Certificate) -> Element:
    data = tt("Data", text=base64.b64encode(to_der(certificate)).decode())
    return tds(name, tt("CertificateID", text=certificate_id), tt("Certificate", data))


def get_pkcs10_request(device: "OnvifDevice", request: Request) -> Element:
    """GetPkcs10Request for the key of a certificate."""
    stored = _stored(device, argument(request, "CertificateID"))
    key = device.keystore.keys[stored.key_id].private
    if key is None:
        raise SoapFault("Receiver", "Action", "Signature")
    given = value(request.body, "Subject")
    subject = _name(given, device.spec.model) if given else stored.certificate.subject
    try:
        made = make_csr(device, key, subject, _extensions(request))
    except (ValueError, TypeError):
        raise SoapFault("Sender", "InvalidArgVal", "Attributes") from None
    device.made_csr(stored.key_id)
    return tds("GetPkcs10RequestResponse", tds("Pkcs10Request", tt("Data", text=csr_data(device, made))))


def _extensions(request: Request) -> Iterator[Extension]:
    """Those that are asked for in the attributes of RFC 2986, section 4.1."""
    if (data := value(request.body, "Attributes", "Data")) is None:
        return
    for attribute in asn1_csr.CRIAttributes.load(binary(data), strict=True):
        if attribute["type"].native == "extension_request":
            for one in attribute["values"][0]:
                oid = x509.ObjectIdentifier(one["extn_id"].dotted)
                yield x509.UnrecognizedExtension(oid, one["extn_value"].contents), bool(one["critical"].native)


def load_certificates(device: "OnvifDevice", request: Request) -> Element:
    """LoadCertificates: the device finds the key that fits; a certificate takes the place of one with its id."""
    for given in _children(request, "NVTCertificate"):
        with _in_legacy_words():
            certificate = device.admit_certificate(parse_certificate(_data(given, "Certificate")))
            if not device.faults.strikes(Fault.IMPORT_IGNORED):
                _load(device, value(given, "CertificateID") or "", certificate)
    device.show_assigned()
    device.maybe_restart_web()
    return tds("LoadCertificatesResponse")


def _load(device: "OnvifDevice", certificate_id: str, certificate: x509.Certificate) -> None:
    store = device.keystore
    key_id = _key_for(device, certificate)
    if certificate_id in store.paths:
        store.certificates[store.paths[certificate_id].certificate_ids[0]] = StoredCertificate(
            certificate, key_id, certificate_id
        )
    else:
        made = store.add_certificate(certificate, certificate_id, key_required=True)
        store.add_path((made,), certificate_id, path_id=certificate_id or None)


def _key_for(device: "OnvifDevice", certificate: x509.Certificate) -> str:
    public_key = certificate.public_key()
    if isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        wanted = spki_sha256(public_key)
        for key_id, stored in device.keystore.keys.items():
            if stored.public_sha256 == wanted and stored.private is not None:
                return key_id
    raise StoreFault("InvalidArgVal NoMatchingPrivateKey")


def load_with_private_key(device: "OnvifDevice", request: Request) -> Element:
    """LoadCertificateWithPrivateKey: DER both, the key without a passphrase."""
    for given in _children(request, "CertificateWithPrivateKey"):
        certificate_id = _free_id(device, value(given, "CertificateID"))
        with _in_legacy_words():
            certificate = parse_certificate(_data(given, "Certificate"))
            key = _private_key(_data(given, "PrivateKey"))
            device.keystore.check_kind(key)
            if key.public_key() != certificate.public_key():
                raise StoreFault("InvalidArgVal NoMatchingPrivateKey")
            admitted = device.admit(Contents(key, (certificate,)))
            if not device.faults.strikes(Fault.IMPORT_IGNORED):
                _add(device, certificate_id, admitted)
    device.maybe_restart_web()
    return tds("LoadCertificateWithPrivateKeyResponse")


def _private_key(der: bytes) -> Key:
    try:
        key = load_der_private_key(der, None)
    except (ValueError, TypeError):
        raise StoreFault("InvalidArgVal BadCertificate") from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise StoreFault("InvalidArgVal UnsupportedPublicKeyAlgorithm")
    return key


def _children(request: Request, name: str) -> list[Element]:
    found = [one for one in request.body if one.tag == f"{{{TDS}}}{name}"]
    if not found:
        raise SoapFault("Sender", "InvalidArgs", name)
    return found


def _data(given: Element, name: str) -> bytes:
    return binary(value(given, name, "Data") or "")


def _leaves(device: "OnvifDevice") -> dict[str, StoredCertificate]:
    return {path_id: _stored(device, path_id) for path_id in device.keystore.paths}


def get_certificates(device: "OnvifDevice", request: Request) -> Element:
    """GetCertificates."""
    found = (_certificate("NvtCertificate", one, stored.certificate) for one, stored in _leaves(device).items())
    return tds("GetCertificatesResponse", *found)


def get_certificate_information(device: "OnvifDevice", request: Request) -> Element:
    """GetCertificateInformation."""
    certificate_id = argument(request, "CertificateID")
    stored = _stored(device, certificate_id)
    one, key = stored.certificate, stored.certificate.public_key()
    size = key.key_size if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) else 0
    return tds(
        "GetCertificateInformationResponse",
        tds(
            "CertificateInformation",
            tt("CertificateID", text=certificate_id),
            tt("IssuerDN", text=one.issuer.rfc4514_string()),
            tt("SubjectDN", text=one.subject.rfc4514_string()),
            tt("KeyLength", text=size),
            tt("Version", text=one.version.value + 1),
            tt("SerialNum", text=f"{one.serial_number:x}"),
            tt("SignatureAlgorithm", text=one.signature_algorithm_oid.dotted_string),
            tt(
                "Validity",
                tt("From", text=one.not_valid_before_utc.isoformat()),
                tt("Until", text=one.not_valid_after_utc.isoformat()),
            ),
        ),
    )


def get_certificates_status(device: "OnvifDevice", request: Request) -> Element:
    """GetCertificatesStatus."""
    return tds(
        "GetCertificatesStatusResponse",
        *(
            tds("CertificateStatus", tt("CertificateID", text=one), tt("Status", text=one == device.keystore.assigned))
            for one in device.keystore.paths
        ),
    )


def set_certificates_status(device: "OnvifDevice", request: Request) -> Element:
    """SetCertificatesStatus: the one that is switched on is served; without one there is no HTTPS."""
    given = [one for one in request.body if one.tag == f"{{{TDS}}}CertificateStatus"]
    wanted = {value(one, "CertificateID") or "": value(one, "Status") in {"true", "1"} for one in given}
    for certificate_id in wanted:
        _stored(device, certificate_id)
    on = [certificate_id for certificate_id, status in wanted.items() if status]
    if len(on) > 1:
        raise SoapFault("Sender", "InvalidArgVal", "CertificateID")
    if on and device.keystore.identity(on[0]) is None:
        raise SoapFault("Sender", "InvalidArgVal", "KeysNotMatching")
    if on and on[0] != device.keystore.assigned:
        device.assign(on[0])
    elif not on and wanted.get(device.keystore.assigned or "") is False:
        if device.https_enabled:
            raise SoapFault("Sender", "InvalidArgVal", "ReferenceExists")
        device.keystore.assigned = None
    return tds("SetCertificatesStatusResponse")


def delete_certificates(device: "OnvifDevice", request: Request) -> Element:
    """DeleteCertificates: all of them with their keys, or none."""
    wanted = values(request.body, "CertificateID")
    for certificate_id in wanted:
        _stored(device, certificate_id)
        if certificate_id == device.keystore.assigned or certificate_id in device.keystore.used_elsewhere:
            raise SoapFault("Sender", "InvalidArgVal", "ReferenceExists")
    for certificate_id in dict.fromkeys(wanted):
        device.keystore.forget(certificate_id)
    return tds("DeleteCertificatesResponse")


OPERATIONS: dict[str, Callable[["OnvifDevice", Request], Element | Awaitable[Element]]] = {
    "CreateCertificate": create_certificate,
    "GetPkcs10Request": get_pkcs10_request,
    "LoadCertificates": load_certificates,
    "LoadCertificateWithPrivateKey": load_with_private_key,
    "GetCertificates": get_certificates,
    "GetCertificateInformation": get_certificate_information,
    "GetCertificatesStatus": get_certificates_status,
    "SetCertificatesStatus": set_certificates_status,
    "DeleteCertificates": delete_certificates,
}
