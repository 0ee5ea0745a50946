"""Keeps the HTTPS certificate of every network device correct, from Git."""

__version__ = "0.1.0"
