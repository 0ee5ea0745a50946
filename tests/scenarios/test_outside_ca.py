"""Solution 3: somebody outside signs; the key stays on the device, or here."""

from datetime import timedelta
from typing import Any

import pytest

from device_simulator import Fault
from tests.support.outside_ca import OutsideCA
from tests.support.world import World

EXTERNAL = {"external": {"certificateRef": {"name": "gate-signed"}}}
BY_DEVICE = {"privateKey": {"source": "Device"}}


@pytest.fixture
def outside(world: World) -> OutsideCA:
    return OutsideCA(world.folder / "outside")


async def put(world: World, *pems: str, kind: str = "ConfigMap", name: str = "gate-signed", **more: str) -> None:
    """What a person does with the signed file."""
    await world.apply(
        {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": {"name": name, "labels": {"devicecert.io/use": "certificate"}},
            "stringData" if kind == "Secret" else "data": {"tls.crt": "".join(pems), **more},
        }
    )


async def csr_of(world: World, name: str = "gate") -> str:
    """The CSR where the status says it is."""
    status = (await world.get("dcert", name))["status"]["certificateRequest"]
    found = await world.get("configmap", status["configMap"])
    return str(found["data"][status["key"]])


async def begin(world: World, device: dict[str, Any] | None = None, **spec: Any) -> None:
    """A camera whose certificate an outside CA is to sign."""
    await world.credentials()
    await world.apply(world.device("gate", **(device or {})), world.certificate("gate", **{"issuer": EXTERNAL, **spec}))
    await world.start_operator()
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")


async def test_a_key_made_on_the_device_is_certified_outside_and_never_leaves_it(
    world: World, outside: OutsideCA
) -> None:
    camera = await world.camera("gate")
    await begin(world, **BY_DEVICE)
    told = await world.condition("dcert", "gate", "Issued")
    assert "gate-csr" in told["message"] and world.address(1) in told["message"]
    await put(world, outside.sign(await csr_of(world)), outside.issuing_pem, outside.root_pem)
    await world.ready("gate")
    assert await world.trusted(camera.address, outside.root)
    assert camera.journal.operations["UploadCertificateWithPrivateKeyInPKCS12"] == 0
    revision = await world.get("secret", "gate-r1")
    assert "tls.key" not in revision["data"]
    assert "certificateRequest" not in (await world.get("dcert", "gate"))["status"]


async def test_an_operator_key_is_certified_outside_and_uploaded(world: World, outside: OutsideCA) -> None:
    camera = await world.camera("gate")
    await begin(world)
    assert (await world.get("secret", "gate-r1-key"))["type"] == "devicecert.io/pending-key"
    await put(world, outside.sign(await csr_of(world)), outside.issuing_pem, **{"ca.crt": outside.root_pem})
    await world.ready("gate")
    assert await world.trusted(camera.address, outside.root)
    assert await world.get("secret", "gate-r1-key") == {}


@pytest.mark.parametrize("source", ["Device", "Operator"])
async def test_the_chain_may_come_back_in_a_secret(world: World, outside: OutsideCA, source: str) -> None:
    camera = await world.camera("gate")
    issuer = {"external": {"certificateRef": {"kind": "Secret", "name": "gate-signed"}}}
    await begin(world, issuer=issuer, privateKey={"source": source})
    told = await world.condition("dcert", "gate", "Issued")
    assert "Secret gate-signed" in told["message"]
    chain = (outside.sign(await csr_of(world)), outside.issuing_pem, outside.root_pem)
    await put(world, *chain)
    await put(world, "hello", kind="Secret")
    told = await world.until("dcert", "gate", "Issued", "False", "CertificateUnreadable")
    assert f"Secret {world.namespace}/gate-signed" in told["message"], "the ConfigMap of that name is not looked at"
    await put(world, *chain, kind="Secret")
    await world.ready("gate")
    assert await world.trusted(camera.address, outside.root)
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=now")
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
    first = camera.served_fingerprint
    await put(world, outside.sign(await csr_of(world)), *chain[1:], kind="Secret")
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.ready("gate")
    assert await world.trusted(camera.address, outside.root)


async def test_a_secret_without_the_owners_label_is_told(world: World, outside: OutsideCA) -> None:
    await world.camera("gate")
    issuer = {"external": {"certificateRef": {"kind": "Secret", "name": "gate-signed"}}}
    await begin(world, issuer=issuer, **BY_DEVICE)
    pems = outside.sign(await csr_of(world)) + outside.issuing_pem + outside.root_pem
    await world.kubectl("create", "secret", "generic", "gate-signed", f"--from-literal=tls.crt={pems}")
    await world.kubectl("annotate", "dcert", "gate", "example.com/look=now")
    told = await world.until("dcert", "gate", "Issued", "False", "SecretNotShared", within=45)
    line = told["message"][told["message"].index("kubectl ") :].split()
    await world.kubectl(*line[line.index("label") : line.index("devicecert.io/use=certificate") + 1])
    await world.ready("gate")


