"""One conversation with one device over HTTP, bound to one certificate before a byte is sent.

What is on the wire here is the user's password in some form, so: the pin is checked after each handshake and before the
request, log-ins are counted, redirects are not followed, no reply is read past its bound, and nothing is logged.
"""

import asyncio
import hashlib
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import httpx

from device_cert_operator.clock import Clock, SystemClock
from device_cert_operator.core.exchange import Method, Reply, UsernameToken
from device_cert_operator.core.model import Credentials
from device_cert_operator.errors import (
    CredentialsRejected,
    DeviceError,
    DeviceUnreachable,
    IdentityMismatch,
    InvalidSpec,
    OperatorError,
    PermissionMissing,
    ProtocolViolation,
)
from device_cert_operator.net import contexts
from device_cert_operator.net.login import LogIn, Verdict, busy, judge, username_token
from device_cert_operator.net.words import place, reason_of
from device_cert_operator.permit import ALWAYS, Permit
from device_cert_operator.reasons import Reason

_E = TypeVar("_E", bound=BaseException)
MOST_REPLY_BYTES = 1024 * 1024
_CUT_OFF = ("Server disconnected", "peer closed connection")  # h11's words for an end in the middle

# at DEBUG these write down headers
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class LoginGuard(Protocol):
    """Who may log in, and how often: the budget of one credential version, kept in the Device's status."""

    async def before_login(self) -> None:
        """Awaited before a request that carries credentials not yet accepted in this conversation.

        Raises CredentialsRejected when the budget is spent.
        """
        ...

    async def refused(self) -> None:
        """The device refused name or password. At most once a call."""
        ...

    async def unjudged(self) -> None:
        """The log-in was not sent after all, or what came back says nothing against name and password."""
        ...

    async def locked(self, wait: timedelta) -> None:
        """The device has locked the log-in for so long. May raise what `before_login` would from now on."""
        ...

    async def accepted(self) -> None:
        """The device knows name and password. Once a conversation."""
        ...


@asynccontextmanager
async def open_connection(
    address: str,
    port: int,
    *,
    pin_der: bytes | None,
    credentials: Credentials,
    guard: LoginGuard,
    timeout: timedelta,
    show_password: bool = True,
    most_reply_bytes: int = MOST_REPLY_BYTES,
    clock: Clock | None = None,
    permit: Permit = ALWAYS,
) -> AsyncIterator["HttpConnection"]:
    """A conversation that satisfies `drivers.base.DeviceConnection`; nothing is sent before the first request.

    address: IPv4, IPv6 without brackets, or DNS name. pin_der: the only leaf certificate that is spoken to; None =
    plain HTTP. timeout: of one `request`, everything but the guard's own work included. show_password: whether a log-in
    that shows the password itself (Basic) may be sent over TLS. permit: asked before each.
    """
    connection = HttpConnection(
        _Wire(address, port, pin_der, most_reply_bytes, permit),
        credentials,
        guard,
        timeout,
        clock or SystemClock(),
        show_password=show_password,
    )
    try:
        yield connection
    finally:
        await connection.close()


