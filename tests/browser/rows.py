"""The table of what real verifiers do, each row with the offer that shows it.

chromium: "" where the page loads, else Chromium's error. openssl: whether `openssl verify` takes it. Seen with
Chromium 156 and OpenSSL 3.0; where a newer version differs, the row fails and says so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from ssl import SSLContext, TLSVersion

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.browser.offers import (
    DAY,
    HOST,
    Offer,
    authority,
    below,
    common_name,
    constrained,
    constraints,
    curve_key,
    good_root,
    is_authority,
    leaf,
    named,
    plain,
    rsa_key,
    under,
)
from tests.support import ca

AUTHORITY, DATE = "ERR_CERT_AUTHORITY_INVALID", "ERR_CERT_DATE_INVALID"
NAME, INVALID = "ERR_CERT_COMMON_NAME_INVALID", "ERR_CERT_INVALID"
USAGE = "ERR_SSL_KEY_USAGE_INCOMPATIBLE"
MISMATCH = "ERR_SSL_VERSION_OR_CIPHER_MISMATCH"
ANY_PURPOSE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
CLIENTS = ExtendedKeyUsageOID.CLIENT_AUTH
CERT_SIGN = (ca.key_usage("key_cert_sign", "crl_sign"), True)
GROUPS_CAN_BE_SET = hasattr(SSLContext, "set_groups")  # `net/contexts.py`
IS_CA = (is_authority(), True)


@dataclass(frozen=True)
class Row:
    """One sentence, who takes it, and how to make it (given a folder to work in).

    told_apart: False where we take what Chromium refuses, and know it.
    """

    sentence: str
    chromium: str
    openssl: bool
    make: Callable[[Path], Offer]
    told_apart: bool = True


def by_openssl(folder: Path, *extensions: str, key: str = "rsa:2048") -> ca.Pair:
    return ca.openssl_root(folder, extensions=extensions, key=key, subject=f"/O=Example/CN={named('By openssl')}")


def net(text: str) -> x509.IPAddress:
    return x509.IPAddress(ip_network(text))


HERE, DOMAIN, EVERY_NAME = net("127.8.0.0/16"), x509.DNSName("cams.example"), x509.DNSName("")
GATE = "gate.cams.example"


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
NAMES = [
    Row("another address", NAME, False, lambda _: plain(leaf(None, "127.8.0.2"))),
    Row("IPv6", "", True, lambda _: plain(leaf(None, "::1"), host="::1")),
    Row("IPv4 mapped into IPv6", NAME, False, lambda _: plain(leaf(None, f"::ffff:{HOST}"))),
    Row(
        "the address only as CN",
        NAME,
        False,
        lambda _: plain(
            leaf(subject=common_name(HOST), names=x509.SubjectAlternativeName([x509.DNSName("a.example")]))
        ),
    ),
    Row("no SAN at all", NAME, False, lambda _: plain(without_san())),
    Row(
        "the address as dNSName",
        NAME,
        False,
        lambda _: plain(leaf(names=x509.SubjectAlternativeName([x509.DNSName(HOST)]))),
    ),
    Row("a name", "", True, lambda _: plain(leaf(None, GATE), host=GATE)),
    Row("a name in capitals", "", True, lambda _: plain(leaf(None, "GATE.Cams.Example"), host=GATE)),
    Row("a name dialled with its trailing dot", "", True, lambda _: plain(leaf(None, GATE), host=GATE + ".")),
    Row("a name certified with its trailing dot", "", False, lambda _: plain(leaf(None, GATE + "."), host=GATE)),
    Row("another name", NAME, False, lambda _: plain(leaf(None, "door.cams.example"), host=GATE)),
    Row("an underscore", "", True, lambda _: plain(leaf(None, "a_b.cams.example"), host="a_b.cams.example")),
    Row("an A-label", "", True, lambda _: plain(leaf(None, "xn--tr-eka.example"), host="xn--tr-eka.example")),
    Row("a wildcard", "", True, lambda _: plain(leaf(None, "*.cams.example"), host=GATE)),
    Row("a wildcard is one label", NAME, False, lambda _: plain(leaf(None, "*.cams.example"), host="a." + GATE)),
    Row("a wildcard is not no label", NAME, False, lambda _: plain(leaf(None, "*.cams.example"), host="cams.example")),
    Row("a wildcard right below the top", NAME, False, lambda _: plain(leaf(None, "*.example"), host="gate.example")),
    Row("a wildcard in the middle", NAME, False, lambda _: plain(leaf(None, "gate.*.example"), host=GATE)),
    Row("a wildcard for a part of a label", NAME, True, lambda _: plain(leaf(None, "g*.cams.example"), host=GATE)),
    Row("a wildcard in capitals", "", True, lambda _: plain(leaf(None, "*.CAMS.example"), host=GATE)),
    Row(
        "a wildcard for an A-label",
        "",
        True,
        lambda _: plain(leaf(None, "*.cams.example"), host="xn--tr-eka.cams.example"),
    ),
]


def without_san() -> ca.Pair:
    made = leaf(subject=common_name(HOST))
    return ca.certificate(
        common_name(HOST),
        issuer=good_root(),
        key=made.key,
        extensions=[(ca.server_auth(), False)],
        since=made.certificate.not_valid_before_utc,
        until=made.certificate.not_valid_after_utc,
    )


def middle(root: ca.Pair | None = None, **given: object) -> ca.Pair:
    return authority("Below", issuer=root or good_root(), **given)  # type: ignore[arg-type]  # as authority takes them


def sent_twice(one: ca.Pair) -> Offer:
    return below(one, good_root(), sends=[one, one])


PATHS = [
    Row("an intermediate", "", True, lambda _: below(middle(), good_root())),
    Row("a missing intermediate", AUTHORITY, False, lambda _: below(middle(), good_root(), sends=[])),
    Row("the chain in the wrong order", "", True, lambda _: in_wrong_order()),
    Row("an intermediate sent twice", "", True, lambda _: sent_twice(middle())),
    Row(
        "an intermediate that may not sign",
        INVALID,
        False,
        lambda _: below(middle(extensions=[IS_CA, (ca.key_usage("digital_signature"), True)]), good_root()),
    ),
    Row(
        "a leaf that plays the CA",
        AUTHORITY,
        False,
        lambda _: below(leaf(more=[(is_authority(ca=False), True)]), good_root()),
    ),
    Row(
        "an intermediate that does not say what it is",
        INVALID,
        False,
        lambda _: below(middle(extensions=[]), good_root()),
    ),
    Row("an expired intermediate", DATE, False, lambda _: below(middle(until=-2 * DAY), good_root())),
    Row(
        "an intermediate for clients",
        INVALID,
        False,
        lambda _: below(middle(more=[(x509.ExtendedKeyUsage([CLIENTS]), False)]), good_root()),
    ),
    Row("a root that allows no CA below", INVALID, False, lambda _: below_narrow(0)),
    Row("a root that allows one CA below", "", True, lambda _: below_narrow(1)),
    Row("signed with SHA-1", INVALID, False, lambda f: plain(signed_with_sha1(f))),
    Row(
        "a constraint halfway up",
        INVALID,
        False,
        lambda _: below(middle(more=[(constraints(DOMAIN, net("10.0.0.0/8")), True)]), good_root()),
    ),
    Row("a leaf that is trusted itself", "", True, lambda _: trusted_itself()),
]


def in_wrong_order() -> Offer:
    upper = middle()
    lower = middle(upper)
    return Offer((leaf(lower), upper, good_root(), lower), (good_root(),))


def below_narrow(path_length: int) -> Offer:
    root = authority("Narrow", extensions=[(is_authority(path_length=path_length), True), CERT_SIGN])
    return below(middle(root), root)


def signed_with_sha1(folder: Path) -> ca.Pair:
    root = good_root()
    (folder / "root.pem").write_bytes(root.cert_pem)
    (folder / "root.key").write_bytes(root.key_pem)
    (folder / "leaf.key").write_bytes(ca.key_pem(ca.ec_key("leaf")))
    (folder / "leaf.ext").write_text(f"subjectAltName=IP:{HOST}\nextendedKeyUsage=serverAuth\n")
    ca.openssl(folder, "req", "-new", "-key", "leaf.key", "-subj", "/O=device", "-out", "leaf.csr")
    made = ca.openssl(
        folder,
        *("x509", "-req", "-in", "leaf.csr", "-CA", "root.pem", "-CAkey", "root.key", "-set_serial", "7", "-sha1"),
        *("-days", "9", "-extfile", "leaf.ext"),
    )
    return ca.Pair(made, ca.key_pem(ca.ec_key("leaf")))


def trusted_itself() -> Offer:
    root = authority("Itself", more=[(ca.san(HOST), False), (ca.server_auth(), False)], extensions=[])
    return Offer((root,), (root,))


def foreign(host: str, *, whole: bool) -> Offer:
    """A CA of somebody else's, and our root's constrained certificate for it. whole: with our root as an anchor."""
    name = named("Foreign")
    theirs = authority(name=name)
    ours = authority("Ours")
    over = authority(issuer=ours, name=name, key=theirs.key, more=[(ca.permit("127.8.0.0/16"), True)])
    return Offer((leaf(theirs, host),), (ours, over) if whole else (over,), host)


CONSTRAINTS = [
    Row("inside the permitted addresses", "", True, lambda _: under(constrained(HERE))),
    Row("outside of them", INVALID, False, lambda _: under(constrained(HERE), "127.9.0.1")),
    Row("addresses alone leave names free", "", True, lambda _: under(constrained(HERE), GATE)),
    Row("names alone leave addresses free", "", True, lambda _: under(constrained(DOMAIN))),
    Row("outside the permitted names", INVALID, False, lambda _: under(constrained(DOMAIN), "gate.example")),
    Row("the permitted name itself", "", True, lambda _: under(constrained(DOMAIN), "cams.example")),
    Row("below a leading dot", "", True, lambda _: under(constrained(x509.DNSName(".cams.example")), GATE)),
    Row(
        "a leading dot leaves itself out",
        INVALID,
        False,
        lambda _: under(constrained(x509.DNSName(".cams.example")), "cams.example"),
    ),
    Row(
        "a wildcard inside",
        "",
        True,
        lambda _: Offer((leaf(root := constrained(DOMAIN), "*.cams.example"),), (root,), GATE),
    ),
    Row("names and addresses both inside", "", True, lambda _: under(constrained(HERE, DOMAIN), HOST, GATE)),
    Row("one of two names outside", INVALID, False, lambda _: under(constrained(HERE, DOMAIN), HOST, "gate.example")),
    Row("every name excluded, an address", "", True, lambda _: under(constrained(EVERY_NAME, permitted=False))),
    Row("every name excluded, a name", INVALID, False, lambda _: under(constrained(EVERY_NAME, permitted=False), GATE)),
    Row(
        "every address excluded, a name",
        "",
        True,
        lambda _: under(constrained(net("0.0.0.0/0"), net("::/0"), permitted=False), GATE),
    ),
    Row(
        "every address excluded, an address",
        INVALID,
        False,
        lambda _: under(constrained(net("0.0.0.0/0"), net("::/0"), permitted=False)),
    ),
    Row("IPv4 permitted, IPv6 is outside", INVALID, False, lambda _: under(constrained(HERE), "::1")),
    Row("IPv6 inside", "", True, lambda _: under(constrained(net("::/64")), "::1")),
    Row("our default form", "", True, lambda _: under(authority(more=[(ca.permit("127.8.0.0/16"), True)]))),
    Row(
        "constraints not critical",
        INVALID,
        False,
        lambda _: under(authority(more=[(ca.permit("127.8.0.0/16"), False)]), "127.9.0.1"),
    ),
    Row(
        "the CN is the address, names and addresses permitted",
        "",
        False,
        lambda _: under(constrained(HERE, DOMAIN), HOST, subject=common_name(HOST)),
    ),
    Row(
        "the CN is the address, every name excluded",
        "",
        False,
        lambda _: under(authority(more=[(ca.permit("127.8.0.0/16"), True)]), subject=common_name(HOST)),
    ),
    Row(
        "the CN is a permitted name",
        "",
        True,
        lambda _: under(constrained(HERE, DOMAIN), HOST, subject=common_name(GATE)),
    ),
    Row("the CN is a word", "", True, lambda _: under(constrained(HERE, DOMAIN), HOST, subject=common_name("gate"))),
    Row(
        "the CN is a sentence",
        "",
        True,
        lambda _: under(constrained(HERE, DOMAIN), HOST, subject=common_name("Gate no. 1")),
    ),
    Row(
        "the CN is outside, a permitted name is there",
        "",
        True,
        lambda _: under(constrained(HERE, DOMAIN), HOST, GATE, subject=common_name("gate.example")),
    ),
    Row("a foreign CA in its constrained form", "", True, lambda _: foreign(HOST, whole=True)),
    Row("a foreign CA outside its constrained form", INVALID, False, lambda _: foreign("127.9.0.1", whole=True)),
    Row("the constrained form alone", "", False, lambda _: foreign(HOST, whole=False)),
    Row("the constrained form alone, outside", INVALID, False, lambda _: foreign("127.9.0.1", whole=False)),
]


def spoken(
    newest: TLSVersion, ciphers: str | None = None, *, curve: str | None = None, key: ca.Key | None = None
) -> Offer:
    """A good RSA leaf, or one with this key, in this kind of handshake."""
    return Offer((leaf(key=key or rsa_key(2048)),), (good_root(),), newest=newest, ciphers=ciphers, curve=curve)


TLS_1_2, TLS_1_3 = TLSVersion.TLSv1_2, TLSVersion.TLSv1_3
HANDSHAKES = [
    Row("TLS 1.0", MISMATCH, True, lambda _: spoken(TLSVersion.TLSv1)),
    Row("TLS 1.1", MISMATCH, True, lambda _: spoken(TLSVersion.TLSv1_1)),
    Row("TLS 1.2", "", True, lambda _: spoken(TLS_1_2)),
    Row("TLS 1.3", "", True, lambda _: spoken(TLS_1_3)),
    Row("DHE only", MISMATCH, True, lambda _: spoken(TLS_1_2, "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")),
    Row("ECDHE with CBC and SHA-256 only", MISMATCH, True, lambda _: spoken(TLS_1_2, "ECDHE-RSA-AES128-SHA256")),
    Row("ECDHE with CBC and SHA-1 only", "", True, lambda _: spoken(TLS_1_2, "ECDHE-RSA-AES128-SHA")),
    Row("RSA key exchange with GCM only", "", True, lambda _: spoken(TLS_1_2, "AES128-GCM-SHA256")),
    Row("RSA key exchange with CBC only", "", True, lambda _: spoken(TLS_1_2, "AES256-SHA")),
    Row("RSA key exchange with CBC and SHA-256 only", MISMATCH, True, lambda _: spoken(TLS_1_2, "AES128-SHA256")),
    Row("CCM only", MISMATCH, True, lambda _: spoken(TLS_1_2, "ECDHE-ECDSA-AES128-CCM", key=ca.ec_key("leaf"))),
    Row("Camellia only", MISMATCH, True, lambda _: spoken(TLS_1_2, "ECDHE-RSA-CAMELLIA128-SHA256")),
    Row(
        "ECDSA with CBC only",
        MISMATCH,
        True,
        lambda _: spoken(TLS_1_2, "ECDHE-ECDSA-AES128-SHA", key=ca.ec_key("leaf")),
    ),
    Row("ChaCha20 only", "", True, lambda _: spoken(TLS_1_2, "ECDHE-RSA-CHACHA20-POLY1305")),
    Row("ECDHE over P-384 only", "", True, lambda _: spoken(TLS_1_2, curve="secp384r1")),
    Row(
        "ECDHE over P-521 only",
        MISMATCH,
        True,
        lambda _: spoken(TLS_1_2, "ECDHE-RSA-AES128-GCM-SHA256", curve="secp521r1"),
        told_apart=GROUPS_CAN_BE_SET,
    ),
    Row(
        "TLS 1.3 over P-521 only",
        MISMATCH,
        True,
        lambda _: spoken(TLS_1_3, curve="secp521r1"),
        told_apart=GROUPS_CAN_BE_SET,
    ),
    Row(
        "SHA-1 signatures in the handshake only",
        MISMATCH,
        True,
        lambda _: Offer(
            (leaf(key=rsa_key(2048)),),
            (good_root(),),
            arguments=("-tls1_2", "-sigalgs", "RSA+SHA1", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"),
        ),
    ),
    Row(
        "RSA key exchange with a key for encipherment only",
        "",
        True,
        lambda _: Offer(
            (leaf(key=rsa_key(2048), usage=ca.key_usage("key_encipherment")),),
            (good_root(),),
            newest=TLS_1_2,
            ciphers="AES128-GCM-SHA256",
        ),
    ),
    Row(
        "RSA key exchange with a key for signatures only",
        USAGE,
        True,
        lambda _: Offer(
            (leaf(key=rsa_key(2048), usage=ca.key_usage("digital_signature")),),
            (good_root(),),
            newest=TLS_1_2,
            ciphers="AES128-GCM-SHA256",
        ),
    ),
]
ROWS = [*ROOTS, *LEAVES, *NAMES, *PATHS, *CONSTRAINTS, *HANDSHAKES]
