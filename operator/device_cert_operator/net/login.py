"""The log-in of one conversation: what goes with a request, and what a reply says about it. Without IO.

Devices lock accounts after a few refusals, so every reply is judged here once, in one of the words of `Verdict`.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum, auto

from device_cert_operator.core.exchange import Reply, UsernameToken
from device_cert_operator.core.model import Credentials
from device_cert_operator.errors import DeviceBusy
from device_cert_operator.net.digest import Challenge, DigestSession, basic_authorization, best_digest, parse_challenges
from device_cert_operator.reasons import Reason

_LOCKED = re.compile(
    rb"(?i)\blocked\b|lock[- ]?out|loginlock|accountlocked|too many (failed |login )?(attempts|logins)"
)
# said in the body by SOAP devices; HTTP alone does not tell a refused UsernameToken from any other fault
_NOT_AUTHORIZED = re.compile(rb"NotAuthorized|FailedAuthentication|InvalidSecurityToken")
_OUT_OF_TIME = re.compile(rb"MessageExpired")
_LONGEST_WAIT = timedelta(hours=24)
_USUAL_LOCK = timedelta(hours=1)  # half an hour is common; some begin anew with each try
_JUDGED_BYTES = 16 * 1024


class Verdict(Enum):
    """What a reply says about the log-in that its request carried."""

    ACCEPTED = auto()
    REFUSED = auto()  # name or password
    STALE = auto()  # the nonce is spent; nothing was said about the password
    OUT_OF_TIME = auto()  # its date is not taken; nothing was said about the password
    FORBIDDEN = auto()  # logged in, but not allowed
    UNSAID = auto()  # something else was answered
    LOST = auto()  # a gateway answered that the answer did not come


def judge(reply: Reply) -> Verdict:
    """The verdict on the log-in of the request that this answers."""
    body = reply.body[:_JUDGED_BYTES]
    if reply.status == 401:
        if any(challenge.stale for challenge in challenges_of(reply)):
            return Verdict.STALE
        return Verdict.OUT_OF_TIME if _OUT_OF_TIME.search(body) else Verdict.REFUSED
    if reply.status == 403:
        return Verdict.FORBIDDEN
    if reply.status >= 400 and _OUT_OF_TIME.search(body):
        return Verdict.OUT_OF_TIME
    if reply.status >= 400 and _NOT_AUTHORIZED.search(body):
        return Verdict.REFUSED
    if reply.status in {502, 504}:
        return Verdict.LOST
    return Verdict.ACCEPTED if reply.status < 400 or reply.status in {400, 500} else Verdict.UNSAID


def challenges_of(reply: Reply) -> tuple[Challenge, ...]:
    """The offers of a 401."""
    return parse_challenges([reply.headers.get("www-authenticate", "")])


def busy(reply: Reply, where: str, now: datetime) -> DeviceBusy | None:
    """The error for a reply that means "later" or "locked", else None. now: for a Retry-After that is a date."""
    wait = retry_after(reply.headers, now)
    if reply.status == 423 or (reply.status in {401, 403, 429, 503} and _LOCKED.search(reply.body[:_JUDGED_BYTES])):
        return DeviceBusy(
            f"{where} has locked the log-in: wait, or unlock it on the device; nothing is tried meanwhile",
            reason=Reason.LOGIN_LOCKED,
            retry_after=wait or _USUAL_LOCK,
        )
    if reply.status == 429 or (reply.status == 503 and not _is_xml(reply)):
        return DeviceBusy(f"{where} asks to come back later (HTTP {reply.status})", retry_after=wait)
    return None


def _is_xml(reply: Reply) -> bool:
    """A SOAP fault in a 503 is for the driver to read, unless a Retry-After says what to do."""
    return "xml" in reply.headers.get("content-type", "") and "retry-after" not in reply.headers


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """Retry-After as seconds or date (RFC 9110, section 10.2.3), between 1 s and a day; None without a readable one."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        wait = timedelta(seconds=int(value))
    else:
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        wait = (at if at.tzinfo else at.replace(tzinfo=UTC)) - now
    return min(max(wait, timedelta(seconds=1)), _LONGEST_WAIT)


class LogIn:
    """The state of one conversation's log-in. `accepted`: a request that carried it was answered as known."""

    def __init__(self, credentials: Credentials, *, may_show_password: bool) -> None:
        self._credentials = credentials
        self._may_show_password = may_show_password
        self._digest: DigestSession | None = None
        self._basic: str | None = None
        self.accepted = False

    def __repr__(self) -> str:
        return f"LogIn(accepted={self.accepted})"

    @property
    def ready(self) -> bool:
        """Whether the device's offer is known, so that a request can carry the log-in at once."""
        return self._digest is not None or self._basic is not None

    def take_offer(self, reply: Reply) -> bool:
        """Prepare for what a 401 offers: the strongest Digest, else Basic where it may be. False: nothing usable."""
        challenges = challenges_of(reply)
        self._digest = self._basic = None
        if digest := best_digest(challenges):
            self._digest = DigestSession(digest, self._credentials)
        elif self._may_show_password and any(one.scheme == "basic" for one in challenges):
            self._basic = basic_authorization(self._credentials)
        return self.ready

    def offers_another_nonce(self, reply: Reply) -> bool:
        """Whether a 401 comes with another nonce than the one that was used."""
        offer = best_digest(challenges_of(reply))
        used = self._digest.challenge.parameters["nonce"] if self._digest else None
        return offer is not None and offer.parameters["nonce"] != used

    def authorization(self, method: str, uri: str, body: bytes) -> str:
        """The header for the next request; `ready` must hold."""
        if self._digest is not None:
            return self._digest.authorization(method, uri, body)
        assert self._basic is not None, "take_offer() comes first"  # noqa: S101
        return self._basic

    def note_info(self, headers: Mapping[str, str]) -> None:
        """Take what an authenticated reply says about the next one."""
        if self._digest is not None and "authentication-info" in headers:
            self._digest.use_next_nonce(headers["authentication-info"])


def username_token(credentials: Credentials, created_at: datetime, *, nonce: bytes | None = None) -> UsernameToken:
    """PasswordDigest = Base64(SHA1(nonce + created + password)) (WS-Security UsernameToken Profile 1.1, 3.1).

    created_at: aware; the device's own time. nonce: 16 random bytes unless given.
    """
    nonce = nonce if nonce is not None else secrets.token_bytes(16)
    created = created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha1(nonce + created.encode() + credentials.password.encode(), usedforsecurity=False).digest()
    return UsernameToken(
        username=credentials.username,
        password_digest=base64.b64encode(digest).decode("ascii"),
        nonce=base64.b64encode(nonce).decode("ascii"),
        created=created,
    )
