"""Roots and leaves: their forms, keys, purposes and dates."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.browser.offers import DAY, HOST, Offer, authority, curve_key, good_root, leaf, named, plain, rsa_key, under
from tests.browser.row import ANY_PURPOSE, AUTHORITY, CERT_SIGN, CLIENTS, DATE, INVALID, IS_CA, MISMATCH, USAGE, Row
from tests.support import ca


def by_openssl(folder: Path, *extensions: str, key: str = "rsa:2048") -> ca.Pair:
    return ca.openssl_root(folder, extensions=extensions, key=key, subject=f"/O=Example/CN={named('By openssl')}")


def without_identifier(folder: Path) -> Offer:
    root = by_openssl(folder, "basicConstraints=CA:TRUE")
    return plain(leaf(root, names_its_issuer=False), root=root)


ROOTS = [
    Row("a good leaf under a good root", "", True, lambda _: plain(leaf())),
    Row("an X.509 v1 root by openssl", "", True, lambda f: under(ca.openssl_v1_root(f))),
    Row("a root by req -x509 without keyUsage", "", True, lambda f: under(by_openssl(f, *ca.STRICT_ROOT[::2]))),
    Row("basicConstraints not critical, no AKI", "", True, without_identifier),
    Row("a v3 root with keyUsage alone", "", True, lambda _: under(authority(extensions=[CERT_SIGN]))),
    Row(
        "a v3 root with neither basicConstraints nor keyUsage",
        "",
        False,
        lambda f: under(by_openssl(f, "subjectKeyIdentifier=hash")),
    ),
    Row("a root RSA-1024", "", True, lambda _: under(authority(key=rsa_key(1024)))),
    Row("a root P-521", "", True, lambda _: under(authority(key=curve_key(ec.SECP521R1)))),
    Row("a root P-384", "", True, lambda _: under(authority(key=curve_key(ec.SECP384R1)))),
    Row("a root on secp256k1", INVALID, True, lambda _: under(authority(key=curve_key(ec.SECP256K1)))),
    Row("a root P-224", INVALID, True, lambda _: under(authority(key=curve_key(ec.SECP224R1)))),
    Row(
        "a root for clients only",
        INVALID,
        False,
        lambda _: under(authority(more=[(x509.ExtendedKeyUsage([CLIENTS]), False)])),
    ),
    Row(
        "a root for any purpose",
        "",
        False,
        lambda _: under(authority(more=[(x509.ExtendedKeyUsage([ANY_PURPOSE]), False)])),
    ),
    Row("an expired root", DATE, False, lambda _: under(authority(until=-2 * DAY))),
    Row("a root of tomorrow", DATE, False, lambda _: under(authority(since=DAY))),
    Row("a leaf that outlives its root", "", True, lambda _: under(authority(until=DAY))),
    Row(
        "a root that is not trusted", AUTHORITY, False, lambda _: Offer((leaf(authority("Stranger")),), (good_root(),))
    ),
    Row(
        "a stranger with the root's name",
        AUTHORITY,
        False,
        lambda _: Offer((leaf(authority(name="Good root", key=ca.ec_key("thief"))),), (good_root(),)),
    ),
    Row("the second of two roots with one name", "", True, lambda _: of_twins(0)),
    Row("the first of two roots with one name", "", True, lambda _: of_twins(1)),
]


def of_twins(which: int) -> Offer:
    name = named("Twin")
    twins = [authority(name=name, key=ca.ec_key(f"{name} {n}")) for n in (0, 1)]
    return Offer((leaf(twins[which]),), tuple(twins))


def by_command(folder: Path, *arguments: str, key: str = "EC:P-256", root: ca.Pair | None = None) -> ca.Pair:
    """An ordinary leaf by `openssl x509 -req` with these arguments."""
    extensions = (f"subjectAltName=IP:{HOST}", "extendedKeyUsage=serverAuth")
    return ca.openssl_below(folder, root or good_root(), extensions=extensions, key=key, arguments=arguments)


def with_md5(folder: Path) -> Offer:
    root = authority(key=rsa_key(2048))
    return plain(by_command(folder, "-set_serial", "7", "-md5", root=root), root=root)


LEAVES = [
    Row("a leaf RSA-2048", "", True, lambda _: plain(leaf(key=rsa_key(2048)))),
    Row("a leaf RSA-1024", "", True, lambda _: plain(leaf(key=rsa_key(1024)))),
    Row("a leaf P-384", "", True, lambda _: plain(leaf(key=curve_key(ec.SECP384R1)))),
    Row("a leaf P-521", MISMATCH, True, lambda _: plain(leaf(key=curve_key(ec.SECP521R1)))),
    Row(
        "a leaf P-224",
        MISMATCH,
        True,
        lambda _: Offer((leaf(key=curve_key(ec.SECP224R1)),), (good_root(),), unseen=True),
    ),
    Row("a leaf Ed25519", MISMATCH, True, lambda _: plain(leaf(key=ed25519.Ed25519PrivateKey.generate()))),  # type: ignore[arg-type]  # no signer of others
    Row("SAN critical although a subject is there", "", True, lambda _: plain(leaf(san_critical=True))),
    Row("a leaf with CA:TRUE", "", True, lambda _: plain(leaf(more=[IS_CA]))),
    Row("empty subject, SAN critical", "", True, lambda _: plain(leaf(subject="", san_critical=True))),
    Row("empty subject, SAN not critical", INVALID, True, lambda _: plain(leaf(subject=""))),
    Row("any purpose only", "", False, lambda _: plain(leaf(purposes=[ANY_PURPOSE]))),
    Row("no purpose given", "", True, lambda _: plain(leaf(purposes=None))),
    Row("a serial number of 21 bytes", "", True, lambda f: plain(by_command(f, "-set_serial", f"0x{'7f' * 21}"))),
    Row("serial number 0", "", True, lambda f: plain(by_command(f, "-set_serial", "0"))),
    Row("a negative serial number", "", True, lambda f: plain(by_command(f, "-set_serial", "-5"))),
    Row(
        "a leaf RSA-512",
        MISMATCH,
        False,
        lambda f: Offer((by_command(f, "-set_serial", "7", key="rsa:512"),), (good_root(),), unseen=True),
    ),
    Row("signed with SHA-1", INVALID, False, lambda f: plain(by_command(f, "-set_serial", "7", "-sha1"))),
    Row("signed with MD5", INVALID, False, with_md5),
    Row("signed with SHA-512", "", True, lambda f: plain(by_command(f, "-set_serial", "7", "-sha512"))),
    Row("for clients only", INVALID, False, lambda _: plain(leaf(purposes=[CLIENTS]))),
    Row("no keyUsage", "", True, lambda _: plain(leaf())),
    Row(
        "an RSA leaf for encipherment only",
        USAGE,
        True,
        lambda _: plain(leaf(key=rsa_key(2048), usage=ca.key_usage("key_encipherment"))),
    ),
    Row(
        "an RSA leaf for signing certificates only",
        USAGE,
        False,
        lambda _: plain(leaf(key=rsa_key(2048), usage=ca.key_usage("key_cert_sign"))),
    ),
    Row(
        "an EC leaf for key agreement only",
        USAGE,
        True,
        lambda _: plain(leaf(usage=ca.key_usage("key_agreement"))),
    ),
    Row("a ten-year leaf", "", True, lambda _: plain(leaf(until=3650 * DAY))),
    Row("expired", DATE, False, lambda _: plain(leaf(since=-9 * DAY, until=-DAY))),
    Row("not yet valid", DATE, False, lambda _: plain(leaf(since=DAY))),
    Row(
        "a critical extension that nobody knows",
        INVALID,
        False,
        lambda _: plain(leaf(more=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True)])),
    ),
]
