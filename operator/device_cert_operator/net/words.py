"""How foreign errors and places are named to people."""

import os


def reason_of(error: OSError) -> str:
    """The system's words for an error, without addresses: asyncio writes its own text over them."""
    if error.errno is not None and error.errno > 0:
        return os.strerror(error.errno).lower()
    return (error.strerror or str(error) or type(error).__name__)[:120]


def place(address: str, port: int) -> str:
    """host:port, IPv6 in brackets."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
