"""Cameras from before ONVIF's security service: RSA keys, CSRs without a SAN, a leaf without its chain."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from device_cert_operator.pki.facts import read_facts
from device_simulator import SimulatedDevice
from tests.scenarios.test_outside_ca import BY_DEVICE, EXTERNAL
from tests.support import authorities
from tests.support.world import World


async def camera_and_login(world: World) -> SimulatedDevice:
    await world.credentials()
    return await world.camera("gate", advanced_security=False)


async def issued_by(world: World, issuer: str, **spec: Any) -> None:
    """The manifests, with a CA of one's own, and the operator; Secure, and its root where openssl finds it."""
    if issuer == "authorityRef":
        await world.apply(authorities.authority(), world.device("gate"), authorities.certificate(world, **spec))
    else:
        await world.authority()
        await world.apply(world.device("gate"), world.certificate("gate", **spec))
    await world.start_operator()
    await world.ready("gate")
    if issuer == "authorityRef":
        world.root.write_text((await authorities.bundle(world))[0])


@pytest.mark.parametrize("issuer", ["authorityRef", "caSecretRef"])
async def test_a_key_made_on_it_is_certified_by_ones_own_ca_with_the_names_that_its_csr_lacks(
    world: World, issuer: str
) -> None:
    camera = await camera_and_login(world)
    await issued_by(world, issuer, **BY_DEVICE)
    assert await world.trusted(camera.address)
    told = camera.journal.operations
    assert (told["CreateCertificate"], told["GetPkcs10Request"] > 0, told["LoadCertificates"]) == (1, True, 1)
    assert told["LoadCertificateWithPrivateKey"] == 0, "the key never left the camera"
    assert "tls.key" not in (await world.get("secret", "gate-r1"))["data"]


async def test_a_key_of_ours_is_uploaded_to_it_and_renewed(world: World) -> None:
    camera = await camera_and_login(world)
    await issued_by(world, "caSecretRef")
    assert await world.trusted(camera.address)
    first = camera.served_fingerprint
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=now")
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.ready("gate")
    assert await world.trusted(camera.address)
    assert camera.journal.operations["LoadCertificateWithPrivateKey"] == 2


async def test_one_with_a_key_of_its_own_that_moves_gets_a_certificate_for_its_new_address(world: World) -> None:
    camera = await camera_and_login(world)
    await issued_by(world, "caSecretRef", **BY_DEVICE)
    await camera.move(world.address(5))
    await world.becomes_trusted(camera, within=30)
    await world.ready("gate")
    assert camera.shown is not None
    assert read_facts(camera.shown.chain[0].public_bytes(Encoding.DER)).ip_addresses == (world.address(5),)


async def test_its_csr_goes_to_no_outside_ca_and_the_way_out_is_told(world: World) -> None:
    camera = await camera_and_login(world)
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate", issuer=EXTERNAL, **BY_DEVICE))
    await world.start_operator()
    told = await world.until("dcert", "gate", "Issued", "False", "CSRWithoutSAN")
    assert "own CA" in told["message"]
    await world.apply(world.certificate("gate", **BY_DEVICE))
    await world.ready("gate")
    assert await world.trusted(camera.address)