async def test_own_ca_signs_a_key_made_on_the_device(world: World) -> None:
    camera = await world.camera("gate")
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate", **BY_DEVICE))
    await world.start_operator()
    await world.ready("gate")
    assert await world.trusted(camera.address)
    assert camera.journal.operations["CreatePKCS10CSR"] == 1


async def test_a_moved_device_waits_for_a_certificate_of_its_new_address(world: World, outside: OutsideCA) -> None:
    camera = await world.camera("gate")
    await begin(world, **BY_DEVICE)
    await put(world, outside.sign(await csr_of(world)), outside.issuing_pem, outside.root_pem)
    await world.ready("gate")
    await camera.move(world.address(5))
    told = await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
    assert world.address(5) in told["message"]
    await put(world, outside.sign(await csr_of(world)), outside.issuing_pem, outside.root_pem)
    await world.ready("gate")
    assert await world.trusted(world.address(5), outside.root)


@pytest.mark.parametrize(
    ("how", "reason", "words"),
    [
        ("another key", "CertificateForAnotherKey", "another key"),
        ("leaf not first", "CertificateForAnotherKey", "not the first"),
        ("without its issuer", "ChainIncomplete", "which issued the last certificate"),
        ("out of order", "ChainIncomplete", "not in order"),
        ("without the address", "AddressNotInCertificate", "does not name"),
        ("for clients", "NotForServers", "not for TLS servers"),
        ("no certificate", "CertificateUnreadable", "holds no certificates"),
    ],
)
async def test_a_wrong_answer_is_told_by_its_own_reason_and_never_uploaded(
    world: World, outside: OutsideCA, how: str, reason: str, words: str
) -> None:
    camera = await world.camera("gate")
    await begin(world, **BY_DEVICE)
    csr = await csr_of(world)
    leaf, issuing, root = outside.sign(csr), outside.issuing_pem, outside.root_pem
    match how:
        case "another key":
            pems = [outside.sign(outside.new_csr(world.address(1))), issuing, root]
        case "leaf not first":
            pems = [issuing, leaf, root]
        case "without its issuer":
            pems = [leaf]
        case "out of order":
            pems = [leaf, root, issuing]
        case "without the address":
            pems = [outside.sign(csr, copy=False), issuing, root]
        case "for clients":
            pems = [outside.sign(csr, extensions="extendedKeyUsage=clientAuth\n"), issuing, root]
        case _:
            pems = ["hello"]
    await put(world, *pems)
    told = await world.until("dcert", "gate", "Issued", "False", reason)
    assert words in told["message"]
    assert camera.journal.operations["UploadCertificate"] == 0
    await put(world, outside.sign(csr), issuing, root)
    await world.ready("gate")


