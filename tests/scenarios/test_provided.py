"""One certificate on several devices: made elsewhere with its key (`provided`), or with a key of the operator."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from device_simulator import Fault, SimulatedDevice
from tests.support.outside_ca import OutsideCA
from tests.support.world import World

UPLOAD = "UploadCertificateWithPrivateKeyInPKCS12"
PROVIDED = {"provided": {"secretRef": {"name": "doors-pair"}}}
DOORS = ("door-1", "door-2", "door-3")


@pytest.fixture
def outside(world: World) -> OutsideCA:
    return OutsideCA(world.folder / "outside")


async def put(world: World, label: str | None = "certificate", **data: str | None) -> None:
    """What a person does with the files. Keys with an underscore for the dot."""
    labels = {"devicecert.io/use": label} if label else {}
    await world.kubectl("delete", "secret", "doors-pair", "--ignore-not-found", "--wait=true")
    await world.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "doors-pair", "labels": labels},
            "stringData": {name.replace("_", "."): text for name, text in data.items() if text is not None},
        }
    )


async def replace(world: World, leaf: str, key: str, outside: OutsideCA) -> None:
    """Another pair in the same Secret."""
    await world.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "doors-pair", "labels": {"devicecert.io/use": "certificate"}},
            "stringData": {"tls.crt": leaf + outside.issuing_pem, "tls.key": key, "ca.crt": outside.root_pem},
        }
    )


def addresses(world: World) -> list[str]:
    return [world.address(number) for number in range(1, len(DOORS) + 1)]


async def make_doors(world: World, **issuer: object) -> list[SimulatedDevice]:
    """Three door stations under one DeviceCertificate; the operator is not started."""
    doors = [await world.camera(name, number) for number, name in enumerate(DOORS, 1)]
    await world.credentials()
    devices = [world.device(name, number) for number, name in enumerate(DOORS, 1)]
    await world.apply(*devices, world.certificate("doors", *DOORS, **issuer))
    return doors


async def one_door(world: World) -> SimulatedDevice:
    """A single one, under `provided`, with the operator running."""
    door = await world.camera("door-1")
    await world.credentials()
    await world.apply(world.device("door-1"), world.certificate("doors", "door-1", issuer=PROVIDED))
    await world.start_operator()
    return door


async def all_ready(world: World, *doors: str, within: float = 40) -> None:
    await world.until("dcert", "doors", "Ready", "True", within=within)
    for door in doors:
        await world.until("dev", door, "Ready", "True", within=within)


def fingerprint(pem: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


@asynccontextmanager
async def watched_order(doors: list[SimulatedDevice], wanted: str) -> AsyncIterator[None]:
    """Fails if a door is given the certificate before the one in front of it serves it."""
    before = [door.journal.operations[UPLOAD] for door in doors]
    wrong: list[str] = []

    async def look() -> None:
        while True:
            for number in range(1, len(doors)):
                begun = doors[number].journal.operations[UPLOAD] > before[number]
                if begun and doors[number - 1].served_fingerprint != wanted:
                    wrong.append(f"door {number + 1} came before door {number} was secure")
            await asyncio.sleep(0.01)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
    assert [door.journal.operations[UPLOAD] - one for door, one in zip(doors, before, strict=True)] == [1] * len(doors)
    assert wrong == []


@asynccontextmanager
async def watched_readiness(world: World) -> AsyncIterator[None]:
    """Fails if the DeviceCertificate was not Ready for a moment; Installed has to be False for one."""
    assert world.app is not None
    cache, seen = world.app.cache, set[tuple[str, str]]()

    async def look() -> None:
        while True:
            for view in cache.all_certificates():
                seen.update((one.type, one.status) for one in view.status.conditions)
            await asyncio.sleep(0.01)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
    assert ("Ready", "False") not in seen
    assert ("Installed", "False") in seen


# ------------------------------------------------------------------------------------------- provided


async def test_a_pair_made_elsewhere_is_installed_on_one_device_after_another(world: World, outside: OutsideCA) -> None:
    doors = await make_doors(world, issuer=PROVIDED)
    leaf, key = outside.new_pair(*addresses(world), "doors.example.com")
    async with watched_order(doors, fingerprint(leaf)):
        await put(world, tls_crt=leaf + outside.issuing_pem, tls_key=key, ca_crt=outside.root_pem)
        await world.start_operator()
        await all_ready(world, *DOORS)
    for door in doors:
        assert await world.trusted(door.address, outside.root)
    assert (await world.get("dcert", "doors"))["status"]["revision"] == 1


async def test_an_unreachable_device_is_skipped_and_served_later(world: World, outside: OutsideCA) -> None:
    doors = await make_doors(world, issuer=PROVIDED)
    await doors[0].power_off()
    leaf, key = outside.new_pair(*addresses(world))
    await put(world, tls_crt=leaf + outside.issuing_pem, tls_key=key, ca_crt=outside.root_pem)
    await world.start_operator()
    await world.until("dev", "door-2", "Secure", "True")
    await world.until("dev", "door-3", "Secure", "True")
    told = await world.until("dcert", "doors", "Secure", "False")
    assert "door-1" in told["message"]
    await doors[0].power_on()
    await all_ready(world, *DOORS)
    assert await world.trusted(doors[0].address, outside.root)


async def test_another_pair_in_the_secret_is_a_new_revision_for_all(world: World, outside: OutsideCA) -> None:
    doors = await make_doors(world, issuer=PROVIDED)
    leaf, key = outside.new_pair(*addresses(world))
    await put(world, tls_crt=leaf + outside.issuing_pem, tls_key=key, ca_crt=outside.root_pem)
    await world.start_operator()
    await all_ready(world, *DOORS)
    second, second_key = outside.new_pair(*addresses(world))
    async with watched_order(doors, fingerprint(second)), watched_readiness(world):
        await replace(world, second, second_key, outside)
        await world.holds(lambda: all(door.served_fingerprint == fingerprint(second) for door in doors), within=40)
    await all_ready(world, *DOORS)
    assert (await world.get("dcert", "doors"))["status"]["revision"] == 2
    assert await world.told("ReplacementProvided")


async def test_a_replacement_is_asked_for_in_time_and_everything_stays_ready(world: World, outside: OutsideCA) -> None:
    leaf, key = outside.new_pair(world.address(1), days=90)
    await put(world, tls_crt=leaf + outside.issuing_pem, tls_key=key, ca_crt=outside.root_pem)
    door = await one_door(world)
    await all_ready(world, "door-1")
    world.clock.forward(timedelta(days=70))
    world.look_again()
    told = await world.until("dcert", "doors", "Issued", "False", "ReplacementNeeded")
    assert f"Secret {world.namespace}/doors-pair" in told["message"] and "valid until" in told["message"]
    assert (await world.condition("dcert", "doors", "Ready"))["status"] == "True"
    assert (await world.condition("dcert", "doors", "Stalled"))["status"] == "False"
    assert len(await world.told("ReplacementNeeded")) == 1
    second, second_key = outside.new_pair(world.address(1), days=400)
    await replace(world, second, second_key, outside)
    await world.until("dcert", "doors", "Issued", "True")
    await world.holds(lambda: door.served_fingerprint == fingerprint(second))


async def test_a_pair_that_nobody_replaced_in_time_is_told_as_expired(world: World, outside: OutsideCA) -> None:
    leaf, key = outside.new_pair(world.address(1), days=30)
    await put(world, tls_crt=leaf + outside.issuing_pem, tls_key=key, ca_crt=outside.root_pem)
    await one_door(world)
    await all_ready(world, "door-1")
    world.clock.forward(timedelta(days=31))
    world.look_again()
    await world.until("dcert", "doors", "Issued", "False", "CertificateExpired")
    await world.until("dcert", "doors", "Secure", "False")
    stalled = await world.until("dcert", "doors", "Stalled", "True", "CertificateExpired")
    assert "expired" in stalled["message"]
    second, second_key = outside.new_pair(world.address(1), days=400)
    await replace(world, second, second_key, outside)
    await all_ready(world, "door-1")


@pytest.mark.parametrize(
    ("how", "reason", "words"),
    [
        ("another key", "CertificateForAnotherKey", "is not the key of the first certificate"),
        ("a key that is none", "KeyUnreadable", "no unencrypted PEM private key"),
        ("names missing", "AddressNotInCertificate", "does not name"),
        ("chain incomplete", "ChainIncomplete", "which issued the last certificate"),
        ("no certificate", "CertificateUnreadable", "holds no certificates"),
        ("unlabelled", "SecretNotShared", "label secret doors-pair devicecert.io/use=certificate"),
        ("no key", "SecretIncomplete", "tls.key"),
    ],
)
async def test_a_wrong_pair_is_told_by_its_own_reason_and_never_uploaded(
    world: World, outside: OutsideCA, how: str, reason: str, words: str
) -> None:
    leaf, key = outside.new_pair(world.address(1))
    chain, ca, label, given = leaf + outside.issuing_pem, outside.root_pem, "certificate", key
    match how:
        case "another key":
            _, given = outside.new_pair(world.address(1))
        case "a key that is none":
            given = "hello"
        case "names missing":
            leaf, given = outside.new_pair("192.0.2.99")
            chain = leaf + outside.issuing_pem
        case "chain incomplete":
            chain = leaf
        case "no certificate":
            chain = "hello"
        case "unlabelled":
            label = ""
        case "no key":
            given = None
    await put(world, label or None, tls_crt=chain, tls_key=given, ca_crt=ca)
    door = await one_door(world)
    told = await world.until("dcert", "doors", "Issued", "False", reason)
    assert words in told["message"]
    assert (await world.condition("dcert", "doors", "Stalled"))["status"] == "True"
    assert door.journal.operations[UPLOAD] == 0
    await replace(world, *outside.new_pair(world.address(1)), outside)
    await all_ready(world, "door-1")


async def test_a_key_that_is_corrected_alone_counts_at_once(world: World, outside: OutsideCA) -> None:
    leaf, key = outside.new_pair(world.address(1))
    _, wrong = outside.new_pair(world.address(1))
    await replace(world, leaf, wrong, outside)
    await one_door(world)
    await world.until("dcert", "doors", "Issued", "False", "CertificateForAnotherKey")
    await replace(world, leaf, key, outside)
    await all_ready(world, "door-1")


async def test_a_missing_pair_is_waited_for(world: World, outside: OutsideCA) -> None:
    await one_door(world)
    await world.until("dcert", "doors", "Issued", "False", "SecretMissing")
    assert (await world.condition("dcert", "doors", "Reconciling"))["status"] == "True"
    await replace(world, *outside.new_pair(world.address(1)), outside)
    await all_ready(world, "door-1")


async def test_a_spec_that_the_provided_pair_still_fits_asks_for_no_other(world: World, outside: OutsideCA) -> None:
    await replace(world, *outside.new_pair(world.address(1), world.address(2), "door.example.com"), outside)
    await one_door(world)
    await all_ready(world, "door-1")
    await world.camera("door-2", 2)
    more = world.certificate("doors", "door-1", "door-2", issuer=PROVIDED, dnsNames=["door.example.com"])
    await world.apply(world.device("door-2", 2), more)
    await world.until("dev", "door-2", "Secure", "True")
    await all_ready(world, "door-1", "door-2")
    status = (await world.get("dcert", "doors"))["status"]
    assert status["revision"] == 1
    assert (await world.condition("dcert", "doors", "Issued"))["status"] == "True"


# ------------------------------------------------------------------------------------ a key of the operator


async def test_an_operator_key_serves_three_devices_one_after_another(world: World) -> None:
    await world.authority()
    doors = await make_doors(world)
    await world.start_operator()
    await all_ready(world, *DOORS)
    revision = await world.get("secret", "doors-r1")
    assert len(set(revision["metadata"]["annotations"]["devicecert.io/given-to"].split(","))) == 3
    for door in doors:
        assert await world.trusted(door.address)
        assert door.journal.operations[UPLOAD] == 1


async def test_when_one_device_moves_the_others_keep_the_revision_that_fits_them(world: World) -> None:
    await world.authority()
    doors = await make_doors(world)
    await world.start_operator()
    await all_ready(world, *DOORS)
    await doors[1].move(world.address(9))
    await world.kubectl(
        *("patch", "dev", "door-2", "--type=merge", "-p"), f'{{"spec":{{"address":{{"host":"{world.address(9)}"}}}}}}'
    )
    await world.holds(lambda: doors[1].journal.operations[UPLOAD] == 2)
    await world.until("dcert", "doors", "Ready", "True")
    assert (await world.get("dcert", "doors"))["status"]["revision"] == 2
    passes = {uid: memory.passes for uid, memory in world.app.tools.memory.devices.items()} if world.app else {}
    memories = world.app.tools.memory.devices if world.app else {}
    await world.holds(lambda: all(memories[uid].passes > count for uid, count in passes.items()))
    assert [door.journal.operations[UPLOAD] for door in doors] == [1, 2, 1]
    installed = {one["name"]: one["installed"] for one in (await world.get("dcert", "doors"))["status"]["devices"]}
    assert installed == {"door-1": 1, "door-2": 2, "door-3": 1}
    told = await world.condition("dcert", "doors", "Installed")
    assert (told["status"], told["reason"]) == ("False", "Renewing")


async def test_a_certificate_that_the_first_device_cannot_serve_goes_to_no_other(world: World) -> None:
    await world.authority()
    doors = await make_doors(world)
    doors[0].faults.set(Fault.CANNOT_SERVE)
    await world.start_operator()
    await world.until("dev", "door-1", "Secure", "False", "RolledBack", within=45)
    told = await world.until("dcert", "doors", "Ready", "False", "RolledBack")
    assert "door-1" in told["message"]
    memories = world.app.tools.memory.devices if world.app else {}
    passes = {uid: memory.passes for uid, memory in memories.items()}
    await world.holds(lambda: all(memories[uid].passes > count for uid, count in passes.items()))
    assert [door.journal.operations[UPLOAD] for door in doors[1:]] == [0, 0]
