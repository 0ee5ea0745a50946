"""What we issue, in the eyes of Go and Java: each name of it is accepted, any other host is not."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings
from hypothesis import strategies as st

from device_cert_operator.core.model import KeyType, SubjectFields, is_ip, names_of
from device_cert_operator.issuers.ca import Issued, issue
from device_cert_operator.pki.authority import Authority, read_authority
from tests.issuers.test_any_wish import CA, TIGHT, hosts, subjects, wish
from tests.issuers.test_ca import WANTED
from tests.support import ca
from tests.support.verifiers import Verifier, go_verifier, java, java_verifier

ELSEWHERE = ("192.0.2.1", "2001:db8::1", "nowhere.invalid")
AT_MOST = settings(max_examples=80, deadline=None)


@pytest.fixture(scope="module")
def go() -> Iterator[Verifier]:
    with go_verifier() as verifier:
        yield verifier


@pytest.fixture(scope="module")
def java_client() -> Iterator[Verifier]:
    if (program := java()) is None:
        pytest.skip("there is no JDK on this machine, and one only for this is too much to ask")
    with java_verifier(program) as verifier:
        yield verifier


def examples(made: Issued) -> list[str]:
    """A host for each of the names."""
    return [*(name.replace("*", "any", 1) for name in made.facts.dns_names), *made.facts.ip_addresses]


def check(verifier: Verifier, made: Issued) -> None:
    for host in examples(made):
        assert verifier.ask(anchors=made.ca_crt, sent=made.tls_crt, host=host, at=ca.NOW) == "OK", host
    for host in ELSEWHERE:
        assert verifier.ask(anchors=made.ca_crt, sent=made.tls_crt, host=host, at=ca.NOW) != "OK", host


def in_java(made: Issued) -> bool:
    """Java takes no underscore in a host name (javax.net.ssl.SNIHostName)."""
    return not any("_" in name for name in made.facts.dns_names)


@AT_MOST
@given(st.lists(hosts, min_size=1, max_size=4), subjects)
def test_go_accepts_what_is_granted(go: Verifier, asked: list[str], subject: SubjectFields) -> None:
    if (made := wish(asked, subject) or wish(asked, SubjectFields())) is not None:
        check(go, made)


@AT_MOST
@given(st.lists(hosts, min_size=1, max_size=4), subjects)
def test_java_accepts_what_is_granted(java_client: Verifier, asked: list[str], subject: SubjectFields) -> None:
    made = wish(asked, subject) or wish(asked, SubjectFields())
    if made is not None and in_java(made):
        check(java_client, made)


inside = st.ip_addresses(v=4, network="10.0.0.0/8").map(str)


@AT_MOST
@given(st.lists(inside, min_size=1, max_size=4), subjects)
def test_go_accepts_a_constrained_ca(go: Verifier, asked: list[str], subject: SubjectFields) -> None:
    if (made := wish(asked, subject, TIGHT) or wish(asked, SubjectFields(), TIGHT)) is not None:
        check(go, made)


@AT_MOST
@given(st.lists(inside, min_size=1, max_size=4), subjects)
def test_java_accepts_a_constrained_ca(java_client: Verifier, asked: list[str], subject: SubjectFields) -> None:
    if (made := wish(asked, subject, TIGHT) or wish(asked, SubjectFields(), TIGHT)) is not None:
        check(java_client, made)


EVERY = ("10.0.0.1", "fd00::5", "gate.example", "*.doors.example", "kamera.xn--tr-eka.example", "cam-1")


def below() -> Authority:
    root = ca.root("Above")
    lower = ca.root("Below", issuer=root)
    return read_authority("cams/root-ca", lower.cert_pem + root.cert_pem, lower.key_pem, ca.NOW)


def rsa_authority() -> Authority:
    pair = ca.root("RSA", key=ca.rsa_key())
    return read_authority("cams/root-ca", pair.cert_pem, pair.key_pem, ca.NOW)


@pytest.mark.parametrize("kind", [KeyType.ECDSA_P256, KeyType.ECDSA_P384, KeyType.RSA_2048])
@pytest.mark.parametrize("authority", [CA, rsa_authority(), below()], ids=["EC", "RSA", "below a root"])
@pytest.mark.parametrize("client", ["go", "java_client"])
def test_each_accepts_every_kind_of_key_and_ca(
    request: pytest.FixtureRequest, client: str, authority: Authority, kind: KeyType
) -> None:
    made = issue(authority, WANTED, names_of(*EVERY), kind, ca.NOW)
    assert {host for host in examples(made) if is_ip(host)} == {"10.0.0.1", "fd00::5"}
    check(request.getfixturevalue(client), made)


def accepted(verifier: Verifier) -> set[str]:
    """Those of a good and some bad offers that it takes."""
    good, narrow = ca.root("Good"), ca.root("Narrow", constraints=ca.permit("10.0.0.0/8"))
    server, name = (ca.server_auth(), False), (ca.san("10.0.0.1"), False)
    clients = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    offers = {
        "good": (good, good, (server, name), "10.0.0.1", ca.NOW),
        "too late": (good, good, (server, name), "10.0.0.1", ca.NOW + timedelta(days=91)),
        "for clients": (good, good, (clients, name), "10.0.0.1", ca.NOW),
        "of a stranger": (good, ca.root("Stranger"), (server, name), "10.0.0.1", ca.NOW),
        "an address outside": (narrow, narrow, (server, (ca.san("192.168.0.1"), False)), "192.168.0.1", ca.NOW),
        "an excluded name": (narrow, narrow, (server, (ca.san("gate.example"), False)), "gate.example", ca.NOW),
    }
    taken = set()
    for sentence, (anchor, issuer, extensions, host, at) in offers.items():
        leaf = ca.certificate(issuer=issuer, key=ca.ec_key("leaf"), extensions=extensions)
        if verifier.ask(anchors=anchor.cert_pem, sent=leaf.cert_pem, host=host, at=at) == "OK":
            taken.add(sentence)
    return taken


def test_go_bites(go: Verifier) -> None:
    assert accepted(go) == {"good"}


def test_java_bites_but_reads_no_name_constraints_in_an_anchor(java_client: Verifier) -> None:
    assert accepted(java_client) == {"good", "an address outside", "an excluded name"}


def test_java_reads_name_constraints_below_the_anchor(java_client: Verifier) -> None:
    root = ca.root("Above")
    narrow = ca.root("Narrow", issuer=root, constraints=ca.permit("10.0.0.0/8"))
    said = []
    for host in ("10.0.0.1", "192.168.0.1", "gate.example"):
        leaf = ca.certificate(
            issuer=narrow, key=ca.ec_key("leaf"), extensions=[(ca.san(host), False), (ca.server_auth(), False)]
        )
        sent = leaf.cert_pem + narrow.cert_pem
        said.append(java_client.ask(anchors=root.cert_pem, sent=sent, host=host, at=ca.NOW) == "OK")
    assert said == [True, False, False]
