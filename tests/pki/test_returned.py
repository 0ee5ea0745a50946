"""What comes back from a CA that is not ours: used when everything about it fits, else refused by its own reason."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from device_cert_operator.core.model import Names, names_of
from device_cert_operator.errors import ProtocolViolation, Retry, UnacceptableCertificate
from device_cert_operator.pki.facts import certificates_in, pem_to_ders, read_facts
from device_cert_operator.pki.returned import Returned, check_returned, read_leaf
from device_cert_operator.reasons import Reason
from tests.support import ca

DATA = Path(__file__).parents[1] / "data" / "public-chain" / "chain.pem"
WHERE = "ConfigMap cams/gate-signed"
NAMES = names_of("10.0.0.1", "gate.example.com")
ROOT = ca.root()
BELOW = ca.root("Example below", issuer=ROOT)
CROSS = ca.root("Example below", issuer=ca.root("Older root"), key=BELOW.key)
KEY = ca.ec_key("device")


def leaf(*hosts: str, issuer: ca.Pair = BELOW, key: ca.Key = KEY, **more: object) -> ca.Pair:
    """As a CA makes it, unless told otherwise."""
    purposes = more.pop("purposes", ca.server_auth())
    usages = more.pop("usages", ca.key_usage("digital_signature"))
    assert isinstance(purposes, x509.ExtendedKeyUsage) and isinstance(usages, x509.KeyUsage)
    extensions = [(ca.san(*(hosts or NAMES.all)), False), (usages, True), (purposes, False)]
    return ca.certificate("gate", issuer=issuer, key=key, extensions=extensions, **more)  # type: ignore[arg-type]


LEAF = leaf()
SHA256 = read_facts(LEAF.der).public_key_sha256


def pem(*pairs: ca.Pair) -> bytes:
    return b"".join(pair.cert_pem for pair in pairs)


def checked(chain: bytes, anchor: ca.Pair | None = None, names: Names = NAMES, key: str | None = SHA256) -> Returned:
    return check_returned(WHERE, chain, anchor.cert_pem if anchor else None, names, key, ca.NOW)


def refused(chain: bytes, anchor: ca.Pair | None = None, names: Names = NAMES) -> tuple[Reason, str]:
    with pytest.raises(UnacceptableCertificate) as told:
        checked(chain, anchor, names)
    assert told.value.retry is Retry.ON_CHANGE
    assert WHERE in told.value.message
    return told.value.reason, told.value.message


@pytest.mark.parametrize(
    ("chain", "anchor", "sent", "trusted"),
    [
        pytest.param(pem(LEAF, BELOW, ROOT), None, (LEAF, BELOW), ROOT, id="root at the end"),
        pytest.param(pem(LEAF, BELOW), ROOT, (LEAF, BELOW), ROOT, id="root beside the chain"),
        pytest.param(pem(LEAF, BELOW, ROOT), ROOT, (LEAF, BELOW), ROOT, id="root at both places"),
        pytest.param(pem(LEAF, BELOW), BELOW, (LEAF,), BELOW, id="an intermediate as the anchor, sent as well"),
        pytest.param(pem(LEAF), BELOW, (LEAF,), BELOW, id="an intermediate as the anchor"),
        pytest.param(pem(LEAF, BELOW), ca.root("Stranger"), None, None, id="another root beside it"),
    ],
)
def test_the_anchor_is_what_ends_the_chain_or_is_given_beside_it(
    chain: bytes, anchor: ca.Pair | None, sent: tuple[ca.Pair, ...] | None, trusted: ca.Pair | None
) -> None:
    if sent is None or trusted is None:
        assert refused(chain, anchor)[0] is Reason.CHAIN_INCOMPLETE
        return
    found = checked(chain, anchor)
    assert pem_to_ders(found.tls_crt) == tuple(pair.der for pair in sent), "a root is never sent to a device"
    assert pem_to_ders(found.ca_crt) == (trusted.der,)
    assert (found.facts.fingerprint, found.anchor.fingerprint) == tuple(
        read_facts(pair.der).fingerprint for pair in (LEAF, trusted)
    )


def test_the_right_one_of_several_roots_is_found() -> None:
    both = ca.root("Stranger").cert_pem + ROOT.cert_pem
    assert check_returned(WHERE, pem(LEAF, BELOW), both, NAMES, SHA256, ca.NOW).anchor.subject == "O=Example root"


def test_a_chain_of_a_public_ca_needs_no_root() -> None:
    """A real one, against the roots that browsers trust."""
    then = datetime(2023, 2, 1, tzinfo=UTC)
    found = check_returned(WHERE, DATA.read_bytes(), None, names_of("www.google.com"), None, then)
    assert "GTS Root R1" in found.anchor.subject
    assert len(pem_to_ders(found.tls_crt)) == 2


def test_a_public_chain_cut_short_lacks_its_intermediate() -> None:
    first = DATA.read_bytes().partition(b"-----END CERTIFICATE-----\n")
    with pytest.raises(UnacceptableCertificate) as told:
        check_returned(WHERE, b"".join(first[:2]), None, names_of("www.google.com"), None, ca.NOW)
    assert told.value.reason is Reason.CHAIN_INCOMPLETE
    assert "GTS CA 1C3" in told.value.message


LATE = leaf(until=ca.NOW - timedelta(hours=1))
EARLY = leaf(since=ca.NOW + timedelta(hours=1))
FOR_ANYTHING = leaf(purposes=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]))
WITHOUT_PURPOSE = ca.certificate(
    "gate", issuer=BELOW, key=KEY, extensions=[(ca.san(*NAMES.all), False), (ca.key_usage("digital_signature"), True)]
)
FOR_CLIENTS = leaf(purposes=x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]))


@pytest.mark.parametrize(
    ("chain", "reason", "words"),
    [
        pytest.param(b"", Reason.CERTIFICATE_UNREADABLE, "holds no certificates", id="nothing"),
        pytest.param(b"hello", Reason.CERTIFICATE_UNREADABLE, "holds no certificates", id="text"),
        pytest.param(
            LEAF.cert_pem[:300] + b"\n-----END CERTIFICATE-----\n",
            Reason.CERTIFICATE_UNREADABLE,
            "holds no certificates",
            id="cut",
        ),
        pytest.param(
            pem(leaf(key=ca.ec_key("other")), BELOW, ROOT),
            Reason.CERTIFICATE_FOR_ANOTHER_KEY,
            "an older CSR, or for another device",
            id="another key",
        ),
        pytest.param(pem(BELOW, LEAF, ROOT), Reason.CERTIFICATE_FOR_ANOTHER_KEY, "is not the first", id="issuer first"),
        pytest.param(pem(ROOT, BELOW, LEAF), Reason.CERTIFICATE_FOR_ANOTHER_KEY, "is not the first", id="backwards"),
        pytest.param(pem(LEAF, ROOT, BELOW), Reason.CHAIN_INCOMPLETE, "is not in order", id="out of order"),
        pytest.param(pem(LEAF, ROOT), Reason.CHAIN_INCOMPLETE, "is not in order", id="a link left out"),
        pytest.param(pem(LEAF, BELOW, BELOW, ROOT), Reason.CHAIN_INCOMPLETE, "not in order", id="a link twice"),
        pytest.param(pem(LEAF), Reason.CHAIN_INCOMPLETE, "O=Example below, which issued", id="alone"),
        pytest.param(pem(LEAF, CROSS), Reason.CHAIN_INCOMPLETE, "O=Older root, which issued", id="no root"),
        pytest.param(
            pem(leaf("10.0.0.1"), BELOW, ROOT),
            Reason.ADDRESS_NOT_IN_CERTIFICATE,
            "does not name gate.example.com",
            id="a name missing",
        ),
        pytest.param(
            pem(leaf("10.0.0.1", "*.example.com"), BELOW, ROOT),
            Reason.ADDRESS_NOT_IN_CERTIFICATE,
            "does not name gate.example.com",
            id="a wildcard instead",
        ),
        pytest.param(pem(LATE, BELOW, ROOT), Reason.CERTIFICATE_EXPIRED, "cannot be used", id="expired"),
        pytest.param(pem(EARLY, BELOW, ROOT), Reason.CERTIFICATE_NOT_YET_VALID, "cannot be used", id="not yet"),
        pytest.param(pem(FOR_ANYTHING, BELOW, ROOT), Reason.NOT_FOR_SERVERS, "serverAuth", id="for anything"),
        pytest.param(pem(WITHOUT_PURPOSE, BELOW, ROOT), Reason.NOT_FOR_SERVERS, "serverAuth", id="for nothing said"),
        pytest.param(pem(FOR_CLIENTS, BELOW, ROOT), Reason.NOT_FOR_SERVERS, "not for TLS servers", id="for clients"),
    ],
)
def test_each_wrong_answer_has_its_reason_and_names_the_place(chain: bytes, reason: Reason, words: str) -> None:
    told = refused(chain)
    assert told[0] is reason
    assert words in told[1]


def test_a_signature_that_does_not_hold_breaks_the_order() -> None:
    impostor = ca.root("Example below", key=ca.ec_key("impostor"), issuer=ROOT)
    assert refused(pem(LEAF, impostor, ROOT))[0] is Reason.CHAIN_INCOMPLETE


def test_whose_key_it_is_may_be_left_to_the_caller() -> None:
    assert checked(pem(LEAF, BELOW, ROOT), key=None).facts.public_key_sha256 == SHA256


def test_a_wildcard_that_is_asked_for_is_looked_for_as_it_is() -> None:
    names = names_of("*.example.com")
    wild = leaf("*.example.com")
    assert checked(pem(wild, BELOW, ROOT), names=names).facts.dns_names == ("*.example.com",)
    assert refused(pem(LEAF, BELOW, ROOT), names=names)[0] is Reason.ADDRESS_NOT_IN_CERTIFICATE


def test_text_around_the_certificates_is_no_matter() -> None:
    chatty = b"subject=gate\n" + LEAF.cert_pem + b"\nissuer:\n" + BELOW.cert_pem + ca.key_pem(KEY) + ROOT.cert_pem
    found = checked(chatty)
    assert b"PRIVATE" not in found.tls_crt + found.ca_crt


def test_the_leaf_of_what_cannot_be_used_is_read_all_the_same() -> None:
    assert read_leaf(WHERE, pem(LATE)).fingerprint == read_facts(LATE.der).fingerprint
    with pytest.raises(UnacceptableCertificate):
        read_leaf(WHERE, b"hello")


def test_files_of_cas_are_pem_or_der() -> None:
    assert certificates_in(pem(LEAF, BELOW)) == (LEAF.der, BELOW.der)
    assert certificates_in(LEAF.der) == (LEAF.der,)
    for bad in (b"", b"hello", LEAF.der[:-1], LEAF.der + BELOW.der):
        with pytest.raises(ProtocolViolation):
            certificates_in(bad)


def test_one_that_only_looks_like_a_certificate_is_the_files_fault() -> None:
    """Names are parsed when they are asked for: this one loads, and its issuer is no UTF-8."""
    bad = LEAF.der.replace(b"Example below", b"\xc5xample below", 1)
    assert bad != LEAF.der
    told = refused(pem(LEAF) + ssl.DER_cert_to_PEM_cert(bad).encode(), ROOT)
    assert told[0] is Reason.CERTIFICATE_UNREADABLE


def test_a_self_signed_pair_may_be_its_own_anchor() -> None:
    own = ca.certificate(
        "gate",
        issuer=None,
        key=KEY,
        extensions=[(ca.san(*NAMES.all), False), (ca.server_auth(), False), (ca.key_usage("digital_signature"), True)],
    )
    made = checked(pem(own), own, key=read_facts(own.der).public_key_sha256)
    assert made.tls_crt == own.cert_pem
    assert made.ca_crt == own.cert_pem
