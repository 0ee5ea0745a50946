"""The driver contract through handshakes, pins, HTTP and Digest, down to the keystore on paper."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from device_cert_operator.core.model import Credentials, Served
from device_cert_operator.drivers.base import DeviceConnection
from device_cert_operator.drivers.onvif import device_keys
from device_cert_operator.drivers.registry import driver_for
from device_cert_operator.errors import CredentialsRejected
from device_cert_operator.net.http import open_connection
from device_cert_operator.net.tls_probe import probe
from tests.drivers.bundles import bundle
from tests.drivers.contract import Bench, DriverContract
from tests.drivers.paper_device import PaperConnection, PaperDevice
from tests.drivers.paper_legacy import LegacyPaperDevice
from tests.net.servers import (
    DigestServer,
    Listening,
    Request,
    http_reply,
    listen,
    load_into,
    read_request,
    server_context,
)
from tests.net.test_http import Budget

FIVE_SECONDS = timedelta(seconds=5)


@dataclass
class SocketBench:
    """A paper device behind TLS and Digest. A new assignment is served to the next connection."""

    device: PaperDevice
    listening: Listening
    digest: DigestServer
    password: str = "correct horse"
    budget: Budget | None = None

    async def _probe(self) -> Served:
        found = await probe(self.listening.host, self.listening.port, server_name=None, timeout=FIVE_SECONDS)
        assert isinstance(found, Served)
        return found

    async def served(self) -> str | None:
        return (await self._probe()).leaf.fingerprint

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[DeviceConnection]:
        async with open_connection(
            self.listening.host,
            self.listening.port,
            pin_der=(await self._probe()).leaf_der,
            credentials=Credentials("admin", self.password),
            guard=self.budget or Budget(),
            timeout=FIVE_SECONDS,
        ) as connection:
            yield connection


@asynccontextmanager
async def running(device: PaperDevice) -> AsyncIterator[SocketBench]:
    digest = DigestServer(spent_after=7)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await read_request(reader)
            open_to_all = b"GetServices" in request.body or b"GetSystemDateAndTime" in request.body
            reply = b"" if open_to_all else digest(request)
            if not reply or reply.startswith(b"HTTP/1.1 200"):
                before = device.shown
                reply = await answered(request)
                if device.shown is not before:
                    load_into(context, device.shown)
            writer.write(reply)
            await writer.drain()

    async def answered(request: Request) -> bytes:
        path, _, head = request.head.partition(" ")[2].partition(" ")
        action = next(line for line in head.split("\r\n") if line.lower().startswith("content-type"))
        reply = await PaperConnection(device).post(path, request.body, content_type=action)
        return http_reply(reply.status, reply.body, "Content-Type: application/soap+xml; charset=utf-8")

    context = server_context(device.shown)
    async with listen(handle, context=context) as listening:
        yield SocketBench(device, listening, digest)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On paper a key is made by asking for it."""
    monkeypatch.setattr(device_keys, "_FIRST_LOOK_SECONDS", 0.0)


class TestOverSockets(DriverContract):
    driver_name = "onvif"

    @pytest.fixture
    async def bench(self) -> AsyncIterator[Bench]:
        async with running(PaperDevice().with_factory_certificate()) as bench:
            yield bench


class TestLegacyOverSockets(TestOverSockets):
    takes_pkcs12 = False

    @pytest.fixture
    async def bench(self) -> AsyncIterator[Bench]:
        async with running(LegacyPaperDevice().with_factory_certificate()) as bench:
            yield bench


async def test_a_whole_visit_logs_in_once_and_spends_one_request_a_call() -> None:
    async with running(PaperDevice().with_factory_certificate()) as bench:
        bench.digest.spent_after = 1000
        bench.budget = Budget()
        async with bench.connect() as connection:
            driver = driver_for("onvif", connection)
            await driver.observe()
            await driver.install(bundle(1))
        assert bench.budget.told == ["before", "accepted"]
        open_to_all = sum(bench.device.log.count(name) for name in ("GetServices", "GetSystemDateAndTime"))
        assert bench.digest.requests == len(bench.device.log) - open_to_all + 1


async def test_a_wrong_password_costs_one_refusal_a_visit() -> None:
    async with running(PaperDevice().with_factory_certificate()) as bench:
        bench.password = "wrong"
        bench.budget = Budget()
        for visit in range(1, 4):
            async with bench.connect() as connection:
                with pytest.raises(CredentialsRejected):
                    await driver_for("onvif", connection).observe()
            assert bench.digest.refusals == min(visit, 2)
