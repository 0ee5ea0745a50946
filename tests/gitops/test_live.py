"""Live objects out of scenarios: what GitOps tools make of them, and that what they do has the effect it promises.

`UPDATE_SNAPSHOTS=1` records the objects as test data of Argo CD's health checks.
"""

import asyncio
import os
import time
from typing import Any

import yaml

from tests.gitops import argocd
from tests.gitops.flux import Flux
from tests.gitops.kstatus import CURRENT, FAILED, IN_PROGRESS, kstatus
from tests.support import authorities
from tests.support.control_plane import try_kubectl
from tests.support.world import Object, World

UPDATE = os.environ.get("UPDATE_SNAPSHOTS") == "1"
SHORT = {"Device": "dev", "DeviceCertificate": "dcert", "CertificateAuthority": "dca"}


async def look(world: World, kind: str, name: str = "gate") -> Object:
    """The object as it is now."""
    return await world.get(SHORT[kind], "site-ca" if kind == "CertificateAuthority" else name)


async def until(world: World, kind: str, health: str) -> Object:
    """Wait until Argo CD says so; the object."""
    end = time.monotonic() + 20
    while argocd.health(found := await look(world, kind))[0] != health:
        assert time.monotonic() < end, f"{kind} is {argocd.health(found)}, not {health}"
        await asyncio.sleep(0.1)
    return found


def seen(obj: Object, cel: Flux) -> tuple[str, str, str]:
    """What kstatus, Argo CD and Flux say."""
    return kstatus(obj), argocd.health(obj)[0], cel.health(obj)


