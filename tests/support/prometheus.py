"""A real Prometheus that scrapes one target every second, on loopback only."""

import asyncio
import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import yaml

from tests.alerts.rules import program

Object = dict[str, Any]


def free_port() -> int:
    """Of loopback; nobody else takes it in the next moments, as a rule."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Prometheus:
    """`with Prometheus(folder, target_port, rules) as prometheus`. Ends with the block."""

    def __init__(self, folder: Path, target: int, rules: Object) -> None:
        self.folder, self.port = folder, free_port()
        (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
        scrape = {
            "job_name": "device-cert-operator",
            "honor_labels": True,  # as the chart's ServiceMonitor
            "static_configs": [{"targets": [f"127.0.0.1:{target}"]}],
        }
        every = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config = {"global": every, "rule_files": ["rules.yaml"], "scrape_configs": [scrape]}
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))

    def __enter__(self) -> Self:
        with (self.folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={self.folder / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={self.folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self.port}",
                ],
                stdout=log,
                stderr=log,
            )
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait(15)

    async def query(self, expression: str) -> list[Object]:
        """An instant query's result. AssertionError: it is no valid one."""
        answer = await self._get("query", query=expression)
        return list(answer["result"])

    async def firing(self) -> list[Object]:
        """The alerts that fire now."""
        return [one for one in (await self._get("alerts"))["alerts"] if one["state"] == "firing"]

    async def until(self, what: Callable[[list[Object]], bool], within: float = 30) -> list[Object]:
        """Wait for something about the alerts that fire; those."""
        end = time.monotonic() + within
        while not what(found := await self.firing()):
            assert time.monotonic() < end, f"it did not come about: {found}"
            await asyncio.sleep(0.2)
        return found

    async def scrapes(self, within: float = 30) -> None:
        """Wait until it has scraped its target."""
        end = time.monotonic() + within
        while not await self._up():
            assert time.monotonic() < end, (self.folder / "prometheus.log").read_text()[-2000:]
            await asyncio.sleep(0.2)

    async def _up(self) -> bool:
        try:
            return any(one["value"][1] == "1" for one in await self.query("up"))
        except (urllib.error.URLError, ConnectionError):
            return False

    async def _get(self, path: str, **parameters: str) -> Object:
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        return await asyncio.to_thread(_fetch, url)


def _fetch(url: str) -> Object:
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            return dict(json.load(reply)["data"])
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.SERVICE_UNAVAILABLE:  # it is still starting, and says so
            raise urllib.error.URLError(f"{url}: not ready") from None
        raise AssertionError(f"{url}: {error.read().decode()}") from None
