"""What was done to a simulated device, for those who ask it afterwards."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """One request as the device remembers it."""

    at: float
    operation: str
    ok: bool


@dataclass
class Journal:
    """What tests ask a device afterwards."""

    entries: list[Entry] = field(default_factory=list)
    operations: "Counter[str]" = field(default_factory=Counter)
    changes_under_way: int = 0
    overlaps: int = 0
    reboots: int = 0
    handshakes: int = 0

    def note(self, operation: str, *, ok: bool) -> None:
        """Remember a request that was carried out, or refused by a fault."""
        self.operations[operation] += 1
        self._remember(Entry(time.monotonic(), operation, ok))

    def turned_away(self, operation: str) -> None:
        """Remember one that got no further than the log-in: Digest begins with one."""
        self._remember(Entry(time.monotonic(), operation, ok=False))

    @contextmanager
    def under_way(self, *, changes: bool) -> Iterator[None]:
        """While a request is carried out; two changes at a time are an overlap."""
        self.overlaps += changes and self.changes_under_way > 0
        self.changes_under_way += changes
        try:
            yield
        finally:
            self.changes_under_way -= changes

    def _remember(self, entry: Entry) -> None:
        self.entries.append(entry)
        del self.entries[:-500]


@dataclass(frozen=True)
class Counters:
    """Numbers since the device was made. requests: by operation, faults included, refused log-ins not."""

    requests: dict[str, int]
    logins_accepted: int
    logins_refused: int
    overlapping_changes: int
    reboots: int
    handshakes: int
