"""What one handshake tells, of devices old, odd and hostile."""

import asyncio
import ssl
import time
from datetime import timedelta

import pytest

from device_cert_operator.core.model import NotServed, Served
from device_cert_operator.errors import InvalidSpec
from device_cert_operator.net.tls_probe import probe, why_not_in_browsers
from tests.net.certificates import make
from tests.net.servers import Handler, listen, server_context

FIVE_SECONDS = timedelta(seconds=5)


async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def look(context: ssl.SSLContext, **options: str | None) -> tuple[Served | NotServed, int]:
    """The probe's result, and how many connections it made."""
    async with listen(idle, context=context) as server:
        name = options.get("server_name", server.host)
        result = await probe(server.host, server.port, server_name=name, timeout=FIVE_SECONDS)
        await asyncio.sleep(0)
        return result, server.connections


async def test_a_modern_device_is_seen_in_one_handshake_with_its_chain() -> None:
    issuer = make("issuer", ca=True, usages=())
    served = make(issuer=issuer)
    async with listen(idle, context=server_context(served)) as server:
        result = await probe(server.host, server.port, server_name=None, timeout=FIVE_SECONDS)
    assert isinstance(result, Served)
    assert (result.tls_version, result.browser_grade, result.why_not) == ("TLSv1.3", True, None)
    assert result.leaf_der == served.leaf_der
    assert result.chain_der == (served.leaf_der, issuer.leaf_der)
    assert result.leaf.public_key_sha256 == served.key_sha256
    assert result.chain[0] is result.leaf


@pytest.mark.parametrize(
    ("newest", "ciphers", "kind", "browser_grade", "words"),
    [
        (ssl.TLSVersion.TLSv1_2, None, "EC", True, None),
        (ssl.TLSVersion.TLSv1_2, "AES128-SHA:@SECLEVEL=0", "RSA", True, None),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES256-SHA:@SECLEVEL=0", "RSA", True, None),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-RSA-AES128-SHA256:@SECLEVEL=0", "RSA", False, "ECDHE-RSA-AES128-SHA256"),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0", "EC", False, "ECDHE-ECDSA-AES128-SHA"),
        (ssl.TLSVersion.TLSv1_2, "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", "RSA", False, "Diffie-Hellman"),
        (ssl.TLSVersion.TLSv1_1, None, "RSA", False, "speaks TLSv1.1"),
        (ssl.TLSVersion.TLSv1, None, "RSA", False, "speaks TLSv1;"),
    ],
)
async def test_a_handshake_is_judged_as_browsers_would(
    newest: ssl.TLSVersion, ciphers: str | None, kind: str, browser_grade: bool, words: str | None
) -> None:
    result, _ = await look(server_context(make(kind=kind), newest=newest, ciphers=ciphers))
    assert isinstance(result, Served), result
    assert result.browser_grade is browser_grade
    assert (words or "") in (result.why_not or "")


async def test_names_are_asked_for_and_addresses_are_not() -> None:
    asked: list[str | None] = []
    context = server_context(make())
    context.set_servername_callback(lambda tls, name, _: asked.append(name))
    for name in ("cam.example.org", "127.7.0.1", "::1", None):
        await look(context, server_name=name)
    assert asked == ["cam.example.org", None, None, None]


async def test_a_name_that_tls_cannot_carry_is_the_users_to_correct() -> None:
    with pytest.raises(InvalidSpec):
        await look(server_context(make()), server_name=".bad")


async def test_nobody_there_answers_nothing() -> None:
    result = await probe("127.7.0.9", 1, server_name=None, timeout=FIVE_SECONDS)
    assert isinstance(result, NotServed)
    assert not result.answers
    assert "refused" in result.message


async def test_what_is_no_name_is_the_users_to_correct() -> None:
    with pytest.raises(InvalidSpec):
        await probe("a" * 64 + ".example", 1, server_name=None, timeout=FIVE_SECONDS)


async def test_a_name_without_an_address_answers_nothing() -> None:
    result = await probe("nowhere.invalid", 1, server_name=None, timeout=FIVE_SECONDS)
    assert isinstance(result, NotServed)
    assert not result.answers


def sending(*parts: bytes, forever: bool = False, every: float = 0.0) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        while True:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(every)
            if not forever:
                return

    return handle


RECORD = b"\x16\x03\x03\x40\x00"  # a handshake record of 16 KiB
HOSTILE: dict[str, tuple[Handler, bool, str, int]] = {
    "html": (sending(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>"), True, "does not speak TLS", 1),
    "garbage": (sending(b"\xff" * 1000), True, "does not speak TLS", 1),
    "half a record": (sending(RECORD + b"\x02\x00"), True, "no handshake", 2),
    "an alert": (sending(b"\x15\x03\x03\x00\x02\x02\x28"), True, "alert handshake failure", 2),
    "hang up": (sending(b""), True, "closed", 2),
    "endless records": (sending(RECORD + b"\x02\x00\xff\xff" + b"\0" * 16380, forever=True), True, "no handshake", 2),
    "endless warnings": (sending(b"\x15\x03\x03\x00\x02\x01\x00" * 1000, forever=True), True, "no handshake", 2),
    "drip": (sending(b"\x16", b"\x03", b"\x03", b"\x40", b"\x00", *[b"\x02"] * 999, every=0.02), True, "within", 1),
    "silence": (sending(b"", forever=True, every=0.02), True, "within", 1),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_is_no_handshake_is_told_in_time(name: str) -> None:
    handler, answers, words, most = HOSTILE[name]
    async with listen(handler) as server:
        started = time.monotonic()
        result = await probe(server.host, server.port, server_name=None, timeout=timedelta(seconds=0.4))
        assert time.monotonic() - started < 2
    assert isinstance(result, NotServed)
    assert result.answers is answers, result
    assert words in result.message
    assert server.connections <= most


async def test_a_cancelled_probe_stays_cancelled() -> None:
    async with listen(sending(b"", forever=True, every=0.02)) as server:
        task = asyncio.create_task(probe(server.host, server.port, server_name=None, timeout=FIVE_SECONDS))
        while not server.connections:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    ("version", "cipher", "fits"),
    [
        ("TLSv1.3", "TLS_AES_256_GCM_SHA384", True),
        ("TLSv1.2", "ECDHE-ECDSA-CHACHA20-POLY1305", True),
        ("TLSv1.2", "AES256-SHA", True),
        ("TLSv1.2", "AES128-SHA256", False),
        ("TLSv1.2", "ECDHE-RSA-AES256-SHA384", False),
        ("TLSv1.2", "DHE-RSA-AES256-GCM-SHA384", False),
        ("TLSv1.1", "ECDHE-RSA-AES128-SHA", False),
        ("SSLv3", "AES128-SHA", False),
    ],
)
def test_what_browsers_take(version: str, cipher: str, fits: bool) -> None:
    assert (why_not_in_browsers(version, cipher) is None) is fits