class HttpConnection:
    """Log-in around requests. One request at a time."""

    def __init__(
        self,
        wire: "_Wire",
        credentials: Credentials,
        guard: LoginGuard,
        timeout: timedelta,
        clock: Clock,
        *,
        show_password: bool,
    ) -> None:
        self._wire = wire
        self._credentials = credentials
        self._guard = guard
        self._timeout = timeout
        self._clock = clock
        self._login = LogIn(credentials, may_show_password=wire.encrypted and show_password)
        self._token_made = False
        self._one_at_a_time = asyncio.Lock()

    def __repr__(self) -> str:
        return f"HttpConnection({self._wire.where})"

    @property
    def encrypted(self) -> bool:
        """Whether the conversation is TLS pinned to a certificate."""
        return self._wire.encrypted

    def username_token(self, created_at: datetime) -> UsernameToken:
        """A WS-Security UsernameToken; the next request carries it and counts as a log-in."""
        self._token_made = True
        return username_token(self._credentials, created_at)

    async def post(
        self, path: str, body: bytes, *, content_type: str, log_in: bool = True, timeout: timedelta | None = None
    ) -> Reply:
        """`request` with POST."""
        return await self.request("POST", path, body, content_type=content_type, log_in=log_in, timeout=timeout)

    async def request(
        self,
        method: Method,
        path: str,
        body: bytes = b"",
        *,
        content_type: str | None = None,
        log_in: bool = True,
        timeout: timedelta | None = None,
    ) -> Reply:
        """Send and return the whole reply; see `DeviceConnection.request` for the log-in.

        A 401 is returned where no log-in was sent: not asked for, or nothing that may be used here is offered.
        Raises DeviceUnreachable, DeviceBusy, CredentialsRejected, PermissionMissing, IdentityMismatch,
        ProtocolViolation.
        """
        async with self._one_at_a_time:
            exchange = _Exchange(self._wire, method, path, body, content_type, timeout or self._timeout)
            carries_token, self._token_made = self._token_made, False
            if carries_token:
                return await self._send_with_token(exchange)
            if not log_in:
                return await self._not_busy(await exchange.send())
            return await self._send_with_http_login(exchange)

    async def close(self) -> None:
        """Drop the connection."""
        await self._wire.close()

    async def _send_with_token(self, exchange: "_Exchange") -> Reply:
        await self._allowed()
        return await self._settle(await self._sent(exchange))

    async def _send_with_http_login(self, exchange: "_Exchange") -> Reply:
        """Ask for a challenge if none is known and answer it; a fresh nonce is answered once more."""
        if not self._login.ready:
            reply = await self._not_busy(await exchange.send())
            if reply.status != 401 or not self._login.take_offer(reply):
                return reply
        await self._allowed()
        reply = await self._send_logged_in(exchange)
        if self._nonce_is_spent(reply) and self._login.take_offer(reply):
            reply = await self._send_logged_in(exchange)  # the same try: of the first nothing was said
            if judge(reply) is Verdict.STALE:
                await self._allowed()  # some may say so of any wrong password: both count
        return await self._settle(reply)

    async def _send_logged_in(self, exchange: "_Exchange") -> Reply:
        authorization = self._login.authorization(exchange.method, exchange.uri, exchange.body)
        reply = await self._sent(exchange, authorization)
        self._login.note_info(reply.headers)
        return reply

    async def _sent(self, exchange: "_Exchange", authorization: str | None = None) -> Reply:
        """The reply to a log-in. What never left this machine was no try."""
        try:
            reply = await exchange.send(authorization)
        except OperatorError:
            if not self._wire.sent:
                await self._unjudged()
            raise
        return await self._not_busy(reply, logged_in=True)

    def _nonce_is_spent(self, reply: Reply) -> bool:
        """The device says so; or it knew us a moment ago and now shows another nonce without a word (many do)."""
        if reply.status == 401 and judge(reply) in {Verdict.STALE, Verdict.OUT_OF_TIME}:
            return True
        return reply.status == 401 and self._login.accepted and self._login.offers_another_nonce(reply)

    async def _allowed(self) -> None:
        if not self._login.accepted:
            await self._guard.before_login()

    async def _settle(self, reply: Reply) -> Reply:
        """Tell the guard what the device said about the log-in, once, and raise what is no answer."""
        match judge(reply):
            case Verdict.REFUSED if self._login.accepted:
                raise PermissionMissing(
                    f"{self._wire.where} knows the user but refuses this request: give it more rights"
                )
            case Verdict.REFUSED:
                await self._guard.refused()
                raise CredentialsRejected(f"{self._wire.where} refused user name or password: correct the Secret")
            case Verdict.FORBIDDEN:
                await self._note_accepted()
                raise PermissionMissing(f"{self._wire.where} forbids this request to the user: give it more rights")
            case Verdict.STALE:
                raise ProtocolViolation(f"{self._wire.where} calls every nonce of a log-in too old")
            case Verdict.OUT_OF_TIME:
                await self._unjudged()
                if reply.status == 401:
                    raise ProtocolViolation(f"{self._wire.where} calls every timestamp of a log-in too old")
            case Verdict.ACCEPTED:
                await self._note_accepted()
            case Verdict.UNSAID:
                await self._unjudged()
            case Verdict.LOST:
                pass
        return reply

    async def _unjudged(self) -> None:
        if not self._login.accepted:
            await self._guard.unjudged()

    async def _note_accepted(self) -> None:
        if not self._login.accepted:
            self._login.accepted = True
            await self._guard.accepted()

    async def _not_busy(self, reply: Reply, *, logged_in: bool = False) -> Reply:
        """A lock may come of this very log-in; of one that is told "later" nothing was said."""
        if (error := busy(reply, self._wire.where, self._clock.now())) is None:
            return reply
        if error.reason is Reason.LOGIN_LOCKED and error.retry_after is not None:
            await self._guard.locked(error.retry_after)
        elif logged_in:
            await self._unjudged()
        raise error


class _Exchange:
    """One call's requests: the same body, sent up to three times, within one deadline that counts only our waiting."""

    def __init__(
        self, wire: "_Wire", method: Method, path: str, body: bytes, content_type: str | None, timeout: timedelta
    ) -> None:
        self._wire = wire
        self.method = method
        try:
            self._url = httpx.URL(wire.base + path)
        except httpx.InvalidURL:
            raise InvalidSpec(f"{wire.where} with {path[:80]!r} makes no address") from None
        self._content_type = content_type
        self._timeout = timeout
        self._left = timeout.total_seconds()
        self.body = body
        self.uri = self._url.raw_path.decode("ascii")

    async def send(self, authorization: str | None = None) -> Reply:
        """One request and its whole reply. Raises DeviceUnreachable past the deadline, and what `_Wire.send` raises."""
        self._wire.sent = False
        await self._wire.permit.before(timedelta(seconds=max(0.0, self._left)))
        headers = {"accept-encoding": "identity"}
        if self._content_type is not None:
            headers["content-type"] = self._content_type
        if authorization is not None:
            headers["authorization"] = authorization
        request = httpx.Request(self.method, self._url, headers=headers, content=self.body)
        started = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(max(0.0, self._left)):
                return await self._wire.send(request)
        except TimeoutError:
            seconds = f"{self._timeout.total_seconds():g} s"
            raise DeviceUnreachable(f"{self._wire.where} gave no complete answer within {seconds}") from None
        finally:
            self._left -= asyncio.get_running_loop().time() - started


