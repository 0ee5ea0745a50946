"""On which group of keys a server agreed, as it says in the clear; and what the probe makes of one browsers lack."""

import ssl
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_cert_operator.core.model import Served
from device_cert_operator.net import contexts
from device_cert_operator.net.groups import agreed_group
from tests.net.certificates import make
from tests.net.servers import server_context
from tests.net.test_tls_probe import look

P_256, P_384, P_521 = 0x0017, 0x0018, 0x0019
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def server(newest: ssl.TLSVersion, *, curve: str | None = None, ciphers: str | None = None) -> ssl.SSLContext:
    context = server_context(make(kind="RSA"), newest=newest, ciphers=ciphers)
    if curve is not None:
        context.set_ecdh_curve(curve)
    return context


def sent_by(context: ssl.SSLContext) -> bytes:
    """What the server sends in a handshake with our client, byte for byte."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = contexts.browser_like().wrap_bio(to_client, to_server)
    theirs = context.wrap_bio(to_server, out := ssl.MemoryBIO(), server_side=True)
    sent, steps = bytearray(), [ours.do_handshake, theirs.do_handshake]
    while steps:
        for step in list(steps):
            if done(step):
                steps.remove(step)
            data = out.read()
            sent += data
            to_client.write(data)
    return bytes(sent)


def done(step: Callable[[], None]) -> bool:
    try:
        step()
    except ssl.SSLWantReadError:
        return False
    return True


@pytest.mark.parametrize(
    ("newest", "curve", "ciphers", "group"),
    [
        (TLS_1_3, "prime256v1", None, P_256),  # our first share is of another group: it asks for this one
        (TLS_1_3, "secp521r1", None, P_521),
        (TLS_1_2, "secp384r1", None, P_384),
        (TLS_1_2, "secp521r1", None, P_521),
        (TLS_1_2, None, "AES128-SHA:@SECLEVEL=0", None),
    ],
)
def test_the_group_is_the_one_that_the_server_is_held_to(
    newest: ssl.TLSVersion, curve: str | None, ciphers: str | None, group: int | None
) -> None:
    sent = sent_by(server(newest, curve=curve, ciphers=ciphers))
    assert agreed_group(sent) == group
    assert {agreed_group(sent[:length]) for length in range(len(sent))} <= {None, group}, "and nothing of a part"


def test_what_is_encrypted_is_not_read() -> None:
    """It may look like anything, such as a key exchange over P-521."""
    sent = sent_by(server(TLS_1_2, ciphers="AES128-SHA:@SECLEVEL=0"))
    key_exchange = bytes.fromhex("0c000004 03 0019 00")
    switch = sent.index(b"\x14\x03\x03\x00\x01\x01")
    assert agreed_group(sent[:switch] + record(key_exchange)) == P_521, "in the clear"
    assert agreed_group(sent[: switch + 6] + record(bytes(3) + key_exchange)) is None, "behind the signal's one byte"


def record(held: bytes) -> bytes:
    return b"\x16\x03\x03" + len(held).to_bytes(2) + held


@given(st.binary(max_size=200))
def test_nonsense_is_read_without_an_error(rest: bytes) -> None:
    for start in (b"", b"\x16\x03\x03\x00\xc0\x02\x00\x00\x80", b"\x16\x03\x03\x00\x10\x0c\x00\x00\x02\x03"):
        found = agreed_group(start + rest)
        assert found is None or 0 <= found <= 0xFFFF


@pytest.mark.parametrize("newest", [TLS_1_2, TLS_1_3])
@pytest.mark.parametrize(
    ("curve", "browser_grade", "asked"),
    [("prime256v1", True, []), ("secp384r1", True, []), ("secp521r1", False, ["prime256v1", "secp384r1"])],
)
async def test_only_a_server_that_agrees_on_another_group_is_asked_for_those_of_browsers(
    monkeypatch: pytest.MonkeyPatch, newest: ssl.TLSVersion, curve: str, browser_grade: bool, asked: list[str]
) -> None:
    seen: list[str] = []
    real = contexts.browser_like_over
    monkeypatch.setattr(contexts, "browser_like_over", lambda one: seen.append(one) or real(one))
    found, _ = await look(server(newest, curve=curve, ciphers="ECDHE-RSA-AES128-GCM-SHA256"))
    assert isinstance(found, Served)
    assert (found.browser_grade, seen) == (browser_grade, asked)
    assert browser_grade or "exchanges keys of P-521 only" in (found.why_not or "")