def record(obj: Object, name: str) -> None:
    """As test data, without what is different each time and looked at by nobody."""
    if not UPDATE:
        return
    meta = obj["metadata"]
    kept = {key: meta[key] for key in ("name", "annotations", "generation") if meta.get(key)}
    kept["namespace"] = "cameras"
    kept.get("annotations", {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    folder = argocd.CUSTOMIZATIONS / obj["kind"]
    (folder / "testdata").mkdir(exist_ok=True)
    text = yaml.safe_dump({**obj, "metadata": kept}, sort_keys=False, width=110)
    (folder / "testdata" / f"{name}.yaml").write_text(text.replace(meta["namespace"], "cameras"))
    _record_tests(folder, obj["kind"])


def _record_tests(folder: Any, kind: str) -> None:
    """health_test.yaml and action_test.yaml, as Argo CD's repository has them."""
    inputs = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((folder / "testdata").glob("*.yaml"))}
    health = []
    for name, one in inputs.items():
        status, message = argocd.health(one)
        wanted = {"status": status, "message": message}
        health.append({"healthStatus": wanted, "inputPath": f"testdata/{name}.yaml"})
    (folder / "health_test.yaml").write_text(yaml.safe_dump({"tests": health}, sort_keys=False, width=110))
    on = {name: argocd.enabled(one) for name, one in inputs.items() if name in {"healthy", "suspended"}}
    actions = [
        {"action": action, "inputPath": f"testdata/{name}.yaml"}
        for name, offered in on.items()
        for action, possible in sorted(offered.items())
        if possible
    ]
    discovery = [
        {
            "inputPath": f"testdata/{name}.yaml",
            "result": [{"name": action, "disabled": not possible} for action, possible in sorted(offered.items())],
        }
        for name, offered in on.items()
    ]
    tests = {"actionTests": actions, "discoveryTests": discovery}
    (folder / "actions" / "action_test.yaml").write_text(yaml.safe_dump(tests, sort_keys=False, width=110))


async def everything(world: World) -> None:
    """A camera, its certificate and the authority, not looked at yet."""
    await world.camera("gate")
    await world.credentials()
    await world.apply(authorities.authority(), world.device("gate"), authorities.certificate(world))


async def test_from_applied_to_healthy_paused_and_resumed(world: World, cel: Flux) -> None:
    await everything(world)
    for kind in SHORT:
        new = await look(world, kind)
        assert seen(new, cel) == (IN_PROGRESS, "Progressing", IN_PROGRESS), "nobody has looked at it"
        record(new, "progressing")
    await world.start_operator()
    waited = await world.kubectl("wait", "--for=condition=Ready", "dev,dcert,dca", "--all", "--timeout=30s")
    assert waited.count("condition met") == 3
    for kind in SHORT:
        well = await until(world, kind, "Healthy")
        assert seen(well, cel) == (CURRENT, "Healthy", CURRENT)
        record(well, "healthy")
    for kind in SHORT:
        await perform(world, kind, "pause")
        paused = await until(world, kind, "Suspended")
        assert seen(paused, cel) == (FAILED, "Suspended", CURRENT)
        record(paused, "suspended")
    for kind in SHORT:
        await perform(world, kind, "resume")
        await until(world, kind, "Healthy")


async def test_what_may_only_be_looked_at_is_held_and_no_failure(world: World, cel: Flux) -> None:
    await everything(world)
    await world.apply(world.device("gate", management="Observe"))
    await world.start_operator()
    for kind in ("Device", "DeviceCertificate"):
        held = await until(world, kind, "Suspended")
        assert seen(held, cel) == (FAILED, "Suspended", CURRENT)
        assert "spec.management: Observe forbids it" in argocd.health(held)[1]


async def perform(world: World, kind: str, action: str) -> None:
    """What Argo CD does with what the action returns: it replaces the object's metadata."""
    obj = await look(world, kind)
    assert argocd.enabled(obj)[action]
    after = argocd.act(obj, action)
    notes = obj["metadata"].get("annotations") or {}
    changed = after["metadata"].get("annotations") or {}
    patch: dict[str, Any] = {name: changed.get(name) for name in {*notes, *changed}}
    name = obj["metadata"]["name"]
    await world.kubectl(
        *("patch", SHORT[kind], name, "--type=merge", "-p", yaml.safe_dump({"metadata": {"annotations": patch}}))
    )


async def test_the_buttons_renew_and_reboot(world: World) -> None:
    camera = await world.one_camera()
    first = camera.served_fingerprint
    await perform(world, "DeviceCertificate", "renew")
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.ready("gate")
    before = camera.journal.operations["SystemReboot"]
    await perform(world, "Device", "reboot")
    await world.holds(lambda: camera.journal.operations["SystemReboot"] == before + 1)
    await world.ready("gate")


async def test_what_needs_a_person_is_degraded_and_says_why(world: World, cel: Flux) -> None:
    await world.camera("gate")
    await world.credentials(password="wrong")
    await world.kubectl("create", "secret", "generic", "site-root", "--from-literal=tls.crt=mine")
    await world.apply(authorities.authority(), world.device("gate"), authorities.certificate(world, "gate", "gate"))
    await world.start_operator()
    await world.until("dev", "gate", "Stalled", "True", "CredentialsRejected")
    for kind in ("Device", "CertificateAuthority"):
        bad = await until(world, kind, "Degraded")
        assert seen(bad, cel) == (FAILED, "Degraded", FAILED)
        record(bad, "degraded")
    assert "password" in argocd.health(await look(world, "Device"))[1]


async def test_a_certificate_that_waits_for_a_signature_is_degraded(world: World, cel: Flux) -> None:
    await world.camera("gate")
    await world.credentials()
    issuer = {"external": {"certificateRef": {"name": "gate-signed"}}}
    await world.apply(world.device("gate"), world.certificate("gate", issuer=issuer))
    await world.start_operator()
    await world.until("dcert", "gate", "Issued", "False", "WaitingForSignature")
    waiting = await until(world, "DeviceCertificate", "Degraded")
    assert seen(waiting, cel) == (FAILED, "Degraded", FAILED)
    record(waiting, "degraded")
    assert "gate-csr" in argocd.health(waiting)[1]


def _entries(obj: Object) -> list[Object]:
    return list(obj["metadata"]["managedFields"])


async def test_another_field_manager_never_fights_with_the_operator(world: World) -> None:
    """What GitOps applied is as it was after every pass: no diff, and the operator owns statuses and nothing else."""
    await world.camera("gate")
    await world.credentials()
    manifests = yaml.safe_dump_all([authorities.authority(), world.device("gate"), authorities.certificate(world)])
    apply = ("apply", "--server-side", "--field-manager=gitops", "-f", "-")
    await world.kubectl(*apply, given=manifests)
    await world.start_operator()
    await world.ready("gate")
    await world.until("dca", "site-ca", "Ready", "True")
    diff = ("diff", "--server-side", "--field-manager=gitops", "-f", "-")
    done = await asyncio.to_thread(try_kubectl, world.plane, "-n", world.namespace, *diff, given=manifests)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    versions = {kind: await _version(world, kind) for kind in SHORT}
    await world.kubectl(*apply, given=manifests)
    assert versions == {kind: await _version(world, kind) for kind in SHORT}, "applying it again changes nothing"
    for kind, short in SHORT.items():
        name = "site-ca" if kind == "CertificateAuthority" else "gate"
        text = await world.kubectl("get", short, name, "-o", "yaml", "--show-managed-fields")
        owners = {(one["manager"], one.get("subresource")) for one in _entries(yaml.safe_load(text))}
        assert ("gitops", None) in owners
        assert {subresource for manager, subresource in owners if manager != "gitops"} == {"status"}


async def _version(world: World, kind: str) -> str:
    return str((await look(world, kind))["metadata"]["generation"])


async def test_a_diff_would_be_seen(world: World) -> None:
    device = world.device("gate")
    await world.kubectl("apply", "--server-side", "--field-manager=gitops", "-f", "-", given=yaml.safe_dump(device))
    device["spec"]["checkInterval"] = "7m"
    done = try_kubectl(
        *(world.plane, "-n", world.namespace, "diff", "--server-side", "--field-manager=gitops", "-f", "-"),
        given=yaml.safe_dump(device),
    )
    assert done.returncode == 1
    assert "checkInterval" in done.stdout
