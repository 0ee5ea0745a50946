"""What was done to a simulated device, for those who ask it afterwards."""

import time
from collections import Counter
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
        """Remember a request."""
        self.operations[operation] += 1
        self.entries.append(Entry(time.monotonic(), operation, ok))
        del self.entries[:-500]


@dataclass(frozen=True)
class Counters:
    """Numbers since the device was made. requests: by operation; refused log-ins and faults are in it."""

    requests: dict[str, int]
    logins_accepted: int
    logins_refused: int
    overlapping_changes: int
    reboots: int
    handshakes: int
