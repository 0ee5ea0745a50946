"""What passes between a connection (`net/`) and a driver (`drivers/`): an answer, a token that holds no password."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class Reply:
    """A device's answer. body: bounded by the connection. headers: lower-case names, repeated ones comma-joined."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class UsernameToken:
    """Username, PasswordDigest, Nonce and Created of WS-Security UsernameToken Profile 1.1, ready for the header."""

    username: str
    password_digest: str
    nonce: str
    created: str

    def __repr__(self) -> str:
        return "UsernameToken(…)"
