"""What a server may offer a browser: anchors that it trusts, certificates sent, the TLS spoken. Made when asked for."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from ssl import TLSVersion

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from device_cert_operator.clock import SystemClock
from tests.support import ca
from tests.support.ca import Extensions, Pair

HOST = "127.8.0.1"
NOW = SystemClock().now().replace(microsecond=0)  # browsers have no other clock
DAY = timedelta(days=1)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Offer:
    """anchors: what clients trust. sent: leaf first. newest, ciphers (below TLS 1.3), curve: what the server speaks.

    unseen: not even our probe shakes hands; what it would show is judged. arguments: of `openssl s_server`, for what
    Python's server cannot do.
    """

    sent: tuple[Pair, ...]
    anchors: tuple[Pair, ...]
    host: str = HOST
    newest: TLSVersion | None = None
    ciphers: str | None = None
    curve: str | None = None
    unseen: bool = False
    arguments: tuple[str, ...] = ()

    @property
    def sent_pem(self) -> bytes:
        return b"".join(pair.cert_pem for pair in self.sent)

    @property
    def anchors_pem(self) -> bytes:
        return b"".join(pair.cert_pem for pair in self.anchors)


def named(word: str) -> str:
    """A name that no other CA of this run has: all of them are in one trust store."""
    return f"{word} {next(_numbers)}"


@cache
def good_root() -> Pair:
    return authority("Good root")


def authority(
    word: str = "Root",
    *,
    issuer: Pair | None = None,
    key: ca.Key | None = None,
    extensions: Extensions | None = None,
    more: Extensions = (),
    since: timedelta = -30 * DAY,
    until: timedelta = 3650 * DAY,
    name: str | None = None,
) -> Pair:
    """A CA with these extensions (the usual ones, if none are given) and those in `more`."""
    name = name or named(word)
    key = key or ca.ec_key(name)
    usual = list(ca.ca_extensions(key)) if extensions is None else list(extensions)
    return ca.certificate(
        name,
        issuer=issuer,
        key=key,
        extensions=[*usual, *more],
        since=NOW + since,
        until=NOW + until,
        serial=x509.random_serial_number(),  # NSS refuses a second certificate with one issuer and serial number
    )


def constrained(*more: x509.GeneralName, permitted: bool = True) -> Pair:
    """A CA that permits, or excludes, exactly these."""
    return authority("Constrained", more=[(constraints(*more, permitted=permitted), True)])


def constraints(*names: x509.GeneralName, permitted: bool = True) -> x509.NameConstraints:
    return x509.NameConstraints(list(names) if permitted else None, None if permitted else list(names))


def leaf(
    issuer: Pair | None = None,
    *hosts: str,
    subject: str | x509.Name = "device",
    key: ca.Key | None = None,
    names: x509.SubjectAlternativeName | None = None,
    san_critical: bool = False,
    purposes: Iterable[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.SERVER_AUTH,),
    usage: x509.KeyUsage | None = None,
    names_its_issuer: bool = True,
    more: Extensions = (),
    since: timedelta = -DAY,
    until: timedelta = 90 * DAY,
) -> Pair:
    """A leaf for these hosts (HOST, if none are given), as we would issue it but for what is asked."""
    extensions: list[tuple[x509.ExtensionType, bool]] = [(names or ca.san(*(hosts or (HOST,))), san_critical)]
    if purposes is not None:
        extensions.append((x509.ExtendedKeyUsage(purposes), False))
    if usage is not None:
        extensions.append((usage, True))
    issuer = issuer or good_root()
    if names_its_issuer:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        extensions.append((identifier, False))
    return ca.certificate(
        subject,
        issuer=issuer,
        key=key or ca.ec_key("leaf"),
        extensions=[*extensions, *more],
        since=NOW + since,
        until=NOW + until,
        serial=x509.random_serial_number(),
    )


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def is_authority(*, path_length: int | None = None, ca: bool = True) -> x509.BasicConstraints:
    return x509.BasicConstraints(ca=ca, path_length=path_length)


@cache
def curve_key(curve: type[ec.EllipticCurve]) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def plain(pair: Pair, *, root: Pair | None = None, host: str = HOST) -> Offer:
    """This leaf alone, under the good root or the one given."""
    return Offer((pair,), (root or good_root(),), host)


def under(root: Pair, *hosts: str, subject: str | x509.Name = "device") -> Offer:
    """An ordinary leaf under this root; the first host is dialled."""
    return Offer((leaf(root, *hosts, subject=subject),), (root,), hosts[0] if hosts else HOST)


def below(*authorities: Pair, sends: Iterable[Pair] | None = None) -> Offer:
    """An ordinary leaf below these CAs, the root last. sends: what goes with it, all but the root if not told."""
    sent = authorities[:-1] if sends is None else tuple(sends)
    return Offer((leaf(authorities[0]), *sent), (authorities[-1],))
