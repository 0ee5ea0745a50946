"""Names in certificates: usable, covering, permitted."""

import pytest

from device_cert_operator.core.model import NameConstraints
from device_cert_operator.core.naming import covers, not_permitted, partly_matches, subject_permitted, why_unusable


@pytest.mark.parametrize(
    "name",
    [
        *("camera", "cam.example", "cam_1.example", "_x.example", "xn--kamra-dsa.example", "1.2.3.cam", "a" * 63),
        *("*.cams.example", "10.0.0.1", "fe80::1", "::ffff:a00:1", ".".join(["a" * 49] * 5)),
    ],
)
def test_a_name_that_clients_know_is_usable(name: str) -> None:
    assert why_unusable(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("fe80::1%eth0", "an address with a zone"),
        ("*.local", "a wildcard needs two labels below it"),
        ("*.cam_1.example", "no wildcard above an underscore"),
        ("*", "neither an address nor a DNS name"),
        ("a.*.example", "neither"),
        ("c*.cams.example", "neither"),
        ("*.*.example", "neither"),
        ("[fe80::1]", "neither"),
        ("", "neither"),
        ("a b", "neither"),
        ("cam..example", "neither"),
        ("-cam.example", "neither"),
        ("cam-.example", "neither"),
        ("kaméra.example", "neither"),
        ("a" * 64, "neither"),
        (".".join(["a" * 50] * 5), "neither"),
        ("cam.example\n", "neither"),
        ("192.168.1.300", "ends in a number"),
        ("cam.1", "ends in a number"),
    ],
)
def test_a_name_that_no_client_accepts_says_why(name: str, why: str) -> None:
    assert why in (why_unusable(name) or "")


@pytest.mark.parametrize(
    ("dns_names", "addresses", "host", "covered"),
    [
        (("cam.example",), (), "cam.example", True),
        (("cam.example",), (), "other.example", False),
        (("*.cams.example",), (), "gate.cams.example", True),
        (("*.cams.example",), (), "cams.example", False),
        (("*.cams.example",), (), "a.gate.cams.example", False),
        (("*.local",), (), "gate.local", False),
        (("*.cams.example",), (), "cams", False),
        ((), ("10.0.0.1",), "10.0.0.1", True),
        ((), ("fe80::1",), "fe80::1", True),
        (("10.0.0.1",), (), "10.0.0.1", False),
        ((), (), "10.0.0.1", False),
    ],
)
def test_what_covers_a_host(dns_names: tuple[str, ...], addresses: tuple[str, ...], host: str, covered: bool) -> None:
    assert covers(dns_names, addresses, host) is covered


@pytest.mark.parametrize(
    ("sentence", "constraints", "names", "addresses", "refused"),
    [
        ("nothing is said", NameConstraints(), ("a.b",), ("10.0.0.1",), ()),
        ("a range permits its own", NameConstraints(permitted_ip=("10.0.0.0/8",)), (), ("10.0.0.1",), ()),
        ("a range refuses others", NameConstraints(permitted_ip=("10.0.0.0/8",)), (), ("11.0.0.1",), ("11.0.0.1",)),
        ("IPv4 permits no IPv6", NameConstraints(permitted_ip=("10.0.0.0/8",)), (), ("fe80::1",), ("fe80::1",)),
        ("a range leaves names alone", NameConstraints(permitted_ip=("10.0.0.0/8",)), ("a.b",), (), ()),
        ("a domain permits itself", NameConstraints(permitted_dns=("a.b",)), ("a.b",), (), ()),
        ("and what is below", NameConstraints(permitted_dns=("a.b",)), ("x.y.a.b", "*.a.b"), (), ()),
        ("and no namesake", NameConstraints(permitted_dns=("a.b",)), ("xa.b",), (), ("xa.b",)),
        ("a leading dot leaves itself out", NameConstraints(permitted_dns=(".a.b",)), ("a.b", "x.a.b"), (), ("a.b",)),
        ("a domain leaves addresses alone", NameConstraints(permitted_dns=("a.b",)), (), ("10.0.0.1",), ()),
        ("an empty exclusion is all names", NameConstraints(excluded_dns=("",)), ("a.b",), ("10.0.0.1",), ("a.b",)),
        (
            "an excluded range",
            NameConstraints(excluded_ip=("10.1.0.0/16",)),
            (),
            ("10.1.0.1", "10.2.0.1"),
            ("10.1.0.1",),
        ),
        ("an excluded domain", NameConstraints(excluded_dns=("a.b",)), ("x.a.b", "b"), (), ("x.a.b",)),
        ("what a wildcard may stand for", NameConstraints(excluded_dns=("x.a.b",)), ("*.a.b", "*.b"), (), ("*.a.b",)),
        ("exclusion wins", NameConstraints(("b",), ("a.b",)), ("a.b", "c.b"), (), ("a.b",)),
    ],
)
def test_what_constraints_let_through(
    sentence: str,
    constraints: NameConstraints,
    names: tuple[str, ...],
    addresses: tuple[str, ...],
    refused: tuple[str, ...],
) -> None:
    assert not_permitted(constraints, names, addresses) == refused, sentence


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("g*.cams.example", True),
        ("*e.cams.example", True),
        ("ga*te.cams.example", True),
        ("gat*ate.cams.example", False),
        ("d*.cams.example", False),
        ("g*.doors.example", False),
        ("*.cams.example", False),
        ("gate.cams.example", False),
        ("gate.c*.example", False),
    ],
)
def test_a_wildcard_within_a_label_fits_for_openssl(pattern: str, fits: bool) -> None:
    assert partly_matches(pattern, "gate.cams.example") is fits


def test_a_wildcard_within_a_label_wants_two_labels_below() -> None:
    assert not partly_matches("g*.local", "gate.local")


@pytest.mark.parametrize(
    ("permitted", "excluded", "subject", "passes"),
    [
        (None, None, "CN=gate,O=Example", True),
        (("O=Example",), None, "CN=gate,O=Example", True),
        (("O=example",), None, "CN=gate,O=Example", True),
        (("O=Example",), None, "O=Example", True),
        (("O=Example",), None, "O=Other Example", False),
        (("O=Example",), None, "OU=cams,CN=O=Example", False),
        (("O=Example",), None, "", True),
        (("O=A", "O=B"), None, "CN=gate,O=B", True),
        (None, ("O=Example",), "CN=gate,O=Example", False),
        (None, ("O=Example",), "CN=gate,O=Other", True),
        (("",), None, "O=Example", True),
    ],
)
def test_a_subject_is_permitted_by_what_it_begins_with(
    permitted: tuple[str, ...] | None, excluded: tuple[str, ...] | None, subject: str, passes: bool
) -> None:
    constraints = NameConstraints(permitted_directory=permitted, excluded_directory=excluded)
    assert subject_permitted(constraints, subject) is passes
