"""`devicecert doctor` on the real API server: what is well, what is not, and what to do about it."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from device_cert_operator.api import generate
from device_cert_operator.cli.checkup import (
    Level,
    Patient,
    Result,
    check_cert_manager,
    check_clock,
    check_definitions,
    check_lease,
)
from device_cert_operator.clock import SystemClock
from device_cert_operator.kube import client
from device_cert_operator.kube.client import Requests, load_configuration
from device_cert_operator.kube.examine import FOR_CERT_MANAGER, NEEDED
from device_cert_operator.kube.lease import KubeLease
from device_cert_operator.settings import Settings
from local_control_plane import plane as planes
from local_control_plane.plane import ControlPlane
from tests.support import cert_manager
from tests.support.account import install
from tests.support.control_plane import install_crds, kubectl
from tests.support.helm import Helm
from tests.support.operators import ROOT
from tests.support.world import World

Rows = dict[str, list[tuple[str, str]]]
NOT_SERVED = "It is not served: kubectl apply --server-side -f crds/; if it stays so, kubectl describe crd says why."
UNREADABLE = {  # the server cannot tell that the gateway is in another network
    "apiVersion": "devicecert.io/v1alpha1",
    "kind": "Device",
    "metadata": {"name": "gate"},
    "spec": {
        "driver": "onvif",
        "address": {
            "host": "192.0.2.5",
            "policy": "Enforce",
            "enforce": {"prefixLength": 24, "gateway": "198.51.100.1"},
        },
        "credentialsSecretRef": {"name": "login"},
    },
}


def doctor(kubeconfig: Path, *arguments: str, **settings: str) -> tuple[int, Rows, str]:
    """(exit code, check → (level, message), errors)."""
    environment = os.environ | {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(ROOT / "operator")}
    environment |= {f"DEVICECERT_{name}": text for name, text in settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "device_cert_operator", "doctor", "-o", "json", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    rows: Rows = {}
    for one in json.loads(done.stdout or "[]"):
        rows.setdefault(one["check"], []).append((one["level"], one["message"]))
    return done.returncode, rows, done.stderr


def kubeconfig_of(plane: ControlPlane, namespace: str, account: str, folder: Path) -> Path:
    """A new ServiceAccount's: it may do what everybody may, unless somebody binds it to a Role."""
    kubectl(plane, "-n", namespace, "create", "serviceaccount", account)
    token = kubectl(plane, "-n", namespace, "create", "token", account).strip()
    kubeconfig = folder / f"{account}.kubeconfig"
    planes.write_user_kubeconfig(plane, kubeconfig, token, namespace)
    return kubeconfig


def test_a_good_cluster_is_well(control_plane: ControlPlane, namespace: str) -> None:
    code, rows, errors = doctor(control_plane.kubeconfig, NAMESPACES=namespace)
    assert (code, errors) == (0, "")
    for plural in ("devices", "devicecertificates", "certificateauthorities"):
        assert rows[f"CRD {plural}"] == [("ok", "It is the one of this program.")]
    told = "You may do all that the operator does. Of its own account --service-account NAMESPACE/NAME tells."
    assert rows["Rights"] == [("ok", told)]
    assert rows["Clock"] == [("ok", "It agrees with the API server's.")]
    [(level, message)] = rows["Lease"]
    assert (level, message) == (
        "warning",
        "No Lease is named, so none was looked at: set DEVICECERT_LEASE_NAME and DEVICECERT_LEASE_NAMESPACE as the "
        "Deployment does. An operator that is run by hand has none.",
    )


async def test_in_a_pod_that_names_no_lease_there_is_no_election(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "namespace").write_text("devices")
    monkeypatch.setattr(client, "NAMESPACE_FILE", str(tmp_path / "namespace"))
    patient = Patient(None, Settings(), SystemClock().now())  # type: ignore[arg-type]
    result = await check_lease(patient, None)
    assert (result.level, result.message) == (
        Level.OK,
        "No Lease is named (DEVICECERT_LEASE_NAME): there must be one replica only.",
    )


