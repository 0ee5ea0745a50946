"""The legacy certificate operations over the wire, also where there is no Security Service beside them."""

import asyncio
import base64
from collections.abc import Callable

import pytest
from asn1crypto import csr as asn1_csr
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from device_simulator import DeviceSpec, Fault, SimulatedDevice, Simulator
from device_simulator.tls import DER, Key, KeyAndChain, kind_of
from tests.simulator.client import TAS, TDS, Client, Reply
from tests.simulator.helpers import served, sign_for, signed_pair, until


@pytest.fixture
async def camera(simulator: Simulator, address: str) -> SimulatedDevice:
    """One without the Security Service."""
    return await simulator.add(
        DeviceSpec(name="cam", address=address, reboot_for=0.1, web_restart_for=0.1, advanced_security=False)
    )


async def call(camera: SimulatedDevice, operation: str, inner: str = "") -> Reply:
    return await Client(camera.address).call(TDS, operation, inner)


def encoded(der: bytes) -> str:
    return f"<tt:Data>{base64.b64encode(der).decode()}</tt:Data>"


def loaded(certificate_id: str, certificate: x509.Certificate, key: Key | None = None) -> str:
    """The argument of LoadCertificates, or with a key of LoadCertificateWithPrivateKey."""
    name = "NVTCertificate" if key is None else "CertificateWithPrivateKey"
    private = ""
    if key is not None:
        private = (
            f"<tt:PrivateKey>{encoded(key.private_bytes(DER, PrivateFormat.PKCS8, NoEncryption()))}</tt:PrivateKey>"
        )
    public = f"<tt:Certificate>{encoded(certificate.public_bytes(DER))}</tt:Certificate>"
    return f"<p:{name}><tt:CertificateID>{certificate_id}</tt:CertificateID>{public}{private}</p:{name}>"


def with_id(certificate_id: str) -> str:
    return f"<p:CertificateID>{certificate_id}</p:CertificateID>"


def status(**wanted: bool) -> str:
    return "".join(
        f"<p:CertificateStatus><tt:CertificateID>{one.replace('_', '-')}</tt:CertificateID>"
        f"<tt:Status>{str(on).lower()}</tt:Status></p:CertificateStatus>"
        for one, on in wanted.items()
    )


async def load_pair(camera: SimulatedDevice, certificate_id: str, pair: KeyAndChain) -> Reply:
    return await call(camera, "LoadCertificateWithPrivateKey", loaded(certificate_id, pair.chain[0], pair.key))


async def statuses(camera: SimulatedDevice) -> dict[str, bool]:
    told = await call(camera, "GetCertificatesStatus")
    return {one: on == "true" for one, on in zip(told.texts("CertificateID"), told.texts("Status"), strict=True)}


async def request_for(camera: SimulatedDevice, certificate_id: str, more: str = "") -> x509.CertificateSigningRequest:
    told = await call(camera, "GetPkcs10Request", with_id(certificate_id) + more)
    return x509.load_der_x509_csr(base64.b64decode(told.text("Data")))


async def test_without_the_security_service_there_is_no_trace_of_it(camera: SimulatedDevice) -> None:
    client = Client(camera.address)
    told = await client.call(TDS, "GetServices", "<p:IncludeCapability>true</p:IncludeCapability>", login="none")
    assert told.texts("Namespace") == [TDS]
    assert (await client.call(TAS, "GetServiceCapabilities", login="none")).status == 404


async def test_a_pair_from_outside_is_loaded_switched_on_and_the_old_one_deleted(camera: SimulatedDevice) -> None:
    factory, pair = await served(camera), signed_pair(kind="RSA-2048")
    assert (await load_pair(camera, "dc-1", pair)).status == 200
    assert await served(camera) == factory
    (old,) = {one for one, on in (await statuses(camera)).items() if on}
    assert await statuses(camera) == {old: True, "dc-1": False}
    switched = await call(camera, "SetCertificatesStatus", status(**{"dc_1": True, old.replace("-", "_"): False}))
    assert switched.status == 200
    assert await served(camera) == pair.fingerprint
    assert (await call(camera, "DeleteCertificates", with_id("dc-1") + with_id(old))).codes[-1] == "ReferenceExists"
    assert (await call(camera, "DeleteCertificates", with_id(old))).status == 200
    assert await statuses(camera) == {"dc-1": True}
    assert len(camera.keystore.keys) == 1


async def test_a_device_made_key_is_signed_outside(camera: SimulatedDevice) -> None:
    made = await call(camera, "CreateCertificate", with_id("dc-1") + "<p:Subject>CN=gate,O=Works</p:Subject>")
    own = x509.load_der_x509_certificate(base64.b64decode(made.text("Data")))
    assert (made.text("CertificateID"), kind_of(camera.keystore.identity("dc-1").key)) == ("dc-1", "RSA-2048")
    assert own.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "Works"
    csr = await request_for(camera, "dc-1", "<p:Subject>CN=127.0.0.1,C=JP</p:Subject>")
    assert csr.is_signature_valid and csr.public_key() == own.public_key()
    assert csr.subject.rfc4514_string() == "CN=127.0.0.1,C=JP"
    assert not list(csr.extensions)
    signed = sign_for(csr.public_key())
    assert (await call(camera, "LoadCertificates", loaded("dc-1", signed))).status == 200
    assert (await call(camera, "SetCertificatesStatus", status(dc_1=True))).status == 200
    assert await served(camera) == KeyAndChain(camera.keystore.identity("dc-1").key, (signed,)).fingerprint
    renewed = sign_for(csr.public_key(), name="renewed")
    assert (await call(camera, "LoadCertificates", loaded("dc-1", renewed))).status == 200
    assert await served(camera) == KeyAndChain(camera.keystore.identity("dc-1").key, (renewed,)).fingerprint


