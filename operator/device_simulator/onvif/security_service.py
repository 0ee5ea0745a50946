"""Security Service (tas), keystore and TLS server: ONVIF Security Service Specification 26.06, chapter 5."""

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

from device_simulator.faults import Fault
from device_simulator.keystore import parse_certificate, to_der
from device_simulator.onvif import keys
from device_simulator.onvif.keys import CURVES
from device_simulator.onvif.soap import TAS, Element, Request, SoapFault, argument, binary, maker, value, values
from device_simulator.pfx import StoreFault

if TYPE_CHECKING:
    from device_simulator.onvif.device import OnvifDevice

tas = maker(TAS)


def capabilities(device: "OnvifDevice") -> Element:
    """What the keystore and the TLS server can do (5.6)."""
    store, kinds = device.keystore, device.spec.key_types
    curves = [curve for curve, kind in CURVES.items() if kind in kinds]
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
        KeyPairGeneration=" ".join(word for word, any_of in (("RSA", lengths), ("ECC", curves)) if any_of),
        PKCS12=True,
        PKCS12CertificateWithRSAPrivateKeyUpload=True,
        PasswordBasedEncryptionAlgorithms=" ".join(store.encryptions),
    )
    server = tas("TLSServerCapabilities", TLSServerSupported="1.2 1.3", MaximumNumberOfTLSCertificationPaths=1)
    return tas("Capabilities", keystore, server)


def _get_capabilities(device: "OnvifDevice", request: Request) -> Element:
    return tas("GetServiceCapabilitiesResponse", capabilities(device))


# ----------------------------------------------------------------------------------------- certificates


def _upload_certificate(device: "OnvifDevice", request: Request) -> Element:
    if device.faults.strikes(Fault.STORE_FULL):
        raise StoreFault("Action MaximumNumberOfCertificatesReached")
    if device.faults.strikes(Fault.IMPORT_IGNORED):
        return tas("UploadCertificateResponse", tas("CertificateID", text="cert-0"), tas("KeyID", text="key-0"))
    made = device.keystore.add_certificate(
        device.admit_certificate(parse_certificate(binary(argument(request, "Certificate")))),
        value(request.body, "Alias") or "",
        key_required=value(request.body, "PrivateKeyRequired") == "true",
    )
    key_id = device.keystore.certificates[made].key_id
    return tas("UploadCertificateResponse", tas("CertificateID", text=made), tas("KeyID", text=key_id))


def _certificate(device: "OnvifDevice", certificate_id: str) -> Element:
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


def _get_certificate(device: "OnvifDevice", request: Request) -> Element:
    return tas("GetCertificateResponse", _certificate(device, argument(request, "CertificateID")))


def _get_all_certificates(device: "OnvifDevice", request: Request) -> Element:
    return tas("GetAllCertificatesResponse", *(_certificate(device, one) for one in device.keystore.certificates))


def _delete_certificate(device: "OnvifDevice", request: Request) -> Element:
    certificate_id = argument(request, "CertificateID")
    if not device.faults.strikes(Fault.DELETION_IGNORED):
        device.keystore.delete_certificate(certificate_id)
    return tas("DeleteCertificateResponse")


def _upload_pkcs12(device: "OnvifDevice", request: Request) -> Element:
    data = binary(argument(request, "CertWithPrivateKey"))
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
        leaf_only=value(request.body, "IgnoreAdditionalCertificates") == "true",
        admit=device.admit,
    )
    device.maybe_restart_web()
    return tas(
        "UploadCertificateWithPrivateKeyInPKCS12Response",
        tas("CertificationPathID", text=path_id),
        tas("KeyID", text=key_id),
    )


def _passphrase(device: "OnvifDevice", request: Request) -> str | None:
    if (inline := value(request.body, "Passphrase")) is not None:
        return inline
    if (wanted := value(request.body, "EncryptionPassphraseID")) is None:
        return None
    if wanted not in device.keystore.passphrases:
        raise SoapFault("Sender", "InvalidArgVal", "PassphraseID")
    return device.keystore.passphrases[wanted][0]


def _upload_passphrase(device: "OnvifDevice", request: Request) -> Element:
    store = device.keystore
    if len(store.passphrases) >= store.most_passphrases:
        raise StoreFault("Action MaximumNumberOfPassphrasesReached")
    made = store.new_id("passphrase")
    store.passphrases[made] = (argument(request, "Passphrase"), value(request.body, "PassphraseAlias") or "")
    return tas("UploadPassphraseResponse", tas("PassphraseID", text=made))


