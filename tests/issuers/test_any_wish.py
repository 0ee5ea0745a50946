"""Whatever a spec may ask for is either refused with a reason, or comes out as every client likes it."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_cert_operator.core.model import KeyType, SubjectFields, canonical_host, is_ip, names_of
from device_cert_operator.core.naming import why_unusable
from device_cert_operator.errors import IssuanceDenied, SpecError
from device_cert_operator.issuers.ca import Issued, issue
from device_cert_operator.pki.authority import Authority, read_authority
from device_cert_operator.pki.facts import pem_to_ders
from tests.issuers.linting import lint
from tests.issuers.test_ca import NARROW, ROOT, WANTED
from tests.support import ca

CA = read_authority("cams/root-ca", ROOT.cert_pem, ROOT.key_pem, ca.NOW)
TIGHT = read_authority("cams/root-ca", NARROW.cert_pem, NARROW.key_pem, ca.NOW)

labels = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,20}[A-Za-z0-9_])?", fullmatch=True)
unicode_labels = st.text("äöüéñßкамераカメラ門", min_size=1, max_size=8)
dns_names = st.lists(labels | unicode_labels, min_size=1, max_size=6).map(".".join)
wildcards = st.lists(labels, min_size=2, max_size=4).map(lambda parts: "*." + ".".join(parts))
ipv6_forms = st.ip_addresses(v=6).flatmap(
    lambda address: st.sampled_from([str(address), address.exploded, str(address).upper()])
)
addresses = st.ip_addresses(v=4).map(str) | ipv6_forms
hosts = addresses | dns_names | dns_names.map(lambda name: name + ".") | wildcards
anything = hosts | st.text(max_size=80) | st.sampled_from(["fe80::1%eth0", "[::1]", "*.local", "1.2.3", "a" * 64, ""])
words = st.none() | st.text(max_size=70) | st.text("例 Ünï・🎉", min_size=1, max_size=64)
subjects = st.builds(
    SubjectFields,
    country=st.none() | st.sampled_from(["JP", "DE", "jp", "日本", "J"]),
    state=words,
    locality=words,
    organization=words,
    organizational_unit=words,
    common_name=st.none() | st.just("first") | st.text(max_size=70),
)
unhurried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def canonical(asked: list[str]) -> list[str]:
    """As reading a spec does: what has no canonical form never becomes a name."""
    kept = []
    for host in asked:
        try:
            kept.append(canonical_host(host))
        except UnicodeError:
            continue
    return kept


def wish(asked: list[str], subject: SubjectFields, authority: Authority = CA) -> Issued | None:
    names = names_of(*canonical(asked))
    if subject.common_name == "first":
        subject = replace(subject, common_name=names.all[0] if names.all else None)
    try:
        return issue(authority, replace(WANTED, subject=subject), names, KeyType.ECDSA_P256, ca.NOW)
    except (SpecError, IssuanceDenied):
        return None


def check(made: Issued, asked: list[str]) -> None:
    leaf = x509.load_pem_x509_certificate(made.tls_crt)
    wanted = names_of(*canonical(asked))
    said = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    names, numbers = said.value.get_values_for_type(x509.DNSName), said.value.get_values_for_type(x509.IPAddress)
    assert tuple(names) == wanted.dns_names
    assert tuple(number.compressed for number in numbers if isinstance(number, IPv4Address | IPv6Address)) == (
        wanted.ip_addresses
    )
    assert said.critical is (not list(leaf.subject))
    common = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    assert len(common) <= 1
    assert all(str(one.value) in wanted.all and len(one.value) <= 64 for one in common)
    assert lint(pem_to_ders(made.tls_crt)[0]) == []


@unhurried
@given(st.lists(anything, max_size=5), subjects)
def test_any_wish_is_refused_with_a_reason_or_granted_well(asked: list[str], subject: SubjectFields) -> None:
    if (made := wish(asked, subject)) is not None:
        check(made, asked)


@unhurried
@given(st.lists(addresses | labels.map(lambda label: label + ".example"), min_size=1, max_size=12))
def test_names_that_are_in_order_are_granted(asked: list[str]) -> None:
    made = wish(asked, SubjectFields())
    assert made is not None
    check(made, asked)


@unhurried
@given(st.lists(hosts, min_size=1, max_size=4), subjects)
def test_a_constrained_ca_grants_only_its_range(asked: list[str], subject: SubjectFields) -> None:
    made = wish(asked, subject, TIGHT)
    if made is not None:
        assert made.facts.dns_names == ()
        assert all(address.startswith("10.") for address in made.facts.ip_addresses)
        assert made.facts.common_name is None
        assert lint(pem_to_ders(made.tls_crt)[0]) == []


@settings(max_examples=10, deadline=None)
@given(st.lists(hosts, min_size=1, max_size=3), subjects)
def test_openssl_accepts_what_is_granted(
    tmp_path_factory: pytest.TempPathFactory, asked: list[str], subject: SubjectFields
) -> None:
    made = wish(asked, subject) or wish(asked, SubjectFields())
    if made is None:
        assert any(why_unusable(host) for host in canonical(asked)) or not canonical(asked)
        return
    folder: Path = tmp_path_factory.mktemp("verify")
    for host in (*made.facts.dns_names, *made.facts.ip_addresses):
        example = host if is_ip(host) else host.replace("*", "any", 1)
        said = ca.openssl_verify(folder, anchors=made.ca_crt, sent=made.tls_crt, host=example, at=ca.NOW)
        assert said == "OK", example