class _Wire:
    """Pinned connections to one address, and bounded replies. Foreign exceptions end here.

    sent: whether anything of the last request may have left this machine.
    """

    def __init__(self, address: str, port: int, pin_der: bytes | None, most_reply_bytes: int, permit: Permit) -> None:
        self._pin_der = pin_der
        self.permit = permit
        self._most_reply_bytes = most_reply_bytes
        self.where = place(address, port)
        self.encrypted = pin_der is not None
        self.base = f"{'https' if self.encrypted else 'http'}://{self.where}"
        self.sent = False
        self._strict = True
        self._transport = self._made(contexts.lax() if pin_der is None else self._strict_context(pin_der))

    def _strict_context(self, pin_der: bytes) -> ssl.SSLContext:
        try:
            return contexts.pinned(pin_der)
        except ssl.SSLError:  # OpenSSL cannot use it as an anchor: the comparison alone decides
            self._strict = False
            return contexts.lax()

    @staticmethod
    def _made(context: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=60)
        return httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=limits)

    async def send(self, request: httpx.Request) -> Reply:
        """Send and read. Where OpenSSL finds the leaf unfit as its own anchor, the bytes alone decide."""
        request.extensions["trace"] = self._watch
        try:
            return await self._read(request)
        except httpx.TransportError as error:
            if not (self._strict and _is_verification(error)):
                raise self._told(error) from None
        await self._transport.aclose()
        self._strict = False
        self._transport = self._made(contexts.lax())
        try:
            return await self._read(request)
        except httpx.TransportError as error:
            raise self._told(error) from None

    async def close(self) -> None:
        await self._transport.aclose()

    async def _watch(self, event: str, info: dict[str, Any]) -> None:
        """httpcore's trace hook, called before and after all it does. Raises IdentityMismatch, NotLeading."""
        match event:
            case "connection.start_tls.complete" if self.encrypted:
                await self._check_pin(info)
            case "http11.send_request_headers.started":  # the process may have been stopped meanwhile
                self.permit.check()
                self.sent = True

    async def _check_pin(self, info: dict[str, Any]) -> None:
        """The handshake is done and no byte of the request is sent. Raises IdentityMismatch."""
        stream = info["return_value"]
        tls = stream.get_extra_info("ssl_object")
        served = tls.getpeercert(binary_form=True) if tls is not None else None
        if served is not None and served == self._pin_der:
            return
        await stream.aclose()
        fingerprint = hashlib.sha256(served or b"").hexdigest()
        raise IdentityMismatch(
            f"{self.where} shows a certificate that is not the known one (SHA-256 {fingerprint}): nothing was sent"
        )

    async def _read(self, request: httpx.Request) -> Reply:
        try:
            response = await self._transport.handle_async_request(request)
        except UnicodeError:
            raise InvalidSpec(f"{self.where} holds no DNS name") from None
        try:
            self._raise_for_unreadable(response)
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._most_reply_bytes:
                    raise ProtocolViolation(f"{self.where} answers with more than {self._most_reply_bytes} bytes")
        finally:
            await response.aclose()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Reply(response.status_code, headers, bytes(body))

    def _raise_for_unreadable(self, response: httpx.Response) -> None:
        """Redirects could carry a log-in to a stranger; a compressed reply could unpack to any size."""
        if 300 <= response.status_code < 400:
            raise ProtocolViolation(
                f"{self.where} answers with a redirect ({response.status_code}), which is not followed"
            )
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise ProtocolViolation(f"{self.where} compresses its answer although it was asked not to")

    def _told(self, error: httpx.TransportError) -> DeviceError:
        """What httpx says, in our types; without its request, which holds the log-in."""
        text = str(error)
        if isinstance(error, httpx.ConnectError):
            if tls := _cause(error, ssl.SSLError):
                words = (tls.reason or "failed").replace("_", " ").lower()
                return ProtocolViolation(f"no TLS handshake with {self.where}: {words}")
            return DeviceUnreachable(f"{self.where} cannot be reached: {_words(error)}")
        if isinstance(error, httpx.RemoteProtocolError) and not text.startswith(_CUT_OFF):
            return ProtocolViolation(f"{self.where} does not answer in HTTP: {text[:120]}")
        if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
            return ProtocolViolation(f"the request to {self.where} cannot be made: {type(error).__name__}")
        return DeviceUnreachable(f"{self.where} broke off the connection")


def _is_verification(error: BaseException) -> bool:
    return _cause(error, ssl.SSLCertVerificationError) is not None


def _words(error: BaseException) -> str:
    system = _cause(error, OSError)
    return reason_of(system) if system is not None else "connection failed"


def _cause(error: BaseException, kind: type[_E]) -> _E | None:
    """The first of this kind among the causes of an error."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None or isinstance(seen, kind):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
