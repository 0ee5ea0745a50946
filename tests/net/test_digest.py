"""HTTP log-in without IO: the RFC's own examples, and the headers that devices really send."""

import hashlib
import re

import pytest

from device_cert_operator.core.model import Credentials
from device_cert_operator.net.digest import (
    Challenge,
    DigestSession,
    basic_authorization,
    best_digest,
    parse_challenges,
)

MUFASA = Credentials("Mufasa", "Circle of Life")
RFC_7616_3_9_1 = {
    "realm": "http-auth@example.org",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    "qop": "auth, auth-int",
}
RFC_CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def session(parameters: dict[str, str], credentials: Credentials = MUFASA, cnonce: str = RFC_CNONCE) -> DigestSession:
    return DigestSession(Challenge("digest", parameters), credentials, cnonce=cnonce)


def field(header: str, name: str) -> str:
    match = re.search(rf'\b{name}="?([^",]*)', header)
    assert match, header
    return match[1]


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616_come_out(algorithm: str, response: str) -> None:
    header = session({**RFC_7616_3_9_1, "algorithm": algorithm}).authorization("GET", "/dir/index.html", b"")
    assert field(header, "response") == response
    assert field(header, "nc") == "00000001"
    assert "qop=auth," in header
    assert "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS" in header


def test_the_example_of_rfc_2617_comes_out() -> None:
    given = {"realm": "testrealm@host.com", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093", "qop": "auth,auth-int"}
    header = session(given, Credentials("Mufasa", "Circle Of Life"), "0a4f113b").authorization(
        "GET", "/dir/index.html", b""
    )
    assert field(header, "response") == "6629fae49393a05397450978507c4ef1"


def test_a_challenge_without_qop_is_answered_as_rfc_2069_did() -> None:
    header = session({"realm": "r", "nonce": "n"}).authorization("POST", "/x", b"")
    first = hashlib.md5(b"Mufasa:r:Circle of Life").hexdigest()
    second = hashlib.md5(b"POST:/x").hexdigest()
    assert field(header, "response") == hashlib.md5(f"{first}:n:{second}".encode()).hexdigest()
    assert "qop" not in header


def test_the_count_goes_up_and_the_session_key_of_sess_stays() -> None:
    given = {"realm": "r", "nonce": "n", "qop": "auth", "algorithm": "SHA-256-sess"}
    one = session(given, cnonce="c")
    headers = [one.authorization("POST", "/x", b"") for _ in range(2)]
    sha = lambda text: hashlib.sha256(text.encode()).hexdigest()  # noqa: E731
    first = sha(f"{sha('Mufasa:r:Circle of Life')}:n:c")
    for count, header in enumerate(headers, 1):
        assert field(header, "nc") == f"{count:08x}"
        assert field(header, "response") == sha(f"{first}:n:{count:08x}:c:auth:{sha('POST:/x')}")


def test_auth_int_is_answered_where_nothing_else_is_offered() -> None:
    given = {"realm": "r", "nonce": "n", "qop": "auth-int"}
    header = session(given, cnonce="c").authorization("POST", "/x", b"body")
    md5 = lambda data: hashlib.md5(data).hexdigest()  # noqa: E731
    second = md5(f"POST:/x:{md5(b'body')}".encode())
    first = md5(b"Mufasa:r:Circle of Life")
    assert field(header, "response") == md5(f"{first}:n:00000001:c:auth-int:{second}".encode())


def test_a_name_is_hashed_or_extended_where_that_is_needed() -> None:
    name = Credentials("Jäsøn", "x")
    hashed = session({"realm": "r", "nonce": "n", "userhash": "true", "algorithm": "SHA-256"}, name)
    expected = hashlib.sha256("Jäsøn:r".encode()).hexdigest()
    assert f'username="{expected}"' in hashed.authorization("GET", "/", b"")
    plain = session({"realm": "r", "nonce": "n"}, name).authorization("GET", "/", b"")
    assert "username*=UTF-8''J%C3%A4s%C3%B8n" in plain


def test_the_next_nonce_is_taken_and_counted_from_one() -> None:
    one = session({"realm": "r", "nonce": "n", "qop": "auth"})
    one.authorization("POST", "/", b"")
    one.use_next_nonce('rspauth="abc", nextnonce="fresh", nc=00000001')
    header = one.authorization("POST", "/", b"")
    assert field(header, "nonce") == "fresh"
    assert field(header, "nc") == "00000001"


@pytest.mark.parametrize(
    ("headers", "algorithm"),
    [
        (['Digest realm="a", nonce="1"'], "MD5"),
        (['Digest realm="a", nonce="1", algorithm=MD5', 'Digest realm="a", nonce="2", algorithm=SHA-256'], "SHA-256"),
        (['Digest realm="a", nonce="1", algorithm=FOO', 'Digest realm="a", nonce="2", algorithm=MD5'], "MD5"),
        (['Basic realm="a", Digest realm="b", qop="auth", nonce="1", algorithm=MD5'], "MD5"),
        (['Digest realm="a", nonce="1", qop="auth,auth-int", algorithm="SHA-256", Basic realm="a, b"'], "SHA-256"),
        (["digest realm=a,nonce=1=="], "MD5"),
        (['Digest realm="a", nonce="1", qop="token"'], None),
        (['Digest realm="a"'], None),
        (['Basic realm="a"'], None),
        (["Negotiate", 'Bearer error="x"'], None),
        ([""], None),
        (['=",=,"', "Digest"], None),
    ],
)
def test_the_strongest_answerable_offer_is_taken(headers: list[str], algorithm: str | None) -> None:
    chosen = best_digest(parse_challenges(headers))
    assert (chosen.algorithm if chosen else None) == algorithm


def test_parameters_stay_with_their_scheme() -> None:
    basic, digest = parse_challenges([r'Basic realm="x \"y\"", Digest realm="b", nonce="n,m", stale=TRUE'])
    assert (basic.scheme, basic.parameters["realm"]) == ("basic", 'x "y"')
    assert (digest.scheme, digest.parameters["nonce"], digest.stale) == ("digest", "n,m", True)


def test_a_hostile_header_is_read_in_bounded_time_and_breaks_no_line() -> None:
    parse_challenges(['a="\\a="' * 50_000, "a=" * 50_000, "," * 100_000])
    header = session({"realm": 'a"\r\nX: y', "nonce": "n"}).authorization("GET", "/", b"")
    assert "\r" not in header
    assert "\n" not in header


def test_nothing_secret_is_in_a_repr() -> None:
    assert "Circle" not in repr(session({"nonce": "n"}))
    assert basic_authorization(Credentials("Aladdin", "open sesame")) == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
