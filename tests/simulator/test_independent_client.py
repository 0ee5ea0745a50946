"""onvif-python, which shares no code with us, drives the simulator through the whole keystore sequence."""

import asyncio
import base64
import contextlib
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

from device_simulator import DeviceSpec, Fault, SimulatedDevice, Simulator
from device_simulator.tls import DER, KeyAndChain
from tests.simulator.helpers import sign_for, signed_pair

pytestmark = pytest.mark.filterwarnings("ignore")  # the client's own


def make_pkcs12(folder: Path) -> tuple[bytes, str]:
    """A key pair in a PFX by openssl, in ONVIF's baseline encryption; and the leaf's fingerprint."""
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-out", "c.pem"]
    subprocess.run([*request, "-subj", "/CN=made outside", "-days", "30"], cwd=folder, check=True, capture_output=True)
    pack = ["openssl", "pkcs12", "-export", "-inkey", "k.pem", "-in", "c.pem", "-out", "b.p12", "-passout", "pass:word"]
    baseline = ["-keypbe", "AES-128-CBC", "-certpbe", "AES-128-CBC"]
    subprocess.run([*pack, *baseline], cwd=folder, check=True, capture_output=True)
    leaf = x509.load_pem_x509_certificate((folder / "c.pem").read_bytes())
    return (folder / "b.p12").read_bytes(), leaf.fingerprint(hashes.SHA256()).hex()


def served(address: str) -> str:
    """The fingerprint that a handshake shows."""
    pem = ssl.get_server_certificate((address, 8443))
    return x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256()).hex()


def drive(address: str, data: bytes, *, http_digest: bool) -> dict[str, object]:
    """The whole sequence, synchronously."""
    from onvif import CacheMode, ONVIFClient

    client = ONVIFClient(address, 8080, "admin", "secret", http_digest=http_digest, cache=CacheMode.NONE)
    seen: dict[str, object] = {"serial": client.devicemgmt().GetDeviceInformation()["SerialNumber"]}
    keystore, server = client.keystore(), client.tlsserver()
    before = server.GetAssignedServerCertificates()
    uploaded = keystore.UploadCertificateWithPrivateKeyInPKCS12(
        CertWithPrivateKey=data, CertificationPathAlias="outside", KeyAlias="outside", Passphrase="word"
    )
    path = uploaded["CertificationPathID"]
    server.ReplaceServerCertificateAssignment(OldCertificationPathID=before[0], NewCertificationPathID=path)
    seen["new"] = served(address)
    server.ReplaceServerCertificateAssignment(OldCertificationPathID=path, NewCertificationPathID=before[0])
    seen["rolled back"] = served(address)
    parts = keystore.GetCertificationPath(CertificationPathID=path)
    keystore.DeleteCertificationPath(CertificationPathID=path)
    for certificate in parts["CertificateID"]:
        keystore.DeleteCertificate(CertificateID=certificate)
    keystore.DeleteKey(KeyID=uploaded["KeyID"])
    seen["keys left"] = len(keystore.GetAllKeys())
    return seen


@pytest.mark.parametrize("http_digest", [True, False], ids=["Digest", "UsernameToken"])
async def test_the_whole_keystore_sequence(camera: SimulatedDevice, tmp_path: Path, http_digest: bool) -> None:
    data, fingerprint = await asyncio.to_thread(make_pkcs12, tmp_path)
    factory = camera.served_fingerprint
    seen = await asyncio.to_thread(drive, camera.address, data, http_digest=http_digest)
    assert seen == {"serial": camera.serial_number, "new": fingerprint, "rolled back": factory, "keys left": 1}
    assert camera.guard.refused == 0


