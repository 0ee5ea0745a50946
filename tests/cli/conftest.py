"""Commands are tried on the same worlds as stories."""

from tests.scenarios.conftest import world

__all__ = ["world"]
