"""The failure modes around requests, uploads, addresses and power: the exact effect of each on both kinds."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID

from device_simulator import DeviceSpec, Fault, Kind, SimulatedDevice, Simulator
from device_simulator.tls import DER, PEM, KeyAndChain
from tests.simulator.client import TAS, TDS, Client, Reply
from tests.simulator.helpers import back, gone, leaf_at, served, sign_for, signed_pair, until
from tests.simulator.test_legacy import call as legacy
from tests.simulator.test_legacy import interface, loaded, request_for, with_id
from tests.simulator.web import Web

Maker = Callable[..., Awaitable[SimulatedDevice]]
_PBES2 = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1000)
_WITH_PASSPHRASE = _PBES2.key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC).build(b"word")


@pytest.fixture
async def onvif(simulator: Simulator, address: str) -> SimulatedDevice:
    """It reads the PKCS#12 files that `cryptography` writes."""
    return await simulator.add(
        DeviceSpec(
            name="onvif", address=address, reboot_for=0.1, web_restart_for=0.05, encryptions=("PBES2-AES256-CBC",)
        )
    )


@pytest.fixture
async def camera(simulator: Simulator, new_address: Callable[[], str]) -> SimulatedDevice:
    """With a CA in its firmware."""
    return await simulator.add(
        DeviceSpec(name="web", kind=Kind.FIRMWARE_CA, address=new_address(), reboot_for=0.1, web_restart_for=0.05)
    )


async def upload(camera: SimulatedDevice, pair: KeyAndChain) -> Reply:
    """By PKCS#12."""
    data = pkcs12.serialize_key_and_certificates(b"x", pair.key, pair.chain[0], pair.chain[1:], _WITH_PASSPHRASE)
    inner = f"<p:CertWithPrivateKey>{base64.b64encode(data).decode()}</p:CertWithPrivateKey>"
    operation = "UploadCertificateWithPrivateKeyInPKCS12"
    return await Client(camera.address).call(TAS, operation, inner + "<p:Passphrase>word</p:Passphrase>")


async def assign(camera: SimulatedDevice, path: str) -> Reply:
    old = f"<p:OldCertificationPathID>{camera.keystore.assigned}</p:OldCertificationPathID>"
    new = f"<p:NewCertificationPathID>{path}</p:NewCertificationPathID>"
    return await Client(camera.address).call(TAS, "ReplaceServerCertificateAssignment", old + new)


async def csr_of(camera: SimulatedDevice, **asked: object) -> x509.CertificateSigningRequest:
    """Made by the web camera."""
    web = Web(camera.address)
    wanted = {"subject": {"CN": "gate"}, "ipAddresses": [camera.address], "keyType": "ECDSA-P256", **asked}
    assert (await web.ask("POST", "certificate/request", wanted)).status == 202
    return x509.load_pem_x509_csr(await web.request_file())


async def tas_csr(camera: SimulatedDevice) -> bytes:
    """Made by the Security Service, asking for a SAN; as the device encodes it."""
    client = Client(camera.address)
    made = await client.call(TAS, "CreateECCKeyPair", "<p:EllipticCurve>secp256r1</p:EllipticCurve>")
    key = made.text("KeyID")
    await until(lambda: camera.keystore.keys[key].private is not None)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(camera.address))]).public_bytes()
    san = (
        "<p:CSRAttribute><p:X509v3Extension><p:extnOID>2.5.29.17</p:extnOID><p:critical>false</p:critical>"
        f"<p:extnValue>{base64.b64encode(names).decode()}</p:extnValue></p:X509v3Extension></p:CSRAttribute>"
    )
    algorithm = "<p:SignatureAlgorithm><p:algorithm>1.2.840.10045.4.3.2</p:algorithm></p:SignatureAlgorithm>"
    subject = "<p:Subject><p:CommonName>gate</p:CommonName></p:Subject>"
    told = await client.call(TAS, "CreatePKCS10CSR", f"{subject}<p:KeyID>{key}</p:KeyID>{san}{algorithm}")
    return base64.b64decode(told.text("PKCS10CSR"))


