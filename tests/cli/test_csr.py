"""`devicecert csr`: what it says and refuses; the cluster behind it is played. The real one: tests/scenarios."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from device_cert_operator.cli import main
from device_cert_operator.core.model import CertManagerIssuer, ExternalIssuer, KeyType, Reference
from device_cert_operator.core.status import RequestStatus
from device_cert_operator.errors import Conflict
from device_cert_operator.kube.handover import Place, Waiting
from device_cert_operator.pki.facts import read_facts
from tests.support import ca
from tests.support.situations import certificate

module = import_module("device_cert_operator.cli.csr")
ROOT = ca.root()
LEAF = ca.certificate(
    "gate",
    issuer=ROOT,
    key=ca.ec_key("device"),
    extensions=[
        (ca.san("10.0.0.1"), False),
        (ca.key_usage("digital_signature"), True),
        (ca.server_auth(), False),
    ],
)
REQUEST = RequestStatus(
    3, ("10.0.0.1",), KeyType.ECDSA_P256, "h", ca.NOW, read_facts(LEAF.der).public_key_sha256, "gate-csr"
)
EXTERNAL = ExternalIssuer(Reference("ConfigMap", "gate-signed", "tls.crt"))
PEM = b"-----BEGIN CERTIFICATE REQUEST-----\n"
OURS = {"kind": "ConfigMap", "metadata": {"labels": {"devicecert.io/use": "certificate"}}, "data": {}}
THEIRS = {"kind": "ConfigMap", "metadata": {}, "data": {"theirs": "keep"}}


class Clock:
    def now(self) -> Any:
        return ca.NOW


class Played:
    """A cluster of one DeviceCertificate; what was written to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting = Waiting(certificate(issuer=EXTERNAL), REQUEST, PEM)
        self.found: Any = None
        self.written: tuple[bytes, bytes | None, bool] | None = None
        self.fails: Exception | None = None
        monkeypatch.setattr(module, "SystemClock", Clock)
        monkeypatch.setattr(module, "read_waiting", self.read_waiting)
        monkeypatch.setattr(module, "read_place", self.read_place)
        monkeypatch.setattr(module, "write_chain", self.write_chain)
        monkeypatch.setattr(module, "load_configuration", self.nothing)
        monkeypatch.setattr(module, "Requests", lambda *_: self)
        self.namespaces: list[str] = []

    async def nothing(self, _kubeconfig: str | None) -> None: ...

    async def close(self) -> None: ...

    async def read_waiting(self, _requests: object, key: Any) -> Waiting:
        self.namespaces.append(key.namespace)
        return self.waiting

    async def read_place(self, _requests: object, namespace: str, reference: Reference) -> Place:
        return Place(namespace, reference, self.found)

    async def write_chain(
        self, _requests: object, _place: Place, chain: bytes, root: bytes | None, *, force: bool = False
    ) -> None:
        if self.fails is not None:
            raise self.fails
        self.written = (chain, root, force)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Played:
    return Played(monkeypatch)


def csr(*arguments: object, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["csr", *map(str, arguments), "-n", "cams"], given)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    leaf, root = tmp_path / "leaf.pem", tmp_path / "root.pem"
    leaf.write_bytes(LEAF.cert_pem)
    root.write_bytes(ROOT.cert_pem)
    return leaf, root


def test_the_csr_alone_is_on_standard_output(cluster: Played) -> None:
    got = csr("get", "gate")
    assert (got.exit_code, got.stdout) == (0, PEM.decode())
    assert "CSR 3 of" in got.stderr and "for 10.0.0.1." in got.stderr
    assert "devicecert csr put gate CHAIN.pem -n cams" in got.stderr
    assert "key tls.crt of ConfigMap cams/gate-signed" in got.stderr


def test_a_file_that_cannot_be_written_is_told(cluster: Played, tmp_path: Path) -> None:
    got = csr("get", "gate", "-o", tmp_path / "absent" / "gate.csr")
    assert got.exit_code == 1
    assert "cannot be written" in got.stderr


