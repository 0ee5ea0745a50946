"""The keystore's rules, over the wire: references, room, key types, ciphers and order of PKCS#12, TagMismatch."""

import asyncio
import base64
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from device_simulator import DeviceSpec, SimulatedDevice, Simulator
from device_simulator.tls import Key, make_key
from tests.simulator.client import PATHS, TAS, Client, Reply, envelope

AES128 = ("-keypbe", "AES-128-CBC", "-certpbe", "AES-128-CBC")


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(camera: SimulatedDevice, subject: str, key: Key, issuer: str, issuer_key: Key) -> x509.Certificate:
    now = camera.now()
    return (
        x509.CertificateBuilder(name(issuer), name(subject), key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=30))
        .sign(issuer_key, hashes.SHA256())
    )


def pack(folder: Path, key: Key, chain: list[x509.Certificate], *how: str) -> str:
    """Base64 of a PFX made by openssl; the chain may be in any order but for the leaf."""
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "chain.pem").write_bytes(b"".join(one.public_bytes(Encoding.PEM) for one in chain))
    command = ["openssl", "pkcs12", "-export", "-inkey", "key.pem", "-in", "chain.pem", "-passout", "pass:word"]
    made = subprocess.run([*command, *how], cwd=folder, check=True, capture_output=True)
    return base64.b64encode(made.stdout).decode()


async def call(camera: SimulatedDevice, operation: str, **arguments: str) -> Reply:
    inner = "".join(f"<p:{key}>{text}</p:{key}>" for key, text in arguments.items())
    return await Client(camera.address).call(TAS, operation, inner)


async def upload(camera: SimulatedDevice, data: str, passphrase: str = "word", **more: str) -> Reply:
    operation = "UploadCertificateWithPrivateKeyInPKCS12"
    return await call(camera, operation, CertWithPrivateKey=data, **more, Passphrase=passphrase)


@pytest.fixture
def packed(camera: SimulatedDevice, tmp_path: Path) -> Callable[..., str]:
    """A leaf of its own in the ciphers that are named."""

    def made(*how: str, kind: str = "ECDSA-P256") -> str:
        key = make_key(kind)
        return pack(tmp_path, key, [certificate(camera, "leaf", key, "leaf", key)], *(how or AES128))

    return made


@pytest.mark.parametrize(
    "how",
    [
        (),
        ("-keypbe", "AES-256-CBC", "-certpbe", "AES-256-CBC"),
        ("-keypbe", "AES-256-CBC", "-certpbe", "AES-128-CBC"),
        ("-keypbe", "PBE-SHA1-3DES", "-certpbe", "PBE-SHA1-3DES"),
    ],
    ids=["baseline", "AES-256", "AES-256 over the key alone", "3DES"],
)
async def test_only_listed_ciphers_are_read(
    camera: SimulatedDevice, packed: Callable[..., str], how: list[str]
) -> None:
    reply = await upload(camera, await asyncio.to_thread(packed, *how))
    assert reply.codes == ([] if not how else ["Sender", "InvalidArgVal", "DecryptionFailed"])
    assert len(camera.keystore.keys) == (2 if not how else 1)


async def test_a_wrong_passphrase_and_a_file_that_is_none(camera: SimulatedDevice, packed: Callable[..., str]) -> None:
    data = await asyncio.to_thread(packed)
    assert (await upload(camera, data, "guess")).codes[-1] == "DecryptionFailed"
    assert (await upload(camera, base64.b64encode(b"no file").decode())).codes[-1] == "BadPKCS12File"
    assert (await upload(camera, "###")).codes == ["Sender", "InvalidArgVal"]
    assert len(camera.keystore.keys) == 1


async def test_a_stored_passphrase_opens_a_file(camera: SimulatedDevice, packed: Callable[..., str]) -> None:
    data = await asyncio.to_thread(packed)
    phrase = (await call(camera, "UploadPassphrase", Passphrase="word")).text("PassphraseID")
    operation = "UploadCertificateWithPrivateKeyInPKCS12"
    assert (await call(camera, operation, CertWithPrivateKey=data, EncryptionPassphraseID=phrase)).status == 200
    assert (await call(camera, "UploadPassphrase", Passphrase="second")).status == 200
    full = await call(camera, "UploadPassphrase", Passphrase="third")
    assert full.codes[-1] == "MaximumNumberOfPassphrasesReached"


async def test_a_chain_is_put_in_order_or_left_out(camera: SimulatedDevice, tmp_path: Path) -> None:
    root, middle, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    chain = [
        certificate(camera, "leaf", leaf, "middle", middle),
        certificate(camera, "root", root, "root", root),
        certificate(camera, "middle", middle, "root", root),
    ]
    data = await asyncio.to_thread(pack, tmp_path, leaf, chain, *AES128)
    path = (await upload(camera, data)).text("CertificationPathID")
    ids = (await call(camera, "GetCertificationPath", CertificationPathID=path)).texts("CertificateID")
    assert [camera.keystore.certificates[one].certificate for one in ids] == [chain[0], chain[2], chain[1]]
    alone = (await upload(camera, data, IgnoreAdditionalCertificates="true")).text("CertificationPathID")
    assert camera.keystore.paths[alone].certificate_ids == (ids[0],)
    stray = [chain[0], certificate(camera, "middle", root, "root", root)]  # the issuer's name, another key
    data = await asyncio.to_thread(pack, tmp_path, leaf, stray, *AES128)
    assert (await upload(camera, data)).codes[-1] == "BadPKCS12File"


