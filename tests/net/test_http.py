"""A conversation with a device that may be anybody: the pin before the first byte, log-ins counted, replies bounded."""

import asyncio
import datetime as dt
import hashlib
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from device_cert_operator.core.model import Credentials
from device_cert_operator.drivers.base import DeviceConnection
from device_cert_operator.errors import (
    CredentialsRejected,
    DeviceBusy,
    DeviceUnreachable,
    IdentityMismatch,
    InvalidSpec,
    OperatorError,
    PermissionMissing,
    ProtocolViolation,
)
from device_cert_operator.net.http import HttpConnection, open_connection
from tests.net.certificates import Identity, make
from tests.net.servers import (
    DigestServer,
    Handler,
    Listening,
    Request,
    answering,
    http_reply,
    listen,
    load_into,
    read_request,
    server_context,
)

SECRET = "correct horse"
LOGIN = Credentials("admin", SECRET)
FIVE_SECONDS = timedelta(seconds=5)


@dataclass
class Budget:
    """A guard that counts, and gives out at `left`."""

    left: int = 2
    told: list[str] = field(default_factory=list)

    async def before_login(self) -> None:
        if self.left <= 0:
            raise CredentialsRejected("the budget is spent")
        self.left -= 1
        self.told.append("before")

    async def refused(self) -> None:
        self.told.append("refused")

    async def unjudged(self) -> None:
        self.told.append("unjudged")

    async def locked(self, wait: timedelta) -> None:
        self.told.append(f"locked {wait.total_seconds():g}")

    async def accepted(self) -> None:
        self.told.append("accepted")


@asynccontextmanager
async def conversation(
    handler: Handler,
    *,
    serves: Identity | None = None,
    pin: bytes | None = None,
    guard: Budget | None = None,
    timeout: timedelta = FIVE_SECONDS,
    password: str = SECRET,
    show_password: bool = True,
) -> AsyncIterator[tuple[HttpConnection, Listening]]:
    context = server_context(serves) if serves else None
    async with (
        listen(handler, context=context) as server,
        open_connection(
            server.host,
            server.port,
            pin_der=pin,
            credentials=Credentials("admin", password),
            guard=guard or Budget(),
            timeout=timeout,
            show_password=show_password,
        ) as connection,
    ):
        yield connection, server


@asynccontextmanager
async def conversation_over(
    context: ssl.SSLContext, handler: Handler, *, pin: bytes, guard: Budget
) -> AsyncIterator[HttpConnection]:
    async with (
        listen(handler, context=context) as server,
        open_connection(
            server.host, server.port, pin_der=pin, credentials=LOGIN, guard=guard, timeout=FIVE_SECONDS
        ) as connection,
    ):
        yield connection


async def post(connection: DeviceConnection, *, log_in: bool = True) -> int:
    reply = await connection.post("/onvif/device_service", b"<x/>", content_type="text/xml", log_in=log_in)
    return reply.status


# ------------------------------------------------------------------------------------------------- the pin