@pytest.mark.parametrize("source", ["Device", "Operator"])
async def test_a_device_that_does_not_pass_the_chain_on_needs_a_person(
    world: World, outside: OutsideCA, source: str
) -> None:
    camera = await world.camera("gate", faults={Fault.CHAIN_TRUNCATED})
    await begin(world, privateKey={"source": source})
    await put(world, outside.sign(await csr_of(world)), outside.issuing_pem, outside.root_pem)
    told = await world.until("dev", "gate", "Stalled", "True", "ChainIncomplete")
    assert "does not send CN=Outside issuing,O=Outside" in told["message"]
    await world.until("dcert", "gate", "Stalled", "True", "ChainIncomplete")
    before = await world.get("dev", "gate")
    assert before["status"]["revision"]["chainNotSent"] is True
    await world.more_passes("Device", 3)
    assert (await world.get("dev", "gate"))["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    camera.faults.clear(Fault.CHAIN_TRUNCATED)  # by an update
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=now")
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
    await put(world, outside.sign(await csr_of(world)), outside.issuing_pem, outside.root_pem)
    await world.ready("gate")
    assert await world.trusted(camera.address, outside.root)
    assert "chainNotSent" not in (await world.get("dev", "gate"))["status"]["revision"]


async def test_an_expired_answer_is_told(world: World, outside: OutsideCA) -> None:
    await world.camera("gate")
    await begin(world, **BY_DEVICE)
    leaf = outside.sign(await csr_of(world), days=1)
    world.clock.forward(timedelta(days=2))
    await put(world, leaf, outside.issuing_pem, outside.root_pem)
    await world.until("dcert", "gate", "Issued", "False", "CertificateExpired")


async def test_after_a_factory_restore_the_old_file_never_fits_again(world: World, outside: OutsideCA) -> None:
    camera = await world.camera("gate")
    await begin(world, {"connection__onKeyChange": "Accept"}, **BY_DEVICE)
    first = outside.sign(await csr_of(world))
    await put(world, first, outside.issuing_pem, outside.root_pem)
    await world.ready("gate")
    await camera.factory_reset()
    told = await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
    assert "will never fit again" in told["message"] and "gate-csr" in told["message"]
    assert await world.told("DeviceKeyLost")
    await world.holds(lambda: camera.journal.operations["CreatePKCS10CSR"] == 2)
    uploads = camera.journal.operations["UploadCertificate"]
    await put(world, first, outside.issuing_pem, outside.root_pem, **{"offered": "again"})
    await world.more_passes("DeviceCertificate", 2)
    await world.more_passes("Device", 2)
    told = await world.condition("dcert", "gate", "Issued")
    assert (told["status"], told["reason"]) == ("False", "WaitingForSignature")
    assert "will never fit again" in told["message"]
    assert camera.journal.operations["UploadCertificate"] == uploads
    await put(world, outside.sign(await csr_of(world)), outside.issuing_pem, outside.root_pem)
    await world.ready("gate")
    assert await world.trusted(camera.address, outside.root)


async def test_a_csr_whose_key_was_lost_before_it_was_signed_is_made_anew(world: World, outside: OutsideCA) -> None:
    camera = await world.camera("gate")
    await begin(world, {"connection__onKeyChange": "Accept"}, **BY_DEVICE)
    before = await csr_of(world)
    signed_too_late = outside.sign(before)
    await camera.factory_reset()
    await world.holds(lambda: camera.journal.operations["CreatePKCS10CSR"] == 2)
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
    await put(world, signed_too_late, outside.issuing_pem, outside.root_pem)
    await world.until("dcert", "gate", "Issued", "False", "CertificateForAnotherKey")
    after = await csr_of(world)
    assert after != before
    await put(world, outside.sign(after), outside.issuing_pem, outside.root_pem)
    await world.ready("gate")


async def test_a_file_signed_for_one_device_is_refused_for_another(world: World, outside: OutsideCA) -> None:
    await world.camera("gate")
    await world.camera("door", 2)
    await begin(world, **BY_DEVICE)
    chain = (outside.sign(await csr_of(world)), outside.issuing_pem, outside.root_pem)
    await put(world, *chain)
    await world.ready("gate")
    issuer = {"external": {"certificateRef": {"name": "door-signed"}}}
    await world.apply(world.device("door", 2), world.certificate("door", issuer=issuer, **BY_DEVICE))
    await put(world, *chain, name="door-signed")
    told = await world.until("dcert", "door", "Issued", "False", "CertificateForAnotherKey")
    assert "another device" in told["message"]


async def test_a_csr_that_waits_is_not_made_anew(world: World, outside: OutsideCA) -> None:
    camera = await world.camera("gate")
    await begin(world, **BY_DEVICE)
    csr = await csr_of(world)
    await world.stop_operator()
    await world.start_operator()
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
    looks = camera.journal.operations["GetAllKeys"]
    await world.holds(lambda: camera.journal.operations["GetAllKeys"] > looks)
    assert await csr_of(world) == csr
    assert camera.journal.operations["CreatePKCS10CSR"] == 1


async def test_a_csr_without_the_names_goes_to_no_outside_ca_but_to_ones_own(world: World) -> None:
    await world.camera("gate", faults={Fault.CSR_WITHOUT_SAN})
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate", issuer=EXTERNAL, **BY_DEVICE))
    await world.start_operator()
    told = await world.until("dcert", "gate", "Issued", "False", "CSRWithoutSAN")
    assert "own CA" in told["message"]
    await world.apply(world.certificate("gate", **BY_DEVICE))
    await world.ready("gate")
    assert await world.trusted(world.address(1))


async def test_a_file_without_the_owners_label_is_told(world: World, outside: OutsideCA) -> None:
    await world.camera("gate")
    await begin(world, **BY_DEVICE)
    pems = outside.sign(await csr_of(world)) + outside.issuing_pem + outside.root_pem
    (world.folder / "tls.crt").write_text(pems)
    await world.kubectl("create", "configmap", "gate-signed", f"--from-file={world.folder / 'tls.crt'}")
    await world.kubectl("annotate", "dcert", "gate", "example.com/look=now")
    told = await world.until("dcert", "gate", "Issued", "False", "SecretNotShared", within=45)
    assert "label configmap gate-signed devicecert.io/use=certificate" in told["message"]
    await world.kubectl("label", "configmap", "gate-signed", "devicecert.io/use=certificate")
    await world.ready("gate")


async def test_a_device_that_takes_its_time_over_a_key_is_no_device_that_is_away(
    world: World, outside: OutsideCA
) -> None:
    camera = await world.camera("gate", faults={Fault.SLOW_KEY_GENERATION}, key_generation_for=3.0)
    await begin(world, **BY_DEVICE)
    await put(world, outside.sign(await csr_of(world)), outside.issuing_pem, outside.root_pem)
    await world.ready("gate")
    assert camera.journal.operations["GetKeyStatus"] > 1
    assert not await world.events("DeviceBusy")
