"""A CertificateAuthority from YAML to trusted cameras: made, adopted, deleted, edited; and what it signs."""

import asyncio
import base64
from datetime import timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from device_cert_operator.pki.facts import pem_to_ders, read_facts
from device_simulator import Fault
from tests.support.authorities import (
    authority,
    bundle,
    certificate,
    one_camera,
    put_root,
    reason,
    secret_text,
    wake,
)
from tests.support.ca import openssl_v1_root
from tests.support.world import World

# ------------------------------------------------------------------------------------- made and adopted


async def test_a_root_made_by_yaml_leads_a_camera_to_secure(world: World) -> None:
    camera = await one_camera(world, subject={"organization": "Example", "commonName": "Example devices"})
    [root] = await bundle(world)
    world.root.write_text(root)
    await world.becomes_trusted(camera)
    found = await world.get("configmap", "site-ca-trust")
    der = base64.b64decode(found["binaryData"]["cacert.crt"])
    assert der == pem_to_ders(root.encode())[0]
    [owner] = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"]) == ("CertificateAuthority", "site-ca")
    secret = await world.get("secret", "site-root")
    assert secret["type"] == "kubernetes.io/tls"
    assert secret["metadata"]["labels"] == {"devicecert.io/use": "ca"}
    assert "ownerReferences" not in secret["metadata"]
    status = (await world.get("dca", "site-ca"))["status"]
    assert status["certificate"]["subject"] == "CN=Example devices,O=Example"
    assert (status["origin"], status["trustBundle"]) == ("Made", "site-ca-trust")
    told = await reason(world, "dca", "WellFormed", "True", "WellFormed")
    assert "permits" in told
    shown_by_kubectl = await world.kubectl("get", "dca,dcert")
    assert "site-root" not in shown_by_kubectl
    assert shown_by_kubectl.count("site-ca") == 3, "the issuer's name stands in the column of the certificate"


async def test_the_end_of_the_root_is_a_metric(world: World) -> None:
    await one_camera(world, duration="48h")
    assert world.app is not None
    text = world.app.metrics.scrape()[0].decode()
    [line] = [one for one in text.splitlines() if one.startswith("devicecert_authority_not_after_timestamp_seconds{")]
    ends = (world.clock.now() + timedelta(hours=48)).timestamp()
    assert f'name="site-ca",namespace="{world.namespace}"' in line
    assert abs(float(line.split()[-1]) - ends) < 120


async def test_nothing_is_written_once_it_is_settled(world: World) -> None:
    await one_camera(world)
    before = (await world.get("dca", "site-ca"))["metadata"]["resourceVersion"]
    for _ in range(3):
        wake(world)
        await world.more_passes("CertificateAuthority", 1)
    assert (await world.get("dca", "site-ca"))["metadata"]["resourceVersion"] == before


async def test_a_root_made_by_openssl_is_adopted_and_what_is_unusual_is_told(world: World) -> None:
    pair = await asyncio.to_thread(openssl_v1_root, world.folder)
    world.root.write_bytes(pair.cert_pem)
    await put_root(world, pair.cert_pem, pair.key_pem)
    camera = await one_camera(world)
    await world.becomes_trusted(camera)
    status = (await world.get("dca", "site-ca"))["status"]
    assert status["origin"] == "Adopted"
    assert await secret_text(world, "site-root") == pair.cert_pem.decode()
    told = await reason(world, "dca", "WellFormed", "False", "AuthorityLegacyForm")
    assert "X.509 v1" in told
    assert "browsers" in told
    assert "no name constraints" in told


async def test_a_secret_that_nobody_offered_is_not_ours_until_it_is_labelled(world: World) -> None:
    pair = await asyncio.to_thread(openssl_v1_root, world.folder)
    await put_root(world, pair.cert_pem, pair.key_pem, label=False)
    await world.apply(authority())
    await world.start_operator()
    told = await reason(world, "dca", "Stalled", "True", "SecretNotOurs")
    line = told[told.index("kubectl ") :].removeprefix("kubectl ").split()
    await world.kubectl(*line[2:])
    await world.until("dca", "site-ca", "Ready", "True")
    assert await secret_text(world, "site-root") == pair.cert_pem.decode()


# ------------------------------------------------------------------------------------- damaged and edited


async def test_a_deleted_root_is_told_and_never_made_anew(world: World) -> None:
    camera = await one_camera(world)
    saved = await world.get("secret", "site-root")
    await world.kubectl("delete", "secret", "site-root")
    told = await reason(world, "dca", "Stalled", "True", "CADeleted")
    assert f"{world.namespace}/site-root is gone" in told
    assert await world.get("secret", "site-root") == {}
    first = camera.served_fingerprint
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=now")
    await reason(world, "dcert", "Issued", "False", "AuthorityNotReady")
    assert camera.served_fingerprint == first
    assert await world.told("CADeleted")
    for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
        saved["metadata"].pop(field, None)
    await world.apply(saved)
    await world.until("dca", "site-ca", "Ready", "True")
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.ready("gate")


async def test_another_root_in_the_secret_signs_nothing(world: World) -> None:
    camera = await one_camera(world)
    first, [root] = camera.served_fingerprint, await bundle(world)
    pair = await asyncio.to_thread(openssl_v1_root, world.folder)
    await put_root(world, pair.cert_pem, pair.key_pem)
    await reason(world, "dca", "Stalled", "True", "CAReplaced")
    assert await bundle(world) == [root]
    assert camera.served_fingerprint == first


async def test_a_damaged_root_is_told(world: World) -> None:
    await one_camera(world)
    await put_root(world, b"no certificate", b"no key")
    told = await reason(world, "dca", "Stalled", "True", "CAUnreadable")
    assert "Restore it" in told