async def test_kinds_of_key_that_are_not_taken(
    simulator: Simulator, new_address: Callable[[], str], packed: Callable[..., str]
) -> None:
    only_rsa = await simulator.add(DeviceSpec(name="rsa", address=new_address(), key_types=("RSA-2048",)))
    told = await upload(only_rsa, await asyncio.to_thread(packed))
    assert told.codes[-1] == "UnsupportedPublicKeyAlgorithm"
    told = await upload(only_rsa, await asyncio.to_thread(packed, kind="RSA-3072"))
    assert told.codes[-1] == "KeyLength"
    assert (await call(only_rsa, "CreateRSAKeyPair", KeyLength="3072")).codes[-1] == "KeyLength"
    refused = await call(only_rsa, "CreateECCKeyPair", EllipticCurve="secp256r1")
    assert refused.codes[-1] == "UnsupportedEllipticCurve"


async def test_room_runs_out(simulator: Simulator, new_address: Callable[[], str], packed: Callable[..., str]) -> None:
    small = await simulator.add(DeviceSpec(name="small", address=new_address(), most_keys=2, most_paths=2))
    assert (await upload(small, await asyncio.to_thread(packed))).status == 200
    full = await upload(small, await asyncio.to_thread(packed))
    assert full.codes == ["Receiver", "Action", "MaximumNumberOfKeysReached"]
    assert (len(small.keystore.keys), len(small.keystore.certificates), len(small.keystore.paths)) == (2, 2, 2)


async def test_references_are_kept_whole_over_the_wire(camera: SimulatedDevice) -> None:
    path = camera.keystore.assigned or ""
    one = camera.keystore.paths[path].certificate_ids[0]
    key = camera.keystore.certificates[one].key_id
    for reply in (
        await call(camera, "DeleteCertificationPath", CertificationPathID=path),
        await call(camera, "DeleteCertificate", CertificateID=one),
        await call(camera, "DeleteKey", KeyID=key),
        await call(camera, "RemoveServerCertificateAssignment", CertificationPathID=path),
    ):
        assert reply.codes == ["Sender", "InvalidArgVal", "ReferenceExists"]
    second = await call(camera, "AddServerCertificateAssignment", CertificationPathID=path)
    assert second.codes[-1] == "MaximumNumberOfTLSCertificationPathsReached"


async def test_an_upload_without_its_key_and_a_csr_with_its_names(camera: SimulatedDevice) -> None:
    outside = ec.generate_private_key(ec.SECP256R1())
    der = certificate(camera, "gate", outside, "gate", outside).public_bytes(Encoding.DER)
    text = base64.b64encode(der).decode()
    refused = await call(camera, "UploadCertificate", Certificate=text, PrivateKeyRequired="true")
    assert refused.codes[-1] == "NoMatchingPrivateKey"
    alone = (await call(camera, "UploadCertificate", Certificate=text)).text("CertificateID")
    ids = f"<p:CertificateID>{alone}</p:CertificateID>"
    path = (await call(camera, "CreateCertificationPath", CertificateIDs=ids)).text("CertificationPathID")
    old = camera.keystore.assigned or ""
    operation = "ReplaceServerCertificateAssignment"
    keyless = await call(camera, operation, OldCertificationPathID=old, NewCertificationPathID=path)
    assert keyless.codes[-1] == "NoPrivateKey"

    san = x509.SubjectAlternativeName([x509.DNSName("gate.example.org")])
    extension = (
        "<p:X509v3Extension><p:extnOID>2.5.29.17</p:extnOID><p:critical>true</p:critical>"
        f"<p:extnValue>{base64.b64encode(san.public_bytes()).decode()}</p:extnValue></p:X509v3Extension>"
    )
    asked = {
        "Subject": "<p:Country>JP</p:Country><p:CommonName>gate</p:CommonName>",
        "KeyID": next(iter(camera.keystore.keys)),
        "CSRAttribute": extension,
    }
    sha1 = "<p:algorithm>1.2.840.10045.4.1</p:algorithm>"
    assert (await call(camera, "CreatePKCS10CSR", **asked, SignatureAlgorithm=sha1)).codes[-1] == (
        "UnsupportedSignatureAlgorithm"
    )
    sha256 = "<p:algorithm>1.2.840.10045.4.3.2</p:algorithm>"
    made = (await call(camera, "CreatePKCS10CSR", **asked, SignatureAlgorithm=sha256)).text("PKCS10CSR")
    request = x509.load_der_x509_csr(base64.b64decode(made))
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=gate,C=JP"
    found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert found.critical and found.value == san


async def test_dates_outside_the_devices_clock_are_no_bad_certificate(camera: SimulatedDevice) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    der = certificate(camera, "gate", key, "gate", key).public_bytes(Encoding.DER)
    camera.skew_clock(-timedelta(days=9000))
    reply = await call(camera, "UploadCertificate", Certificate=base64.b64encode(der).decode())
    assert reply.status == 200
    bad = await call(camera, "UploadCertificate", Certificate=base64.b64encode(der[:-9]).decode())
    assert bad.codes[-1] == "BadCertificate"


async def test_unqualified_children_are_a_tag_mismatch(camera: SimulatedDevice) -> None:
    text = envelope(TAS, "GetKeyStatus", "<KeyID>key-1</KeyID>")
    reply = await Client(camera.address).post(PATHS[TAS], text, digest=True)
    assert (reply.status, reply.codes) == (400, ["Sender", "TagMismatch"])
    reply = await Client(camera.address).post(PATHS[TAS], "<no", digest=True)
    assert reply.codes == ["Sender", "WellFormed"]
    reply = await call(camera, "GetAllCRLs")
    assert reply.codes == ["Receiver", "ActionNotSupported", "NotSupported"]
