"""The TLS client contexts that are shared: making one costs 0.5 to 20 ms, a handshake 1 ms.

None of them trusts a CA. A probe only looks; a conversation is bound to one certificate (`pinned`), which
`net/http.py` compares once more, byte for byte, before it sends anything.
"""

import ssl
from functools import cache, lru_cache

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME: dates are among the things that we came to heal
_LEGACY_SERVER_CONNECT = 0x4  # OpenSSL 3 refuses servers without RFC 5746; browsers do not

# What Chromium offers below TLS 1.3: no DHE, no CBC with SHA-256, no ECDSA with CBC. Level 1 refuses SHA-1 signatures.
_BROWSER_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA:"
    "AES128-GCM-SHA256:AES256-GCM-SHA384:AES128-SHA:AES256-SHA:@SECLEVEL=1"
)
BROWSER_CURVES = ("prime256v1", "secp384r1")
_EVERY_CIPHER = "ALL:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0"


def _unverified(ciphers: str) -> ssl.SSLContext:
    """A context without any trust, as a bare constructor makes it: no system store is read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options |= _LEGACY_SERVER_CONNECT | ssl.OP_NO_TICKET
    context.set_ciphers(ciphers)
    return context


@cache
def browser_like() -> ssl.SSLContext:
    """Offers what browsers offer (TLS 1.2 and newer), and more groups of keys: what is agreed on is looked at."""
    context = _unverified(_BROWSER_CIPHERS)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@cache
def browser_like_over(curve: str) -> ssl.SSLContext:
    """The same, with keys of this curve only: Python cannot narrow the list of groups before 3.15, but to one."""
    context = browser_like.__wrapped__()
    context.set_ecdh_curve(curve)
    return context


@cache
def lax() -> ssl.SSLContext:
    """Offers everything from TLS 1.0 on, so that an old device can at least be seen."""
    context = _unverified(_EVERY_CIPHER)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return context


@lru_cache(maxsize=128)
def pinned(leaf_der: bytes) -> ssl.SSLContext:
    """Accepts a chain only if it ends in exactly this certificate, whatever its names and dates.

    leaf_der: the certificate itself is the anchor (X509_V_FLAG_PARTIAL_CHAIN). A leaf that is a CA would accept its
    children here, and one that is not for servers is refused: the caller compares and falls back.
    Raises ssl.SSLError when OpenSSL cannot read the certificate.
    """
    context = lax_copy()
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=leaf_der)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VerifyFlags(_NO_CHECK_TIME)
    return context


def lax_copy() -> ssl.SSLContext:
    """A lax context of its own, for the caller to narrow."""
    return lax.__wrapped__()
