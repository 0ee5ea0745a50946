"""The world of the scenarios, for pages whose commands are run."""

from tests.scenarios.conftest import chart, world

__all__ = ["chart", "world"]
