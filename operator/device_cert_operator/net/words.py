"""How foreign errors and places are named to people."""

import os
import re

_LONG = re.compile(r"[A-Za-z0-9+/=_-]{16,}")  # base64, hexadecimal digits, what we make as a pass-phrase
# words joined to a path or an identifier; each begins in one way only, so that no run of letters takes long
_PROSE = re.compile(r"[+/=_-]?[A-Za-z][a-z]+(?:(?:[+/=_-][A-Za-z]|[A-Z])[a-z]+)*[+/=_-]?")
_MOST = 1000  # characters looked at


def reason_of(error: OSError) -> str:
    """The system's words for an error, without addresses: asyncio writes its own text over them."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return (error.strerror or str(error) or type(error).__name__)[:120]


def place(address: str, port: int) -> str:
    """host:port, IPv6 in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def without_secrets(words: str) -> str:
    """The beginning of what a device says, without what looks like a key, a pass-phrase or a log-in.

    Some devices quote what they were sent, and their words are shown to people.
    """
    return _LONG.sub(lambda found: found[0] if _PROSE.fullmatch(found[0]) else "…", words[:_MOST])