@pytest.mark.parametrize(
    ("waiting", "words"),
    [
        (lambda it: Waiting(it.desired, None, None), "has no CSR that waits"),
        (lambda it: Waiting(it.desired, REQUEST, None), "is being made"),
    ],
)
def test_without_a_csr_there_is_nothing_to_get(
    cluster: Played, waiting: Callable[[Waiting], Waiting], words: str
) -> None:
    cluster.waiting = waiting(cluster.waiting)
    got = csr("get", "gate")
    assert (got.exit_code, got.stdout) == (1, "")
    assert words in got.stderr


def test_what_fits_is_written_and_the_next_thing_said(cluster: Played, files: tuple[Path, Path]) -> None:
    leaf, root = files
    put = csr("put", "gate", leaf, "--ca", root)
    assert put.exit_code == 0, put.output
    assert cluster.written == (LEAF.cert_pem, ROOT.cert_pem, False)
    assert "installs it on gate as revision 3" in put.stdout
    assert csr("put", "gate", leaf, root).exit_code == 0
    assert cluster.written == (LEAF.cert_pem + ROOT.cert_pem, None, False)


def test_the_root_that_stands_there_already_counts(cluster: Played, files: tuple[Path, Path]) -> None:
    assert csr("put", "gate", files[0]).exit_code == 1
    cluster.found = OURS | {"data": {"ca.crt": ROOT.cert_pem.decode()}}
    assert csr("put", "gate", files[0]).exit_code == 0


def test_an_object_without_label_needs_force(cluster: Played, files: tuple[Path, Path]) -> None:
    cluster.found = THEIRS
    put = csr("put", "gate", *files)
    assert (put.exit_code, cluster.written) == (1, None)
    assert "--force" in put.stderr
    assert csr("put", "gate", *files, "--force").exit_code == 0
    assert cluster.written is not None and cluster.written[2]


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1)])
def test_a_person_is_asked(
    cluster: Played, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    cluster.found = THEIRS
    monkeypatch.setattr(module, "_somebody_sits_there", lambda: True)
    put = csr("put", "gate", *files, given=answer)
    assert put.exit_code == code
    assert (cluster.written is not None) is (code == 0)


def test_a_root_beside_a_chain_in_its_place_is_refused(cluster: Played, files: tuple[Path, Path]) -> None:
    issuer = ExternalIssuer(Reference("Secret", "gate-signed", "ca.crt"))
    cluster.waiting = Waiting(certificate(issuer=issuer), REQUEST, PEM)
    put = csr("put", "gate", files[0], "--ca", files[1])
    assert put.exit_code == 1
    assert "instead of --ca" in put.stderr
    assert csr("put", "gate", *files).exit_code == 0


def test_only_external_takes_a_chain(cluster: Played, files: tuple[Path, Path]) -> None:
    cluster.waiting = Waiting(certificate(issuer=CertManagerIssuer("site")), REQUEST, PEM)
    assert "Nobody has to carry it" in csr("get", "gate").stderr
    put = csr("put", "gate", *files)
    assert (put.exit_code, cluster.written) == (1, None)


def test_an_object_that_changed_meanwhile_is_told(cluster: Played, files: tuple[Path, Path]) -> None:
    cluster.fails = Conflict("It was changed meanwhile.")
    put = csr("put", "gate", *files)
    assert put.exit_code == 2
    assert "It was changed meanwhile." in put.stderr


def test_the_namespace_is_the_context_s_unless_given(cluster: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    async def context(_kubeconfig: str | None) -> str:
        return "halls"

    monkeypatch.setattr(module, "namespace_of", context)
    CliRunner().invoke(main, ["csr", "get", "gate"])
    csr("get", "gate")
    assert cluster.namespaces == ["halls", "cams"]