def test_in_the_pod_the_charts_account_sees_everything(
    control_plane: ControlPlane, namespace: str, helm: Helm, tmp_path: Path
) -> None:
    release = install(helm, control_plane, tmp_path, f"{namespace}-release", (namespace,))
    settings = {"NAMESPACES": namespace, "LEASE_NAME": release.name, "LEASE_NAMESPACE": release.namespace}
    code, rows, errors = doctor(release.kubeconfig, **settings)
    assert (code, errors) == (0, "")
    warned = {check: told for check, results in rows.items() for level, told in results if level != "ok"}
    warned.pop("cert-manager", None)  # where another test brought it: the chart grants that on request only
    assert warned == {"Lease": "Nobody holds it: does the operator run?"}
    assert {"CRD devices", "Rights", "Lease rights", "Revisions"} <= rows.keys()


def test_an_account_without_rights_is_told_what_it_lacks(control_plane: ControlPlane, namespace: str) -> None:
    kubectl(control_plane, "-n", namespace, "create", "serviceaccount", "operator")
    account = ("--service-account", f"{namespace}/operator")
    code, rows, _ = doctor(control_plane.kubeconfig, *account, NAMESPACES=namespace)
    [(level, message)] = rows["Rights"]
    assert (code, level) == (1, "problem")
    assert message.startswith(
        f"ServiceAccount {namespace}/operator may not get devicecert.io/devices in {namespace}, list devicecert.io"
    )
    assert message.endswith("more: compare the Role with that of the chart.")
    bind = f"--serviceaccount={namespace}:operator"
    kubectl(control_plane, "-n", namespace, "create", "rolebinding", "operator", "--clusterrole=cluster-admin", bind)
    code, rows, _ = doctor(control_plane.kubeconfig, *account, NAMESPACES=namespace)
    assert (code, rows["Rights"][0][0]) == (0, "ok")
    code, rows, _ = doctor(control_plane.kubeconfig, *account)
    [(level, message)] = rows["Rights"]
    assert (code, level) == (1, "problem")
    assert message.endswith(
        "All namespaces were asked about: where the operator watches some only, name them in DEVICECERT_NAMESPACES."
    )


