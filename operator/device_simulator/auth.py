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

HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
NONCE_LASTS = 300.0
LOCK_AFTER = 3
LOCKED_FOR = 5.0
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
    """One device's users and its memory of log-ins. window: for UsernameToken's Created."""

    username: str
    password: str
    realm: str
    algorithms: tuple[str, ...] = ("SHA-256", "MD5")
    locks: bool = False
    window: timedelta = timedelta(seconds=300)
    accepted: int = 0
    refused: int = 0
    _nonces: dict[str, tuple[float, int]] = field(default_factory=dict)
    _used_tokens: set[str] = field(default_factory=set)
    _failures: int = 0
    _locked_until: float = 0.0

    @property
    def locked(self) -> bool:
        """Whether log-ins are refused unseen."""
        return self.locks and time.monotonic() < self._locked_until

    def challenges(self, *, stale: bool = False) -> list[str]:
        """A WWW-Authenticate value for each algorithm (RFC 7616, section 3.3)."""
        made = []
        for algorithm in self.algorithms:
            nonce = secrets.token_hex(16)
            self._nonces[nonce] = (time.monotonic(), 0)
            told = ", stale=true" if stale else ""
            made.append(f'Digest realm="{self.realm}", qop="auth", nonce="{nonce}", algorithm={algorithm}{told}')
        return made

    def check_digest(self, header: str, method: str, uri: str) -> Answer:
        """An Authorization header (RFC 7616, section 3.4), replay of nc included."""
        if self.locked:
            return Answer.LOCKED
        scheme, _, rest = header.partition(" ")
        if scheme.lower() != "digest":
            return self._told(good=False)
        given = {
            match[1].lower(): match[2] if match[2] is not None else match[3] for match in _PARAMETER.finditer(rest)
        }
        nonce = given.get("nonce", "")
        made_at, last_nc = self._nonces.get(nonce, (0.0, 0))
        if nonce not in self._nonces or time.monotonic() - made_at > NONCE_LASTS:
            return Answer.STALE
        try:
            count = int(given.get("nc", "0"), 16)
        except ValueError:
            return self._told(good=False)
        if count <= last_nc:
            return Answer.STALE
        hasher = HASHES.get(given.get("algorithm", "MD5"))
        if hasher is None or given.get("uri") != uri:
            return self._told(good=False)

        def digest(text: str) -> str:
            return hasher(text.encode()).hexdigest()

        ha1 = digest(f"{self.username}:{self.realm}:{self.password}")
        ha2 = digest(f"{method}:{uri}")
        wanted = digest(f"{ha1}:{nonce}:{given.get('nc')}:{given.get('cnonce')}:auth:{ha2}")
        good = given.get("username") == self.username and hmac.compare_digest(wanted, given.get("response", ""))
        if good:
            self._nonces[nonce] = (made_at, count)
        return self._told(good=good)

    def check_token(self, username: str, digest: str, nonce: str, created: str, now: datetime) -> Answer:
        """A UsernameToken with PasswordDigest (profile 1.1); now: the device's clock."""
        if self.locked:
            return Answer.LOCKED
        try:
            at = datetime.fromisoformat(created.replace("Z", "+00:00")).astimezone(UTC)
            raw = base64.b64decode(nonce)
        except ValueError:
            return self._told(good=False)
        if abs(at - now) > self.window or nonce in self._used_tokens:
            return self._told(good=False)
        self._used_tokens.add(nonce)
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
        if self.locks and self._failures >= LOCK_AFTER:
            self._locked_until = time.monotonic() + LOCKED_FOR
        return Answer.REFUSED
