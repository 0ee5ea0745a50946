"""Every answer of the simulator is valid by ONVIF's own schemas, on the way through the whole keystore."""

import base64
from pathlib import Path

import pytest
from cryptography import x509
from lxml import etree

from device_simulator import SimulatedDevice
from tests.drivers.schemas import official_schema
from tests.simulator.client import TAS, TDS, Client, Reply
from tests.simulator.helpers import sign_for, signed_pair
from tests.simulator.test_legacy import loaded, status, with_id

NOW = "<tt:Time><tt:Hour>1</tt:Hour><tt:Minute>2</tt:Minute><tt:Second>3</tt:Second></tt:Time>"
TODAY = "<tt:Date><tt:Year>2026</tt:Year><tt:Month>2</tt:Month><tt:Day>3</tt:Day></tt:Date>"
NTP = "<p:NTPManual><tt:Type>IPv4</tt:Type><tt:IPv4Address>127.0.0.9</tt:IPv4Address></p:NTPManual>"
DEVICE = [
    ("GetServices", "<p:IncludeCapability>false</p:IncludeCapability>"),
    ("GetServices", "<p:IncludeCapability>true</p:IncludeCapability>"),
    ("GetServiceCapabilities", ""),
    ("GetCapabilities", "<p:Category>All</p:Category>"),
    ("GetSystemDateAndTime", ""),
    (
        "SetSystemDateAndTime",
        "<p:DateTimeType>Manual</p:DateTimeType><p:DaylightSavings>false</p:DaylightSavings>"
        f"<p:TimeZone><tt:TZ>CET-1CEST</tt:TZ></p:TimeZone><p:UTCDateTime>{NOW}{TODAY}</p:UTCDateTime>",
    ),
    ("SetNTP", f"<p:FromDHCP>false</p:FromDHCP>{NTP}"),
    ("GetNTP", ""),
    ("GetDeviceInformation", ""),
    ("GetEndpointReference", ""),
    ("GetNetworkInterfaces", ""),
    (
        "SetNetworkInterfaces",
        "<p:InterfaceToken>eth0</p:InterfaceToken><p:NetworkInterface><tt:IPv4><tt:Manual><tt:Address>HERE</tt:Address>"
        "<tt:PrefixLength>16</tt:PrefixLength></tt:Manual></tt:IPv4></p:NetworkInterface>",
    ),
    ("SetNetworkDefaultGateway", "<p:IPv4Address>127.0.0.1</p:IPv4Address>"),
    ("GetNetworkDefaultGateway", ""),
    ("GetNetworkProtocols", ""),
    (
        "SetNetworkProtocols",
        "<p:NetworkProtocols><tt:Name>HTTPS</tt:Name><tt:Enabled>true</tt:Enabled>"
        "<tt:Port>8443</tt:Port></p:NetworkProtocols>",
    ),
    ("GetHostname", ""),
    ("SystemReboot", ""),
]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> etree.XMLSchema:
    folder: Path = tmp_path_factory.mktemp("schemas")
    return official_schema(folder)


def valid(reply: Reply, schema: etree.XMLSchema, operation: str) -> Reply:
    assert reply.status == 200, (operation, reply.codes)
    assert reply.body is not None
    assert etree.QName(reply.body).localname == f"{operation}Response"
    message = etree.fromstring(etree.tostring(reply.body))
    for open_to_any in message.findall("{*}Service/{*}Capabilities"):  # the validator has no wildcards
        inner = open_to_any[0]
        open_to_any.remove(inner)
        assert schema.validate(etree.fromstring(etree.tostring(inner))), (operation, schema.error_log)
    assert schema.validate(message), (operation, schema.error_log)
    return reply


async def test_the_device_service(schema: etree.XMLSchema, camera: SimulatedDevice) -> None:
    for operation, inner in DEVICE:
        sent = inner.replace("HERE", camera.address)
        valid(await Client(camera.address).call(TDS, operation, sent), schema, operation)


