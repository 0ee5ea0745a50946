"""The world of the scenarios, for commands that ask a cluster."""

from tests.scenarios.conftest import chart, world

__all__ = ["chart", "world"]