def test_whether_cert_manager_may_be_asked_is_told_where_it_is(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    cert_manager.install_crds(control_plane, tmp_path)
    kubectl(control_plane, "-n", namespace, "create", "serviceaccount", "operator")
    bind = (f"--serviceaccount={namespace}:operator", "--clusterrole=edit")
    kubectl(control_plane, "-n", namespace, "create", "rolebinding", "operator", *bind)
    account = ("--service-account", f"{namespace}/operator")
    _, rows, _ = doctor(control_plane.kubeconfig, *account, NAMESPACES=namespace)
    verbs = (
        f"{verb} cert-manager.io/certificaterequests in {namespace}" for verb in ("get", "list", "create", "delete")
    )
    lacks = f"ServiceAccount {namespace}/operator may not {', '.join(verbs)}"
    assert rows["cert-manager"] == [
        ("warning", f"{lacks}: for issuers of cert-manager set the chart's rbac.certManager.")
    ]
    code, rows, _ = doctor(control_plane.kubeconfig, NAMESPACES=namespace)
    assert (code, rows["cert-manager"]) == (0, [("ok", "You may ask it for certificates.")])


async def test_the_lease_is_told_with_its_holder_and_age(world: World) -> None:
    lease = {"NAMESPACES": world.namespace, "LEASE_NAME": "operator", "LEASE_NAMESPACE": world.namespace}
    code, rows, _ = await asyncio.to_thread(doctor, world.plane.kubeconfig, **lease)
    assert (code, rows["Lease"]) == (0, [("warning", "Nobody holds it: does the operator run?")])
    requests = Requests(await load_configuration(str(world.plane.kubeconfig)), SystemClock())
    try:
        store = KubeLease(requests, world.namespace, "operator", SystemClock())
        await store.write(None, "pod-a_1", timedelta(minutes=5), timedelta(seconds=5))
        code, rows, _ = await asyncio.to_thread(doctor, world.plane.kubeconfig, **lease)
        [(level, message)] = rows["Lease"]
        assert (code, level) == (0, "ok")
        assert message.startswith("pod-a_1 leads; it was renewed ")
        long_ago = json.dumps({"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}})
        await world.kubectl("patch", "lease", "operator", "--type=merge", "-p", long_ago)
        code, rows, _ = await asyncio.to_thread(doctor, world.plane.kubeconfig, **lease)
        [(level, message)] = rows["Lease"]
        assert (code, level) == (1, "problem")
        assert message.startswith("pod-a_1 has not renewed it for ")
    finally:
        await requests.close()


async def test_a_device_is_reached_and_the_next_step_told_without_a_log_in(world: World) -> None:
    camera = await world.one_camera()
    await world.stop_operator()
    entries = len(camera.journal.entries)
    ask = (world.plane.kubeconfig, f"{world.namespace}/gate")
    code, rows, _ = await asyncio.to_thread(doctor, *ask, NAMESPACES=world.namespace)
    assert code == 0
    assert rows["Reachable"][0][0] == "ok"
    assert rows["Next"] == [("ok", "Nothing is left to do, as far as a handshake tells.")]
    await camera.move(world.address(9))
    code, rows, _ = await asyncio.to_thread(doctor, *ask, NAMESPACES=world.namespace)
    assert (code, rows["Next"]) == (1, [("warning", "The operator would take the step Locate.")])
    assert (await world.get("dev", "gate"))["status"]["address"]["current"] == camera.spec.address
    assert len(camera.journal.entries) == entries


def test_a_right_that_is_missing_for_one_look_hides_no_other_finding(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    guest = kubeconfig_of(control_plane, namespace, "guest", tmp_path)
    code, rows, errors = doctor(guest, f"{namespace}/gate", NAMESPACES=namespace)
    assert (code, errors) == (1, "")
    [(level, message)] = rows["Rights"]
    assert (level, message[:50]) == ("problem", f"You may not get devicecert.io/devices in {namespace}"[:50])
    [(level, message)] = rows["Objects"]
    assert (level, message[:24]) == ("warning", "Could not be looked at: ")
    assert f'cannot list resource "devices" in API group "devicecert.io" in the namespace "{namespace}"' in message
    for plural in ("devices", "devicecertificates", "certificateauthorities"):
        assert rows[f"CRD {plural}"] == [("ok", "It is the one of this program.")], "everybody may read what is served"
    assert "Revisions" not in rows, "what was not listed is not called deleted"


def test_rights_are_told_where_nobody_says_in_which_namespace_the_lease_is(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    guest = kubeconfig_of(control_plane, namespace, "guest", tmp_path)
    code, rows, _ = doctor(guest, NAMESPACES=namespace, LEASE_NAME="operator")
    assert (code, rows["Rights"][0][0]) == (1, "problem")
    [(level, message)] = rows["Lease"]
    assert (level, "DEVICECERT_LEASE_NAMESPACE must say" in message) == ("warning", True)


def test_a_device_that_is_not_there_or_cannot_be_read_is_a_problem_beside_the_others(
    control_plane: ControlPlane, namespace: str
) -> None:
    code, rows, errors = doctor(control_plane.kubeconfig, f"{namespace}/none", NAMESPACES=namespace)
    assert (code, errors, rows["Rights"][0][0]) == (1, "", "ok")
    assert rows["Device"] == [("problem", f"There is no Device {namespace}/none.")]
    code, rows, _ = doctor(control_plane.kubeconfig, f"{namespace}/none", NAMESPACES="default")
    told = f"There is no Device {namespace}/none where the operator looks: DEVICECERT_NAMESPACES is default."
    assert (code, rows["Device"]) == (1, [("problem", told)])
    kubectl(control_plane, "-n", namespace, "apply", "-f", "-", given=yaml.safe_dump(UNREADABLE))
    code, rows, errors = doctor(control_plane.kubeconfig, "gate", "-n", namespace, NAMESPACES=namespace)
    assert (code, errors, rows["Rights"][0][0]) == (1, "", "ok")
    [(level, message)] = rows["Device"]
    assert (level, message) == (
        "problem",
        f"Device {namespace}/gate cannot be read: spec.address.enforce.gateway: "
        "198.51.100.1 is no other address in the network 192.0.2.0/24.",
    )


async def test_revisions_of_a_deleted_certificate_are_listed(world: World) -> None:
    await world.one_camera()
    await world.stop_operator()
    await world.kubectl("delete", "dcert", "gate")
    code, rows, _ = await asyncio.to_thread(doctor, world.plane.kubeconfig, NAMESPACES=world.namespace)
    [(level, message)] = rows["Revisions"]
    assert (code, level) == (0, "warning")
    assert message == (
        f"Secret {world.namespace}/gate-r1 belongs to a DeviceCertificate that was deleted; gate still serves it. "
        f"When it is no longer needed: kubectl -n {world.namespace} delete secret gate-r1"
    )


async def test_older_newer_and_missing_definitions_are_told_apart(tmp_path: Path) -> None:
    with planes.start() as plane:
        requests = Requests(await load_configuration(str(plane.kubeconfig)), SystemClock())
        patient = Patient(requests, Settings(), SystemClock().now())
        login = await asyncio.to_thread(kubeconfig_of, plane, "default", "guest", tmp_path)
        guest = replace(patient, requests=Requests(await load_configuration(str(login)), SystemClock()))
        try:
            assert await check_cert_manager(patient) == []
            missing = await check_definitions(patient)
            assert {one.level for one in missing} == {Level.PROBLEM}
            assert await check_definitions(guest) == [replace(one, message=NOT_SERVED) for one in missing]
            await asyncio.to_thread(install_crds, plane)
            assert {one.level for one in await check_definitions(patient)} == {Level.OK}
            model, plural, short, columns = generate.KINDS[0]
            older = generate.build_crd(model, plural, short, columns)
            fields = older["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
            served = fields["status"]["properties"].pop("served")
            await asyncio.to_thread(_apply, plane, older)
            [first, *_] = await check_definitions(patient)
            assert first.level is Level.PROBLEM
            assert first.message.startswith("It is older than this program and drops status.served, status.served.")
            await _until_told(guest, first)
            fields["status"]["properties"] |= {"served": served, "mood": {"type": "string", "maxLength": 9}}
            await asyncio.to_thread(_apply, plane, older)
            [first, *_] = await check_definitions(patient)
            assert first.level is Level.WARNING
            assert first.message == "It is newer than this program, which does not know status.mood."
            await _until_told(guest, first)
        finally:
            await guest.requests.close()
            await requests.close()


async def _until_told(patient: Patient, told: Result) -> None:
    """What the API server publishes of a CRD follows it after a moment."""
    for _ in range(100):
        if (await check_definitions(patient))[0] == told:
            return
        await asyncio.sleep(0.2)
    assert (await check_definitions(patient))[0] == told


def _apply(plane: ControlPlane, definition: dict) -> None:  # type: ignore[type-arg]
    kubectl(plane, "replace", "-f", "-", given=yaml.safe_dump(definition))


@pytest.mark.parametrize(
    ("error", "level", "message"),
    [
        (timedelta(seconds=0), Level.OK, "It agrees with the API server's."),
        (
            timedelta(seconds=40),
            Level.PROBLEM,
            "This machine is 40 s ahead of the API server: no device's clock is set. See to NTP.",
        ),
        (
            timedelta(seconds=-40),
            Level.PROBLEM,
            "This machine is 40 s behind the API server: no device's clock is set. See to NTP.",
        ),
        (None, Level.WARNING, "The API server sends no Date: the clock cannot be compared."),
    ],
)
def test_the_clock_is_judged(error: timedelta | None, level: Level, message: str) -> None:
    class Told:
        def clock_error(self) -> timedelta | None:
            return error

    patient = Patient(Told(), Settings(), SystemClock().now())  # type: ignore[arg-type]
    result = check_clock(replace(patient))
    assert (result.level, result.message) == (level, message)


def test_the_rights_that_are_asked_about_are_those_that_the_chart_grants() -> None:
    template = (ROOT / "charts" / "device-cert-operator" / "templates" / "_rules.tpl").read_text()
    text = "\n".join(line for line in template.split("*/}}")[1].splitlines() if "{{" not in line)
    granted = {
        (group, resource, verb)
        for rule in yaml.safe_load(text)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    asked = {
        (one.group, f"{one.resource}/{one.subresource}".rstrip("/"), verb)
        for one in (*NEEDED, *FOR_CERT_MANAGER)
        for verb in one.verbs
    }
    assert asked == granted


def test_no_cluster_is_told_with_exit_code_2(tmp_path: Path) -> None:
    code, rows, errors = doctor(tmp_path / "none")
    assert (code, rows) == (2, {})
    assert "cannot be used" in errors