@pytest.mark.parametrize(
    ("create", "inner", "algorithm"),
    [
        ("CreateRSAKeyPair", "<p:KeyLength>2048</p:KeyLength>", "1.2.840.113549.1.1.11"),
        ("CreateECCKeyPair", "<p:EllipticCurve>secp256r1</p:EllipticCurve>", "1.2.840.10045.4.3.2"),
    ],
)
async def test_the_keystore(
    schema: etree.XMLSchema, camera: SimulatedDevice, create: str, inner: str, algorithm: str
) -> None:
    client = Client(camera.address)

    async def call(operation: str, inner: str = "") -> Reply:
        return valid(await client.call(TAS, operation, inner), schema, operation)

    await call("GetServiceCapabilities")
    key = (await call(create, f"{inner}<p:Alias>new</p:Alias>")).text("KeyID")
    while (await call("GetKeyStatus", f"<p:KeyID>{key}</p:KeyID>")).text("KeyStatus") == "generating":
        pass
    assert (await call("GetPrivateKeyStatus", f"<p:KeyID>{key}</p:KeyID>")).text("hasPrivateKey") == "true"
    await call("GetAllKeys")
    subject = "<p:Subject><p:Country>JP</p:Country><p:CommonName>gate</p:CommonName></p:Subject>"
    signed = f"<p:SignatureAlgorithm><p:algorithm>{algorithm}</p:algorithm></p:SignatureAlgorithm>"
    await call("CreatePKCS10CSR", f"{subject}<p:KeyID>{key}</p:KeyID>{signed}")
    made = await call(
        "CreateSelfSignedCertificate", f"<p:X509Version>3</p:X509Version><p:KeyID>{key}</p:KeyID>{subject}{signed}"
    )
    one = f"<p:CertificateID>{made.text('CertificateID')}</p:CertificateID>"
    content = (await call("GetCertificate", one)).text("CertificateContent")
    await call("GetAllCertificates")
    path = (
        await call("CreateCertificationPath", f"<p:CertificateIDs>{one}</p:CertificateIDs><p:Alias>new</p:Alias>")
    ).text("CertificationPathID")
    await call("GetCertificationPath", f"<p:CertificationPathID>{path}</p:CertificationPathID>")
    await call("GetAllCertificationPaths")
    old = (await call("GetAssignedServerCertificates")).text("CertificationPathID")
    assert camera.keystore.assigned == old
    new, back = (
        "<p:NewCertificationPathID>{}</p:NewCertificationPathID>",
        "<p:OldCertificationPathID>{}</p:OldCertificationPathID>",
    )
    await call("ReplaceServerCertificateAssignment", back.format(old) + new.format(path))
    assert camera.keystore.assigned == path
    await call("ReplaceServerCertificateAssignment", back.format(path) + new.format(old))
    await call("DeleteCertificationPath", f"<p:CertificationPathID>{path}</p:CertificationPathID>")
    await call("DeleteCertificate", one)
    again = await call(
        "UploadCertificate",
        f"<p:Certificate>{content}</p:Certificate><p:PrivateKeyRequired>true</p:PrivateKeyRequired>",
    )
    assert again.text("KeyID") == key
    await call("DeleteCertificate", f"<p:CertificateID>{again.text('CertificateID')}</p:CertificateID>")
    await call("DeleteKey", f"<p:KeyID>{key}</p:KeyID>")
    phrase = (await call("UploadPassphrase", "<p:Passphrase>word</p:Passphrase>")).text("PassphraseID")
    await call("GetAllPassphrases")
    await call("DeletePassphrase", f"<p:PassphraseID>{phrase}</p:PassphraseID>")


async def test_the_legacy_certificate_operations(schema: etree.XMLSchema, camera: SimulatedDevice) -> None:
    client, pair = Client(camera.address), signed_pair()

    async def call(operation: str, inner: str = "") -> Reply:
        return valid(await client.call(TDS, operation, inner), schema, operation)

    await call("CreateCertificate", f"{with_id('dc-1')}<p:Subject>CN=gate</p:Subject>")
    csr = x509.load_der_x509_csr(base64.b64decode((await call("GetPkcs10Request", with_id("dc-1"))).text("Data")))
    await call("LoadCertificates", loaded("dc-1", sign_for(csr.public_key())))
    await call("LoadCertificateWithPrivateKey", loaded("dc-2", pair.chain[0], pair.key))
    assert len((await call("GetCertificates")).texts("NvtCertificate")) == 3
    told = await call("GetCertificateInformation", with_id("dc-2"))
    assert (told.text("SubjectDN"), told.text("KeyLength"), told.text("Version")) == ("CN=gate", "256", "3")
    await call("SetCertificatesStatus", status(dc_2=True))
    assert (await call("GetCertificatesStatus")).texts("Status") == ["false", "false", "true"]
    await call("DeleteCertificates", with_id("dc-1"))