def drive_legacy(address: str, pair: KeyAndChain) -> dict[str, object]:
    """The legacy operations, synchronously: a pair from outside, then a key made on the device."""
    from onvif import CacheMode, ONVIFClient

    device = ONVIFClient(
        address, 8080, "admin", "secret", http_digest=True, cache=CacheMode.NONE, use_https=False
    ).devicemgmt()
    key = pair.key.private_bytes(DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = {"Data": pair.chain[0].public_bytes(DER)}
    given = {"CertificateID": "outside", "Certificate": certificate, "PrivateKey": {"Data": key}}
    device.LoadCertificateWithPrivateKey(CertificateWithPrivateKey=[given])
    device.SetCertificatesStatus(CertificateStatus=[{"CertificateID": "outside", "Status": True}])
    seen: dict[str, object] = {"outside": served(address)}
    device.CreateCertificate(CertificateID="inside", Subject="CN=made inside")
    csr = x509.load_der_x509_csr(device.GetPkcs10Request(CertificateID="inside")["Data"])
    signed = sign_for(csr.public_key())
    device.LoadCertificates(
        NVTCertificate=[{"CertificateID": "inside", "Certificate": {"Data": signed.public_bytes(DER)}}]
    )
    device.SetCertificatesStatus(CertificateStatus=[{"CertificateID": "inside", "Status": True}])
    seen["inside"] = served(address) == signed.fingerprint(hashes.SHA256()).hex()
    seen["serial"] = (
        int(device.GetCertificateInformation(CertificateID="inside")["SerialNum"], 16) == signed.serial_number
    )
    device.DeleteCertificates(CertificateID=["outside"])
    seen["left"] = [one["CertificateID"] for one in device.GetCertificates()][1:]
    seen["on"] = [one["CertificateID"] for one in device.GetCertificatesStatus() if one["Status"]]
    return seen


async def test_the_legacy_sequences(simulator: Simulator, address: str) -> None:
    camera = await simulator.add(DeviceSpec(name="old", address=address, advanced_security=False))
    pair = signed_pair(kind="RSA-2048")
    seen = await asyncio.to_thread(drive_legacy, address, pair)
    assert seen == {"outside": pair.fingerprint, "inside": True, "serial": True, "left": ["inside"], "on": ["inside"]}
    assert camera.guard.refused == 0


async def test_a_wrong_passphrase_is_a_fault_and_changes_nothing(camera: SimulatedDevice, tmp_path: Path) -> None:
    data, _ = await asyncio.to_thread(make_pkcs12, tmp_path)
    from device_simulator.pfx import StoreFault

    before = dict(camera.keystore.keys)
    with pytest.raises(StoreFault, match="DecryptionFailed"):
        camera.keystore.add_pkcs12(data, "another", "a", "a")
    assert camera.keystore.keys == before
    assert base64.b64encode(data)


async def test_references_are_kept_whole(camera: SimulatedDevice) -> None:
    from device_simulator.pfx import StoreFault

    store = camera.keystore
    path = store.assigned
    assert path is not None
    certificate = store.paths[path].certificate_ids[0]
    for refused in (
        lambda: store.delete_path(path),
        lambda: store.delete_certificate(certificate),
        lambda: store.delete_key(store.certificates[certificate].key_id),
    ):
        with pytest.raises(StoreFault, match="ReferenceExists"):
            refused()


async def test_a_reboot_drops_connections_and_comes_back(camera: SimulatedDevice) -> None:
    reader, writer = await asyncio.open_connection(camera.address, 8080)
    rebooting = asyncio.create_task(camera.reboot())
    async with asyncio.timeout(2):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read(1) == b""
    writer.close()
    with pytest.raises(OSError, match=r"refused|Connect call failed"):
        await asyncio.open_connection(camera.address, 8080)
    await rebooting
    _, writer = await asyncio.open_connection(camera.address, 8080)
    writer.close()
    assert camera.journal.reboots == 1


async def test_faults_strike_as_often_as_told(camera: SimulatedDevice) -> None:
    camera.faults.set(Fault.STORE_FULL, 2)
    assert [camera.faults.strikes(Fault.STORE_FULL) for _ in range(3)] == [True, True, False]
    camera.faults.set(Fault.STORE_FULL)
    assert all(camera.faults.strikes(Fault.STORE_FULL) for _ in range(5))
    camera.faults.clear(Fault.STORE_FULL)
    assert not camera.faults.on(Fault.STORE_FULL)
