"""CSRs, keys that wait, CertificateRequests and handed-in chains on the real API server: ours, and somebody else's."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from device_cert_operator.clock import SystemClock
from device_cert_operator.core.model import ObjectKey, Reference
from device_cert_operator.errors import Conflict, IssuerUnavailable, MissingReference
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.cert_manager import CertManager
from device_cert_operator.kube.client import Requests, load_configuration, namespace_of
from device_cert_operator.kube.csrs import CSRs, NewCSR
from device_cert_operator.kube.handover import read_place, write_chain
from device_cert_operator.kube.intake import Intake
from device_cert_operator.kube.views import CertificateView, certificate_view
from device_cert_operator.reasons import Reason
from local_control_plane.plane import ControlPlane
from tests.api.manifests import certificate
from tests.support.cert_manager import install_crds
from tests.support.control_plane import kubectl, read

PEM = b"-----BEGIN CERTIFICATE REQUEST-----\nZ2F0ZQ==\n-----END CERTIFICATE REQUEST-----\n"
OTHER = PEM.replace(b"Z2F0ZQ", b"ZG9vcg")
KEY, SECOND_KEY = b"the first key", b"the second key"


class Bench:
    """The API server through our own code, and a DeviceCertificate `gate` that exists."""

    def __init__(self, plane: ControlPlane, namespace: str, requests: Requests) -> None:
        self.plane, self.namespace, self.requests = plane, namespace, requests
        self.cache = Cache()
        self.woken: list[ObjectKey] = []
        self.intake = Intake(self.cache, self.woken.append, lambda _key: None)
        self.csrs = CSRs(requests, self.intake)
        self.gate = self.owner("gate")

    def owner(self, name: str) -> CertificateView:
        kubectl(self.plane, "-n", self.namespace, "create", "-f", "-", given=json.dumps(certificate(name)))
        return certificate_view(read(self.plane, self.namespace, "dcert", name))

    def kubectl(self, *arguments: str) -> str:
        return kubectl(self.plane, "-n", self.namespace, *arguments)


@pytest.fixture
async def bench(control_plane: ControlPlane, namespace: str) -> AsyncIterator[Bench]:
    requests = Requests(await load_configuration(str(control_plane.kubeconfig)), SystemClock())
    yield Bench(control_plane, namespace, requests)
    await requests.close()


async def test_a_csr_is_published_replaced_and_taken_back(bench: Bench) -> None:
    assert await bench.csrs.read(bench.namespace, "gate") is None
    await bench.csrs.publish(bench.gate, NewCSR(1, PEM, "k1"))
    await bench.csrs.publish(bench.gate, NewCSR(2, OTHER, "k2", "uid-of-a-device"))
    assert await bench.csrs.read(bench.namespace, "gate") == OTHER
    there = read(bench.plane, bench.namespace, "configmap", "gate-csr")
    notes = there["metadata"]["annotations"]
    assert (notes["devicecert.io/number"], notes["devicecert.io/device-uid"]) == ("2", "uid-of-a-device")
    assert there["metadata"]["ownerReferences"][0]["uid"] == bench.gate.uid
    view = bench.cache.secret(bench.namespace, "gate-csr", "ConfigMap")
    assert view is not None and view.resource_version == there["metadata"]["resourceVersion"], "known at once"
    with pytest.raises(Conflict):
        await bench.csrs.withdraw(bench.namespace, "gate", "another-uid")
    await bench.csrs.withdraw(bench.namespace, "gate", there["metadata"]["uid"])
    await bench.csrs.withdraw(bench.namespace, "gate", there["metadata"]["uid"])
    assert await bench.csrs.read(bench.namespace, "gate") is None


async def test_a_config_map_of_somebody_else_is_never_overwritten(bench: Bench) -> None:
    bench.kubectl("create", "configmap", "gate-csr", "--from-literal=certreq.pem=mine")
    with pytest.raises(MissingReference) as told:
        await bench.csrs.publish(bench.gate, NewCSR(1, PEM, "k1"))
    assert told.value.reason is Reason.SECRET_NOT_OURS
    assert f"ConfigMap {bench.namespace}/gate-csr" in told.value.message and "delete it" in told.value.message
    assert read(bench.plane, bench.namespace, "configmap", "gate-csr")["data"] == {"certreq.pem": "mine"}


async def test_the_csr_of_a_certificate_of_the_same_name_before_is_not_ours(bench: Bench) -> None:
    door = bench.owner("door")
    await bench.csrs.publish(door, NewCSR(1, PEM, "k1"))
    bench.kubectl("delete", "dcert", "door", "--cascade=orphan")
    again = bench.owner("door")
    with pytest.raises(MissingReference):
        await bench.csrs.publish(again, NewCSR(1, OTHER, "k2"))


async def test_the_first_key_stored_for_a_request_wins(bench: Bench) -> None:
    assert await bench.csrs.read_key(bench.gate, 1) is None
    assert await bench.csrs.store_key(bench.gate, 1, KEY) == KEY
    assert await bench.csrs.store_key(bench.gate, 1, SECOND_KEY) == KEY, "a CSR for it may be signed already"
    assert await bench.csrs.read_key(bench.gate, 1) == KEY
    assert await bench.csrs.read_key(bench.gate, 2) is None
    stored = read(bench.plane, bench.namespace, "secret", "gate-r1-key")
    assert stored["immutable"] is True
    assert "ownerReferences" not in stored["metadata"], "a prune must not take the key of a paid certificate"
    with pytest.raises(Conflict):
        await bench.csrs.drop_key(bench.namespace, "gate-r1-key", "another-uid")
    await bench.csrs.drop_key(bench.namespace, "gate-r1-key", stored["metadata"]["uid"])
    assert await bench.csrs.read_key(bench.gate, 1) is None


async def test_a_key_of_somebody_else_is_neither_used_nor_replaced(bench: Bench) -> None:
    bench.kubectl("create", "secret", "generic", "gate-r1-key", "--from-literal=tls.key=theirs")
    with pytest.raises(MissingReference) as told:
        await bench.csrs.store_key(bench.gate, 1, KEY)
    assert told.value.reason is Reason.SECRET_NOT_OURS
    assert f"Secret {bench.namespace}/gate-r1-key" in told.value.message
    assert await bench.csrs.read_key(bench.gate, 1) is None


# ----------------------------------------------------------------------------------------- cert-manager


async def test_a_certificate_request_is_made_once_and_only_ours_is_removed(
    bench: Bench, control_plane: ControlPlane, tmp_path: Path
) -> None:
    install_crds(control_plane, tmp_path)
    manager, door = CertManager(bench.requests), bench.owner("door")
    spec = {"request": "Z2F0ZQ==", "issuerRef": {"name": "site"}}
    for number in (1, 2, 9, 10, 10):
        await manager.create(bench.gate, f"gate-r{number}", spec)
    await manager.create(door, "door-r1", spec)
    with pytest.raises(MissingReference) as told:
        await manager.create(door, "gate-r1", spec)
    assert told.value.reason is Reason.REQUEST_NOT_OURS
    await manager.remove(door, "gate-r1")
    assert await manager.read(bench.namespace, "gate-r1") is not None
    await manager.clear(bench.gate)
    left = bench.kubectl("get", "certificaterequests", "-o", "jsonpath={.items[*].metadata.name}").split()
    assert sorted(left) == ["door-r1", "gate-r10", "gate-r9"], "by number, not by letter"
    await manager.remove(bench.gate, "gate-r9")
    await manager.remove(bench.gate, "gate-r9")
    assert await manager.read(bench.namespace, "gate-r9") is None


async def test_an_api_that_is_not_there_is_cert_manager_missing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version of the group stands for a cluster without it: the API server answers the same 404."""
    monkeypatch.setattr("device_cert_operator.kube.cert_manager._API", "/apis/cert-manager.io/v0")
    manager = CertManager(bench.requests)
    assert await manager.read(bench.namespace, "gate-r1") is None
    with pytest.raises(IssuerUnavailable) as told:
        await manager.create(bench.gate, "gate-r1", {})
    assert told.value.reason is Reason.CERT_MANAGER_MISSING


