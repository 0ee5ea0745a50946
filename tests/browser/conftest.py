"""Stories of the real API server and the simulator, seen by a browser, take place in the same worlds."""

from tests.scenarios.conftest import chart, world

__all__ = ["chart", "world"]
