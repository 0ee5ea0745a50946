"""Writes to the API server are for whoever leads; reads are for all."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from kubernetes.aio.client import Configuration

from device_cert_operator.clock import SystemClock
from device_cert_operator.errors import ClusterError, NotLeading
from device_cert_operator.kube.client import Requests


class Refusing:
    """Somebody else leads."""

    async def before(self, takes: timedelta) -> None:
        raise NotLeading("another one acts")

    def check(self) -> None:
        raise NotLeading("another one acts")


@pytest.fixture
async def requests() -> AsyncIterator[Requests]:
    configuration = Configuration()
    configuration.host = "http://127.0.0.1:1"
    made = Requests(configuration, SystemClock(), Refusing())
    yield made
    await made.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_write_needs_a_permit(requests: Requests, method: str) -> None:
    with pytest.raises(NotLeading):
        await requests.call(method, "/api/v1/namespaces/default/secrets", body={})


async def test_a_read_needs_none(requests: Requests) -> None:
    with pytest.raises(ClusterError) as caught:
        await requests.call("GET", "/api/v1/namespaces/default/secrets", timeout=1)
    assert not isinstance(caught.value, NotLeading)
