"""The world of the scenarios, for pages whose commands are run."""

from tests.scenarios.conftest import world

__all__ = ["world"]
