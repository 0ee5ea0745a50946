"""Certificate operations of the Device Management Service, older than the security service; built and read without IO.

ONVIF Core Specification 16.06, chapter 8.4; deprecated since, and still in the tds WSDL.
"""

import base64
from dataclasses import dataclass, field

from device_cert_operator.drivers.onvif.soap import (
    TDS,
    TT,
    Element,
    boolean,
    child,
    children,
    decoded,
    node,
    required,
    safe,
    text,
    truth,
)

_MOST_ENTRIES = 64
_LONGEST_ID = 128
_VERSIONS = ("TLS1.0", "TLS1.1", "TLS1.2")


@dataclass(frozen=True, slots=True)
class LegacyFeatures:
    """Capabilities/Security of GetServiceCapabilitiesResponse (tds). makes_keys: OnboardKeyGeneration."""

    makes_keys: bool = False
    serves_tls: bool = False


@dataclass(frozen=True, slots=True)
class LegacyCertificate:
    """A certificate in the device's store; the device has a key for each. enabled: the HTTPS server uses it."""

    certificate_id: str
    der: bytes = field(repr=False)
    enabled: bool = False


# ------------------------------------------------------------------------------------------------ build


def build_create_certificate(certificate_id: str, subject: str) -> Element:
    """CreateCertificate: a key pair and a self-signed certificate, dated by the device."""
    return node(
        TDS,
        "CreateCertificate",
        node(TDS, "CertificateID", text=certificate_id),
        node(TDS, "Subject", text=subject) if subject else None,
    )


def build_get_request(certificate_id: str, subject: str) -> Element:
    """GetPkcs10Request for the key of a certificate."""
    return node(
        TDS,
        "GetPkcs10Request",
        node(TDS, "CertificateID", text=certificate_id),
        node(TDS, "Subject", text=subject) if subject else None,
    )


def build_load(certificate_id: str, der: bytes) -> Element:
    """LoadCertificates with one: the device finds the key that fits."""
    parts = (node(TT, "CertificateID", text=certificate_id), _binary("Certificate", der))
    return node(TDS, "LoadCertificates", node(TDS, "NVTCertificate", *parts))


def build_load_with_key(certificate_id: str, der: bytes, key_der: bytes) -> Element:
    """LoadCertificateWithPrivateKey with one. key_der: PKCS#8."""
    parts = (
        node(TT, "CertificateID", text=certificate_id),
        _binary("Certificate", der),
        _binary("PrivateKey", key_der),
    )
    return node(TDS, "LoadCertificateWithPrivateKey", node(TDS, "CertificateWithPrivateKey", *parts))


def build_set_status(enabled: dict[str, bool]) -> Element:
    """SetCertificatesStatus, all in one request: at no time is none enabled."""
    return node(
        TDS,
        "SetCertificatesStatus",
        *(
            node(
                TDS,
                "CertificateStatus",
                node(TT, "CertificateID", text=certificate_id),
                node(TT, "Status", text=truth(on)),
            )
            for certificate_id, on in enabled.items()
        ),
    )


def build_delete(certificate_ids: tuple[str, ...]) -> Element:
    """DeleteCertificates: all of them, or a fault and none."""
    return node(TDS, "DeleteCertificates", *(node(TDS, "CertificateID", text=one) for one in certificate_ids))


def _binary(name: str, data: bytes) -> Element:
    return node(TT, name, node(TT, "Data", text=base64.b64encode(data).decode("ascii")))


# ------------------------------------------------------------------------------------------------- read


def read_features(answer: Element) -> LegacyFeatures:
    """GetServiceCapabilitiesResponse of the device service; what is absent counts as not supported."""
    security = child(answer, "Capabilities", "Security")
    if security is None:
        return LegacyFeatures()
    return LegacyFeatures(
        makes_keys=boolean(security.get("OnboardKeyGeneration")) or False,
        serves_tls=any(boolean(security.get(version)) for version in _VERSIONS),
    )


def read_certificates(answer: Element, enabled: frozenset[str]) -> tuple[LegacyCertificate, ...]:
    """GetCertificatesResponse. enabled: from `read_enabled`."""
    found = []
    for one in children(answer, "NvtCertificate")[:_MOST_ENTRIES]:
        certificate_id = _an_id(one)
        der = decoded(required(one, "Certificate", "Data"), "a certificate")
        found.append(LegacyCertificate(certificate_id, der, certificate_id in enabled))
    return tuple(found)


def read_enabled(answer: Element) -> frozenset[str]:
    """GetCertificatesStatusResponse: ids of the certificates that HTTPS uses."""
    found = children(answer, "CertificateStatus")[:_MOST_ENTRIES]
    return frozenset(_an_id(one) for one in found if boolean(text(one, "Status")))


def read_request(answer: Element) -> bytes:
    """GetPkcs10RequestResponse: what should be DER, unverified; base64 of PEM is seen as well."""
    return decoded(required(answer, "Pkcs10Request", "Data"), "a certificate request")


def _an_id(element: Element) -> str:
    return safe(required(element, "CertificateID"))[:_LONGEST_ID]
