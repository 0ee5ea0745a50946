"""Looking for a key in subnets: bounded, evenly paced, nearest first."""

import asyncio
from datetime import timedelta

import pytest

from device_cert_operator.core.model import NotServed
from device_cert_operator.errors import InvalidSpec
from device_cert_operator.net import locate as locate_module
from device_cert_operator.net.locate import candidates, locate
from device_cert_operator.net.rate import RateLimiter
from device_cert_operator.settings import Settings
from tests.net.certificates import make
from tests.net.servers import listen, server_context

SECOND = timedelta(seconds=1)


def test_the_search_starts_near_the_old_address() -> None:
    found = candidates(("192.0.2.0/29", "198.51.100.0/31"), near="192.0.2.4")
    assert found == (
        "192.0.2.4",
        "192.0.2.3",
        "192.0.2.5",
        "192.0.2.2",
        "192.0.2.6",
        "192.0.2.1",
        "198.51.100.0",
        "198.51.100.1",
    )


def test_others_are_skipped_and_overlaps_searched_once() -> None:
    found = candidates(("192.0.2.0/30", "192.0.2.1/32"), near="cam.example.org", skip=frozenset({"192.0.2.2"}))
    assert found == ("192.0.2.1",)


def test_the_other_family_comes_last() -> None:
    assert candidates(("192.0.2.8/32", "2001:db8::/127"), near="2001:DB8::1")[-1] == "192.0.2.8"


@pytest.mark.parametrize("subnets", [("10.0.0.0/19",), ("10.0.0.0/20", "192.0.2.1/32"), ("2001:db8::/64",), ("x",)])
def test_what_is_too_large_or_no_subnet_is_refused(subnets: tuple[str, ...]) -> None:
    with pytest.raises(InvalidSpec, match=r"locate\.subnets"):
        candidates(subnets, near="10.0.0.1")


async def idle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)


async def test_the_key_is_found_among_others_and_every_holder_is_told() -> None:
    wanted, other = make(), make()
    async with (
        listen(idle, host="127.7.1.5", context=server_context(wanted)) as first,
        listen(idle, host="127.7.1.2", port=first.port, context=server_context(other)),
        listen(idle, host="127.7.1.3", port=first.port, context=server_context(wanted)) as third,
    ):
        found = await locate(
            frozenset({wanted.key_sha256}),
            ("127.7.1.0/29",),
            first.port,
            near="127.7.1.4",
            timeout=SECOND,
            limiter=RateLimiter(1000),
        )
        assert [one.address for one in found] == ["127.7.1.3", "127.7.1.5"]
        skipped = await locate(
            frozenset({wanted.key_sha256}),
            ("127.7.1.0/29",),
            first.port,
            near="127.7.1.4",
            timeout=SECOND,
            limiter=RateLimiter(1000),
            skip=frozenset({"127.7.1.5"}),
        )
        assert [one.address for one in skipped] == ["127.7.1.3"]
        async with asyncio.timeout(5):  # the server counts when it gets to it, which may be after the client is done
            while third.connections < 2:  # noqa: ASYNC110  # it runs in a thread
                await asyncio.sleep(0.01)
        assert third.connections == 2


async def test_searches_share_one_rate() -> None:
    limiter = RateLimiter(100)
    loop = asyncio.get_running_loop()
    started = loop.time()
    nobody = frozenset({"00"})
    await asyncio.gather(
        *(
            locate(nobody, ("127.7.2.0/29",), 1, near="127.7.2.1", timeout=SECOND, limiter=limiter, concurrency=4)
            for _ in range(2)
        )
    )
    assert loop.time() - started >= 0.1  # twelve addresses, the first at once


async def test_a_whole_subnet_of_silent_hosts_is_searched_in_less_than_four_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the operator's own rate, each waited for as long as the Device story waits. On loopback nobody is silent."""
    asked: set[str] = set()

    async def silent(address: str, port: int, *, timeout: timedelta, **_: object) -> NotServed:
        asked.add(address)
        await asyncio.sleep(timeout.total_seconds())
        return NotServed(address, port, "no answer", answers=False)

    monkeypatch.setattr(locate_module, "probe", silent)
    started = asyncio.get_running_loop().time()
    limiter = RateLimiter(Settings().locate_rate)
    await locate(frozenset({"00"}), ("10.0.0.0/24",), 443, near="10.0.0.9", timeout=2 * SECOND, limiter=limiter)
    assert len(asked) == 254
    assert asyncio.get_running_loop().time() - started < 4


def test_a_rate_is_above_nothing() -> None:
    with pytest.raises(ValueError, match="above 0"):
        RateLimiter(0)
