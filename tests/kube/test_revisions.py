"""Revision Secrets as the cache keeps them."""

from typing import Any

from device_cert_operator.kube.revisions import revision_secret, secret_view
from tests.support import ca

ROOT = ca.root()
BELOW = ca.root("Example below", issuer=ROOT)


def kept(name: str, below: ca.Pair = BELOW) -> Any:
    """The revision of one leaf, with the whole chain up to the root."""
    leaf = ca.certificate(name, issuer=below)
    manifest = revision_secret(
        namespace="cams",
        owner_name=name,
        owner_uid=f"uid-{name}",
        number=1,
        tls_crt=leaf.cert_pem + below.cert_pem + ROOT.cert_pem,
        ca_crt=ROOT.cert_pem,
        tls_key=b"",
        input_hash="x",
        authority_fingerprint="y",
    )
    manifest["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    return secret_view(manifest, "Secret").revision


def test_what_devices_send_above_the_leaf_is_kept_once_and_without_roots() -> None:
    gate, door = kept("gate"), kept("door")
    assert gate.chain_der == (BELOW.der,)
    assert len(gate.sent) == 1
    assert gate.facts != door.facts
    assert gate.chain_der is door.chain_der
    assert gate.sent is door.sent


def test_a_cross_certificate_between_two_roots_of_one_name_is_sent_all_the_same() -> None:
    cross = ca.root(issuer=ROOT, key=ca.ec_key("the next root"))
    assert cross.certificate.subject == cross.certificate.issuer
    revision = kept("gate", cross)
    assert revision.chain_der == (cross.der,)
    assert len(revision.sent) == 1
