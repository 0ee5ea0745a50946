"""Tests of X.509 bytes to values and back."""
