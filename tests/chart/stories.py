"""A story for each thing that the operator does with the cluster; together they use every right that it has."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from cryptography.hazmat.primitives import hashes

from device_simulator import Kind
from device_simulator.camera_web.device import FirmwareCADevice
from tests.support import authorities, cert_manager
from tests.support.cert_manager import CertManager
from tests.support.outside_ca import OutsideCA
from tests.support.world import Object, World

EXTERNAL = {"external": {"certificateRef": {"name": "gate-signed"}}}


async def a_camera_moves_and_its_certificate_is_renewed_and_copied(world: World) -> None:
    """Revisions are made, given and cleared away; the copy for others is made and changed; statuses and events."""
    camera = await world.camera("gate")
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate", secretName="gate-tls"))
    await world.start_operator()
    await world.ready("gate")
    await camera.move(world.address(9))
    await world.holds(lambda: camera.journal.operations["ReplaceServerCertificateAssignment"] == 2)
    await world.ready("gate")
    moved = camera.served_fingerprint
    world.clock.forward(timedelta(days=75))
    authorities.wake(world, "DeviceCertificate", "gate")
    await world.holds(lambda: camera.served_fingerprint != moved)
    await world.ready("gate")
    await until_revisions_are(world, "gate-r3")


async def until_revisions_are(world: World, *names: str) -> None:
    """Wait until only these are left."""
    until = asyncio.get_running_loop().time() + 20
    while True:
        listed = await world.kubectl("get", "secrets", "-l", "devicecert.io/use=revision", "-o", "name")
        if listed.split() == [f"secret/{name}" for name in names]:
            return
        assert asyncio.get_running_loop().time() < until, listed
        await asyncio.sleep(0.1)


async def a_root_is_made_and_replaced_and_its_bundle_repaired(world: World) -> None:
    """The root, the next one and the retired one; the bundle."""
    await authorities.one_camera(world, rotation={"overlap": "2h"})
    right = await authorities.bundle(world)
    await world.kubectl("patch", "configmap", "site-ca-trust", "-p", '{"data": {"ca.crt": "evil"}}')
    until = asyncio.get_running_loop().time() + 10
    while await authorities.bundle(world) != right:
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.1)
    await world.kubectl("annotate", "dca", "site-ca", "devicecert.io/rotate=one")
    await authorities.phase(world, "Preparing")
    until = asyncio.get_running_loop().time() + 60
    while (await authorities.rotation(world)).get("phase") is not None:
        assert asyncio.get_running_loop().time() < until, await authorities.rotation(world)
        world.clock.forward(timedelta(minutes=31))
        authorities.wake(world, "DeviceCertificate", "gate")
        authorities.wake(world)
        await asyncio.sleep(0.5)
    await world.ready("gate")


async def a_device_loses_the_key_that_an_outside_ca_certified(world: World) -> None:
    """The CSR goes out, is withdrawn and made anew."""
    outside = OutsideCA(world.folder / "outside")
    camera = await world.camera("gate")
    await world.credentials()
    device = world.device("gate", connection__onKeyChange="Accept")
    await world.apply(device, world.certificate("gate", issuer=EXTERNAL, privateKey={"source": "Device"}))
    await world.start_operator()
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
    await camera.factory_reset()
    await world.holds(lambda: camera.journal.operations["CreatePKCS10CSR"] == 2)
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
    await _sign(world, outside)
    await world.ready("gate")
    await camera.factory_reset()
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")


async def an_outside_ca_certifies_a_key_of_the_operator(world: World) -> None:
    """The key waits in a Secret of its own until its certificate comes."""
    outside = OutsideCA(world.folder / "outside")
    await world.camera("gate")
    await world.credentials()
    await world.apply(world.device("gate"), world.certificate("gate", issuer=EXTERNAL))
    await world.start_operator()
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
    await _sign(world, outside)
    await world.ready("gate")
    assert await world.get("secret", "gate-r1-key") == {}
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=one")
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")


async def cert_manager_signs_three_times(world: World) -> None:
    """Requests are made and read; of the third on, the oldest is cleared away."""
    await asyncio.to_thread(cert_manager.install_crds, world.plane, world.folder)
    manager = CertManager(world, OutsideCA(world.folder / "outside"))
    await world.camera("gate")
    await world.credentials()
    issuer = {"certManagerRef": {"name": "site-issuer"}}
    await world.apply(world.device("gate"), world.certificate("gate", issuer=issuer))
    await world.start_operator()
    for number in (1, 2, 3):
        await manager.issue(f"gate-r{number}")
        await until_revisions_are(world, f"gate-r{number}")
        await world.ready("gate")
        await world.kubectl("annotate", "--overwrite", "dcert", "gate", f"devicecert.io/renew={number}")
    await manager.wait_for("gate-r4")
    names = {one["metadata"]["name"] for one in await manager.requests()}
    assert "gate-r1" not in names


async def a_camera_with_a_ca_in_its_firmware_is_constrained(world: World) -> None:
    """What clients are to trust is published, signed by a root of ours."""
    camera = await world.camera("gate", kind=Kind.FIRMWARE_CA)
    assert isinstance(camera, FirmwareCADevice)
    await world.credentials()
    constrained = {"authorityRef": {"name": "site-ca"}, "permittedIPRanges": [f"{world.subnet}.0/29"]}
    pin = camera.firmware_ca.certificate.fingerprint(hashes.SHA256()).hex()
    await world.apply(
        authorities.authority(),
        world.device("gate", driver="camera-web"),
        world.certificate("gate", issuer={"deviceCA": {"sha256": pin, "constrainedBy": constrained}}),
    )
    await world.start_operator()
    await world.ready("gate", within=30)
    assert "constrained.crt" in (await world.get("configmap", "gate-ca"))["binaryData"]


async def _sign(world: World, outside: OutsideCA) -> None:
    status = (await world.get("dcert", "gate"))["status"]["certificateRequest"]
    csr = (await world.get("configmap", status["configMap"]))["data"][status["key"]]
    signed: Object = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "gate-signed", "labels": {"devicecert.io/use": "certificate"}},
        "data": {"tls.crt": outside.sign(csr) + outside.issuing_pem + outside.root_pem},
    }
    await world.apply(signed)


STORIES: tuple[Callable[[World], Awaitable[None]], ...] = (
    a_camera_moves_and_its_certificate_is_renewed_and_copied,
    a_root_is_made_and_replaced_and_its_bundle_repaired,
    a_device_loses_the_key_that_an_outside_ca_certified,
    an_outside_ca_certifies_a_key_of_the_operator,
    cert_manager_signs_three_times,
    a_camera_with_a_ca_in_its_firmware_is_constrained,
)
