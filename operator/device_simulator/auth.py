"""How a device checks who asks: HTTP Digest and WS-Security UsernameToken, really checked, with a lock-out."""

import base64
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from device_simulator.faults import Fault, FaultBox

HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
NONCE_LASTS = 300.0
LOCK_AFTER = 3
LOCKED_FOR = 5.0
MOST_NONCES = 1000  # an older one is stale
NARROW = timedelta(seconds=10)
_PARAMETER = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))')


class Answer(Enum):
    """What became of a log-in."""

    ACCEPTED = auto()
    NONE = auto()  # nothing was offered
    REFUSED = auto()
    STALE = auto()
    LOCKED = auto()


@dataclass
class Guard:
    """One device's users and its memory of log-ins. window: for UsernameToken's Created.

    unseen: log-ins that came while it was locked.
    """

    username: str
    password: str
    realm: str
    algorithms: tuple[str, ...] = ("SHA-256", "MD5")
    faults: FaultBox = field(default_factory=lambda: FaultBox((), 0.0, ""))
    locks: bool = False
    window: timedelta = timedelta(seconds=300)
    nonce_lasts: float = NONCE_LASTS
    accepted: int = 0
    refused: int = 0
    unseen: int = 0
    _nonces: dict[str, tuple[float, int, str]] = field(default_factory=dict)
    _used_tokens: dict[str, datetime] = field(default_factory=dict)
    _failures: int = 0
    _locked_until: float = 0.0

    @property
    def locked(self) -> bool:
        """Whether log-ins are refused unseen."""
        return self._can_lock and time.monotonic() < self._locked_until

    def lock(self, seconds: float) -> None:
        """Somebody else has guessed too often."""
        self.locks = True
        self._locked_until = time.monotonic() + seconds

    def unlock(self) -> None:
        """Somebody opened it at the device."""
        self._locked_until = 0.0

    @property
    def _can_lock(self) -> bool:
        return self.locks or self.faults.on(Fault.LOCKOUT)

    def challenges(self, *, stale: bool = False) -> list[str]:
        """A WWW-Authenticate value for each algorithm (RFC 7616, section 3.3)."""
        for forgotten in list(self._nonces)[:-MOST_NONCES]:
            del self._nonces[forgotten]
        made = []
        for algorithm in self.algorithms:
            nonce = secrets.token_hex(16)
            self._nonces[nonce] = (time.monotonic(), 0, algorithm)
            told = ", stale=true" if stale else ""
            made.append(f'Digest realm="{self.realm}", qop="auth", nonce="{nonce}", algorithm={algorithm}{told}')
        return made

    def check_digest(self, header: str, method: str, uri: str) -> Answer:
        """An Authorization header (RFC 7616, section 3.4), replay of nc included."""
        if self.locked:
            self.unseen += 1
            return Answer.LOCKED
        scheme, _, rest = header.partition(" ")
        if scheme.lower() != "digest":
            return self._told(good=False)
        given = {
            match[1].lower(): match[2] if match[2] is not None else match[3] for match in _PARAMETER.finditer(rest)
        }
        nonce = given.get("nonce", "")
        made_at, last_nc, algorithm = self._nonces.get(nonce, (0.0, 0, ""))
        if nonce not in self._nonces or time.monotonic() - made_at > self.nonce_lasts:
            return Answer.STALE
        try:
            count = int(given.get("nc", "0"), 16)
        except ValueError:
            return self._told(good=False)
        if count <= last_nc:
            return Answer.STALE
        asked = {"algorithm": algorithm, "uri": uri, "realm": self.realm, "qop": "auth"}
        if {"algorithm": "MD5", **given} != {**given, **asked} or not given.get("cnonce"):
            return self._told(good=False)
        hasher = HASHES[algorithm]

        def digest(text: str) -> str:
            return hasher(text.encode()).hexdigest()

        ha1 = digest(f"{self.username}:{self.realm}:{self.password}")
        ha2 = digest(f"{method}:{uri}")
        wanted = digest(f"{ha1}:{nonce}:{given.get('nc')}:{given.get('cnonce')}:auth:{ha2}")
        good = given.get("username") == self.username and hmac.compare_digest(wanted, given.get("response", ""))
        if good:
            self._nonces[nonce] = (made_at, count, algorithm)
        return self._told(good=good)

    def check_token(self, username: str, digest: str, nonce: str, created: str, now: datetime) -> Answer:
        """A UsernameToken with PasswordDigest (profile 1.1); now: the device's clock."""
        if self.locked:
            self.unseen += 1
            return Answer.LOCKED
        try:
            at = datetime.fromisoformat(created.replace("Z", "+00:00")).astimezone(UTC)
            raw = base64.b64decode(nonce, validate=True)
        except ValueError:
            return self._told(good=False)
        window = min(self.window, NARROW) if self.faults.on(Fault.WSSE_WINDOW) else self.window
        self._used_tokens = {one: until for one, until in self._used_tokens.items() if until >= now}
        if abs(at - now) > window or nonce in self._used_tokens:
            return self._told(good=False)
        self._used_tokens[nonce] = at + self.window
        wanted = base64.b64encode(
            hashlib.sha1(raw + created.encode() + self.password.encode(), usedforsecurity=False).digest()
        ).decode()
        return self._told(good=username == self.username and hmac.compare_digest(wanted, digest))

    def _told(self, *, good: bool) -> Answer:
        if good:
            self.accepted += 1
            self._failures = 0
            return Answer.ACCEPTED
        self.refused += 1
        self._failures += 1
        if self._can_lock and self._failures >= LOCK_AFTER:
            self._locked_until = time.monotonic() + LOCKED_FOR
        return Answer.REFUSED