async def test_a_san_is_asked_for_in_the_attributes(camera: SimulatedDevice) -> None:
    await call(camera, "CreateCertificate", with_id("dc-1"))
    names = asn1_x509.GeneralNames([asn1_x509.GeneralName("ip_address", camera.address)])
    wanted = asn1_csr.CRIAttributes(
        [{"type": "extension_request", "values": [[{"extn_id": "subject_alt_name", "extn_value": names}]]}]
    )
    csr = await request_for(camera, "dc-1", f"<p:Attributes>{encoded(wanted.dump())}</p:Attributes>")
    san = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(one) for one in san.get_values_for_type(x509.IPAddress)] == [camera.address]


async def test_what_does_not_fit_is_a_fault_and_changes_nothing(camera: SimulatedDevice) -> None:
    pair, other = signed_pair(), signed_pair("other")
    (factory,) = await statuses(camera)
    mixed = loaded("dc-1", pair.chain[0], other.key)
    calls = [
        ("LoadCertificateWithPrivateKey", mixed, "KeysNotMatching"),
        ("LoadCertificateWithPrivateKey", loaded(factory, pair.chain[0], pair.key), "CertificateID"),
        ("LoadCertificateWithPrivateKey", "", "LoadCertificateWithPrivateKey"),
        ("LoadCertificates", loaded("dc-1", pair.chain[0]), "KeysNotMatching"),
        ("GetPkcs10Request", with_id("nobody"), "CertificateID"),
        ("GetCertificateInformation", with_id("nobody"), "CertificateID"),
        ("SetCertificatesStatus", status(nobody=True), "CertificateID"),
        ("SetCertificatesStatus", status(**{factory.replace("-", "_"): False}), "ReferenceExists"),
        ("DeleteCertificates", with_id("nobody"), "CertificateID"),
        ("CreateCertificate", with_id(factory), "CertificateID"),
    ]
    for operation, inner, code in calls:
        told = await call(camera, operation, inner)
        assert told.status == 400, operation
        assert told.codes[-1] == code or told.codes == ["Sender", "InvalidArgs", "CertificateWithPrivateKey"], operation
    assert await statuses(camera) == {factory: True}


async def test_a_full_store_is_told_in_the_words_of_its_time(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.STORE_FULL, 1)
    assert (await load_pair(camera, "dc-1", signed_pair())).codes == ["Receiver", "Action", "MaxCertificates"]
    assert (await load_pair(camera, "dc-1", signed_pair())).status == 200


async def test_both_services_see_one_store(simulator: Simulator, new_address: Callable[[], str]) -> None:
    both = await simulator.add(DeviceSpec(name="both", address=new_address()))
    assert (await load_pair(both, "dc-1", signed_pair())).status == 200
    told = await Client(both.address).call(TAS, "GetAllCertificationPaths")
    assert "dc-1" in told.texts("CertificationPathID")


# --------------------------------------------------------------------------------------- network settings


def interface(address: str, token: str = "eth0", family: str = "IPv4") -> str:
    manual = f"<tt:Manual><tt:Address>{address}</tt:Address><tt:PrefixLength>16</tt:PrefixLength></tt:Manual>"
    return (
        f"<p:InterfaceToken>{token}</p:InterfaceToken><p:NetworkInterface><tt:{family}>{manual}"
        f"<tt:DHCP>false</tt:DHCP></tt:{family}></p:NetworkInterface>"
    )


async def test_set_network_interfaces_really_moves_the_device(
    camera: SimulatedDevice, new_address: Callable[[], str]
) -> None:
    old, new = camera.address, new_address()
    assert (await call(camera, "SetNetworkInterfaces", interface(new))).text("RebootNeeded") == "false"
    await until(lambda: camera.address == new and camera.listening)
    told = await call(camera, "GetNetworkInterfaces")
    assert (told.texts("Address"), told.text("PrefixLength")) == ([new], "16")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(old, 8080)


async def test_set_network_interfaces_refuses_what_there_is_not(camera: SimulatedDevice) -> None:
    for inner, code in (
        (interface("10.0.0.1"), "InvalidIPv4Address"),
        (interface("127.0.0.1", family="IPv6"), "InvalidIPv6Address"),
        (interface("127.0.0.1", token="eth1"), "InvalidNetworkInterface"),
        ("<p:InterfaceToken>eth0</p:InterfaceToken><p:NetworkInterface/>", "SettingManualAddressFailed"),
    ):
        assert (await call(camera, "SetNetworkInterfaces", inner)).codes[-1] == code
    await call(camera, "SetNetworkDefaultGateway", "<p:IPv4Address>127.0.0.1</p:IPv4Address>")
    assert (await call(camera, "GetNetworkDefaultGateway")).text("IPv4Address") == "127.0.0.1"