async def test_the_right_certificate_is_spoken_to_whatever_its_names_and_dates() -> None:
    expired = make(until=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    server = DigestServer()
    async with conversation(answering(server), serves=expired, pin=expired.leaf_der) as (connection, _):
        assert connection.encrypted
        assert await post(connection) == 200


@pytest.mark.parametrize(
    "usages", [(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,), (ExtendedKeyUsageOID.CLIENT_AUTH,), ()]
)
async def test_a_leaf_that_openssl_finds_unfit_is_still_known_by_its_bytes(usages: tuple[object, ...]) -> None:
    odd = make(usages=usages)  # type: ignore[arg-type]
    async with conversation(answering(DigestServer()), serves=odd, pin=odd.leaf_der) as (connection, listening):
        assert await post(connection) == 200
        assert await post(connection) == 200
        assert listening.connections <= 2


@pytest.mark.parametrize("pinned", ["another", "the issuer", "a leaf that may sign", "an unfit one"])
async def test_to_a_wrong_certificate_not_one_byte_is_sent(pinned: str) -> None:
    issuer = make("issuer", ca=True, usages=())
    served = make(issuer=issuer)
    pins = {
        "another": make(),
        "the issuer": issuer,
        "a leaf that may sign": issuer,
        "an unfit one": make(usages=(ExtendedKeyUsageOID.CLIENT_AUTH,)),
    }
    guard = Budget()
    async with conversation(answering(DigestServer()), serves=served, pin=pins[pinned].leaf_der, guard=guard) as (
        connection,
        listening,
    ):
        with pytest.raises(IdentityMismatch) as caught:
            await post(connection)
        assert hashlib.sha256(served.leaf_der).hexdigest() in caught.value.message
        assert listening.received == b""
    assert guard.told == []


async def test_a_device_that_changes_its_certificate_between_two_connections_gets_nothing_more() -> None:
    first, second = make(), make()
    requests: list[Request] = []

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(http_reply(200, b"", "Connection: close"))
        await writer.drain()

    context = server_context(first)
    async with (
        listen(once, context=context) as server,
        open_connection(
            server.host, server.port, pin_der=first.leaf_der, credentials=LOGIN, guard=Budget(), timeout=FIVE_SECONDS
        ) as connection,
    ):
        assert await post(connection, log_in=False) == 200
        load_into(context, second)
        with pytest.raises(IdentityMismatch):
            await post(connection, log_in=False)
    assert len(requests) == 1


async def test_plain_http_is_not_called_encrypted() -> None:
    async with conversation(answering(DigestServer())) as (connection, _):
        assert not connection.encrypted
        assert await post(connection) == 200


# ----------------------------------------------------------------------------------------------- the log-in


async def test_a_warm_conversation_costs_one_request_a_call() -> None:
    server, guard = DigestServer(), Budget()
    async with conversation(answering(server), guard=guard) as (connection, listening):
        for _ in range(5):
            assert await post(connection) == 200
        assert listening.connections == 1
    assert server.requests == 6
    assert guard.told == ["before", "accepted"]


async def test_every_method_logs_in_under_its_own_name_with_its_body_or_without() -> None:
    seen: list[tuple[str, str, bytes, bool]] = []

    def note(request: Request) -> bytes:
        seen.append((request.method, request.path, request.body, "content-type" in request.head.lower()))
        return http_reply(200)

    server, guard = DigestServer(inner=note), Budget()
    async with conversation(answering(server), guard=guard) as (connection, _):
        for method, body, kind in (
            ("GET", b"", None),
            ("PUT", b'{"a": 1}', "application/json"),
            ("DELETE", b"", None),
            ("POST", b"x", "text/plain"),
        ):
            reply = await connection.request(method, "/cgi/x?y=1", body, content_type=kind)  # type: ignore[arg-type]
            assert reply.status == 200
    assert seen == [
        ("GET", "/cgi/x?y=1", b"", False),
        ("PUT", "/cgi/x?y=1", b'{"a": 1}', True),
        ("DELETE", "/cgi/x?y=1", b"", False),
        ("POST", "/cgi/x?y=1", b"x", True),
    ]
    assert (server.requests, guard.told) == (5, ["before", "accepted"])


async def test_a_wrong_password_is_refused_once_and_told() -> None:
    server, guard = DigestServer(), Budget()
    async with conversation(answering(server), guard=guard, password="wrong") as (connection, _):
        with pytest.raises(CredentialsRejected):
            await post(connection)
    assert server.refusals == 1
    assert guard.told == ["before", "refused"]


async def test_without_budget_no_log_in_is_sent() -> None:
    server = DigestServer()
    async with conversation(answering(server), guard=Budget(left=0)) as (connection, listening):
        with pytest.raises(CredentialsRejected):
            await post(connection)
        assert b"Authorization" not in listening.received
        assert b"authorization" not in listening.received


@pytest.mark.parametrize("says_stale", [True, False])
async def test_a_spent_nonce_is_no_refusal(says_stale: bool) -> None:
    server, guard = DigestServer(spent_after=2, says_stale=says_stale), Budget()
    async with conversation(answering(server), guard=guard) as (connection, _):
        for _ in range(6):
            assert await post(connection) == 200
    assert server.refusals == 0
    assert guard.told == ["before", "accepted"]


async def test_a_device_that_calls_every_nonce_stale_ends_after_two() -> None:
    server, guard = DigestServer(spent_after=0), Budget()
    async with conversation(answering(server), guard=guard) as (connection, _):
        with pytest.raises(ProtocolViolation, match="too old"):
            await post(connection)
    assert server.requests == 3
    assert guard.told == ["before", "before"], "some say so of any wrong password: both count"


async def test_a_nonce_that_is_stale_at_first_contact_is_no_other_try() -> None:
    answers = [True, False]

    def stale_once(request: Request) -> bytes:
        if request.authorization is None or answers.pop(0):
            return http_reply(401, b"", 'WWW-Authenticate: Digest realm="x", nonce="1", stale=true')
        return http_reply(200)

    guard = Budget(left=1)
    async with conversation(answering(stale_once), guard=guard) as (connection, _):
        assert await post(connection) == 200
    assert guard.told == ["before", "accepted"]


CHALLENGE = http_reply(401, b"", 'WWW-Authenticate: Digest realm="cam", qop="auth", nonce="1"')


@pytest.mark.parametrize(
    ("reply", "raised", "told"),
    [
        (http_reply(503, b"busy"), DeviceBusy, ["unjudged"]),
        (http_reply(429), DeviceBusy, ["unjudged"]),
        (http_reply(404), None, ["unjudged"]),
        (http_reply(503, b"<Fault/>", "Content-Type: application/soap+xml"), None, ["unjudged"]),
        (http_reply(400, b"wsu:MessageExpired"), None, ["unjudged"]),
        (http_reply(401, b"wsu:MessageExpired"), ProtocolViolation, ["unjudged"]),
        (http_reply(423), DeviceBusy, ["locked 3600"]),
        (http_reply(502), None, []),
        (http_reply(504), None, []),
        (b"", DeviceUnreachable, []),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", DeviceUnreachable, []),
    ],
)
async def test_what_is_known_of_a_try_is_told_and_no_more(
    reply: bytes, raised: type[OperatorError] | None, told: list[str]
) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            wanted = await read_request(reader)
            writer.write(CHALLENGE if wanted.authorization is None else reply)
            await writer.drain()
            if wanted.authorization is not None:
                return

    guard = Budget()
    async with conversation(handle, guard=guard) as (connection, _):
        with pytest.raises(raised) if raised else nullcontext():
            await post(connection)
    assert guard.told == ["before", *told]


async def test_a_log_in_that_never_left_is_no_try() -> None:
    """The device closes after its challenge, and is away or another one when the log-in is to follow."""
    served, other = make(), make()
    context = server_context(served)

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        load_into(context, other)
        writer.write(CHALLENGE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await writer.drain()

    guard = Budget()
    async with conversation_over(context, once, pin=served.leaf_der, guard=guard) as connection:
        with pytest.raises(IdentityMismatch):
            await post(connection)
    assert guard.told == ["before", "unjudged"]


async def test_a_known_user_that_is_refused_lacks_a_right() -> None:
    server, guard = DigestServer(forbidden_from=1), Budget()
    async with conversation(answering(server), guard=guard) as (connection, _):
        assert await post(connection) == 200
        with pytest.raises(PermissionMissing):
            await post(connection)
    assert server.refusals == 1
    assert guard.told == ["before", "accepted"]


@pytest.mark.parametrize(
    "challenges",
    [
        ('Digest realm="cam", qop="auth", nonce="{nonce}", algorithm=SHA-256',),
        (
            'Digest realm="cam", qop="auth", nonce="{nonce}", algorithm=SHA-256',
            'Digest realm="cam", qop="auth", nonce="{nonce}", algorithm=MD5',
        ),
        ('Basic realm="cam", Digest realm="cam", qop="auth", nonce="{nonce}"',),
    ],
)
async def test_devices_offer_in_many_ways(challenges: tuple[str, ...]) -> None:
    async with conversation(answering(DigestServer(challenges=challenges))) as (connection, _):
        assert await post(connection) == 200


async def test_basic_is_used_over_tls_and_never_in_the_clear() -> None:
    def basic(request: Request) -> bytes:
        return http_reply(200) if request.authorization else http_reply(401, b"", 'WWW-Authenticate: Basic realm="x"')

    served = make()
    async with conversation(answering(basic), serves=served, pin=served.leaf_der) as (connection, _):
        assert await post(connection) == 200
    unsure = conversation(answering(basic), serves=served, pin=served.leaf_der, show_password=False)
    async with unsure as (connection, listening):
        assert await post(connection) == 401
        assert b"uthorization" not in listening.received
    async with conversation(answering(basic)) as (connection, listening):
        assert await post(connection) == 401
        assert b"uthorization" not in listening.received


async def test_a_token_counts_as_a_log_in_by_what_the_body_says() -> None:
    answers = [http_reply(400, b"ter:NotAuthorized"), http_reply(200), http_reply(400, b"ter:NotAuthorized")]
    guard = Budget()
    async with conversation(answering(lambda _: answers.pop(0)), guard=guard) as (connection, _):
        connection.username_token(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        with pytest.raises(CredentialsRejected):
            await post(connection, log_in=False)
        connection.username_token(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        assert await post(connection, log_in=False) == 200
        connection.username_token(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
        with pytest.raises(PermissionMissing):
            await post(connection, log_in=False)
    assert guard.told == ["before", "refused", "before", "accepted"]


async def test_a_401_to_a_request_without_log_in_is_an_answer() -> None:
    async with conversation(answering(DigestServer())) as (connection, _):
        assert await post(connection, log_in=False) == 401


async def test_a_lock_is_no_refusal_and_says_how_long() -> None:
    def locked(request: Request) -> bytes:
        if request.authorization is None:
            return http_reply(401, b"", 'WWW-Authenticate: Digest realm="cam", qop="auth", nonce="1"')
        return http_reply(401, b"Login has been locked", "Retry-After: 300")

    guard = Budget()
    async with conversation(answering(locked), guard=guard) as (connection, _):
        with pytest.raises(DeviceBusy) as caught:
            await post(connection)
    assert caught.value.retry_after == timedelta(seconds=300)
    assert guard.told == ["before", "locked 300"]


# ---------------------------------------------------------------------------------------------- hostile ones


def sending(*parts: bytes, forever: bool = False, every: float = 0.0) -> Handler:
    """Answer anything with these bytes."""

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


OPENING = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n"
MEGABYTE = b"a" * (1 << 20)
HOSTILE: dict[str, tuple[Handler, type[OperatorError], str]] = {
    "garbage": (sending(b"\x00\xff\x17garbage\r\n\r\n"), ProtocolViolation, "HTTP"),
    "html without a status line": (sending(b"<html>hello</html>\r\n\r\n"), ProtocolViolation, "HTTP"),
    "another protocol": (sending(b"SSH-2.0-dropbear\r\n\r\n"), ProtocolViolation, "HTTP"),
    "half a reply": (sending(OPENING + b"Content-Length: 100\r\n\r\nhalf"), DeviceUnreachable, "broke off"),
    "nothing": (sending(b""), DeviceUnreachable, "broke off"),
    "10 MB": (sending(OPENING + b"Content-Length: 10485760\r\n\r\n", *[MEGABYTE] * 10), ProtocolViolation, "more than"),
    "endless chunks": (
        sending(OPENING + b"Transfer-Encoding: chunked\r\n\r\n", *[b"10000\r\n" + b"a" * 65536 + b"\r\n"] * 100),
        ProtocolViolation,
        "more than",
    ),
    "endless headers": (sending(OPENING, *[b"X-A: " + b"b" * 5000 + b"\r\n"] * 100), ProtocolViolation, "HTTP"),
    "an endless line": (sending(b"HTTP/1.1 200 ", *[b"b" * 65536] * 20), ProtocolViolation, "HTTP"),
    "redirect": (
        sending(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
        ProtocolViolation,
        "redirect",
    ),
    "compressed": (
        sending(OPENING + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\na"),
        ProtocolViolation,
        "compresses",
    ),
    "an endless challenge": (
        sending(b'HTTP/1.1 401 X\r\nWWW-Authenticate: Digest nonce="1"\r\n\r\n', *[MEGABYTE] * 4),
        ProtocolViolation,
        "more than",
    ),
    "drip": (sending(OPENING, b"X: y\r\n", forever=True, every=0.02), DeviceUnreachable, "no complete answer"),
    "silence": (sending(b"", forever=True, every=0.02), DeviceUnreachable, "no complete answer"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_answer_is_an_error_of_ours_in_time(name: str) -> None:
    handler, kind, words = HOSTILE[name]
    async with conversation(handler, timeout=timedelta(seconds=0.4)) as (connection, _):
        started = asyncio.get_running_loop().time()
        with pytest.raises(kind, match=words) as caught:
            await post(connection)
        assert asyncio.get_running_loop().time() - started < 2
    assert SECRET not in caught.value.message
    assert caught.value.__context__ is None or caught.value.__suppress_context__


async def test_nobody_there_is_unreachable() -> None:
    async with open_connection(
        "127.7.0.9", 1, pin_der=None, credentials=LOGIN, guard=Budget(), timeout=FIVE_SECONDS
    ) as connection:
        with pytest.raises(DeviceUnreachable):
            await post(connection)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a b", "x/y"])
async def test_what_is_no_name_is_the_users_to_correct(host: str) -> None:
    async with open_connection(
        host, 80, pin_der=None, credentials=LOGIN, guard=Budget(), timeout=FIVE_SECONDS
    ) as connection:
        with pytest.raises((InvalidSpec, DeviceUnreachable)):
            await post(connection)


async def test_plain_http_behind_the_https_port_is_a_violation() -> None:
    async with conversation(sending(b"HTTP/1.1 200 OK\r\n\r\n"), pin=make().leaf_der) as (connection, _):
        with pytest.raises(ProtocolViolation, match="TLS"):
            await post(connection)


async def test_tls_1_0_is_still_spoken_to_for_healing() -> None:
    served = make(kind="RSA")
    context = server_context(served, newest=ssl.TLSVersion.TLSv1_1)
    async with (
        listen(answering(DigestServer()), context=context) as server,
        open_connection(
            server.host, server.port, pin_der=served.leaf_der, credentials=LOGIN, guard=Budget(), timeout=FIVE_SECONDS
        ) as connection,
    ):
        assert await post(connection) == 200


async def test_nothing_secret_is_logged_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with conversation(answering(DigestServer())) as (connection, _):
        await post(connection)
        shown = repr(connection) + repr(vars(connection)) + caplog.text
    assert SECRET not in shown
    assert "response=" not in shown


async def test_the_guards_own_time_is_not_the_devices() -> None:
    class Slow(Budget):
        async def before_login(self) -> None:
            await asyncio.sleep(0.3)

    async with conversation(answering(DigestServer()), guard=Slow(), timeout=timedelta(seconds=0.25)) as (
        connection,
        _,
    ):
        assert await post(connection) == 200
