"""Tests of where certificates come from."""
