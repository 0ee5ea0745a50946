"""What devices say, message by message: handwritten after the specification, with the oddities of devices.md."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from device_cert_operator.core.model import ClockSource, KeyType, Pkcs12Encryption
from device_cert_operator.core.zones import zone_offset
from device_cert_operator.drivers.onvif import device_messages as tds
from device_cert_operator.drivers.onvif import legacy_messages as legacy
from device_cert_operator.drivers.onvif import security_messages as tas
from device_cert_operator.drivers.onvif.capabilities import capabilities_of, chain_length_of
from device_cert_operator.drivers.onvif.device_messages import NetworkProtocol, ProtocolName
from device_cert_operator.drivers.onvif.legacy_messages import LegacyFeatures
from device_cert_operator.drivers.onvif.soap import TAS, TDS, Element, parse_body
from device_cert_operator.errors import ProtocolViolation

DATA = Path(__file__).parents[1] / "data" / "onvif-handwritten"


def answer(operation: str, inner: str | None = None) -> Element:
    if inner is None:
        return parse_body((DATA / f"{operation}Response.xml").read_bytes(), operation)
    opening = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
    return parse_body(
        f"{opening}<{operation}Response>{inner}</{operation}Response></s:Body></s:Envelope>".encode(), operation
    )


def test_only_the_path_of_a_service_is_believed() -> None:
    paths = tds.read_services(answer("GetServices"))
    assert paths == {TDS: "/onvif/device_service", TAS: "/onvif/advancedsecurity_service?x=1"}


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("http://10.0.0.5/a", "/a"),
        ("https://[2001:db8::1]:8443/a/b", "/a/b"),
        ("http://cam", "/"),
        ("http://user:pw@evil/a", "/a"),
        ("http://cam/a b", None),
        ("http://cam/a\nX: y", None),
        ("javascript:alert(1)", None),
        ("/relative", None),
    ],
)
def test_an_odd_service_address_gives_a_plain_path_or_nothing(address: str, path: str | None) -> None:
    inner = f"<Service><Namespace>n</Namespace><XAddr>{address}</XAddr></Service>"
    assert tds.read_services(answer("GetServices", inner)).get("n") == path


def test_identity_and_interfaces() -> None:
    assert tds.read_identity(answer("GetDeviceInformation")).serial_number == "SN-0042"
    interfaces = tds.read_interfaces(answer("GetNetworkInterfaces"))
    assert interfaces.mac_addresses == ("00:11:22:aa:bb:cc",)
    assert interfaces.addresses == ("192.168.1.120", "169.254.3.4", "fe80::211:22ff:feaa:bbcc", "2001:db8::42")


def test_protocols_with_a_word_that_nobody_knows() -> None:
    assert tds.read_protocols(answer("GetNetworkProtocols")) == (
        NetworkProtocol(ProtocolName.HTTP, True, (80,)),
        NetworkProtocol(ProtocolName.HTTPS, False, (443,)),
        NetworkProtocol(ProtocolName.UNKNOWN, True, (322,)),
    )


def test_time_servers_come_from_where_the_device_gets_them() -> None:
    assert tds.read_ntp_servers(answer("GetNTP")) == ("time.example.org", "192.0.2.7")


CLOCK = (
    "<SystemDateAndTime><DateTimeType>{source}</DateTimeType><DaylightSavings>{daylight}</DaylightSavings>"
    "<TimeZone><TZ>{zone}</TZ></TimeZone>{utc}{local}</SystemDateAndTime>"
)


def moment(name: str, hour: int, day: int = 1, second: int = 5) -> str:
    return (
        f"<{name}><Time><Hour>{hour}</Hour><Minute>30</Minute><Second>{second}</Second></Time>"
        f"<Date><Year>2026</Year><Month>7</Month><Day>{day}</Day></Date></{name}>"
    )


def clock(
    source: str = "Manual", daylight: str = "false", zone: str = "CET-1CEST", utc: str = "", local: str = ""
) -> Element:
    text = CLOCK.format(source=source, daylight=daylight, zone=zone, utc=utc, local=local)
    return answer("GetSystemDateAndTime", text)


def test_the_clock_is_read_with_zone_and_daylight_saving() -> None:
    told = tds.read_clock(clock("NTP", "true", utc=moment("UTCDateTime", 10)))
    assert told == tds.DeviceTime(ClockSource.NTP, datetime(2026, 7, 1, 10, 30, 5, tzinfo=UTC), "CET-1CEST", True)


def test_without_utc_local_time_and_zone_give_it() -> None:
    told = tds.read_clock(clock(daylight="true", local=moment("LocalDateTime", 12)))
    assert told.utc == datetime(2026, 7, 1, 10, 30, 5, tzinfo=UTC)


def test_without_utc_and_zone_the_time_is_unknown() -> None:
    assert tds.read_clock(clock(zone="?", local=moment("LocalDateTime", 12))).utc is None
    assert tds.read_clock(clock(source="GPS", utc=moment("UTCDateTime", 10, day=32))).utc is None
    assert tds.read_clock(clock(source="GPS")).source is ClockSource.UNKNOWN


def test_a_leap_second_is_held_back() -> None:
    told = tds.read_clock(clock(utc=moment("UTCDateTime", 10, second=60)))
    assert told.utc is not None and told.utc.second == 59


@pytest.mark.parametrize(
    ("zone", "daylight", "hours"),
    [
        ("UTC0", False, 0),
        ("CET-1CEST,M3.5.0,M10.5.0/3", False, 1),
        ("CET-1CEST,M3.5.0,M10.5.0/3", True, 2),
        ("EST5EDT4,M3.2.0,M11.1.0", True, -4),
        ("<+0530>-5:30", False, 5.5),
        ("NST3:30NDT", False, -3.5),
        ("JST-9", True, 10),
        ("", False, None),
        ("Europe/Paris", False, None),
    ],
)
def test_a_posix_zone_counts_west(zone: str, daylight: bool, hours: float | None) -> None:
    assert zone_offset(zone, daylight=daylight) == (None if hours is None else timedelta(hours=hours))


def test_capabilities_of_a_keystore() -> None:
    features = tas.read_features(answer("GetServiceCapabilities"))
    found = capabilities_of(features, (), has_ntp=True)
    assert found.can_install_key_pair and found.can_make_key and found.can_enable_https and found.can_use_ntp
    assert found.key_types == {KeyType.RSA_2048, KeyType.RSA_3072, KeyType.ECDSA_P256}
    assert found.pkcs12_encryptions == (Pkcs12Encryption.PBES2_AES128_CBC, Pkcs12Encryption.PBE_SHA1_3DES)
    assert found.restart_for == timedelta(seconds=90)
    assert found.chain_length == chain_length_of(features) == 4


def test_a_device_without_a_keystore_can_still_be_looked_at() -> None:
    found = capabilities_of(None, (), has_ntp=False)
    assert not found.can_install_key_pair
    assert not found.can_enable_https
    assert found.can_set_clock and found.can_reboot


def test_an_old_flag_means_rsa_only() -> None:
    inner = (
        '<Capabilities><KeystoreCapabilities PKCS12CertificateWithRSAPrivateKeyUpload="true" EllipticCurves="secp256r1"'
        ' MaximumNumberOfCertificates="4"/><TLSServerCapabilities TLSServerSupported="1.2"/></Capabilities>'
    )
    features = tas.read_features(answer("GetServiceCapabilities", inner))
    assert features.key_types == {KeyType.RSA_2048}
    assert chain_length_of(features) == 2


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), (Pkcs12Encryption.PBES2_AES128_CBC,)),
        (("PBES2",), (Pkcs12Encryption.PBES2_AES128_CBC,)),
        (
            ("PBES2-AES256-CBC", "PBES2-AES128-CBC"),
            (Pkcs12Encryption.PBES2_AES256_CBC, Pkcs12Encryption.PBES2_AES128_CBC),
        ),
        (("pbeWithSHAAnd3-KeyTripleDES-CBC",), (Pkcs12Encryption.PBE_SHA1_3DES,)),
        (("PBE-SHA1-3DES",), (Pkcs12Encryption.PBE_SHA1_3DES,)),
        (("pbeWithSHAAnd40BitRC2-CBC",), ()),
    ],
)
def test_encryptions_are_taken_in_the_devices_order(
    names: tuple[str, ...], expected: tuple[Pkcs12Encryption, ...]
) -> None:
    assert tas.read_encryptions(names) == expected


def test_certificates_keys_and_paths() -> None:
    der = base64.b64encode(b"0der").decode()
    pem = base64.b64encode(f"-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n".encode()).decode()
    inner = "".join(
        f"<Certificate><CertificateID>c{n}</CertificateID><KeyID>k</KeyID><CertificateContent>{content}"
        f"</CertificateContent></Certificate>"
        for n, content in enumerate((der, f"\n {der} \n", pem))
    )
    found = tas.read_certificates(answer("GetAllCertificates", inner))
    assert [one.der for one in found] == [b"0der"] * 3
    assert "der=" not in repr(found[0])
    keys = tas.read_keys(
        answer("GetAllKeys", "<KeyAttribute><KeyID>k</KeyID><KeyStatus>melting</KeyStatus></KeyAttribute>")
    )
    assert keys[0].status == "UNKNOWN"
    path = "<CertificationPath><CertificateID>a</CertificateID><CertificateID>b</CertificateID></CertificationPath>"
    assert tas.read_path(answer("GetCertificationPath", path), "p").certificate_ids == ("a", "b")


@pytest.mark.parametrize("content", ["", "§§§", "AAA"])
def test_a_certificate_that_is_no_base64_is_a_violation(content: str) -> None:
    inner = (
        f"<Certificate><CertificateID>c</CertificateID><CertificateContent>{content}</CertificateContent></Certificate>"
    )
    with pytest.raises(ProtocolViolation):
        tas.read_certificates(answer("GetAllCertificates", inner))


CSR = b"0csr"
PEM = b"-----BEGIN CERTIFICATE REQUEST-----\nMGNzcg==\n-----END CERTIFICATE REQUEST-----\n"


@pytest.mark.parametrize(
    "content",
    [
        base64.b64encode(CSR).decode(),
        "\n" + "\n".join(base64.b64encode(CSR).decode()),
        base64.b64encode(PEM).decode(),
        base64.b64encode(PEM.replace(b"\n", b"\r\n")).decode(),
        PEM.decode(),
    ],
    ids=["DER", "wrapped", "PEM", "PEM of Windows", "PEM in clear"],
)
def test_a_request_is_taken_in_every_form_that_is_seen(content: str) -> None:
    assert tas.read_csr(answer("CreatePKCS10CSR", f"<PKCS10CSR>{content}</PKCS10CSR>")) == CSR
    inner = f"<Pkcs10Request><Data>{content}</Data></Pkcs10Request>"
    assert legacy.read_request(answer("GetPkcs10Request", inner)) == CSR


@pytest.mark.parametrize("content", ["", "§", "AAA", "-----BEGIN CERTIFICATE REQUEST-----\n§\n"])
def test_a_request_that_is_no_base64_is_a_violation(content: str) -> None:
    with pytest.raises(ProtocolViolation):
        tas.read_csr(answer("CreatePKCS10CSR", f"<PKCS10CSR>{content}</PKCS10CSR>"))


def test_keys_that_the_device_makes_are_those_that_it_lists() -> None:
    features = tas.read_features(answer("GetServiceCapabilities"))
    assert features.makes_key_types == {KeyType.RSA_2048, KeyType.RSA_3072, KeyType.ECDSA_P256}
    assert capabilities_of(features, (), has_ntp=False).makes_key_types == features.makes_key_types
    only_rsa = replace(features, makes_ecc=False, rsa_lengths=())
    assert only_rsa.makes_key_types == {KeyType.RSA_2048}
    assert replace(features, makes_ecc=False, makes_rsa=False).makes_key_types == frozenset()


def test_a_device_that_signs_no_requests_makes_no_keys_for_us() -> None:
    features = replace(tas.read_features(answer("GetServiceCapabilities")), signs_requests=False)
    assert not capabilities_of(features, (), has_ntp=False).can_make_key


def test_who_made_a_key_is_known_only_where_the_device_says_it() -> None:
    inner = "".join(
        f"<KeyAttribute><KeyID>k</KeyID><KeyStatus>ok</KeyStatus>{told}</KeyAttribute>"
        for told in (
            "",
            "<externallyGenerated>true</externallyGenerated>",
            "<externallyGenerated>0</externallyGenerated>",
        )
    )
    assert [key.made_here for key in tas.read_keys(answer("GetAllKeys", inner))] == [False, False, True]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ('TLS1.0="false" TLS1.1="false" TLS1.2="false" OnboardKeyGeneration="false"', LegacyFeatures()),
        ('TLS1.2="true" OnboardKeyGeneration="true" HttpDigest="true"', LegacyFeatures(True, True)),
        ('TLS1.1="1"', LegacyFeatures(False, True)),
        ("", LegacyFeatures()),
    ],
)
def test_legacy_flags(flags: str, expected: LegacyFeatures) -> None:
    inner = f"<Capabilities><Network/><Security {flags}/><System/></Capabilities>"
    assert legacy.read_features(answer("GetServiceCapabilities", inner)) == expected
    found = capabilities_of(expected, (), has_ntp=False)
    assert found.can_install_key_pair is expected.serves_tls
    assert found.can_make_key is (expected.makes_keys and expected.serves_tls)
    assert not found.csr_takes_san
    assert found.chain_length == 1
    assert found.key_types == {KeyType.RSA_2048}


def test_legacy_certificates_and_which_are_enabled() -> None:
    status = "".join(
        f"<CertificateStatus><CertificateID>{name}</CertificateID><Status>{on}</Status></CertificateStatus>"
        for name, on in (("a", "false"), ("b", "1"))
    )
    enabled = legacy.read_enabled(answer("GetCertificatesStatus", status))
    assert enabled == {"b"}
    inner = "".join(
        f"<NvtCertificate><CertificateID> {name} </CertificateID><Certificate><Data>MA==</Data></Certificate>"
        "</NvtCertificate>"
        for name in "ab"
    )
    found = legacy.read_certificates(answer("GetCertificates", inner), enabled)
    assert [(one.certificate_id, one.der, one.enabled) for one in found] == [("a", b"0", False), ("b", b"0", True)]
    assert "der=" not in repr(found)


def test_addresses_set_by_hand_are_told_with_their_prefix() -> None:
    (settings,) = tds.read_interfaces(answer("GetNetworkInterfaces")).settings
    assert settings == tds.InterfaceSettings("eth0", (("192.168.1.120", 24),), ("192.168.1.120", "169.254.3.4"))


def test_gateways_of_both_kinds() -> None:
    inner = (
        "<NetworkGateway><IPv4Address>10.0.0.1</IPv4Address><IPv4Address>none</IPv4Address>"
        "<IPv6Address>FE80::0001</IPv6Address></NetworkGateway>"
    )
    assert tds.read_gateways(answer("GetNetworkDefaultGateway", inner)) == (("10.0.0.1",), ("fe80::1",))
    assert tds.read_gateways(answer("GetNetworkDefaultGateway", "")) == ((), ())
