"""HTTP log-in without IO: challenges read, answers computed (RFC 7616, RFC 7617, RFC 9110 section 11).

httpx's own Digest sends two refused log-ins a call once warm and takes the first offer only; devices count refusals.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from device_cert_operator.core.model import Credentials

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 (the grammar of RFC 9110, section 5.6.2)
_PARAMETER = re.compile(rf'\s*({_TOKEN})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]+)\s*')
_SCHEME = re.compile(rf"\s*({_TOKEN})(?:\s+|(?=,|$))")
_MOST_CHALLENGES = 16
_MOST_HEADER = 4096  # characters read of one header

Hash = Callable[[bytes], str]


def _hash(name: str) -> Hash:
    return lambda data: hashlib.new(name, data, usedforsecurity=False).hexdigest()


# in order of preference; SHA-256 first, MD5 only where nothing better is offered (RFC 7616, section 3.7)
_ALGORITHMS: Mapping[str, Hash] = {
    "SHA-256": _hash("sha256"),
    "SHA-256-SESS": _hash("sha256"),
    **({"SHA-512-256": _hash("sha512_256")} if "sha512_256" in hashlib.algorithms_available else {}),
    **({"SHA-512-256-SESS": _hash("sha512_256")} if "sha512_256" in hashlib.algorithms_available else {}),
    "MD5": _hash("md5"),
    "MD5-SESS": _hash("md5"),
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """One offer of a WWW-Authenticate header. scheme and the names of parameters are lower-case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def algorithm(self) -> str:
        return self.parameters.get("algorithm", "MD5").upper()

    @property
    def stale(self) -> bool:
        return self.parameters.get("stale", "").lower() == "true"


def parse_challenges(headers: Iterable[str]) -> tuple[Challenge, ...]:
    """Every offer in these header values, in order, also where devices join several in one; garbage is skipped."""
    challenges: list[Challenge] = []
    for header in headers:
        challenges += _challenges_of(header[:_MOST_HEADER])
    return tuple(challenges[:_MOST_CHALLENGES])


def _challenges_of(header: str) -> list[Challenge]:
    """A comma separates parameters as well as challenges: what has no `=` after its first word is a scheme."""
    found: list[Challenge] = []
    parameters: dict[str, str] = {}
    position = 0
    while position < len(header) and len(found) < _MOST_CHALLENGES:
        if match := _PARAMETER.match(header, position):
            if found:
                parameters.setdefault(match[1].lower(), _unquoted(match[2]))
        elif match := _SCHEME.match(header, position):
            parameters = {}
            found.append(Challenge(match[1].lower(), parameters))
        position = match.end() if match and match.end() > position else position + 1
        while position < len(header) and header[position] in ", \t":
            position += 1
    return found


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value


def best_digest(challenges: Iterable[Challenge]) -> Challenge | None:
    """The strongest Digest offer that can be answered; None without one."""
    usable = [one for one in challenges if one.scheme == "digest" and _answerable(one)]
    order = list(_ALGORITHMS)
    return min(usable, key=lambda one: order.index(one.algorithm), default=None)


def _answerable(challenge: Challenge) -> bool:
    known_qop = not challenge.parameters.get("qop", "").strip() or _chosen_qop(challenge) is not None
    return bool(challenge.parameters.get("nonce")) and challenge.algorithm in _ALGORITHMS and known_qop


def _chosen_qop(challenge: Challenge) -> str | None:
    """`auth` before `auth-int`; None in a challenge of RFC 2069, which has no qop."""
    offered = {word.strip().lower() for word in challenge.parameters.get("qop", "").split(",")}
    return next((qop for qop in ("auth", "auth-int") if qop in offered), None)


def basic_authorization(credentials: Credentials) -> str:
    """The header value of Basic (RFC 7617). Only for connections that are encrypted and pinned."""
    pair = f"{credentials.username}:{credentials.password}".encode()
    return "Basic " + base64.b64encode(pair).decode("ascii")


class DigestSession:
    """Answers under one nonce: the count goes up with every request, so that a warm conversation costs no challenge."""

    def __init__(self, challenge: Challenge, credentials: Credentials, *, cnonce: str | None = None) -> None:
        self.challenge = challenge
        self._credentials = credentials
        self._hash = _ALGORITHMS[challenge.algorithm]
        self._qop = _chosen_qop(challenge)
        self._first_nonce = self._nonce = challenge.parameters["nonce"]
        self._cnonce = cnonce or secrets.token_hex(16)
        self._count = 0

    def __repr__(self) -> str:
        return f"DigestSession({self.challenge.algorithm})"

    def use_next_nonce(self, authentication_info: str) -> None:
        """Take `nextnonce` of an Authentication-Info header, if it is there (RFC 7616, section 3.5)."""
        for match in _PARAMETER.finditer(authentication_info[:_MOST_HEADER]):
            if match[1].lower() == "nextnonce":
                self._nonce, self._count = _unquoted(match[2]), 0

    def authorization(self, method: str, uri: str, body: bytes) -> str:
        """The Authorization header of the next request. uri: path and query exactly as sent."""
        self._count += 1
        count = f"{self._count:08x}"
        answer = self._answer(method, uri, body, count)
        given = self.challenge.parameters
        parts = [
            self._username_part(),
            f"realm={_quoted(given.get('realm', ''))}",
            f"nonce={_quoted(self._nonce)}",
            f"uri={_quoted(uri)}",
            f"response={_quoted(answer)}",
        ]
        parts += [f"algorithm={given['algorithm']}"] if "algorithm" in given else []
        parts += [f"opaque={_quoted(given['opaque'])}"] if "opaque" in given else []
        parts += [f"qop={self._qop}", f"nc={count}", f"cnonce={_quoted(self._cnonce)}"] if self._qop else []
        parts += ["userhash=true"] if self._hashes_username else []
        return "Digest " + ", ".join(parts)

    def _answer(self, method: str, uri: str, body: bytes, count: str) -> str:
        """RFC 7616, section 3.4.1 to 3.4.3."""
        realm = self.challenge.parameters.get("realm", "")
        first = self._hash(f"{self._credentials.username}:{realm}:{self._credentials.password}".encode())
        if self.challenge.algorithm.endswith("-SESS"):
            first = self._hash(f"{first}:{self._first_nonce}:{self._cnonce}".encode())
        second = f"{method}:{uri}"
        if self._qop == "auth-int":
            second += f":{self._hash(body)}"
        middle = f":{count}:{self._cnonce}:{self._qop}" if self._qop else ""
        return self._hash(f"{first}:{self._nonce}{middle}:{self._hash(second.encode())}".encode())

    @property
    def _hashes_username(self) -> bool:
        return self.challenge.parameters.get("userhash", "").lower() == "true"

    def _username_part(self) -> str:
        name = self._credentials.username
        if self._hashes_username:
            realm = self.challenge.parameters.get("realm", "")
            return f"username={_quoted(self._hash(f'{name}:{realm}'.encode()))}"
        if not name.isascii():  # RFC 7616, section 3.4: the extended notation of RFC 8187
            return f"username*=UTF-8''{quote(name, safe='')}"
        return f"username={_quoted(name)}"


def _quoted(value: str) -> str:
    """A quoted-string; what could end the header is left out (a hostile realm or nonce comes back here)."""
    clean = "".join(char for char in value if char >= " " and char != "\x7f")
    return '"' + clean.replace("\\", "\\\\").replace('"', '\\"') + '"'
