"""What a device serves now: one handshake, nothing sent, nothing trusted.

This is the check that runs ten thousand times in five minutes, so it drives an `SSLObject` over a plain socket
(asyncio's stream layers cost as much again) and makes another handshake only where a browser's fails, or agreed on
keys that browsers do not offer.
"""

import asyncio
import socket
import ssl
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from device_cert_operator.core.model import CertificateFacts, NotServed, Served, is_ip
from device_cert_operator.errors import InvalidSpec, OperatorError
from device_cert_operator.net import contexts, groups
from device_cert_operator.net.words import place, reason_of
from device_cert_operator.permit import ALWAYS, Permit
from device_cert_operator.pki.facts import read_facts

_MOST_HANDSHAKE_BYTES = 256 * 1024  # OpenSSL's own bound on a certificate message is 100 KiB
_MOST_CHAIN = 16
_CHUNK = 16 * 1024
_ENCODING_DER = 2  # _ssl.ENCODING_DER
# OpenSSL's words for "this is not TLS at all": a second handshake would see the same
_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"})


class _HandshakeFailed(Exception):
    """TCP answered, the handshake came to nothing. told: by a TLS alert, or by what OpenSSL refused to accept."""

    def __init__(self, message: str, *, told: bool, speaks_tls: bool) -> None:
        super().__init__(message)
        self.told = told
        self.speaks_tls = speaks_tls


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a finished handshake showed. chain_der: leaf first, as sent. group: of the keys that were exchanged."""

    chain_der: tuple[bytes, ...]
    tls_version: str
    cipher: str
    group: int | None


async def probe(
    address: str, port: int, *, server_name: str | None, timeout: timedelta, permit: Permit = ALWAYS
) -> Served | NotServed:
    """Shake hands at address:port and tell what was shown; the whole visit ends within `timeout`.

    address: IPv4, IPv6 without brackets, or DNS name. server_name: sent as SNI only if it is a DNS name (RFC 6066,
    section 3). What can go wrong at the other end is a `NotServed`; InvalidSpec only for what is no name, NotLeading.
    """
    await permit.before(timeout)
    visit = _Visit(address, port, None if server_name is None or is_ip(server_name) else server_name)
    try:
        async with asyncio.timeout(timeout.total_seconds()):
            return await visit.look()
    except TimeoutError:
        return visit.not_served(f"no complete answer within {timeout.total_seconds():g} s")
    except OSError as error:
        return visit.not_served(reason_of(error))


class _Visit:
    """One probe: a browser's handshake, and the lax one where that fails. answers: TCP did."""

    def __init__(self, address: str, port: int, name: str | None) -> None:
        self._address = address
        self._port = port
        self._name = name
        self._answers = False

    async def look(self) -> Served | NotServed:
        """Raises OSError where TCP fails."""
        try:
            shown = await self._shake_hands(contexts.browser_like())
        except _HandshakeFailed as failed:
            if not failed.speaks_tls:
                return self.not_served(f"it does not speak TLS here ({failed})")
            try:
                shown = await self._shake_hands(contexts.lax())
            except _HandshakeFailed as again:
                return self.not_served(f"no handshake: {again}")
            why_not = _why_refused(shown, failed)
        else:
            why_not = await self._why_not_over(shown.group)
        return _judged(self._address, self._port, shown, why_not)

    async def _why_not_over(self, group: int | None) -> str | None:
        """Our offer holds groups that browsers' lacks: a server that chose one of those is asked for another."""
        if group is None or group in groups.BROWSER_GROUPS:
            return None
        for curve in contexts.BROWSER_CURVES:
            with suppress(_HandshakeFailed):
                await self._shake_hands(contexts.browser_like_over(curve))
                return None
        return f"the device exchanges keys of {groups.name_of(group)} only; browsers do of X25519, P-256 or P-384"

    def not_served(self, why: str) -> NotServed:
        message = f"{place(self._address, self._port)}: {why}"
        return NotServed(self._address, self._port, message, answers=self._answers)

    async def _shake_hands(self, context: ssl.SSLContext) -> _Shown:
        """Connect, finish a handshake, hang up. Raises OSError before TCP answers, then `_HandshakeFailed`."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            tls = context.wrap_bio(incoming, outgoing, server_hostname=self._name)
        except ValueError as error:
            raise InvalidSpec(f"{self._name!r} cannot be asked for in a TLS handshake: {error}") from None
        with closing(await connect(self._address, self._port)) as sock:
            self._answers = True
            try:
                sent = await _drive(sock, tls, incoming, outgoing)
            except ssl.SSLError as error:
                reason = error.reason or str(error)
                words = reason.replace("_", " ").lower()
                raise _HandshakeFailed(words, told=True, speaks_tls=reason not in _NOT_TLS) from None
            except OSError as error:
                raise _HandshakeFailed(reason_of(error), told=False, speaks_tls=True) from None
        cipher, chain = tls.cipher(), _chain_of(tls)
        if not chain or cipher is None:
            raise _HandshakeFailed("no certificate was shown", told=True, speaks_tls=True)
        return _Shown(chain, tls.version() or "unknown", cipher[0], groups.agreed_group(sent))


def _why_refused(shown: _Shown, first: _HandshakeFailed) -> str | None:
    """Why browsers fail where a lax client does not. first: how the browser's handshake failed."""
    why_not = why_not_in_browsers(shown.tls_version, shown.cipher)
    if why_not is None and first.told:
        return f"browsers' offer was refused ({first}), although {shown.cipher} would do: a SHA-1 signature?"
    return why_not


