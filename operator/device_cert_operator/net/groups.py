"""On which group of keys a TLS server agreed, read from what it sent in the clear: before 3.15 Python does not tell."""

from collections.abc import Iterator

BROWSER_GROUPS = frozenset({0x0017, 0x0018, 0x001D, 0x11EC})  # P-256, P-384, X25519, X25519MLKEM768
_NAMES = {0x0019: "P-521", 0x001E: "X448"}
_HANDSHAKE = 22  # type of a record
_SERVER_HELLO, _SERVER_KEY_EXCHANGE = 2, 12
_KEY_SHARE = 0x0033
_NAMED_CURVE = 3


def agreed_group(sent: bytes) -> int | None:
    """Its number (IANA, TLS Supported Groups); None without one (RSA key exchange), or where it cannot be read.

    sent: what the server sent from the connection's beginning on. RFC 8446, section 4.2.8 (a server that asks for
    another share names the group at once, and stays with it); RFC 8422, section 5.4.
    """
    for kind, body in _messages(_in_the_clear(sent)):
        if kind == _SERVER_HELLO and (share := _extension(body, _KEY_SHARE)) is not None:
            return int.from_bytes(share[:2])
        if kind == _SERVER_KEY_EXCHANGE:
            return int.from_bytes(body[1:3]) if body[:1] == bytes([_NAMED_CURVE]) else None
    return None


def name_of(group: int) -> str:
    return _NAMES.get(group, f"group {group}")


def _in_the_clear(sent: bytes) -> bytes:
    """What the first of the handshake's records hold; after one of another type they may be encrypted."""
    held, at = bytearray(), 0
    while at + 5 <= len(sent) and sent[at] == _HANDSHAKE:
        end = at + 5 + int.from_bytes(sent[at + 3 : at + 5])
        held += sent[at + 5 : end]
        at = end
    return bytes(held)


def _messages(held: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, body) of those that are complete."""
    at = 0
    while at + 4 <= len(held):
        end = at + 4 + int.from_bytes(held[at + 1 : at + 4])
        if end > len(held):
            return
        yield held[at], held[at + 4 : end]
        at = end


def _extension(hello: bytes, wanted: int) -> bytes | None:
    """After version, random, session id, cipher suite and compression."""
    at = 35 + int.from_bytes(hello[34:35]) + 3 + 2
    while at + 4 <= len(hello):
        kind, length = int.from_bytes(hello[at : at + 2]), int.from_bytes(hello[at + 2 : at + 4])
        if kind == wanted:
            return hello[at + 4 : at + 4 + length]
        at += 4 + length
    return None
