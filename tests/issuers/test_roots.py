"""Our own roots and their rotation in the eyes of pkilint, OpenSSL, Go and Java."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from device_cert_operator.core.authority_model import RootShape
from device_cert_operator.core.model import KeyType
from device_cert_operator.pki.facts import ders_to_pem, pem_to_ders
from tests.issuers.linting import lint
from tests.support import ca
from tests.support.rotation import SHAPE, rotate
from tests.support.verifiers import go_verifier, java, java_verifier

Ask = Callable[[bytes, bytes, str], str]
SHAPES = {
    "private addresses": (SHAPE, ("192.168.1.120", "fd00::5")),
    "names": (
        replace(SHAPE, permitted_dns=("cams.example",), permitted_ip=()),
        ("gate.cams.example", "*.cams.example"),
    ),
    "both": (replace(SHAPE, permitted_dns=("cams.example",)), ("10.0.0.1", "gate.cams.example")),
    "an RSA root": (replace(SHAPE, key_type=KeyType.RSA_2048), ("10.0.0.1",)),
    "a P-384 root": (replace(SHAPE, key_type=KeyType.ECDSA_P384), ("10.0.0.1",)),
}
each_shape = pytest.mark.parametrize(("shape", "hosts"), SHAPES.values(), ids=SHAPES)


@pytest.fixture(scope="module")
def verifiers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Ask]]:
    """By name; Java where there is one."""
    folder: Path = tmp_path_factory.mktemp("openssl")
    with ExitStack() as stack:
        running = {"Go": stack.enter_context(go_verifier())}
        if (program := java()) is not None:
            running["Java"] = stack.enter_context(java_verifier(program))
        asks: dict[str, Ask] = {
            "OpenSSL": lambda anchors, sent, host: ca.openssl_verify(
                folder, anchors=anchors, sent=sent, host=host, at=ca.NOW
            )
        }
        for name, verifier in running.items():
            asks[name] = lambda anchors, sent, host, verifier=verifier: verifier.ask(  # type: ignore[misc]
                anchors=anchors, sent=sent, host=host, at=ca.NOW
            )
        yield asks


@each_shape
def test_no_client_ever_sees_an_untrusted_device_through_a_rotation(
    shape: RootShape, hosts: tuple[str, ...], verifiers: dict[str, Ask]
) -> None:
    rotation = rotate(shape, ca.NOW, *hosts)
    said = {
        (stage, client, verifier, host): ask(anchors, made.tls_crt, host.replace("*", "any"))
        for stage, made in rotation.stages.items()
        for client, anchors in rotation.clients.items()
        for verifier, ask in verifiers.items()
        for host in hosts
    }
    assert {key: answer for key, answer in said.items() if answer != "OK"} == {}
    assert len(said) == 2 * 3 * len(verifiers) * len(hosts)


@each_shape
def test_a_client_of_the_other_root_needs_the_cross_certificate(
    shape: RootShape, hosts: tuple[str, ...], verifiers: dict[str, Ask]
) -> None:
    rotation = rotate(shape, ca.NOW, *hosts)
    leaf = ders_to_pem(pem_to_ders(rotation.signs_new.tls_crt)[0])
    for name, ask in verifiers.items():
        assert ask(rotation.old_pem, leaf, hosts[0].replace("*", "any")) != "OK", name


@each_shape
def test_the_linter_finds_no_fault_with_anything_of_a_rotation(shape: RootShape, hosts: tuple[str, ...]) -> None:
    rotation = rotate(shape, ca.NOW, *hosts)
    pems = (rotation.old_pem, rotation.new_pem, rotation.signs_old.tls_crt, rotation.signs_new.tls_crt)
    ders = [der for pem in pems for der in pem_to_ders(pem)]
    assert len(ders) == 6
    assert [found for der in ders for found in lint(der)] == []
    assert rotation.signs_old.warnings == rotation.signs_new.warnings == ()
