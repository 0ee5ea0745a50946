"""The name that is dialled, and the names that are certified."""

from cryptography import x509

from tests.browser.offers import HOST, common_name, good_root, leaf, plain
from tests.browser.row import GATE, NAME, Row
from tests.support import ca

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
