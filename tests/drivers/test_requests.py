"""Every request that the driver builds is valid by ONVIF's own schemas."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from device_cert_operator.core.exchange import UsernameToken
from device_cert_operator.core.model import ClockSource
from device_cert_operator.drivers.onvif import device_messages as tds
from device_cert_operator.drivers.onvif import legacy_messages as legacy
from device_cert_operator.drivers.onvif import security_messages as tas
from device_cert_operator.drivers.onvif.device_messages import NetworkProtocol, ProtocolName
from device_cert_operator.drivers.onvif.soap import Element, build_envelope, content_type_for, local_name
from tests.drivers.schemas import official_schema

AT = datetime(2026, 2, 28, 23, 59, 59, 700_000, tzinfo=UTC)
PROTOCOLS = (
    NetworkProtocol(ProtocolName.HTTP, True, (80, 8080)),
    NetworkProtocol(ProtocolName.HTTPS, True, (443,)),
)
SUBJECT = (
    ("country", "JP"),
    ("state", "Osaka"),
    ("locality", "Suita"),
    ("organization", "Example"),
    ("organizational_unit", "Doors"),
    ("common_name", "192.0.2.5"),
)
DEVICE = [
    tds.build_get_services(),
    *(
        tds.build_get(operation)
        for operation in (
            "GetSystemDateAndTime",
            "GetDeviceInformation",
            "GetNetworkInterfaces",
            "GetNetworkProtocols",
            "GetNTP",
            "GetNetworkDefaultGateway",
            "GetServiceCapabilities",
            "GetCertificates",
            "GetCertificatesStatus",
            "SystemReboot",
        )
    ),
    tds.build_set_clock(ClockSource.MANUAL, AT, "CET-1CEST,M3.5.0,M10.5.0/3", True),
    tds.build_set_clock(ClockSource.NTP, None, None, False),
    tds.build_set_ntp(("192.0.2.1", "2001:DB8::1", "time.example.org")),
    tds.build_set_network_protocols(PROTOCOLS),
    tds.build_set_interface("eth0", (("192.0.2.5", 24), ("10.0.0.5", 8))),
    tds.build_set_gateway("192.0.2.1", ("fe80::1",)),
    legacy.build_create_certificate("dc-0a1b2c3d-r1-key", "CN=192.0.2.5,O=Example"),
    legacy.build_create_certificate("dc-0a1b2c3d-r1-key", ""),
    legacy.build_get_request("dc-0a1b2c3d-r1-key", "192.0.2.5"),
    legacy.build_get_request("dc-0a1b2c3d-r1-key", ""),
    legacy.build_load("dc-0a1b2c3d-r1", b"der"),
    legacy.build_load_with_key("dc-0a1b2c3d-r1", b"der", b"pkcs8"),
    legacy.build_set_status({"dc-0a1b2c3d-r1": True, "factory": False}),
    legacy.build_delete(("dc-0a1b2c3d-r1", "dc-0a1b2c3d-r1-key")),
]
SECURITY = [
    *(
        tas.build_get(operation)
        for operation in (
            "GetServiceCapabilities",
            "GetAllCertificates",
            "GetAllKeys",
            "GetAllCertificationPaths",
            "GetAssignedServerCertificates",
            "GetAllPassphrases",
        )
    ),
    tas.build_with("GetCertificationPath", CertificationPathID="path-1"),
    tas.build_with("GetKeyStatus", KeyID="key-1"),
    tas.build_with("CreateRSAKeyPair", KeyLength="2048", Alias="dc"),
    tas.build_with("CreateECCKeyPair", EllipticCurve="secp256r1", Alias="dc"),
    tas.build_create_self_signed("key-1", "device", tas.RSA_SHA256, "dc"),
    tas.build_upload_certificate(b"der", "dc"),
    tas.build_upload_certificate(b"der", "dc", key_required=True),
    tas.build_create_csr("key-1", SUBJECT, b"san", tas.RSA_SHA256),
    tas.build_create_csr("key-1", (), b"san", tas.ECDSA_SHA256),
    tas.build_create_csr("key-1", SUBJECT[:2], None, tas.ECDSA_SHA256),
    tas.build_create_path(("c1", "c2"), "dc"),
    tas.build_upload_pkcs12(b"pfx", "dc", passphrase_id="p1", passphrase="secret"),
    tas.build_upload_pkcs12(b"pfx", "dc", passphrase_id=None, passphrase="secret"),
    tas.build_with("UploadPassphrase", Passphrase="secret", PassphraseAlias="dc"),
    tas.build_with("DeletePassphrase", PassphraseID="p1"),
    tas.build_with("AddServerCertificateAssignment", CertificationPathID="path-1"),
    tas.build_with(
        "ReplaceServerCertificateAssignment", OldCertificationPathID="path-1", NewCertificationPathID="path-2"
    ),
    tas.build_with("DeleteCertificationPath", CertificationPathID="path-1"),
    tas.build_with("DeleteCertificate", CertificateID="c1"),
    tas.build_with("DeleteKey", KeyID="key-1"),
]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> etree.XMLSchema:
    folder: Path = tmp_path_factory.mktemp("schemas")
    return official_schema(folder)


@pytest.mark.parametrize("request_body", [*DEVICE, *SECURITY], ids=local_name)
def test_a_request_is_valid_by_the_official_schema(request_body: Element, schema: etree.XMLSchema) -> None:
    sent = etree.fromstring(build_envelope(request_body))
    body = sent[0][0]
    assert schema.validate(body), schema.error_log


def test_the_action_is_the_operation_in_its_namespace() -> None:
    assert content_type_for(tds.build_get("SystemReboot")) == (
        'application/soap+xml; charset=utf-8; action="http://www.onvif.org/ver10/device/wsdl/SystemReboot"'
    )


def test_a_passphrase_that_is_on_the_device_does_not_travel_again() -> None:
    sent = build_envelope(tas.build_upload_pkcs12(b"pfx", "dc", passphrase_id="p1", passphrase="secret"))
    assert b"secret" not in sent
    assert sent.count(b"p1") == 2


def test_the_clock_is_sent_rounded_to_the_second() -> None:
    sent = build_envelope(tds.build_set_clock(ClockSource.MANUAL, AT, None, False))
    assert b"<tt:Hour>0</tt:Hour>" in sent
    assert b"<tt:Month>3</tt:Month><tt:Day>1</tt:Day>" in sent


def test_a_token_goes_into_the_header_with_its_types() -> None:
    sent = build_envelope(tds.build_get("GetNTP"), UsernameToken("admin", "digest", "nonce", "2026-01-01T00:00:00Z"))
    root = etree.fromstring(sent)
    texts = {etree.QName(one).localname: one.text for one in root[0].iter() if one.text}
    assert texts == {
        "Username": "admin",
        "Password": "digest",
        "Nonce": "nonce",
        "Created": "2026-01-01T00:00:00Z",
    }
    assert b"#PasswordDigest" in sent
    assert b"#Base64Binary" in sent


def test_a_san_is_critical_only_where_the_subject_is_empty() -> None:
    for subject, critical in (((), b"true"), (SUBJECT, b"false")):
        sent = build_envelope(tas.build_create_csr("key-1", subject, b"san", tas.RSA_SHA256))
        assert b"<tas:extnOID>2.5.29.17</tas:extnOID><tas:critical>" + critical in sent
    assert b"CSRAttribute" not in build_envelope(tas.build_create_csr("key-1", SUBJECT, None, tas.RSA_SHA256))


def test_every_part_of_a_subject_travels() -> None:
    sent = build_envelope(tas.build_create_csr("key-1", SUBJECT, None, tas.RSA_SHA256))
    assert all(f">{value}<".encode() in sent for _, value in SUBJECT)
