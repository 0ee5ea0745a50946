"""A process that is told to end while it is still reading the cluster ends at once."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from device_cert_operator.handlers import lifecycle
from device_cert_operator.kube.relist import Lister
from device_cert_operator.settings import Settings
from tests.handlers.conftest import NOBODY


async def test_it_ends_while_an_api_server_lets_it_wait(tmp_path: Path) -> None:
    """Each request may take ten seconds, and there are many."""
    asked, stop = asyncio.Event(), asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        asked.set()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = tmp_path / "slow"
    config.write_text(NOBODY.replace("127.0.0.1:9", f"127.0.0.1:{port}"))
    running = asyncio.create_task(lifecycle.run(Settings(metrics_port=0), str(config), stop=stop))
    async with asyncio.timeout(20):
        await asked.wait()
    stop.set()
    async with asyncio.timeout(2):
        await running
    server.close()


async def test_a_bug_while_it_reads_the_cluster_ends_it(nobody: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(Lister, "fill", broken)
    settings = Settings(metrics_port=0, shutdown_within=timedelta(0))
    with pytest.raises(RuntimeError, match="a bug"):
        await lifecycle.run(settings, nobody)