# -------------------------------------------------------------------------------------- handed-in chains


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
async def test_a_chain_is_put_into_a_new_labelled_object_and_replaced_there(bench: Bench, kind: str) -> None:
    reference = Reference(kind, "gate-signed", "chain.pem")
    await write_chain(bench.requests, await read_place(bench.requests, bench.namespace, reference), b"one", b"root")
    place = await read_place(bench.requests, bench.namespace, reference)
    assert place.is_shared and place.ca_pem == b"root"
    await write_chain(bench.requests, place, b"two", None)
    again = await read_place(bench.requests, bench.namespace, reference)
    assert again.ca_pem == b"root", "what is not given stays"
    there = read(bench.plane, bench.namespace, kind.lower(), "gate-signed")
    assert there["data"]["chain.pem"] == ("two" if kind == "ConfigMap" else "dHdv")
    with pytest.raises(Conflict):
        await write_chain(bench.requests, place, b"three", None)


async def test_an_object_that_nobody_labelled_is_used_only_by_force(bench: Bench) -> None:
    bench.kubectl("create", "configmap", "gate-signed", "--from-literal=theirs=keep")
    reference = Reference("ConfigMap", "gate-signed", None)
    place = await read_place(bench.requests, bench.namespace, reference)
    with pytest.raises(MissingReference) as told:
        await write_chain(bench.requests, place, b"one", None)
    assert told.value.reason is Reason.SECRET_NOT_SHARED
    assert read(bench.plane, bench.namespace, "configmap", "gate-signed")["data"] == {"theirs": "keep"}
    await write_chain(bench.requests, place, b"one", None, force=True)
    there = read(bench.plane, bench.namespace, "configmap", "gate-signed")
    assert there["data"] == {"theirs": "keep", "tls.crt": "one"}
    assert there["metadata"]["labels"] == {"devicecert.io/use": "certificate"}


async def test_the_namespace_is_the_context_s(control_plane: ControlPlane, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(control_plane.kubeconfig.read_text())
    assert await namespace_of(str(config)) == "default"
    current = kubectl(control_plane, "--kubeconfig", str(config), "config", "current-context").strip()
    kubectl(control_plane, "--kubeconfig", str(config), "config", "set-context", current, "--namespace=cams")
    assert await namespace_of(str(config)) == "cams"
    assert await namespace_of(str(tmp_path / "absent")) == "default"


async def test_every_key_that_waits_is_known_whatever_its_number(bench: Bench) -> None:
    for number in (1, 7):
        await bench.csrs.store_key(bench.gate, number, KEY)
    await bench.csrs.store_key(bench.owner("door"), 3, KEY)
    known = bench.cache.pending_keys(bench.namespace, bench.gate.uid)
    assert [(one.name, one.annotations["devicecert.io/number"]) for one in known] == [
        ("gate-r1-key", "1"),
        ("gate-r7-key", "7"),
    ]
    await bench.csrs.drop_key(bench.namespace, "gate-r1-key", known[0].uid)
    assert [one.name for one in bench.cache.pending_keys(bench.namespace, bench.gate.uid)] == ["gate-r7-key"]