def has_san(csr: x509.CertificateSigningRequest) -> bool:
    return any(isinstance(one.value, x509.SubjectAlternativeName) for one in csr.extensions)


def subject_of(csr: x509.CertificateSigningRequest) -> dict[str, str]:
    return {one.rfc4514_attribute_name: str(one.value) for one in csr.subject}


# ----------------------------------------------------------------------------------------------- requests


async def test_csr_destroys_certificate_of_the_web_camera(camera: SimulatedDevice) -> None:
    web, pair = Web(camera.address), signed_pair()
    await web.upload(pair)
    camera.faults.set(Fault.CSR_DESTROYS_CERTIFICATE, 1)
    csr = await csr_of(camera)
    state = await web.state()
    assert (state["inUse"], state["uploaded"]) == ("none", None)
    assert await served(camera) == pair.fingerprint
    await camera.reboot()
    await gone(camera.address)
    assert (await web.ask("PUT", "https", {"enabled": True})).word == "no-certificate"
    signed = sign_for(csr.public_key())
    assert (await web.upload_signed(signed.public_bytes(PEM))).status == 200
    await back(camera.address)
    assert (await asyncio.to_thread(leaf_at, camera.address)).public_bytes(DER) == signed.public_bytes(DER)


async def test_csr_destroys_certificate_of_the_onvif_camera(onvif: SimulatedDevice) -> None:
    factory = await served(onvif)
    onvif.faults.set(Fault.CSR_DESTROYS_CERTIFICATE, 1)
    x509.load_der_x509_csr(await tas_csr(onvif))
    assert (await Client(onvif.address).call(TAS, "GetAssignedServerCertificates")).texts("CertificationPathID") == []
    assert await served(onvif) == factory
    await onvif.reboot()
    with pytest.raises(OSError, match=r"EOF|ALERT|reset"):
        await asyncio.to_thread(leaf_at, onvif.address)
    path = (await upload(onvif, signed_pair())).text("CertificationPathID")
    add = f"<p:CertificationPathID>{path}</p:CertificationPathID>"
    assert (await Client(onvif.address).call(TAS, "AddServerCertificateAssignment", add)).status == 200
    await served(onvif)


async def test_a_legacy_csr_that_destroys_its_certificate_leaves_its_key(onvif: SimulatedDevice) -> None:
    await legacy(onvif, "CreateCertificate", with_id("dc-1"))
    assert (await assign(onvif, "dc-1")).status == 200
    onvif.faults.set(Fault.CSR_DESTROYS_CERTIFICATE, 1)
    csr = await request_for(onvif, "dc-1")
    assert "dc-1" not in onvif.keystore.paths
    signed = sign_for(csr.public_key())
    assert (await legacy(onvif, "LoadCertificates", loaded("dc-1", signed))).status == 200
    assert onvif.keystore.identity("dc-1") is not None


async def test_csr_without_san(camera: SimulatedDevice, onvif: SimulatedDevice) -> None:
    for one in (camera, onvif):
        one.faults.set(Fault.CSR_WITHOUT_SAN, 1)
    assert [has_san(await csr_of(camera)) for _ in range(2)] == [False, True]
    assert [has_san(x509.load_der_x509_csr(await tas_csr(onvif))) for _ in range(2)] == [False, True]


async def test_csr_as_pem(onvif: SimulatedDevice) -> None:
    onvif.faults.set(Fault.CSR_AS_PEM)
    assert x509.load_pem_x509_csr(await tas_csr(onvif)).is_signature_valid
    await legacy(onvif, "CreateCertificate", with_id("dc-1"))
    told = await legacy(onvif, "GetPkcs10Request", with_id("dc-1"))
    assert x509.load_pem_x509_csr(base64.b64decode(told.text("Data"))).is_signature_valid
    onvif.faults.clear(Fault.CSR_AS_PEM)
    assert x509.load_der_x509_csr(await tas_csr(onvif)).is_signature_valid


