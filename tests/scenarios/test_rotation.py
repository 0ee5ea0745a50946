"""A root is replaced, and nobody who trusts either of the two is ever refused."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from device_cert_operator.core.model import ObjectKey
from device_simulator import Fault, Kind
from tests.support.authorities import (
    LOOPBACK,
    authority,
    bundle,
    certificate,
    client,
    one_camera,
    phase,
    put_root,
    reason,
    rotation,
    secret_text,
    wake,
)
from tests.support.ca import openssl_v1_root
from tests.support.world import World


async def follow(world: World) -> None:
    """Let the time pass in which the devices follow."""
    world.clock.forward(timedelta(minutes=31))
    wake(world, "DeviceCertificate", "gate")
    wake(world)


OVERLAP = {"overlap": "2h", "requireConfirmation": True}


async def rotate_up_to_the_switch(world: World, *, takes_chain: bool = True) -> None:
    """From the request to the moment before the new root signs; both are in the bundle.

    takes_chain: some device gets a certificate again beforehand; else nothing is prepared, and that is soon over.
    """
    await world.kubectl("annotate", "dca", "site-ca", "--overwrite", "devicecert.io/rotate=one")
    if takes_chain:
        await phase(world, "Preparing")
        await follow(world)
    await phase(world, "Distributing")
    await until_published(world)


async def until_published(world: World) -> None:
    until = asyncio.get_running_loop().time() + 20
    while not (await rotation(world)).get("publishedTime"):
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.1)
    await bundle(world, roots=2)


@pytest.mark.parametrize(("origin", "key"), [("made", "Operator"), ("adopted", "Operator"), ("made", "Device")])
async def test_through_a_rotation_no_client_of_either_root_is_ever_refused(world: World, origin: str, key: str) -> None:
    """The adopted one is as people make it with two lines of openssl: X.509 v1, without constraints."""
    if origin == "adopted":
        pair = await asyncio.to_thread(openssl_v1_root, world.folder)
        await put_root(world, pair.cert_pem, pair.key_pem)
    camera = await one_camera(world, wanted={"privateKey": {"source": key}}, rotation=OVERLAP)
    [old] = await bundle(world)
    async with client(world, camera, old, "old") as trusts_old:
        await rotate_up_to_the_switch(world)
        first, new = await bundle(world, roots=2)
        assert first == old
        async with client(world, camera, new, "new") as trusts_new:
            await reason(world, "dca", "UpToDate", "False", "Rotating")
            world.clock.forward(timedelta(hours=2))
            wake(world)
            told = await reason(world, "dca", "UpToDate", "False", "ConfirmationNeeded")
            assert "send no chain" not in told
            assert not (await rotation(world)).get("withoutChain")
            assert (await rotation(world))["phase"] == "Distributing"
            line = told[told.index("kubectl ") :].split()
            await world.kubectl(*line[3 : line.index("--overwrite") + 2])
            await phase(world, "Switching")
            under_old = camera.served_fingerprint
            await follow(world)
            await world.holds(lambda: camera.served_fingerprint != under_old)
            await phase(world, None)
            await world.ready("gate")
            assert await bundle(world) == [new]
    assert trusts_old.refused == []
    assert trusts_new.refused == []
    await the_old_one_is_retired(world, old, new)
    uploads = camera.journal.operations["UploadCertificateWithPrivateKeyInPKCS12"]
    assert bool(uploads) is (key == "Operator"), "a key of the device's own never leaves it"
    issuer, cross = camera.shown.chain[0].issuer, camera.shown.chain[1]
    assert cross.subject == issuer != cross.issuer, "the cross-certificate is what the old clients need"
    status = (await world.get("dca", "site-ca"))["status"]
    assert (status["number"], status["handledRequests"]["rotate"]) == (2, "one")
    assert "G2" in status["certificate"]["subject"]


async def the_old_one_is_retired(world: World, old: str, new: str) -> None:
    assert await secret_text(world, "site-root") == new
    until = asyncio.get_running_loop().time() + 10
    while await world.get("secret", "site-root-next"):
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.1)
    retired = (await world.get("dca", "site-ca"))["status"]["retiredSecretName"]
    assert await secret_text(world, retired) == old
    assert (await world.get("secret", retired))["metadata"]["labels"] == {"devicecert.io/use": "retired"}


async def rotate_to_the_end(world: World, request: str) -> None:
    """Both hours of the overlap pass, nobody has to confirm."""
    await world.kubectl("annotate", "dca", "site-ca", "--overwrite", f"devicecert.io/rotate={request}")
    await phase(world, "Preparing")
    await follow(world)
    await phase(world, "Distributing")
    await until_published(world)
    world.clock.forward(timedelta(hours=2))
    await phase(world, "Switching")
    await follow(world)
    await phase(world, None, within=40)
    await world.ready("gate")


async def test_a_root_whose_status_was_lost_is_replaced_by_one_of_another_name(world: World) -> None:
    """A rotated one: its successor must not bear its name, else devices are given one certificate after another."""
    camera = await one_camera(world, rotation={"overlap": "2h"})
    await rotate_to_the_end(world, "one")
    await world.stop_operator()
    await world.kubectl("delete", "dca/site-ca", "configmap/site-ca-trust")
    await world.apply(authority(rotation={"overlap": "2h"}))
    await world.start_operator()
    await world.until("dca", "site-ca", "Ready", "True")
    assert (await world.get("dca", "site-ca"))["status"]["number"] == 1
    [old] = await bundle(world)
    before = await highest_revision(world)
    async with client(world, camera, old, "old") as trusts_old:
        await rotate_to_the_end(world, "two")
        [new] = await bundle(world)
        async with client(world, camera, new, "new") as trusts_new:
            pass
    assert trusts_old.refused == []
    assert trusts_new.refused == []
    assert await highest_revision(world) <= before + 2
    status = (await world.get("dca", "site-ca"))["status"]
    assert "site-ca G3" in status["certificate"]["subject"]
    assert status["number"] == 3


async def test_a_certificate_that_names_the_secret_itself_follows_when_the_new_root_is_in_it(world: World) -> None:
    camera = await one_camera(
        world, wanted={"issuer": {"caSecretRef": {"name": "site-root"}}}, rotation={"overlap": "2h"}
    )
    [old] = await bundle(world)
    await world.kubectl("annotate", "dca", "site-ca", "--overwrite", "devicecert.io/rotate=one")
    await phase(world, "Distributing")
    await until_published(world)
    assert await world.told("ChainNotTaken"), "clients of the old root alone are to refuse it"
    await camera.power_off()
    world.clock.forward(timedelta(hours=2))
    await phase(world, "Retiring")
    await reason(world, "dca", "UpToDate", "False", "Rotating", "still to come: gate")
    await bundle(world, roots=2)
    await camera.power_on()
    wake(world, "Device", "gate")
    await phase(world, None, within=40)
    await world.ready("gate")
    [new] = await bundle(world)
    assert new != old
    async with client(world, camera, new, "new") as trusts_new:
        pass
    assert trusts_new.refused == []


async def highest_revision(world: World) -> int:
    secrets = (await world.kubectl("get", "secret", "-o", "name")).split()
    return max(int(one.rpartition("-r")[2]) for one in secrets if one.startswith("secret/gate-r"))


@pytest.mark.parametrize(
    "of_camera",
    [
        {"most_certificates": 3},
        {"faults": (Fault.CHAIN_TRUNCATED,)},
        {"faults": (Fault.CHAIN_REFUSED,)},
        {"kind": Kind.FIRMWARE_CA, "faults": (Fault.CHAIN_REFUSED,)},
    ],
    ids=["says so", "loses it", "refuses it", "refuses it with one slot"],
)
async def test_a_device_that_sends_no_chain_is_told_as_the_exception(world: World, of_camera: dict[str, Any]) -> None:
    """Most say that they take one: it shows once they were given a cross-certificate."""
    camera = await one_camera(world, camera=of_camera, rotation={"overlap": "2h"})
    [old] = await bundle(world)
    async with client(world, camera, old, "old") as trusts_old:
        await rotate_up_to_the_switch(world, takes_chain="faults" in of_camera)
        await reason(world, "dca", "UpToDate", "False", "Rotating", "send no chain (gate)")
        assert (await rotation(world))["withoutChain"] == ["gate"]
        world.clock.forward(timedelta(hours=2))
        await phase(world, "Switching")
        under_old = camera.served_fingerprint
        await follow(world)
        await world.holds(lambda: camera.served_fingerprint != under_old)
        await phase(world, None)
    await world.ready("gate")
    assert camera.shown is not None
    assert len(camera.shown.chain) == 1
    assert trusts_old.refused, "without a cross-certificate the old clients see a stranger, and this test sees that"
    assert len(await world.told("ChainNotTaken")) == 1


async def test_a_device_that_was_away_until_the_switch_is_told_as_the_exception_then(world: World) -> None:
    camera = await one_camera(world, camera={"faults": (Fault.CHAIN_TRUNCATED,)}, rotation={"overlap": "2h"})
    await camera.power_off()
    await world.kubectl("annotate", "dca", "site-ca", "--overwrite", "devicecert.io/rotate=one")
    await phase(world, "Preparing")
    world.clock.forward(timedelta(hours=2))
    await phase(world, "Distributing")
    await until_published(world)
    assert not (await rotation(world)).get("withoutChain"), "nobody can know yet"
    world.clock.forward(timedelta(hours=2))
    await phase(world, "Switching")
    await camera.power_on()
    wake(world, "Device", "gate")
    await follow(world)
    await phase(world, None, within=40)
    assert len(await world.told("ChainNotTaken")) == 1


async def test_a_device_that_is_away_keeps_the_old_root_from_being_retired(world: World) -> None:
    camera = await one_camera(world, rotation={"overlap": "2h"})
    await rotate_up_to_the_switch(world)
    await camera.power_off()
    world.clock.forward(timedelta(hours=2))
    await phase(world, "Switching")
    await follow(world)
    await reason(world, "dca", "UpToDate", "False", "Rotating", "still to come: gate")
    assert (await rotation(world))["waitingFor"] == ["gate"]
    await bundle(world, roots=2)
    await camera.power_on()
    wake(world, "Device", "gate")
    await phase(world, None, within=40)


async def test_a_root_near_its_end_is_replaced_without_a_word(world: World) -> None:
    await one_camera(world, duration="1000h", rotation={"before": "500h", "overlap": "2h"})
    at = (await world.get("dca", "site-ca"))["status"]["rotationTime"]
    assert at
    world.clock.forward(timedelta(hours=501))
    await phase(world, "Preparing")
    assert await world.told("RotationStarted")


async def test_an_expired_root_is_told_and_replaced_when_asked_for(world: World) -> None:
    """Nobody accepts the devices any more, so nothing is waited for."""
    camera = await one_camera(world, duration="24h")
    world.clock.forward(timedelta(hours=25))
    wake(world)
    told = await reason(world, "dca", "Stalled", "True", "CAExpired")
    assert "devicecert.io/rotate" in told
    await world.kubectl("annotate", "dca", "site-ca", "devicecert.io/rotate=one")
    await phase(world, "Switching")
    wake(world, "DeviceCertificate", "gate")
    await follow(world)
    await phase(world, None)
    await world.ready("gate")
    await world.until("dca", "site-ca", "Ready", "True")
    [new] = await bundle(world)
    async with client(world, camera, new, "new") as trusts_new:
        pass
    assert trusts_new.refused == []


async def test_a_rotation_that_would_leave_a_name_out_does_not_begin(world: World) -> None:
    pair = await asyncio.to_thread(openssl_v1_root, world.folder)
    await put_root(world, pair.cert_pem, pair.key_pem)
    await world.camera("gate")
    await world.credentials()
    await world.apply(authority(), world.device("gate"), certificate(world, dnsNames=["gate.example"]))
    await world.start_operator()
    await world.ready("gate")
    await world.kubectl("annotate", "dca", "site-ca", "devicecert.io/rotate=one")
    told = await reason(world, "dca", "Stalled", "True", "CANameNotPermitted")
    assert "gate.example" in told
    assert await rotation(world) == {}
    await world.apply(authority(nameConstraints=LOOPBACK | {"permittedDNSDomains": ["example"]}))
    await phase(world, "Preparing")


async def test_a_request_seen_at_the_very_first_pass_is_only_remembered(world: World) -> None:
    manifest = authority()
    manifest["metadata"]["annotations"] = {"devicecert.io/rotate": "kept in Git"}
    await world.apply(manifest)
    await world.start_operator()
    await world.until("dca", "site-ca", "Ready", "True")
    status = (await world.get("dca", "site-ca"))["status"]
    assert status["handledRequests"]["rotate"] == "kept in Git"
    assert status.get("rotation") is None
    assert status["number"] == 1


async def test_a_request_seen_first_by_a_paused_operator_is_only_remembered(world: World) -> None:
    manifest = authority()
    manifest["metadata"]["annotations"] = {"devicecert.io/rotate": "kept in Git"}
    await world.apply(manifest)
    await world.start_operator(paused=True)
    await world.until("dca", "site-ca", "Ready", "False", "Paused")
    await world.stop_operator()
    await world.start_operator()
    await world.until("dca", "site-ca", "Ready", "True")
    assert await rotation(world) == {}
    await world.kubectl("annotate", "dca", "site-ca", "--overwrite", "devicecert.io/rotate=again")
    await phase(world, "Distributing")


@pytest.mark.parametrize("write", ["create", "write_bundle", "keep_aside", "replace", "delete", "status"])
async def test_a_rotation_goes_on_after_a_kill_just_behind_a_write(world: World, write: str) -> None:
    await one_camera(world, rotation={"overlap": "2h"})
    [old] = await bundle(world)
    died = die_behind(world, write)
    await world.kubectl("annotate", "dca", "site-ca", "devicecert.io/rotate=one")
    await time_passes(world, died.is_set)
    await world.kill_operator()
    await world.start_operator()

    def is_over() -> bool:
        key = ObjectKey("CertificateAuthority", world.namespace, "site-ca")
        view = world.app.cache.authority(key) if world.app else None
        return view is not None and view.status.number == 2 and view.status.rotation is None

    await time_passes(world, is_over)
    await world.ready("gate", within=40)
    [new] = await bundle(world)
    assert new != old
    await the_old_one_is_retired(world, old, new)


def die_behind(world: World, write: str) -> asyncio.Event:
    """The next such write is done, and its story never hears of it."""
    assert world.app is not None
    done, tools = asyncio.Event(), world.app.tools
    holder: Any = tools.cluster if write == "status" else tools.roots
    name = "write_authority_status" if write == "status" else write
    real = getattr(holder, name)

    async def written_and_dead(*arguments: Any) -> None:
        await real(*arguments)
        done.set()
        await asyncio.Event().wait()

    setattr(holder, name, written_and_dead)
    return done


async def time_passes(world: World, enough: Callable[[], bool]) -> None:
    """Half an hour at a time, everybody looking again each time."""
    until = asyncio.get_running_loop().time() + 90
    while not enough():
        assert asyncio.get_running_loop().time() < until, "it did not come about"
        world.clock.forward(timedelta(minutes=31))
        wake(world, "DeviceCertificate", "gate")
        wake(world)
        await asyncio.sleep(0.2)
