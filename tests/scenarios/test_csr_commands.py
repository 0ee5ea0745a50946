"""`devicecert csr get` and `put`: the way out and back, as a person goes it, and what they refuse."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from device_cert_operator.cli import main
from device_simulator import SimulatedDevice
from tests.support.outside_ca import OutsideCA
from tests.support.world import World

EXTERNAL = {"external": {"certificateRef": {"name": "gate-signed"}}}


@pytest.fixture
def outside(world: World) -> OutsideCA:
    return OutsideCA(world.folder / "outside")


async def csr(world: World, *arguments: str | Path, given: str | None = None) -> Result:
    """`devicecert csr …` in the world's namespace."""
    words = ["csr", *map(str, arguments), "-n", world.namespace, "--kubeconfig", str(world.plane.kubeconfig)]
    return await asyncio.to_thread(CliRunner().invoke, main, words, given)


async def begin(world: World, **issuer: object) -> SimulatedDevice:
    """A camera that made a key, and whose CSR waits."""
    camera = await world.camera("gate")
    await world.credentials()
    wish = world.certificate("gate", issuer=issuer or EXTERNAL, privateKey={"source": "Device"})
    await world.apply(world.device("gate"), wish)
    await world.start_operator()
    return camera


async def waiting(world: World) -> SimulatedDevice:
    camera = await begin(world)
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
    return camera


def write(world: World, name: str, text: str) -> Path:
    path = world.folder / name
    path.write_text(text)
    return path


async def test_a_csr_goes_out_and_its_chain_comes_in(world: World, outside: OutsideCA) -> None:
    camera = await waiting(world)
    file = world.folder / "gate.csr"
    got = await csr(world, "get", "gate", "-o", file)
    assert got.exit_code == 0, got.output
    assert got.stdout == ""
    assert world.address(1) in got.stderr and f"ConfigMap {world.namespace}/gate-signed" in got.stderr
    assert "No public CA signs" in got.stderr
    assert await world.told("PublicAuthorityCannotSign")
    shown = await csr(world, "get", "gate")
    assert shown.stdout == file.read_text()
    leaf = write(world, "leaf.pem", outside.sign(file.read_text()))
    put = await csr(world, "put", "gate", leaf, outside.issuing, "--ca", outside.root)
    assert put.exit_code == 0, put.output
    assert "as revision 1" in put.stdout and "CN=Outside issuing" in put.stdout
    await world.ready("gate")
    assert await world.trusted(camera.address, outside.root)
    there = await world.get("configmap", "gate-signed")
    assert set(there["data"]) == {"tls.crt", "ca.crt"}
    again = await csr(world, "put", "gate", leaf, outside.issuing)
    assert again.exit_code == 1
    assert "no CSR that waits" in again.stderr


async def test_the_next_chain_replaces_the_one_before_and_its_root_stays(world: World, outside: OutsideCA) -> None:
    camera = await waiting(world)
    for number in (1, 2):
        await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
        first = camera.served_fingerprint
        got = await csr(world, "get", "gate")
        assert got.exit_code == 0, got.output
        leaf = write(world, "leaf.pem", outside.sign(got.stdout))
        root = ("--ca", outside.root) if number == 1 else ()
        put = await csr(world, "put", "gate", leaf, outside.issuing, *root)
        assert put.exit_code == 0, put.output
        await world.holds(lambda first=first: camera.served_fingerprint != first)  # type: ignore[misc]
        await world.ready("gate")
        await world.kubectl("annotate", "--overwrite", "dcert", "gate", f"devicecert.io/renew={number}")
    assert await world.trusted(camera.address, outside.root)


async def test_what_the_operator_would_refuse_is_refused_before_it_is_written(world: World, outside: OutsideCA) -> None:
    await waiting(world)
    text = (await csr(world, "get", "gate")).stdout
    right, other = outside.sign(text), outside.sign(outside.new_csr(world.address(1)))
    nameless = outside.sign(text, copy=False)
    for pem, words in ((other, "another key"), (nameless, "does not name"), ("hello", "leaf.pem holds no certificate")):
        refused = await csr(world, "put", "gate", write(world, "leaf.pem", pem), outside.issuing, outside.root)
        assert refused.exit_code == 1
        assert words in refused.stderr, refused.stderr
    file = write(world, "leaf.pem", right)
    for files, words in (((file,), "which issued the last"), ((file, outside.root, outside.issuing), "not in order")):
        refused = await csr(world, "put", "gate", *files)
        assert refused.exit_code == 1
        assert words in refused.stderr
        assert str(file) in refused.stderr
    assert await world.get("configmap", "gate-signed") == {}


async def test_der_files_are_taken_and_a_private_key_stays_out(world: World, outside: OutsideCA) -> None:
    camera = await waiting(world)
    pem = write(world, "leaf.pem", outside.sign((await csr(world, "get", "gate")).stdout))
    leaf, combined = world.folder / "leaf.cer", write(world, "combined.pem", "")
    await asyncio.to_thread(
        subprocess.run, ["openssl", "x509", "-in", pem, "-outform", "DER", "-out", leaf], check=True
    )
    combined.write_text((outside.folder / "outside-issuing.key").read_text() + outside.issuing_pem)
    put = await csr(world, "put", "gate", leaf, combined, outside.root)
    assert put.exit_code == 0, put.output
    await world.ready("gate")
    assert await world.trusted(camera.address, outside.root)
    assert "PRIVATE" not in str(await world.get("configmap", "gate-signed"))


async def test_an_object_that_its_owner_did_not_label_is_used_only_by_force(world: World, outside: OutsideCA) -> None:
    await waiting(world)
    await world.kubectl("create", "configmap", "gate-signed", "--from-literal=theirs=keep")
    leaf = write(world, "leaf.pem", outside.sign((await csr(world, "get", "gate")).stdout))
    files = (leaf, outside.issuing, outside.root)
    refused = await csr(world, "put", "gate", *files)
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert (await world.get("configmap", "gate-signed"))["data"] == {"theirs": "keep"}
    assert (await csr(world, "put", "gate", *files, "--force")).exit_code == 0
    await world.ready("gate")
    assert (await world.get("configmap", "gate-signed"))["data"]["theirs"] == "keep"


async def test_what_needs_no_carrying_says_so(world: World, outside: OutsideCA) -> None:
    await begin(world, certManagerRef={"name": "site"})
    await world.until("dcert", "gate", "Issued", "False")
    for _ in range(100):
        got = await csr(world, "get", "gate")
        if got.exit_code == 0:
            break
        await asyncio.sleep(0.2)
    assert "Nobody has to carry it" in got.stderr
    leaf = write(world, "leaf.pem", outside.sign(got.stdout))
    put = await csr(world, "put", "gate", leaf)
    assert put.exit_code == 1
    assert "is not `external`" in put.stderr


async def test_a_name_that_is_not_there_and_a_cluster_that_does_not_answer(world: World) -> None:
    absent = await csr(world, "get", "nobody")
    assert absent.exit_code == 2
    assert "Is the name right" in absent.stderr
    for text in ("hello", "{", "clusters: 5", ""):
        words = ["csr", "get", "gate", "--kubeconfig", str(write(world, "config", text))]
        there = await asyncio.to_thread(CliRunner().invoke, main, words)
        assert there.exit_code == 2, (text, there.exception)
        assert "cannot be used" in there.stderr