async def test_csr_subject_extended(camera: SimulatedDevice, onvif: SimulatedDevice) -> None:
    for one in (camera, onvif):
        one.faults.set(Fault.CSR_SUBJECT_EXTENDED, 1)
    made = [await csr_of(camera), x509.load_der_x509_csr(await tas_csr(onvif))]
    for csr, one in zip(made, (camera, onvif), strict=True):
        assert csr.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)[0].value == one.serial_number
        assert (subject_of(csr)["CN"], subject_of(csr)["OU"]) == ("gate", "Simulated")
    assert subject_of(await csr_of(camera)) == {"CN": "gate"}


async def test_slow_key_generation_of_the_web_camera(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.SLOW_KEY_GENERATION, 1)
    web = Web(camera.address)
    await web.ask("POST", "certificate/request", {"keyType": "ECDSA-P256"})
    early = await web.ask("GET", "certificate/certreq.pem")
    assert (early.status, early.word, early.headers["Retry-After"]) == (503, "busy", "1")
    assert (await web.state())["request"]["ready"] is False
    camera.request.ready_at = 0.0  # type: ignore[attr-defined]
    assert x509.load_pem_x509_csr(await web.request_file()).is_signature_valid


# ---------------------------------------------------------------------------------------------- addresses


async def test_address_change_needs_reboot(
    camera: SimulatedDevice, onvif: SimulatedDevice, new_address: Callable[[], str]
) -> None:
    for one in (camera, onvif):
        one.faults.set(Fault.ADDRESS_CHANGE_NEEDS_REBOOT)
    first, second = new_address(), new_address()
    told = await Web(camera.address).ask("PUT", "network", {"address": first})
    assert told.told == {"rebootNeeded": True}
    assert (await legacy(onvif, "SetNetworkInterfaces", interface(second))).text("RebootNeeded") == "true"
    for one, new in ((camera, first), (onvif, second)):
        old = one.address
        await served(one)
        await one.reboot()
        assert one.address == new != old
        await served(one)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(leaf_at, old)


async def test_stale_address_certificate_of_an_onvif_camera(
    simulator: Simulator, new_address: Callable[[], str]
) -> None:
    first, second = new_address(), new_address()
    faults = (Fault.STALE_ADDRESS_CERTIFICATE,)
    onvif = await simulator.add(DeviceSpec(name="stale", address=first, faults=faults, reboot_for=0.1))

    async def named() -> str:
        await served(onvif)
        leaf = await asyncio.to_thread(leaf_at, onvif.address)
        san = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return str(san.get_values_for_type(x509.IPAddress)[0])

    assert await named() == first
    await onvif.move(second)
    assert await named() == first
    await onvif.reboot()
    assert await named() == second
    assert (len(onvif.keystore.keys), len(onvif.keystore.paths)) == (1, 1)
    pair = signed_pair()
    onvif.keystore.encryptions = ("PBES2-AES256-CBC",)
    assert (await assign(onvif, (await upload(onvif, pair)).text("CertificationPathID"))).status == 200
    await onvif.reboot()
    assert await served(onvif) == pair.fingerprint


# ------------------------------------------------------------------------------------------------ uploads


