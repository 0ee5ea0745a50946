"""Who is looked for when: few at once, first lost first, several in one sweep, and nobody waits for a place."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from device_cert_operator.core.model import DesiredDevice, ObjectKey, Served
from device_cert_operator.errors import InvalidSpec
from device_cert_operator.reconcile import searches as searches_module
from device_cert_operator.reconcile.searches import AT_ONCE, KEPT_FOR, Searches, Sweep
from tests.support.clock import ShiftedClock
from tests.support.situations import desired, served

LOST = 80  # more than there are workers


def device(number: int, subnet: int | None = None) -> DesiredDevice:
    key = ObjectKey("Device", "cams", f"c{number}")
    return desired(key=key, uid=f"u{number}", locate_subnets=(f"10.0.{number if subnet is None else subnet}.0/24",))


def key_of(number: int) -> frozenset[str]:
    return frozenset({f"key-{number}"})


@dataclass
class Net:
    """Sweeps that end when a test lets them; what each found, or fails with. at_once: the most that there were."""

    answers: dict[str, tuple[Served, ...] | Exception] = field(default_factory=dict)
    begun: list[tuple[str, frozenset[str]]] = field(default_factory=list)
    gates: list[asyncio.Event] = field(default_factory=list)
    now: int = 0
    at_once: int = 0
    open: bool = False

    async def sweep(
        self, key_sha256s: frozenset[str], subnets: tuple[str, ...], port: int, *, near: str, timeout: timedelta
    ) -> tuple[Served, ...]:
        gate = asyncio.Event()
        self.begun.append((subnets[0], key_sha256s))
        self.gates.append(gate)
        self.now += 1
        self.at_once = max(self.at_once, self.now)
        try:
            if not self.open:
                await gate.wait()
        finally:
            self.now -= 1
        answer = self.answers.get(subnets[0], ())
        if isinstance(answer, Exception):
            raise answer
        return answer


class Bench:
    """The searches, the net they go through, and whom they woke."""

    def __init__(self) -> None:
        self.net = Net()
        self.woken: list[str] = []
        self.clock = ShiftedClock()
        self.searches = Searches(self.net.sweep, lambda key: self.woken.append(key.name), self.clock)

    async def ask(self, number: int, subnet: int | None = None) -> Sweep:
        return await self.searches.ask(device(number, subnet), key_of(number), "10.0.0.9")

    async def end(self, number: int) -> None:
        """Let one sweep end."""
        self.net.gates[number].set()
        for _ in range(5):
            await asyncio.sleep(0)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(searches_module, "PATIENCE", timedelta(seconds=0.01))
    return Bench()


async def test_more_than_there_are_workers_are_looked_for_in_the_order_in_which_they_were_lost(bench: Bench) -> None:
    async with asyncio.timeout(5):
        asked = [await bench.ask(number) for number in range(LOST)]
    assert [one.ended_at for one in asked] == [None] * LOST
    assert len(bench.net.begun) == AT_ONCE
    for number in range(LOST):
        await bench.end(number)
    assert [subnets for subnets, _ in bench.net.begun] == [f"10.0.{number}.0/24" for number in range(LOST)]
    assert bench.woken == [f"c{number}" for number in range(LOST)]
    assert all(one.ended_at is not None for one in asked)
    assert bench.net.at_once == AT_ONCE


async def test_a_pass_stays_for_its_own_search_and_is_not_woken_for_it(bench: Bench) -> None:
    bench.net.open = True
    found = served("9", address="10.0.0.77")
    bench.net.answers["10.0.9.0/24"] = (found, served("8"))
    sweep = await bench.ask(9)
    assert sweep.ended_at is not None
    assert sweep.with_one_of(key_of(9)) == (found,)
    assert bench.woken == []


async def test_one_sweep_looks_for_all_who_were_lost_in_its_subnets_before_it_began(bench: Bench) -> None:
    first = await bench.ask(0, subnet=7)
    others = [await bench.ask(number, subnet=7) for number in range(1, LOST)]
    assert len(bench.net.begun) == 1, "never two through the same subnets"
    assert len({id(one) for one in others}) == 1 and others[0] is not first, "it may have passed where they came up"
    bench.net.answers["10.0.7.0/24"] = tuple(
        replace(served(str(number)), address=f"10.0.7.{number}") for number in range(3)
    )
    await bench.end(0)
    assert bench.woken == ["c0"]
    await bench.end(1)
    assert len(bench.net.begun) == 2
    assert bench.net.begun[1][1] == frozenset().union(*map(key_of, range(1, LOST)))
    assert sorted(bench.woken[1:]) == sorted(f"c{number}" for number in range(1, LOST))
    assert [one.address for one in others[0].with_one_of(key_of(2))] == ["10.0.7.2"]
    assert others[0].with_one_of(key_of(5)) == ()


async def test_who_asks_for_the_same_subnets_again_and_again_holds_nobody_up(bench: Bench) -> None:
    for subnet in (1, 2):
        await bench.ask(subnet)
    for number in range(10, 20):
        await bench.ask(number, subnet=1)
    await bench.ask(3)
    for number in range(20, 30):
        await bench.ask(number, subnet=1)
    await bench.end(1)
    assert [subnets for subnets, _ in bench.net.begun[2:]] == ["10.0.3.0/24"], "there is one through subnet 1 already"
    await bench.end(0)
    await bench.ask(30, subnet=1)
    assert [subnets for subnets, _ in bench.net.begun[3:]] == ["10.0.1.0/24"]


async def test_a_search_that_fails_is_told_to_each_and_the_next_begins(bench: Bench) -> None:
    bench.net.answers["10.0.0.0/24"] = InvalidSpec("too large")
    asked = [await bench.ask(number) for number in range(AT_ONCE + 1)]
    await bench.end(0)
    assert bench.woken == ["c0"]
    assert len(bench.net.begun) == AT_ONCE + 1
    with pytest.raises(InvalidSpec, match="too large"):
        asked[0].with_one_of(key_of(0))


async def test_who_is_there_again_is_not_looked_for(bench: Bench) -> None:
    asked = [await bench.ask(number) for number in range(AT_ONCE + 2)]
    asked[AT_ONCE].askers.discard(device(AT_ONCE).key)
    await bench.end(0)
    assert [subnets for subnets, _ in bench.net.begun[AT_ONCE:]] == [f"10.0.{AT_ONCE + 1}.0/24"]


async def test_an_old_answer_is_none_nor_is_one_to_another_question(bench: Bench) -> None:
    bench.net.open = True
    sweep = await bench.ask(0)
    now = bench.clock.now()
    assert sweep.answers(device(0), key_of(0), now)
    assert not sweep.answers(device(0), key_of(0), now + KEPT_FOR)
    assert not sweep.answers(device(0), key_of(0) | {"key-another"}, now)
    assert not sweep.answers(device(0, subnet=1), key_of(0), now)
    assert not sweep.answers(replace(device(0), https_port=8443), key_of(0), now)


async def test_a_pass_does_not_stay_for_a_search_that_is_cancelled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches_module, "PATIENCE", timedelta(hours=1))
    staying = asyncio.create_task(bench.ask(1))
    await asyncio.sleep(0.01)
    assert bench.net.now == 1
    await bench.searches.halt()
    async with asyncio.timeout(5):
        assert (await staying).ended_at is None


async def test_what_is_under_way_is_cancelled_with_the_lease_and_begun_anew_with_the_next(bench: Bench) -> None:
    for number in range(LOST):
        await bench.ask(number)
    await bench.searches.halt()
    assert (bench.net.now, len(bench.net.begun), bench.woken) == (0, AT_ONCE, [])
    await bench.ask(5)
    assert bench.net.begun[AT_ONCE:] == [("10.0.5.0/24", key_of(5))]
    await bench.searches.halt()
