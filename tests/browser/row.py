"""One row of the table, and the words in which rows are written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.browser.offers import Offer, is_authority
from tests.support import ca

AUTHORITY, DATE = "ERR_CERT_AUTHORITY_INVALID", "ERR_CERT_DATE_INVALID"
NAME, INVALID = "ERR_CERT_COMMON_NAME_INVALID", "ERR_CERT_INVALID"
USAGE = "ERR_SSL_KEY_USAGE_INCOMPATIBLE"
MISMATCH = "ERR_SSL_VERSION_OR_CIPHER_MISMATCH"
ANY_PURPOSE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
CLIENTS = ExtendedKeyUsageOID.CLIENT_AUTH
CERT_SIGN = (ca.key_usage("key_cert_sign", "crl_sign"), True)
IS_CA = (is_authority(), True)
GATE = "gate.cams.example"


@dataclass(frozen=True)
class Row:
    """One sentence, who takes it, and how to make it (given an empty folder to work in).

    chromium: "" where the page loads, else Chromium's error. openssl: whether `openssl verify` takes it. Seen with
    Chromium 156 and OpenSSL 3.0; where a newer version differs, the row fails and says so.
    """

    sentence: str
    chromium: str
    openssl: bool
    make: Callable[[Path], Offer]