async def test_key_type_refused(camera: SimulatedDevice, onvif: SimulatedDevice) -> None:
    for one in (camera, onvif):
        one.faults.set(Fault.KEY_TYPE_REFUSED)
    web, elliptic, rsa = Web(camera.address), signed_pair(), signed_pair(kind="RSA-2048")
    assert "ECDSA-P256" in (await web.state())["keyTypes"]
    assert (await web.upload(elliptic)).word == "key-type"
    assert (await web.ask("POST", "certificate/request", {"keyType": "ECDSA-P256"})).word == "key-type"
    assert (await web.upload(rsa)).status == 200
    assert (await upload(onvif, elliptic)).codes == ["Sender", "InvalidArgVal", "UnsupportedPublicKeyAlgorithm"]
    assert (await upload(onvif, signed_pair(kind="RSA-3072"))).codes == ["Sender", "InvalidArgVal", "KeyLength"]
    made = await Client(onvif.address).call(TAS, "CreateECCKeyPair", "<p:EllipticCurve>secp256r1</p:EllipticCurve>")
    assert made.codes[-1] == "UnsupportedEllipticCurve"
    direct = await legacy(onvif, "LoadCertificateWithPrivateKey", loaded("dc-1", elliptic.chain[0], elliptic.key))
    assert direct.codes[-1] == "UnsupportedPublicKeyAlgorithm"
    assert (await upload(onvif, rsa)).status == 200


async def test_chain_refused(camera: SimulatedDevice, onvif: SimulatedDevice) -> None:
    for one in (camera, onvif):
        one.faults.set(Fault.CHAIN_REFUSED)
    web, pair = Web(camera.address), signed_pair()
    alone = KeyAndChain(pair.key, pair.chain[:1])
    own = await served(camera)
    assert (await web.upload(pair)).word == "chain"
    assert await served(camera) == own
    assert (await web.upload(alone)).status == 200
    before = dict(onvif.keystore.certificates)
    assert (await upload(onvif, pair)).codes == ["Sender", "InvalidArgVal", "BadPKCS12File"]
    assert onvif.keystore.certificates == before
    assert (await upload(onvif, alone)).status == 200
    client, ids = Client(onvif.address), []
    for one in signed_pair("another").chain:
        inner = f"<p:Certificate>{base64.b64encode(one.public_bytes(DER)).decode()}</p:Certificate>"
        ids.append((await client.call(TAS, "UploadCertificate", inner)).text("CertificateID"))
    listed = "".join(f"<p:CertificateID>{one}</p:CertificateID>" for one in ids)
    made = await client.call(TAS, "CreateCertificationPath", f"<p:CertificateIDs>{listed}</p:CertificateIDs>")
    assert made.codes[-1] == "InvalidCertificationPath"


async def test_chain_truncated(camera: SimulatedDevice, onvif: SimulatedDevice) -> None:
    for one in (camera, onvif):
        one.faults.set(Fault.CHAIN_TRUNCATED, 1)
    pair = signed_pair(issuers=2)
    for kept in (1, 3):
        assert (await Web(camera.address).upload(pair)).status == 200
        assert camera.shown is not None
        assert (await served(camera), len(camera.shown.chain)) == (pair.fingerprint, kept)
    path = (await upload(onvif, pair)).text("CertificationPathID")
    assert len(onvif.keystore.paths[path].certificate_ids) == 1
    assert (await assign(onvif, path)).status == 200
    assert await served(onvif) == pair.fingerprint


async def test_expired_refused_by_the_clock_of_the_device(camera: SimulatedDevice, onvif: SimulatedDevice) -> None:
    expired = signed_pair(days=-2)
    for one in (camera, onvif):
        one.faults.set(Fault.EXPIRED_REFUSED)
    assert (await Web(camera.address).upload(expired)).word == "expired"
    assert (await upload(onvif, expired)).codes == ["Sender", "InvalidArgVal", "BadCertificate"]
    for one in (camera, onvif):
        one.set_clock(datetime(1999, 1, 1, tzinfo=UTC))  # not valid yet
    assert (await Web(camera.address).upload(expired)).status == 200
    assert (await upload(onvif, expired)).status == 200


