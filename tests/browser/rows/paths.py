"""What is between the leaf and the trust anchor."""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.browser.offers import (
    DAY,
    HOST,
    Offer,
    authority,
    below,
    constraints,
    curve_key,
    good_root,
    is_authority,
    leaf,
    rsa_key,
)
from tests.browser.row import ANY_PURPOSE, AUTHORITY, CERT_SIGN, CLIENTS, DATE, INVALID, IS_CA, Row
from tests.browser.rows.constraints import DOMAIN, net
from tests.support import ca


def middle(root: ca.Pair | None = None, **given: object) -> ca.Pair:
    return authority("Below", issuer=root or good_root(), **given)  # type: ignore[arg-type]  # as authority takes them


def sent_twice(one: ca.Pair) -> Offer:
    return below(one, good_root(), sends=[one, one])


def with_a_sha1_link(folder: Path) -> Offer:
    return below(ca.openssl_below(folder, good_root(), arguments=("-set_serial", "9", "-sha1")), good_root())


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
    Row("an intermediate signed with SHA-1", INVALID, False, with_a_sha1_link),
    Row("an intermediate RSA-1024", "", True, lambda _: below(middle(key=rsa_key(1024)), good_root())),
    Row("an intermediate P-224", INVALID, True, lambda _: below(middle(key=curve_key(ec.SECP224R1)), good_root())),
    Row(
        "an intermediate for any purpose",
        "",
        False,
        lambda _: below(middle(more=[(x509.ExtendedKeyUsage([ANY_PURPOSE]), False)]), good_root()),
    ),
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


def trusted_itself() -> Offer:
    root = authority("Itself", more=[(ca.san(HOST), False), (ca.server_auth(), False)], extensions=[])
    return Offer((root,), (root,))
