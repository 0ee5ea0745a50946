"""Security Service (tas), keystore and TLS server: ONVIF Security Service Specification 26.06, chapter 5."""

import base64
import binascii
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from device_simulator.faults import Fault
from device_simulator.keystore import PBES2, StoreFault, parse_certificate, to_der
from device_simulator.onvif.soap import TAS, Element, Request, SoapFault, maker, value, values
from device_simulator.tls import Key, certificate_for

if TYPE_CHECKING:
    from device_simulator.device import SimulatedDevice

tas = maker(TAS)
CURVES: dict[str, type[ec.EllipticCurve]] = {"secp256r1": ec.SECP256R1, "secp384r1": ec.SECP384R1}
_CURVE_OF = {"ECDSA-P256": "secp256r1", "ECDSA-P384": "secp384r1"}


def _argument(request: Request, name: str) -> str:
    found = value(request.body, name)
    if not found:
        raise SoapFault("Sender", "InvalidArgs", name)
    return found


def _data(request: Request, name: str) -> bytes:
    try:
        return base64.b64decode(_argument(request, name), validate=True)
    except (binascii.Error, ValueError):
        raise SoapFault("Sender", "InvalidArgVal") from None


def capabilities(device: "SimulatedDevice") -> Element:
    """What the keystore and the TLS server can do (5.6)."""
    store, kinds = device.keystore, device.spec.key_types
    curves = [_CURVE_OF[kind] for kind in kinds if kind in _CURVE_OF]
    lengths = [kind.removeprefix("RSA-") for kind in kinds if kind.startswith("RSA-")]
    keystore = tas(
        "KeystoreCapabilities",
        MaximumNumberOfKeys=store.most_keys,
        MaximumNumberOfCertificates=store.most_certificates,
        MaximumNumberOfCertificationPaths=store.most_paths,
        MaximumNumberOfPassphrases=store.most_passphrases,
        RSAKeyPairGeneration=bool(lengths),
        RSAKeyLengths=" ".join(lengths),
        ECCKeyPairGeneration=bool(curves),
        EllipticCurves=" ".join(curves),
        PKCS10=True,
        PKCS10ExternalCertificationWithRSA=True,
        SelfSignedCertificateCreation=True,
        X509Versions="3",
        PKCS12=True,
        PKCS12CertificateWithRSAPrivateKeyUpload=True,
        PasswordBasedEncryptionAlgorithms="pbeWithSHAAnd3-KeyTripleDES-CBC"
        if PBES2 not in store.encryptions
        else "PBES2",
    )
    server = tas("TLSServerCapabilities", TLSServerSupported="1.2", MaximumNumberOfTLSCertificationPaths=1)
    return tas("Capabilities", keystore, server)


def _get_capabilities(device: "SimulatedDevice", request: Request) -> Element:
    return tas("GetServiceCapabilitiesResponse", capabilities(device))


# ------------------------------------------------------------------------------------------------- keys


def _new_key(device: "SimulatedDevice", key: Key, request: Request) -> tuple[str, float]:
    takes = device.spec.key_generation_for if device.faults.strikes(Fault.SLOW_KEY_GENERATION) else 0.0
    alias = value(request.body, "Alias") or ""
    return device.keystore.add_key(key, alias, ready_at=time.monotonic() + takes, external=False), takes


def _create_rsa(device: "SimulatedDevice", request: Request) -> Element:
    bits = _argument(request, "KeyLength")
    if f"RSA-{bits}" not in device.spec.key_types:
        raise SoapFault("Sender", "InvalidArgVal", "KeyLength")
    key_id, takes = _new_key(device, rsa.generate_private_key(65537, int(bits)), request)
    return tas(
        "CreateRSAKeyPairResponse", tas("KeyID", text=key_id), tas("EstimatedCreationTime", text=f"PT{takes:.0f}S")
    )


def _create_ecc(device: "SimulatedDevice", request: Request) -> Element:
    curve = CURVES.get(_argument(request, "EllipticCurve"))
    if curve is None:
        raise SoapFault("Sender", "InvalidArgVal", "UnsupportedEllipticCurve")
    key_id, takes = _new_key(device, ec.generate_private_key(curve()), request)
    return tas(
        "CreateECCKeyPairResponse", tas("KeyID", text=key_id), tas("EstimatedCreationTime", text=f"PT{takes:.0f}S")
    )


def _status(device: "SimulatedDevice", key_id: str) -> str:
    if key_id not in device.keystore.keys:
        raise SoapFault("Sender", "InvalidArgVal", "KeyID")
    return "ok" if time.monotonic() >= device.keystore.keys[key_id].ready_at else "generating"


def _get_key_status(device: "SimulatedDevice", request: Request) -> Element:
    return tas("GetKeyStatusResponse", tas("KeyStatus", text=_status(device, _argument(request, "KeyID"))))


def _get_private_key_status(device: "SimulatedDevice", request: Request) -> Element:
    key_id = _argument(request, "KeyID")
    _status(device, key_id)
    return tas(
        "GetPrivateKeyStatusResponse",
        tas("hasPrivateKey", text=device.keystore.keys[key_id].private is not None),
    )


