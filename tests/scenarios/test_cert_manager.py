"""Solution 3 by cert-manager: its real CRDs, and a signer that behaves as it documents."""

import asyncio
import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from device_cert_operator.pki.csr import read_csr
from device_cert_operator.reconcile import certificate as certificate_story
from device_simulator import SimulatedDevice
from local_control_plane import plane as planes
from local_control_plane.plane import ControlPlane
from tests.support import cert_manager
from tests.support.cert_manager import CertManager
from tests.support.control_plane import install_crds
from tests.support.crash import Crash, first_of_each
from tests.support.outside_ca import OutsideCA
from tests.support.world import World, WorldOn

ISSUER = {"certManagerRef": {"name": "site-issuer"}}
BY_DEVICE = {"privateKey": {"source": "Device"}}


@pytest.fixture(scope="module")
def crds(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> None:
    cert_manager.install_crds(control_plane, tmp_path_factory.mktemp("go"))


@pytest.fixture
def manager(crds: None, world: World) -> CertManager:
    return CertManager(world, OutsideCA(world.folder / "outside"))


async def begin(world: World, *, issuer: dict[str, Any] = ISSUER, **spec: Any) -> SimulatedDevice:
    """A camera whose certificate cert-manager is to sign."""
    camera = await world.camera("gate")
    await world.credentials()
    await world.apply(world.device("gate"), world.certificate("gate", issuer=issuer, **spec))
    await world.start_operator()
    return camera


async def renew(world: World, value: str) -> None:
    await world.kubectl("annotate", "--overwrite", "dcert", "gate", f"devicecert.io/renew={value}")


async def test_a_key_of_the_operator_is_certified_once_somebody_approves(world: World, manager: CertManager) -> None:
    camera = await begin(world, duration="720h", dnsNames=["gate.example.com"])
    told = await world.until("dcert", "gate", "Issued", "False", "WaitingForApproval")
    assert "cmctl approve gate-r1" in told["message"]
    request = await manager.wait_for("gate-r1")
    assert request["spec"]["issuerRef"] == {"name": "site-issuer", "kind": "Issuer", "group": "cert-manager.io"}
    assert request["spec"]["duration"] == "2592000s"
    assert request["spec"]["usages"] == ["digital signature", "server auth"], "an ECDSA key enciphers nothing"
    asked = read_csr(base64.b64decode(request["spec"]["request"]))
    assert (asked.ip_addresses, asked.dns_names) == ((world.address(1),), ("gate.example.com",))
    await manager.pending("gate-r1", "Waiting on certificate issuance from order: 3 challenges left")
    await manager.approve("gate-r1")
    told = await world.until("dcert", "gate", "Issued", "False", "WaitingForIssuer")
    assert "3 challenges left" in told["message"]
    assert (await world.condition("dcert", "gate", "Reconciling"))["status"] == "True"
    await manager.sign("gate-r1")
    await world.ready("gate")
    assert await world.trusted(camera.address, manager.ca.root)


async def test_a_key_made_on_the_device_is_certified_and_never_leaves_it(world: World, manager: CertManager) -> None:
    camera = await begin(world, **BY_DEVICE)
    await manager.issue("gate-r1")
    await world.ready("gate")
    assert await world.trusted(camera.address, manager.ca.root)
    assert camera.journal.operations["CreatePKCS10CSR"] == 1
    assert camera.journal.operations["UploadCertificateWithPrivateKeyInPKCS12"] == 0
    assert "tls.key" not in (await world.get("secret", "gate-r1"))["data"]


async def test_an_rsa_key_enciphers(world: World, manager: CertManager) -> None:
    await begin(world, privateKey={"algorithm": "RSA"})
    request = await manager.wait_for("gate-r1")
    assert request["spec"]["usages"] == ["digital signature", "key encipherment", "server auth"]


@pytest.mark.parametrize(
    ("how", "reason"), [("denied", "IssuanceDenied"), ("invalid", "RequestInvalid")], ids=["denied", "invalid"]
)
async def test_a_no_is_told_and_stands_until_somebody_asks_again(
    world: World, manager: CertManager, how: str, reason: str
) -> None:
    await begin(world)
    await manager.wait_for("gate-r1")
    if how == "denied":
        await manager.deny("gate-r1", "policy: 127/8 is nobody's")
    else:
        await manager.approve("gate-r1")
        await manager.call_invalid("gate-r1", "policy: 127/8 is nobody's")
    told = await world.until("dcert", "gate", "Issued", "False", reason)
    assert "127/8 is nobody's" in told["message"] and "devicecert.io/renew" in told["message"]
    assert (await world.condition("dcert", "gate", "Stalled"))["status"] == "True"
    await world.stop_operator()
    await world.start_operator()
    await world.until("dcert", "gate", "Stalled", "True", reason)
    assert [one["metadata"]["name"] for one in await manager.requests()] == ["gate-r1"]
    await renew(world, "now")
    await manager.issue("gate-r2")
    await world.ready("gate")


async def test_after_a_failure_the_same_csr_is_handed_in_again_later_and_later(
    world: World, manager: CertManager
) -> None:
    camera = await begin(world, **BY_DEVICE)
    first = await manager.wait_for("gate-r1")
    await manager.approve("gate-r1")
    await manager.fail("gate-r1", "the CA is on fire")
    told = await world.until("dcert", "gate", "Issued", "False", "RequestFailed")
    assert "the CA is on fire" in told["message"]
    status = (await world.get("dcert", "gate"))["status"]
    assert status["failedAttempts"] == 1
    assert status["nextAttemptTime"]
    second = await manager.wait_for("gate-r1", but=first["metadata"]["uid"])
    assert second["spec"]["request"] == first["spec"]["request"]
    await manager.fail("gate-r1", "it still burns")
    for _ in range(60):
        status = (await world.get("dcert", "gate"))["status"]
        if status.get("failedAttempts") == 2:
            break
        await asyncio.sleep(0.2)
    assert status["failedAttempts"] == 2
    assert (await manager.wait_for("gate-r1"))["metadata"]["uid"] == second["metadata"]["uid"], "it comes too soon"
    world.clock.forward(timedelta(minutes=1))
    world.look_again()
    await manager.wait_for("gate-r1", but=second["metadata"]["uid"])
    await manager.issue("gate-r1")
    await world.ready("gate")
    assert camera.journal.operations["CreatePKCS10CSR"] == 1
    assert (await world.get("dcert", "gate"))["status"]["failedAttempts"] == 0


async def test_an_edited_spec_waits_for_no_back_off(world: World, manager: CertManager) -> None:
    await begin(world)
    await manager.wait_for("gate-r1")
    await manager.approve("gate-r1")
    await manager.fail("gate-r1", "no")
    await world.until("dcert", "gate", "Issued", "False", "RequestFailed")
    await world.apply(world.certificate("gate", issuer={"certManagerRef": {"name": "another"}}))
    await manager.issue("gate-r2")
    await world.ready("gate")
    assert (await manager.wait_for("gate-r2"))["spec"]["issuerRef"]["name"] == "another"


async def test_the_last_two_requests_are_kept_through_renewals(world: World, manager: CertManager) -> None:
    camera = await begin(world)
    await manager.issue("gate-r1")
    await world.ready("gate")
    for number in (2, 3, 4):
        before = camera.served_fingerprint
        await renew(world, str(number))
        await manager.issue(f"gate-r{number}")
        await world.holds(lambda before=before: camera.served_fingerprint != before)  # type: ignore[misc]
        await world.ready("gate")
    assert {one["metadata"]["name"] for one in await manager.requests()} == {"gate-r3", "gate-r4"}


async def test_a_certificate_is_renewed_in_time_while_the_old_one_serves(world: World, manager: CertManager) -> None:
    camera = await begin(world, **BY_DEVICE)
    await manager.issue("gate-r1", days=90)
    await world.ready("gate")
    first = camera.served_fingerprint
    world.clock.forward(timedelta(days=70))
    world.look_again()
    await world.until("dcert", "gate", "Issued", "False", "WaitingForApproval")
    assert (await world.condition("dcert", "gate", "Ready"))["status"] == "True"
    await manager.issue("gate-r2", days=200)
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.ready("gate")
    assert (await world.get("dcert", "gate"))["status"]["revision"] == 2
    assert await world.trusted(camera.address, manager.ca.root)


async def test_an_issuer_whose_renewals_end_with_what_there_is_is_not_asked_without_end(
    world: World, manager: CertManager
) -> None:
    """Its own CA is about to end: what it signs is due for renewal at once."""
    camera = await begin(world)
    await manager.issue("gate-r1", days=1)
    await world.ready("gate")
    first = camera.served_fingerprint
    world.clock.forward(timedelta(hours=20))
    world.look_again()
    await manager.issue("gate-r2", days=1)
    told = await world.until("dcert", "gate", "Issued", "False", "RequestFailed")
    assert "would have to be renewed at once" in told["message"]
    await world.ready("gate")
    assert camera.served_fingerprint == first
    refused = (await manager.requests())[-1]["metadata"]
    assert refused["name"] == "gate-r2"
    world.clock.forward(timedelta(minutes=10))
    world.look_again()
    await manager.wait_for("gate-r2", but=refused["uid"])
    await manager.issue("gate-r2", days=30)
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.ready("gate")


async def test_a_device_that_moved_gets_a_certificate_for_its_new_address(world: World, manager: CertManager) -> None:
    camera = await begin(world)
    await manager.issue("gate-r1")
    await world.ready("gate")
    await camera.move(world.address(7))
    await manager.issue("gate-r2")
    await world.ready("gate")
    assert await world.trusted(world.address(7), manager.ca.root)
    asked = read_csr((await manager.csr("gate-r2")).encode())
    assert asked.ip_addresses == (world.address(7),)


async def test_a_cluster_issuer_is_asked_only_where_the_operator_may(world: World, manager: CertManager) -> None:
    issuer = {"certManagerRef": {"name": "company", "kind": "ClusterIssuer"}}
    camera = await begin(world, issuer=issuer, **BY_DEVICE)
    told = await world.until("dcert", "gate", "Issued", "False", "ClusterIssuerNotAllowed")
    assert "company" in told["message"]
    assert (await world.condition("dcert", "gate", "Stalled"))["status"] == "True"
    assert camera.journal.operations["CreatePKCS10CSR"] == 0, "no key is made for what cannot be signed"
    assert await manager.requests() == []
    await world.stop_operator()
    await world.start_operator(cluster_issuers=("company",))
    await manager.issue("gate-r1")
    await world.ready("gate")


async def test_a_request_of_somebody_else_is_no_answer(world: World, manager: CertManager) -> None:
    foreign = base64.b64encode(manager.ca.new_csr(world.address(1)).encode()).decode()
    await world.apply(
        {
            "apiVersion": "cert-manager.io/v1",
            "kind": "CertificateRequest",
            "metadata": {"name": "gate-r1"},
            "spec": {"request": foreign, "issuerRef": {"name": "x"}},
        }
    )
    await begin(world)
    told = await world.until("dcert", "gate", "Issued", "False", "RequestNotOurs")
    assert "delete it" in told["message"]
    await world.kubectl("delete", "certificaterequest", "gate-r1")
    world.look_again()
    await manager.issue("gate-r1")
    await world.ready("gate")


async def test_a_request_that_somebody_deleted_is_made_again(world: World, manager: CertManager) -> None:
    await begin(world)
    first = await manager.wait_for("gate-r1")
    await world.kubectl("delete", "certificaterequest", "gate-r1")
    second = await manager.wait_for("gate-r1", but=first["metadata"]["uid"], within=45)
    assert second["spec"] == first["spec"]


async def test_cert_manager_may_come_later(tmp_path: Path, world_on: WorldOn) -> None:
    with planes.start() as plane:
        install_crds(plane)
        async with world_on(plane) as world:
            manager = CertManager(world, OutsideCA(world.folder / "outside"))
            await begin(world)
            told = await world.until("dcert", "gate", "Issued", "False", "CertManagerMissing")
            assert "install cert-manager" in told["message"]
            assert (await world.condition("dcert", "gate", "Reconciling"))["status"] == "True"
            await asyncio.to_thread(cert_manager.install_crds, plane, tmp_path)
            await manager.wait_for("gate-r1", within=60)
            await manager.issue("gate-r1")
            await world.ready("gate")


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("source", ["Operator", "Device"])
async def test_a_crash_around_any_step_of_the_certificate_costs_one_more_pass(
    world: World, manager: CertManager, monkeypatch: pytest.MonkeyPatch, moment: str, source: str
) -> None:
    """At each step everything is cancelled, and a new operator finds what is there. The signer just goes on."""
    seen: set[str] = set()
    crash = Crash(monkeypatch, certificate_story, moment, first_of_each(seen))
    camera = await begin(world, privateKey={"source": source})
    issuing = asyncio.create_task(manager.issue("gate-r1"))
    await crash.survived(world, world.ready("gate", within=90))
    await issuing
    made = {"MakeCSR", "DropKey"} if source == "Operator" else set()
    assert {"BeginRequest", "RecordCSR", "Submit", "Publish", "GiveTurn", "DropRequest", *made} <= seen
    assert crash.kills == len(seen)
    assert await world.trusted(camera.address, manager.ca.root)
    assert [one["metadata"]["name"] for one in await manager.requests()] == ["gate-r1"]
    secrets = (await world.kubectl("get", "secrets", "-l", "devicecert.io/use", "-o", "name")).split()
    assert secrets == ["secret/gate-r1", "secret/login"]
