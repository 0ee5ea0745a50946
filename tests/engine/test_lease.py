"""Who leads, on a time that is turned: two never may at once, and somebody soon does."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_cert_operator.engine import lease
from device_cert_operator.engine.lease import Alone, LeaseOutlived
from device_cert_operator.errors import NotLeading
from tests.support.replicas import LASTS, Replica, Replicas

SECONDS = LASTS.total_seconds()


async def leading(count: int, skews: tuple[float, ...] = ()) -> Replicas:
    """Replicas, the first of which leads."""
    replicas = await Replicas(count, skews).__aenter__()
    await replicas.pass_by(3)
    assert replicas.leaders == ["a"]
    return replicas


async def test_one_of_three_leads_and_goes_on_leading() -> None:
    replicas = await leading(3)
    await replicas.pass_by(600)
    assert (replicas.leaders, replicas[0].begun, replicas[0].ended) == (["a"], [replicas[0].begun[0]], [])
    assert replicas[1].election.told == "standby; a leads"
    assert replicas.server.writes <= 600 / (SECONDS / 6) + 3, "no more renewals than one each sixth of the Lease"
    await replicas.__aexit__()


@pytest.mark.parametrize("skews", [(0.0, 0.0), (-1e6, 1e6), (1e6, -1e6)])
async def test_a_killed_leader_is_followed_within_the_lease_whatever_the_clocks_show(skews: tuple[float, ...]) -> None:
    replicas = await leading(2, skews)
    await replicas.pass_by(17)
    killed_at = replicas.time.now
    replicas[0].task.cancel()
    replicas[0].acting = False
    replicas.stop(replicas[0])
    await replicas.pass_by(SECONDS + 2)
    assert SECONDS * 4 / 6 <= replicas[1].begun[0] - killed_at < SECONDS + 2
    await replicas.__aexit__()


async def test_a_leader_that_gives_up_is_followed_at_once() -> None:
    replicas = await leading(2)
    replicas[0].task.cancel()
    await replicas[0].end()
    release = asyncio.create_task(replicas[0].election.release())
    released_at = replicas.time.now
    await replicas.pass_by(2)
    await release
    assert replicas.leaders == ["b"]
    assert replicas[1].begun[0] - released_at < 1.5
    await replicas.__aexit__()


async def test_a_release_in_the_middle_of_a_renewal_still_releases() -> None:
    replicas = await leading(2)
    replicas[0].line.trouble = "loses answers"
    await replicas.pass_by(4)
    replicas[0].task.cancel()
    await replicas[0].end()
    replicas[0].line.trouble = ""
    release = asyncio.create_task(replicas[0].election.release())
    await replicas.pass_by(2)
    await release
    assert replicas.leaders == ["b"]
    await replicas.__aexit__()


@pytest.mark.parametrize("trouble", ["away", "hangs"])
async def test_who_cannot_renew_stops_before_another_begins(trouble: str) -> None:
    replicas = await leading(2)
    replicas[0].line.trouble = trouble
    await replicas.pass_by(SECONDS + 2)
    assert replicas.leaders == ["b"]
    assert replicas[0].ended[0] < replicas[1].begun[0]
    replicas[0].line.trouble = ""
    await replicas.pass_by(60)
    assert (replicas.leaders, replicas[0].election.told) == (["b"], "standby; b leads")
    await replicas.__aexit__()


@pytest.mark.parametrize("trouble", ["away", "hangs"])
async def test_an_api_server_that_is_away_for_all_leaves_nobody_leading_and_then_one(trouble: str) -> None:
    replicas = await leading(3)
    for one in replicas.all:
        one.line.trouble = trouble
    await replicas.pass_by(SECONDS)
    assert replicas.leaders == []
    await replicas.pass_by(300)
    for one in replicas.all:
        one.line.trouble = ""
    await replicas.pass_by(7)
    assert len(replicas.leaders) == 1
    await replicas.__aexit__()


async def test_a_short_outage_changes_nothing() -> None:
    replicas = await leading(2)
    replicas[0].line.trouble = "hangs"
    await replicas.pass_by(SECONDS * 0.6)
    replicas[0].line.trouble = ""
    await replicas.pass_by(60)
    assert (replicas.leaders, replicas[0].ended) == (["a"], [])
    await replicas.__aexit__()


async def test_renewals_whose_answers_are_lost_end_the_lead_and_give_it_back() -> None:
    replicas = await leading(2)
    replicas[0].line.trouble = "loses answers"
    await replicas.pass_by(SECONDS)
    assert len(replicas[0].ended) == 1
    replicas[0].line.trouble = ""
    await replicas.pass_by(SECONDS + 2)
    assert len(replicas.leaders) == 1
    await replicas.__aexit__()


async def test_a_stopped_leader_finds_another_when_it_wakes_and_may_start_nothing() -> None:
    replicas = await leading(2)
    replicas.stop(replicas[0])
    await replicas.pass_by(SECONDS + 2)
    assert replicas.leaders == ["b"]
    replicas.wake(replicas[0])
    with pytest.raises(NotLeading):
        replicas[0].election.check()
    with pytest.raises(NotLeading):
        await replicas[0].election.before(timedelta(0))
    await replicas.time.pass_by(0.1)
    assert replicas[0].acting is False
    await replicas.pass_by(60)
    assert replicas.leaders == ["b"]
    await replicas.__aexit__()


async def test_a_request_waits_for_a_renewal_when_the_lease_is_shorter_than_it() -> None:
    replicas = await leading(1)
    election, line = replicas[0].election, replicas[0].line
    await asyncio.wait_for(election.before(timedelta(seconds=10)), 1)
    line.trouble = "away"
    while election.remaining() > 10:
        await replicas.pass_by(0.5)
    waiting = asyncio.create_task(election.before(timedelta(seconds=10)))
    await replicas.pass_by(1)
    assert not waiting.done()
    await asyncio.wait_for(election.before(timedelta(seconds=2)), 1)  # a shorter one fits
    line.trouble = ""
    await replicas.pass_by(2)
    await asyncio.wait_for(waiting, 1)
    await replicas.__aexit__()


async def test_a_waiting_request_is_refused_when_the_lease_is_lost() -> None:
    replicas = await leading(2)
    replicas[0].line.trouble = "away"
    while replicas[0].election.remaining() > 5:
        await replicas.pass_by(0.5)
    waiting = asyncio.create_task(replicas[0].election.before(timedelta(seconds=10)))
    await replicas.pass_by(10)
    with pytest.raises(NotLeading):
        await asyncio.wait_for(waiting, 1)
    await replicas.__aexit__()


async def test_what_may_take_longer_than_any_lease_is_still_let_through() -> None:
    replicas = await leading(1)
    await asyncio.wait_for(replicas[0].election.before(timedelta(minutes=1)), 1)
    await replicas.__aexit__()


async def test_a_label_on_the_lease_neither_ends_nor_prolongs_it() -> None:
    replicas = await leading(2)
    replicas.server.touch()
    await replicas.pass_by(60)
    assert (replicas.leaders, replicas[0].ended) == (["a"], [])
    replicas.stop(replicas[0])
    stopped_at = replicas.time.now
    for _ in range(16):
        await replicas.pass_by(2)
        if replicas[1].begun:
            break
        replicas.server.touch()
    assert replicas[1].begun[0] - stopped_at < SECONDS + 2
    await replicas.__aexit__()


async def test_another_holder_that_stands_there_ends_the_lead_at_once() -> None:
    replicas = await leading(1)
    replicas.server.write(replicas.server.record, "somebody", LASTS)
    await replicas.pass_by(SECONDS / 6 + 1)
    assert (replicas.leaders, replicas[0].acting) == ([], False)
    assert replicas[0].election.told == "standby; somebody leads"
    await replicas.__aexit__()


async def test_a_deleted_lease_is_made_again_by_who_held_it() -> None:
    replicas = await leading(1)
    replicas.server.record = None
    await replicas.pass_by(SECONDS)
    assert (replicas.leaders, replicas[0].ended) == (["a"], [])
    await replicas.__aexit__()


async def test_a_deleted_lease_is_not_taken_while_its_holder_may_still_act() -> None:
    replicas = await leading(3)
    replicas[0].line.trouble = "away"
    replicas.server.record = None
    deleted_at = replicas.time.now
    await replicas.pass_by(SECONDS + 2)
    [following] = replicas.leaders
    assert following != "a"
    [begun] = replicas["abc".index(following)].begun
    assert replicas[0].ended[0] < begun < deleted_at + SECONDS + 2
    await replicas.__aexit__()


async def test_work_that_does_not_end_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "END_WITHIN", 0.05)
    replicas = await leading(1)
    replicas[0].ends_at_once = False
    replicas.server.write(replicas.server.record, "somebody", LASTS)
    await replicas.pass_by(SECONDS / 6 + 1)
    with pytest.raises(LeaseOutlived):
        await asyncio.wait_for(replicas[0].task, 2)
    await replicas.__aexit__()


async def test_a_lone_replica_needs_no_lease() -> None:
    alone = Alone()
    begun = asyncio.Event()

    class Work:
        def begin(self) -> None:
            begun.set()

        async def end(self) -> None: ...

    running = asyncio.create_task(alone.run(Work()))
    await asyncio.wait_for(begun.wait(), 1)
    await alone.before(timedelta(days=1))
    alone.check()
    await alone.release()
    assert alone.leading
    running.cancel()


EVENTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["", "away", "hangs", "loses answers", "stopped", "woken", "touched", "deleted"]),
        st.floats(0.01, 40),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.tuples(*[st.floats(-1e5, 1e5)] * 3))
async def test_two_never_lead_at_once_whatever_happens_and_one_does_soon_after(
    events: list[tuple[int, str, float]], skews: tuple[float, ...]
) -> None:
    """The Lease is deleted once at most: who hears nothing between two such times cannot tell them apart."""
    deleted = [number for number, (_, what, _) in enumerate(events) if what == "deleted"]
    events = [one for number, one in enumerate(events) if number not in deleted[1:]]
    replicas = await Replicas(3, skews).__aenter__()
    try:
        await replicas.pass_by(3)  # who has never seen the Lease takes a deleted one for one that never was
        for number, what, then in events:
            _happen(replicas, replicas[number], what)
            await replicas.pass_by(then)
        for one in replicas.all:
            _happen(replicas, one, "woken")
            _happen(replicas, one, "")
        await replicas.pass_by(SECONDS + SECONDS / 3)
        assert len(replicas.leaders) == 1
    finally:
        await replicas.__aexit__()


def _happen(replicas: Replicas, replica: Replica, what: str) -> None:
    match what:
        case "stopped":
            replicas.stop(replica)
        case "woken":
            replicas.wake(replica)
        case "touched":
            if replicas.server.record is not None:
                replicas.server.touch()
        case "deleted":
            replicas.server.record = None
        case _:
            replica.line.trouble = what
