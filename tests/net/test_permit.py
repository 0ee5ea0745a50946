"""Nothing goes out to a device without a permit: neither a handshake, nor a search, nor a request."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from device_cert_operator.core.model import Served
from device_cert_operator.errors import NotLeading
from device_cert_operator.net.http import open_connection
from device_cert_operator.net.locate import locate
from device_cert_operator.net.rate import RateLimiter
from device_cert_operator.net.tls_probe import probe
from tests.net.certificates import make
from tests.net.servers import DigestServer, answering, listen, server_context
from tests.net.test_http import LOGIN, Budget, post

FIVE_SECONDS = timedelta(seconds=5)


@dataclass
class Counted:
    """Allows so many starts, and so many last looks."""

    starts: int = 99
    looks: int = 99
    asked: list[timedelta] = field(default_factory=list)

    async def before(self, takes: timedelta) -> None:
        self.asked.append(takes)
        if len(self.asked) > self.starts:
            raise NotLeading("another one acts")

    def check(self) -> None:
        self.looks -= 1
        if self.looks < 0:
            raise NotLeading("another one acts")


async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def test_a_handshake_needs_a_permit_for_as_long_as_it_may_take() -> None:
    permit = Counted(starts=1)
    async with listen(idle, context=server_context(make())) as server:
        shown = await probe(server.host, server.port, server_name=None, timeout=FIVE_SECONDS, permit=permit)
        assert isinstance(shown, Served)
        with pytest.raises(NotLeading):
            await probe(server.host, server.port, server_name=None, timeout=FIVE_SECONDS, permit=permit)
        assert permit.asked[0] == FIVE_SECONDS
        assert server.connections <= 1


async def test_each_handshake_of_a_search_needs_one() -> None:
    wanted = make()
    async with listen(idle, host="127.7.9.5", context=server_context(wanted)) as server:
        with pytest.raises(NotLeading):
            await locate(
                frozenset({wanted.key_sha256}),
                ("127.7.9.0/29",),
                server.port,
                near="127.7.9.1",
                timeout=FIVE_SECONDS,
                limiter=RateLimiter(1000),
                permit=Counted(starts=3),
                concurrency=1,
            )
        assert server.connections == 0


async def test_each_request_needs_one_the_repeated_ones_of_a_log_in_as_well() -> None:
    identity, permit = make(), Counted(starts=1)
    async with (
        listen(answering(DigestServer()), context=server_context(identity)) as server,
        open_connection(
            server.host,
            server.port,
            pin_der=identity.leaf_der,
            credentials=LOGIN,
            guard=Budget(),
            timeout=FIVE_SECONDS,
            permit=permit,
        ) as connection,
    ):
        with pytest.raises(NotLeading):
            await post(connection)
        assert bytes(server.received).count(b"POST ") == 1
        assert [takes <= FIVE_SECONDS for takes in permit.asked] == [True, True]
        assert b"Authorization" not in server.received


@pytest.mark.parametrize("encrypted", [True, False])
async def test_a_process_that_was_frozen_in_the_handshake_sends_no_byte_of_its_request(encrypted: bool) -> None:
    identity = make()
    async with (
        listen(answering(DigestServer()), context=server_context(identity) if encrypted else None) as server,
        open_connection(
            server.host,
            server.port,
            pin_der=identity.leaf_der if encrypted else None,
            credentials=LOGIN,
            guard=Budget(),
            timeout=FIVE_SECONDS,
            permit=Counted(looks=0),
        ) as connection,
    ):
        with pytest.raises(NotLeading):
            await post(connection)
        assert server.connections == 1
        assert bytes(server.received) == b""
