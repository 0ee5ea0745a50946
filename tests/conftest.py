"""Fixtures for all tests."""

pytest_plugins = ["tests.support.control_plane"]
