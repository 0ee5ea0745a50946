"""May this be started now? Asked before each request to a device and each write to the API server.

Of several replicas one acts. What it starts must be over before another may act, so whoever starts something says how
long it may take. `engine/lease.py` answers; where there is one replica, everything is allowed.
"""

from datetime import timedelta
from typing import Protocol


class Permit(Protocol):
    """Who may act, and for how long."""

    async def before(self, takes: timedelta) -> None:
        """Return once something that takes this long at most may start. Raises NotLeading when another may act."""
        ...

    def check(self) -> None:
        """The last look before the first byte is sent. Raises NotLeading when another may act."""
        ...


class Always:
    """For one replica: nobody else acts."""

    async def before(self, takes: timedelta) -> None:
        return

    def check(self) -> None:
        return


ALWAYS = Always()