def _get_all_keys(device: "SimulatedDevice", request: Request) -> Element:
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


def _delete_key(device: "SimulatedDevice", request: Request) -> Element:
    device.keystore.delete_key(_argument(request, "KeyID"))
    return tas("DeleteKeyResponse")


def _private(device: "SimulatedDevice", request: Request) -> Key:
    key_id = _argument(request, "KeyID")
    if _status(device, key_id) != "ok":
        raise SoapFault("Sender", "InvalidArgVal", "InvalidKeyStatus")
    key = device.keystore.keys[key_id].private
    if key is None:
        raise SoapFault("Sender", "InvalidArgVal", "NoPrivateKey")
    return key


def _create_csr(device: "SimulatedDevice", request: Request) -> Element:
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, value(request.body, "Subject", "CommonName") or "device")]
    )
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    for oid, critical, data in zip(
        values(request.body, "extnOID"),
        values(request.body, "critical"),
        values(request.body, "extnValue"),
        strict=False,
    ):
        extension = x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), base64.b64decode(data))
        builder = builder.add_extension(extension, critical=critical == "true")
    made = builder.sign(_private(device, request), hashes.SHA256())
    data = base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()
    return tas("CreatePKCS10CSRResponse", tas("PKCS10CSR", text=data))


def _create_self_signed(device: "SimulatedDevice", request: Request) -> Element:
    name = value(request.body, "Subject", "CommonName") or device.spec.model
    certificate = certificate_for(_private(device, request), name, device.now())
    made = device.keystore.add_certificate(certificate, value(request.body, "Alias") or "")
    return tas("CreateSelfSignedCertificateResponse", tas("CertificateID", text=made))


# ----------------------------------------------------------------------------------------- certificates


def _upload_certificate(device: "SimulatedDevice", request: Request) -> Element:
    if device.faults.strikes(Fault.STORE_FULL):
        raise StoreFault("Action MaximumNumberOfCertificatesReached")
    made = device.keystore.add_certificate(
        parse_certificate(_data(request, "Certificate")),
        value(request.body, "Alias") or "",
        key_required=value(request.body, "PrivateKeyRequired") == "true",
    )
    key_id = device.keystore.certificates[made].key_id
    return tas("UploadCertificateResponse", tas("CertificateID", text=made), tas("KeyID", text=key_id))


def _certificate(device: "SimulatedDevice", certificate_id: str) -> Element:
    stored = device.keystore.certificates.get(certificate_id)
    if stored is None:
        raise SoapFault("Sender", "InvalidArgVal", "CertificateID")
    return tas(
        "Certificate",
        tas("CertificateID", text=certificate_id),
        tas("KeyID", text=stored.key_id),
        tas("Alias", text=stored.alias),
        tas("CertificateContent", text=base64.b64encode(to_der(stored.certificate)).decode()),
        tas("HasPrivateKey", text=device.keystore.keys[stored.key_id].private is not None),
    )


def _get_certificate(device: "SimulatedDevice", request: Request) -> Element:
    return tas("GetCertificateResponse", _certificate(device, _argument(request, "CertificateID")))


def _get_all_certificates(device: "SimulatedDevice", request: Request) -> Element:
    return tas("GetAllCertificatesResponse", *(_certificate(device, one) for one in device.keystore.certificates))


def _delete_certificate(device: "SimulatedDevice", request: Request) -> Element:
    device.keystore.delete_certificate(_argument(request, "CertificateID"))
    return tas("DeleteCertificateResponse")


def _upload_pkcs12(device: "SimulatedDevice", request: Request) -> Element:
    data = _data(request, "CertWithPrivateKey")
    if device.faults.strikes(Fault.STORE_FULL):
        raise StoreFault("Action MaximumNumberOfKeysReached")
    if device.faults.strikes(Fault.IMPORT_IGNORED):
        return tas(
            "UploadCertificateWithPrivateKeyInPKCS12Response",
            tas("CertificationPathID", text="path-0"),
            tas("KeyID", text="key-0"),
        )
    path_id, key_id = device.keystore.add_pkcs12(
        data,
        _passphrase(device, request),
        value(request.body, "CertificationPathAlias") or "",
        value(request.body, "KeyAlias") or "",
    )
    device.maybe_restart_web()
    return tas(
        "UploadCertificateWithPrivateKeyInPKCS12Response",
        tas("CertificationPathID", text=path_id),
        tas("KeyID", text=key_id),
    )


def _passphrase(device: "SimulatedDevice", request: Request) -> str | None:
    if (inline := value(request.body, "Passphrase")) is not None:
        return inline
    if (wanted := value(request.body, "EncryptionPassphraseID")) is None:
        return None
    if wanted not in device.keystore.passphrases:
        raise SoapFault("Sender", "InvalidArgVal", "PassphraseID")
    return device.keystore.passphrases[wanted][0]


def _upload_passphrase(device: "SimulatedDevice", request: Request) -> Element:
    store = device.keystore
    if len(store.passphrases) >= store.most_passphrases:
        raise StoreFault("Action MaximumNumberOfPassphrasesReached")
    made = store.new_id("passphrase")
    store.passphrases[made] = (_argument(request, "Passphrase"), value(request.body, "PassphraseAlias") or "")
    return tas("UploadPassphraseResponse", tas("PassphraseID", text=made))