def _judged(address: str, port: int, shown: _Shown, why_not: str | None) -> Served | NotServed:
    """The values of a finished handshake. why_not: why browsers do not make one, if so."""
    try:
        leaf = read_facts(shown.chain_der[0])
    except OperatorError as error:
        message = f"{place(address, port)} serves a certificate that cannot be read: {error.message}"
        return NotServed(address, port, message, answers=True)
    others = _readable(shown.chain_der[1:])
    return Served(
        address=address,
        port=port,
        leaf=leaf,
        leaf_der=shown.chain_der[0],
        chain=(leaf, *(facts for _, facts in others)),
        chain_der=(shown.chain_der[0], *(der for der, _ in others)),
        tls_version=shown.tls_version,
        cipher=shown.cipher,
        browser_grade=why_not is None,
        why_not=why_not,
    )


def why_not_in_browsers(tls_version: str, cipher: str) -> str | None:
    """Why browsers would not have made this handshake, by version and OpenSSL's cipher name; None if they would.

    As Chromium: TLS 1.2 or newer; below 1.3 no finite-field DHE, and CBC only with SHA-1's HMAC and RSA keys.
    """
    if tls_version == "TLSv1.3":
        return None
    if tls_version != "TLSv1.2":
        return f"the device speaks {tls_version}; browsers want TLS 1.2 or newer"
    if cipher.startswith(("DHE-", "EDH-", "ADH-", "DH-", "ECDH-")):
        return f"the device agrees only on {cipher}; browsers take no finite-field or static Diffie-Hellman"
    known = {entry["name"] for entry in contexts.browser_like().get_ciphers()}
    return None if cipher in known else f"the device agrees only on {cipher}, which browsers do not offer"


def _readable(chain_der: tuple[bytes, ...]) -> list[tuple[bytes, CertificateFacts]]:
    """The certificates after the leaf, up to the first that cannot be read."""
    readable: list[tuple[bytes, CertificateFacts]] = []
    for der in chain_der:
        try:
            readable.append((der, _issuer_facts(der)))
        except OperatorError:
            break
    return readable


@lru_cache(maxsize=256)
def _issuer_facts(der: bytes) -> CertificateFacts:
    """Intermediates repeat from device to device; leaves do not."""
    return read_facts(der)


async def _drive(sock: socket.socket, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> bytes:
    """Carry bytes until the handshake is done or has failed; what came from there."""
    loop = asyncio.get_running_loop()
    received = bytearray()
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            pass
        if outgoing.pending:
            await loop.sock_sendall(sock, outgoing.read())
        data = await loop.sock_recv(sock, _CHUNK)
        received += data
        if not data:
            raise ConnectionResetError("the connection was closed during the handshake")
        if len(received) > _MOST_HANDSHAKE_BYTES:
            raise ssl.SSLError(f"more than {_MOST_HANDSHAKE_BYTES} bytes without an end of the handshake")
        incoming.write(data)
    await _take_leave(sock, tls, outgoing)
    return bytes(received)


async def _take_leave(sock: socket.socket, tls: ssl.SSLObject, outgoing: ssl.MemoryBIO) -> None:
    """Send our Finished and a close_notify, so that no device logs a broken handshake; nothing is waited for."""
    with suppress(ssl.SSLError):
        tls.unwrap()
    with suppress(OSError):
        await asyncio.get_running_loop().sock_sendall(sock, outgoing.read())


async def connect(address: str, port: int) -> socket.socket:
    """A connected non-blocking TCP socket; a name's addresses are tried in the resolver's order.

    Raises OSError, and InvalidSpec for what is no name.
    """
    loop = asyncio.get_running_loop()
    if is_ip(address):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return await _connected(family, (address, port))
    try:
        found = await loop.getaddrinfo(address, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise InvalidSpec(f"{address!r} is no DNS name") from None
    last: OSError = OSError("the name has no address")
    for family, _, _, _, target in found:
        try:
            return await _connected(family, target)
        except OSError as error:
            last = error
    raise last


async def _connected(family: int, target: Any) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, target)
    except BaseException:
        sock.close()
        raise
    return sock


def _chain_of(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates as sent, leaf first. Public from Python 3.13 on; the same call, one layer down, before."""
    public = getattr(tls, "get_unverified_chain", None)
    if public is not None:
        return tuple(public()[:_MOST_CHAIN])
    chain = tls._sslobj.get_unverified_chain() or []  # type: ignore[attr-defined]
    return tuple(one.public_bytes(_ENCODING_DER) for one in chain[:_MOST_CHAIN])
