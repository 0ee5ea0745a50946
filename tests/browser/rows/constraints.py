"""Name constraints of CAs."""

from ipaddress import ip_network

from cryptography import x509

from tests.browser.offers import (
    HOST,
    Offer,
    authority,
    common_name,
    constrained,
    leaf,
    named,
    under,
)
from tests.browser.row import GATE, INVALID, Row
from tests.support import ca


def net(text: str) -> x509.IPAddress:
    return x509.IPAddress(ip_network(text))


HERE, DOMAIN, EVERY_NAME = net("127.8.0.0/16"), x509.DNSName("cams.example"), x509.DNSName("")


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
        "a directory name permitted, another subject",
        INVALID,
        False,
        lambda _: under(constrained(x509.DirectoryName(ca.name_of("Elsewhere")))),
    ),
    Row(
        "a directory name permitted, the subject",
        "",
        True,
        lambda _: under(constrained(x509.DirectoryName(ca.name_of("device")))),
    ),
    Row("a mail domain permitted", "", True, lambda _: under(constrained(x509.RFC822Name("cams.example")))),
    Row("URIs permitted", "", True, lambda _: under(constrained(x509.UniformResourceIdentifier("cams.example")))),
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
