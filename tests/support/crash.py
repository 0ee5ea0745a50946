"""The operator is cut off at a step of a story, and another one finds what is there."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any

import pytest

from tests.support.world import World

When = Callable[..., bool]  # of a step and what the story's `act` is given with it


class Crash:
    """A story's `act` never returns from the steps for which `when` is true. moment: `before` or `after` them.

    kills: how often the operator was ended there.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, story: ModuleType, moment: str, when: When) -> None:
        self.kills = 0
        self._real: Callable[..., Coroutine[Any, Any, None]] = story.act
        self._moment = moment
        self._when = when
        self._due = False  # a step to be struck at has begun
        self._struck = asyncio.Event()
        monkeypatch.setattr(story, "act", self._act)

    async def _act(self, step: Any, *rest: Any) -> None:
        here = self._when(step, *rest)
        self._due = self._due or here
        if not here or self._moment == "after":
            try:
                await self._real(step, *rest)
            except BaseException:
                self._due = self._due and not here
                raise
        if here:
            self._struck.set()
            await asyncio.Event().wait()

    async def survived(self, world: World, end: Coroutine[Any, Any, Any]) -> None:
        """Wait for the end, with a new operator after each crash. The first one runs.

        What the end waits for may be there while the last crash is still to come: that one is waited for as well.
        """
        ending = asyncio.create_task(end)
        while not ending.done() or self._due:
            struck = asyncio.create_task(self._struck.wait())
            waited_for = [struck] if ending.done() else [ending, struck]
            await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
            struck.cancel()
            if self._struck.is_set():
                self.kills += 1
                self._due = False
                self._struck.clear()
                await world.kill_operator()
                await world.start_operator()
        await ending


def nth(number: int) -> When:
    """The n-th step, whatever it is."""
    count = itertools.count(1)
    return lambda *_: next(count) == number


def first_of_each(seen: set[str]) -> When:
    """Each kind of step the first time it is taken; what was seen so far stands in `seen`."""

    def when(step: Any, *_: Any) -> bool:
        kind = type(step).__name__
        new = kind not in seen
        seen.add(kind)
        return new

    return when