async def test_an_edit_never_makes_another_root(world: World) -> None:
    await one_camera(world)
    before = await secret_text(world, "site-root")
    await world.apply(authority(subject={"organization": "Renamed"}))
    told = await reason(world, "dca", "UpToDate", "False", "RotationPending")
    assert "devicecert.io/rotate" in told
    await world.until("dca", "site-ca", "Ready", "True")
    assert await secret_text(world, "site-root") == before
    await world.apply(authority())
    await reason(world, "dca", "UpToDate", "True", "UpToDate")


async def test_an_edited_bundle_is_put_right_and_a_foreign_one_is_left(world: World) -> None:
    await one_camera(world)
    right = await bundle(world)
    await world.kubectl("patch", "configmap", "site-ca-trust", "-p", '{"data": {"ca.crt": "evil", "more": "x"}}')
    until = asyncio.get_running_loop().time() + 10
    while await bundle(world) != right:
        assert asyncio.get_running_loop().time() < until
        await asyncio.sleep(0.1)
    assert list((await world.get("configmap", "site-ca-trust"))["data"]) == ["ca.crt"]
    await world.kubectl("create", "configmap", "mine", "--from-literal=a=b")
    await world.apply(authority(trustBundle={"configMapName": "mine"}))
    await reason(world, "dca", "Stalled", "True", "ConfigMapNotOurs")
    assert (await world.get("configmap", "mine"))["data"] == {"a": "b"}


# ------------------------------------------------------------------------------------------- who may sign


async def test_a_certificate_waits_for_its_authority(world: World) -> None:
    await world.camera("gate")
    await world.credentials()
    await world.apply(world.device("gate"), certificate(world))
    await world.start_operator()
    told = await reason(world, "dcert", "Issued", "False", "AuthorityMissing")
    assert f"{world.namespace}/site-ca" in told
    await reason(world, "dcert", "Reconciling", "True", "AuthorityMissing")
    await world.apply(authority())
    await world.ready("gate")


async def test_a_name_that_is_not_allowed_is_not_signed(world: World) -> None:
    await world.camera("gate")
    await world.credentials()
    await world.apply(
        authority(allowed={"ipRanges": ["10.0.0.0/8"], "dnsNames": ["*.example"]}),
        world.device("gate"),
        certificate(world),
    )
    await world.start_operator()
    told = await reason(world, "dcert", "Stalled", "True", "NameNotAllowed")
    assert world.address(1) in told
    await world.apply(authority(allowed={"ipRanges": [f"{world.subnet}.0/24"]}))
    await world.ready("gate")


async def test_an_edit_that_cannot_be_signed_is_told_while_the_present_certificate_is_served(world: World) -> None:
    camera = await world.camera("gate")
    await world.credentials()
    await world.apply(
        authority(allowed={"ipRanges": [f"{world.subnet}.0/24"]}), world.device("gate"), certificate(world)
    )
    await world.start_operator()
    await world.ready("gate")
    first = camera.served_fingerprint
    await world.apply(certificate(world, dnsNames=["gate.example"]))
    told = await reason(world, "dcert", "Ready", "False", "NameNotAllowed")
    assert "gate.example" in told
    await reason(world, "dcert", "Stalled", "True", "NameNotAllowed")
    await world.until("dcert", "gate", "Secure", "True")
    await world.apply(world.certificate("gate", issuer={"authorityRef": {"name": "nobodys-ca"}}))
    await reason(world, "dcert", "Ready", "False", "AuthorityMissing")
    world.look_again()
    await world.more_passes("DeviceCertificate", 1)
    await reason(world, "dcert", "Reconciling", "True", "AuthorityMissing")
    assert camera.served_fingerprint == first
    await world.until("dev", "gate", "Ready", "True")
    await world.apply(certificate(world))
    await world.ready("gate")
    assert camera.served_fingerprint == first


async def test_a_name_outside_the_root_s_constraints_is_not_signed(world: World) -> None:
    await world.camera("gate")
    await world.credentials()
    plain = authority()
    del plain["spec"]["nameConstraints"]
    await world.apply(plain, world.device("gate"), certificate(world))
    await world.start_operator()
    await reason(world, "dcert", "Issued", "False", "CANameNotPermitted")


async def test_a_key_made_on_a_device_is_certified_with_our_names_and_the_subject_that_was_asked_for(
    world: World,
) -> None:
    """Of the CSR, only the key is taken: this camera's CSRs lack the names and add to the subject."""
    camera = await world.camera("gate", faults={Fault.CSR_WITHOUT_SAN, Fault.CSR_SUBJECT_EXTENDED})
    await world.credentials()
    asked = {"country": "JP", "organization": "Example", "organizationalUnit": "Doors"}
    by_device = certificate(world, subject=asked, privateKey={"source": "Device"})
    await world.apply(authority(), world.device("gate"), by_device)
    await world.start_operator()
    await world.ready("gate")
    [root] = await bundle(world)
    world.root.write_text(root)
    assert await world.trusted(camera.address)
    assert camera.shown is not None
    leaf = read_facts(camera.shown.chain[0].public_bytes(Encoding.DER))
    assert (leaf.ip_addresses, leaf.dns_names) == ((camera.address,), ())
    assert leaf.subject == "OU=Doors,O=Example,C=JP"
    told = camera.journal.operations
    assert (told["CreatePKCS10CSR"], told["UploadCertificateWithPrivateKeyInPKCS12"]) == (1, 0)
    assert "tls.key" not in (await world.get("secret", "gate-r1"))["data"]
