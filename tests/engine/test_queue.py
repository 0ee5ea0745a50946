"""The keyed queue and its workers."""

import asyncio
from datetime import timedelta

import pytest

from device_cert_operator.engine.queue import KeyedQueue
from device_cert_operator.engine.workers import Limits, Workers, group_of, spread
from device_cert_operator.errors import Conflict, DeviceRefused
from tests.support.clock import ShiftedClock


class StillClock(ShiftedClock):
    """Monotonic time stands still until it is put forward."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


async def taken(queue: KeyedQueue[str]) -> str | None:
    """The next due key, or None if nothing is due."""
    try:
        async with asyncio.timeout(0.05):
            return await queue.get()
    except TimeoutError:
        return None


async def test_a_key_is_in_the_queue_once(clock: StillClock) -> None:
    queue: KeyedQueue[str] = KeyedQueue(clock)
    queue.add("a")
    queue.add("a")
    assert await taken(queue) == "a"
    assert await taken(queue) is None


async def test_the_earlier_due_time_wins(clock: StillClock) -> None:
    queue: KeyedQueue[str] = KeyedQueue(clock)
    queue.add("a", 100)
    queue.add("a", 10)
    queue.add("a", 50)
    assert await taken(queue) is None
    clock.seconds = 10
    queue.kick()
    assert await taken(queue) == "a"
    queue.done("a")
    clock.seconds = 1000
    queue.kick()
    assert await taken(queue) is None, "the later times went with the earlier one"


async def test_what_is_added_while_it_is_worked_on_is_due_afterwards(clock: StillClock) -> None:
    queue: KeyedQueue[str] = KeyedQueue(clock)
    queue.add("a")
    assert await taken(queue) == "a"
    queue.add("a")
    assert await taken(queue) is None, "one worker a key"
    queue.done("a")
    assert await taken(queue) == "a"


async def test_a_forgotten_key_is_not_due(clock: StillClock) -> None:
    queue: KeyedQueue[str] = KeyedQueue(clock)
    queue.add("a")
    queue.forget("a")
    assert await taken(queue) is None


async def test_depth_and_waiting_time_count_what_is_due(clock: StillClock) -> None:
    queue: KeyedQueue[str] = KeyedQueue(clock)
    queue.add("a")
    queue.add("b", 100)
    clock.seconds = 7
    assert queue.depth == 1
    assert queue.oldest_due_seconds == 7
    assert queue.busy_longest() is None
    await taken(queue)
    clock.seconds = 9
    assert queue.busy_longest() == ("a", 2)
    assert not queue.idle


async def test_a_bug_in_one_pass_harms_no_other_key() -> None:
    clock = ShiftedClock()
    queue: KeyedQueue[str] = KeyedQueue(clock)
    seen: list[str] = []
    results: list[tuple[str, str]] = []

    async def reconcile(key: str) -> timedelta | None:
        seen.append(key)
        if key == "bug":
            raise ZeroDivisionError
        if key == "refused":
            raise DeviceRefused("no")
        if key == "conflict" and seen.count(key) < 3:
            raise Conflict("again")
        return None

    workers = Workers(queue, reconcile, 2, clock, lambda key, result, _: results.append((key, result)))
    workers.start()
    for key in ("bug", "refused", "conflict", "good"):
        queue.add(key)
    async with asyncio.timeout(5):
        while seen.count("conflict") < 3 or "good" not in seen:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert seen.count("bug") == 1, "backed off"
    assert ("bug", "bug") in results
    assert ("refused", "DeviceRefused") in results
    assert workers.alive
    await workers.drain(timedelta(seconds=1))
    assert not workers.alive


async def test_draining_lets_a_pass_finish_and_cancels_one_that_does_not() -> None:
    clock = ShiftedClock()
    queue: KeyedQueue[str] = KeyedQueue(clock)
    results: list[tuple[str, str]] = []
    begun: set[str] = set()
    both = asyncio.Event()

    async def reconcile(key: str) -> timedelta | None:
        begun.add(key)
        if len(begun) == 2:
            both.set()
        await asyncio.sleep(0.1 if key == "short" else 60)
        return None

    workers = Workers(queue, reconcile, 2, clock, lambda key, result, _: results.append((key, result)))
    workers.start()
    queue.add("short")
    queue.add("long")
    await both.wait()
    assert workers.stuck(timedelta(0)) is not None
    assert workers.stuck(timedelta(hours=1)) is None
    await workers.drain(timedelta(seconds=0.4))
    assert results == [("short", "ok"), ("long", "cut-short")]


async def test_sessions_are_limited_per_subnet() -> None:
    limits = Limits(10, 1)
    order: list[str] = []

    async def visit(address: str, name: str) -> None:
        async with limits.session(address):
            order.append(f"{name} in")
            await asyncio.sleep(0.05)
            order.append(f"{name} out")

    await asyncio.gather(visit("10.0.0.1", "a"), visit("10.0.0.2", "b"), visit("10.0.1.1", "c"))
    assert order.index("a out") < order.index("b in")
    assert order.index("c in") < order.index("a out")


async def test_sessions_are_limited_altogether() -> None:
    """Whatever their subnets."""
    limits = Limits(2, 10)
    inside = most = 0

    async def visit(number: int) -> None:
        nonlocal inside, most
        async with limits.session(f"10.0.{number}.1"):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(visit(number) for number in range(7)))
    assert most == 2


def test_groups_are_subnets() -> None:
    assert group_of("10.1.2.3") == "10.1.2.0/24"
    assert group_of("2001:db8::1") == "2001:db8::/64"
    assert group_of("gate.test") == "gate.test"


def test_a_start_is_spread_the_same_way_each_time() -> None:
    assert spread("uid", 30) == spread("uid", 30)
    assert 0 <= spread("uid", 30) < 30