def _get_all_passphrases(device: "SimulatedDevice", request: Request) -> Element:
    return tas(
        "GetAllPassphrasesResponse",
        *(
            tas("PassphraseAttribute", tas("PassphraseID", text=one), tas("Alias", text=alias))
            for one, (_, alias) in device.keystore.passphrases.items()
        ),
    )


def _delete_passphrase(device: "SimulatedDevice", request: Request) -> Element:
    if device.keystore.passphrases.pop(_argument(request, "PassphraseID"), None) is None:
        raise SoapFault("Sender", "InvalidArgVal", "PassphraseID")
    return tas("DeletePassphraseResponse")


# ------------------------------------------------------------------------------------------------ paths


def _create_path(device: "SimulatedDevice", request: Request) -> Element:
    ids = tuple(values(request.body, "CertificateID"))
    made = device.keystore.add_path(ids, value(request.body, "Alias") or "")
    return tas("CreateCertificationPathResponse", tas("CertificationPathID", text=made))


def _get_path(device: "SimulatedDevice", request: Request) -> Element:
    path = device.keystore.paths.get(_argument(request, "CertificationPathID"))
    if path is None:
        raise SoapFault("Sender", "InvalidArgVal", "CertificationPathID")
    ids = (tas("CertificateID", text=one) for one in path.certificate_ids)
    return tas("GetCertificationPathResponse", tas("CertificationPath", *ids, tas("Alias", text=path.alias)))


def _get_all_paths(device: "SimulatedDevice", request: Request) -> Element:
    ids = (tas("CertificationPathID", text=one) for one in device.keystore.paths)
    return tas("GetAllCertificationPathsResponse", *ids)


def _delete_path(device: "SimulatedDevice", request: Request) -> Element:
    device.keystore.delete_path(_argument(request, "CertificationPathID"))
    return tas("DeleteCertificationPathResponse")


def _checked_path(device: "SimulatedDevice", path_id: str) -> str:
    if path_id not in device.keystore.paths:
        raise SoapFault("Sender", "InvalidArgVal", "CertificationPathID")
    if device.keystore.identity(path_id) is None:
        raise SoapFault("Sender", "InvalidArgVal", "NoPrivateKey")
    return path_id


def _add_assignment(device: "SimulatedDevice", request: Request) -> Element:
    path_id = _checked_path(device, _argument(request, "CertificationPathID"))
    if device.keystore.assigned is not None:
        raise StoreFault("Action MaximumNumberOfTLSCertificationPathsReached")
    device.assign(path_id)
    return tas("AddServerCertificateAssignmentResponse")


def _replace_assignment(device: "SimulatedDevice", request: Request) -> Element:
    new = _checked_path(device, _argument(request, "NewCertificationPathID"))
    if _argument(request, "OldCertificationPathID") != device.keystore.assigned:
        raise SoapFault("Sender", "InvalidArgVal", "OldCertificationPathID")
    device.assign(new)
    return tas("ReplaceServerCertificateAssignmentResponse")


def _remove_assignment(device: "SimulatedDevice", request: Request) -> Element:
    if device.https_enabled:
        raise StoreFault("InvalidArgVal ReferenceExists")
    device.keystore.assigned = None
    return tas("RemoveServerCertificateAssignmentResponse")


def _get_assigned(device: "SimulatedDevice", request: Request) -> Element:
    assigned = device.keystore.assigned
    path = tas("CertificationPathID", text=assigned) if assigned is not None else None
    return tas("GetAssignedServerCertificatesResponse", path)


OPERATIONS: dict[str, Callable[["SimulatedDevice", Request], Element]] = {
    "GetServiceCapabilities": _get_capabilities,
    "CreateRSAKeyPair": _create_rsa,
    "CreateECCKeyPair": _create_ecc,
    "GetKeyStatus": _get_key_status,
    "GetPrivateKeyStatus": _get_private_key_status,
    "GetAllKeys": _get_all_keys,
    "DeleteKey": _delete_key,
    "CreatePKCS10CSR": _create_csr,
    "CreateSelfSignedCertificate": _create_self_signed,
    "UploadCertificate": _upload_certificate,
    "GetCertificate": _get_certificate,
    "GetAllCertificates": _get_all_certificates,
    "DeleteCertificate": _delete_certificate,
    "UploadCertificateWithPrivateKeyInPKCS12": _upload_pkcs12,
    "UploadPassphrase": _upload_passphrase,
    "GetAllPassphrases": _get_all_passphrases,
    "DeletePassphrase": _delete_passphrase,
    "CreateCertificationPath": _create_path,
    "GetCertificationPath": _get_path,
    "GetAllCertificationPaths": _get_all_paths,
    "DeleteCertificationPath": _delete_path,
    "AddServerCertificateAssignment": _add_assignment,
    "ReplaceServerCertificateAssignment": _replace_assignment,
    "RemoveServerCertificateAssignment": _remove_assignment,
    "GetAssignedServerCertificates": _get_assigned,
}