def _get_all_passphrases(device: "OnvifDevice", request: Request) -> Element:
    return tas(
        "GetAllPassphrasesResponse",
        *(
            tas("PassphraseAttribute", tas("PassphraseID", text=one), tas("Alias", text=alias))
            for one, (_, alias) in device.keystore.passphrases.items()
        ),
    )


def _delete_passphrase(device: "OnvifDevice", request: Request) -> Element:
    if device.keystore.passphrases.pop(argument(request, "PassphraseID"), None) is None:
        raise SoapFault("Sender", "InvalidArgVal", "PassphraseID")
    return tas("DeletePassphraseResponse")


# ------------------------------------------------------------------------------------------------ paths


def _create_path(device: "OnvifDevice", request: Request) -> Element:
    ids = device.admit_path(tuple(values(request.body, "CertificateID")))
    made = device.keystore.add_path(ids, value(request.body, "Alias") or "")
    return tas("CreateCertificationPathResponse", tas("CertificationPathID", text=made))


def _get_path(device: "OnvifDevice", request: Request) -> Element:
    path = device.keystore.paths.get(argument(request, "CertificationPathID"))
    if path is None:
        raise SoapFault("Sender", "InvalidArgVal", "CertificationPathID")
    ids = (tas("CertificateID", text=one) for one in path.certificate_ids)
    return tas("GetCertificationPathResponse", tas("CertificationPath", *ids, tas("Alias", text=path.alias)))


def _get_all_paths(device: "OnvifDevice", request: Request) -> Element:
    ids = (tas("CertificationPathID", text=one) for one in device.keystore.paths)
    return tas("GetAllCertificationPathsResponse", *ids)


def _delete_path(device: "OnvifDevice", request: Request) -> Element:
    path_id = argument(request, "CertificationPathID")
    if not device.faults.strikes(Fault.DELETION_IGNORED):
        device.keystore.delete_path(path_id)
    return tas("DeleteCertificationPathResponse")


def _checked_path(device: "OnvifDevice", path_id: str) -> str:
    if path_id not in device.keystore.paths:
        raise SoapFault("Sender", "InvalidArgVal", "CertificationPathID")
    if device.keystore.identity(path_id) is None:
        raise SoapFault("Sender", "InvalidArgVal", "NoPrivateKey")
    return path_id


def _check_assignment(device: "OnvifDevice") -> None:
    if device.faults.strikes(Fault.ASSIGNMENT_REFUSED):
        raise SoapFault("Receiver", "Action", "UnsupportedKey")


def _add_assignment(device: "OnvifDevice", request: Request) -> Element:
    path_id = _checked_path(device, argument(request, "CertificationPathID"))
    if device.keystore.assigned is not None:
        raise StoreFault("Action MaximumNumberOfTLSCertificationPathsReached")
    _check_assignment(device)
    device.assign(path_id)
    return tas("AddServerCertificateAssignmentResponse")


def _replace_assignment(device: "OnvifDevice", request: Request) -> Element:
    new = _checked_path(device, argument(request, "NewCertificationPathID"))
    if argument(request, "OldCertificationPathID") != device.keystore.assigned:
        raise SoapFault("Sender", "InvalidArgVal", "OldCertificationPathID")
    _check_assignment(device)
    device.assign(new)
    return tas("ReplaceServerCertificateAssignmentResponse")


def _remove_assignment(device: "OnvifDevice", request: Request) -> Element:
    if argument(request, "CertificationPathID") != device.keystore.assigned:
        raise SoapFault("Sender", "InvalidArgVal", "CertificationPathID")
    if device.https_enabled:
        raise StoreFault("InvalidArgVal ReferenceExists")
    device.keystore.assigned = None
    return tas("RemoveServerCertificateAssignmentResponse")


def _get_assigned(device: "OnvifDevice", request: Request) -> Element:
    assigned = device.keystore.assigned
    path = tas("CertificationPathID", text=assigned) if assigned is not None else None
    return tas("GetAssignedServerCertificatesResponse", path)


OPERATIONS: dict[str, Callable[["OnvifDevice", Request], Element]] = {
    "GetServiceCapabilities": _get_capabilities,
    "CreateRSAKeyPair": keys.create_rsa,
    "CreateECCKeyPair": keys.create_ecc,
    "GetKeyStatus": keys.get_key_status,
    "GetPrivateKeyStatus": keys.get_private_key_status,
    "GetAllKeys": keys.get_all_keys,
    "DeleteKey": keys.delete_key,
    "CreatePKCS10CSR": keys.create_csr,
    "CreateSelfSignedCertificate": keys.create_self_signed,
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