async def test_clear_import_gap_of_the_web_camera(camera: SimulatedDevice) -> None:
    web, own = Web(camera.address), await served(camera)
    camera.faults.set(Fault.CLEAR_IMPORT_GAP)
    first, second = signed_pair("first"), signed_pair("second")
    assert (await web.state())["replaces"] == "after-delete"
    assert (await web.upload(first)).status == 200
    refused = await web.upload(second)
    assert (refused.status, refused.word) == (409, "certificate-present")
    assert await served(camera) == first.fingerprint
    await web.ask("DELETE", "certificate")
    assert await served(camera) == own
    assert (await web.upload(second)).status == 200
    assert await served(camera) == second.fingerprint


async def test_clear_import_gap_of_the_onvif_camera(onvif: SimulatedDevice) -> None:
    factory, old = await served(onvif), onvif.keystore.assigned
    assert old is not None
    onvif.faults.set(Fault.CLEAR_IMPORT_GAP)
    first = (await upload(onvif, signed_pair("first"))).text("CertificationPathID")
    assert (await assign(onvif, first)).status == 200
    refused = await upload(onvif, signed_pair("second"))
    assert refused.codes == ["Receiver", "Action", "MaximumNumberOfCertificationPathsReached"]
    assert (await assign(onvif, old)).status == 200
    assert await served(onvif) == factory
    assert (await legacy(onvif, "DeleteCertificates", with_id(first))).status == 200
    assert (await upload(onvif, signed_pair("second"))).status == 200


@pytest.mark.parametrize(
    ("fault", "at_once", "after_reboot"),
    [
        (Fault.NEEDS_REBOOT, False, True),
        (Fault.STORED_NOT_SERVED, False, True),
        (Fault.IMPORT_IGNORED, False, False),
        (Fault.WEB_DAEMON_RESTARTS, True, True),
    ],
)
async def test_an_upload_to_the_web_camera_under(
    camera: SimulatedDevice, fault: Fault, at_once: bool, after_reboot: bool
) -> None:
    pair = signed_pair()
    camera.faults.set(fault)
    assert (await Web(camera.address).upload(pair)).status == 200
    if fault is Fault.WEB_DAEMON_RESTARTS:
        await until(lambda: not camera.listening)
        await until(lambda: camera.listening)
    assert (await served(camera) == pair.fingerprint) is at_once
    assert ((await Web(camera.address).state())["inUse"] == "uploaded") is (fault is not Fault.IMPORT_IGNORED)
    await camera.reboot()
    assert (await served(camera) == pair.fingerprint) is after_reboot


async def test_cannot_serve_and_store_full_of_the_web_camera(camera: SimulatedDevice) -> None:
    web, own = Web(camera.address), await served(camera)
    camera.faults.set(Fault.STORE_FULL, 1)
    assert (await web.upload(signed_pair())).word == "store-full"
    camera.faults.set(Fault.CANNOT_SERVE, 1)
    assert (await web.upload(signed_pair())).status == 200
    with pytest.raises(OSError, match=r"EOF|ALERT|reset"):
        await asyncio.to_thread(leaf_at, camera.address)
    assert (await web.ask("DELETE", "certificate")).status == 200
    assert await served(camera) == own


# -------------------------------------------------------------------------------------------------- power


async def test_clock_resets_on_power_loss_and_not_on_reboot(camera: SimulatedDevice, onvif: SimulatedDevice) -> None:
    for one in (camera, onvif):
        one.faults.set(Fault.CLOCK_RESETS_ON_POWER_LOSS)
        await one.reboot()
        assert one.now().year > 2000
        await one.power_cycle()
    assert (await Client(onvif.address).call(TDS, "GetSystemDateAndTime", login="none")).text("Year") == "1970"
    assert (await Web(camera.address).ask("GET", "clock")).told["utc"].startswith("1970-01-01T00:00")
    leaf = await asyncio.to_thread(leaf_at, camera.address)
    assert (leaf.not_valid_before_utc.year, leaf.not_valid_after_utc.year) == (1969, 1971)
