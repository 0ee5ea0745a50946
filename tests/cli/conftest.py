"""The world of the scenarios, for commands that ask a cluster."""

from tests.scenarios.conftest import world

__all__ = ["world"]
