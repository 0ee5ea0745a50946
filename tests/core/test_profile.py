"""What a leaf will be, before it is signed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from device_cert_operator.core.model import (
    AuthorityIssuer,
    CASecretIssuer,
    DesiredCertificate,
    KeyType,
    NameConstraints,
    Names,
    ObjectKey,
    SubjectFields,
    names_of,
)
from device_cert_operator.core.profile import (
    AuthorityFacts,
    LeafProfile,
    plan_leaf,
    remarks_on_dates,
)
from device_cert_operator.errors import InvalidSpec, IssuanceDenied, Retry
from device_cert_operator.reasons import Reason
from tests.support.situations import NOW, facts

ROOT = facts("r", subject="O=root", issuer="O=root", not_before=NOW - timedelta(30), not_after=NOW + timedelta(3650))
BELOW = replace(ROOT, subject="O=below", not_before=NOW - timedelta(20), not_after=NOW + timedelta(1000))
CA = AuthorityFacts((ROOT,))
CONSTRAINED = AuthorityFacts((replace(ROOT, name_constraints=NameConstraints(permitted_ip=("10.0.0.0/8",))),))
ONE = names_of("10.0.0.1")
WANTED = DesiredCertificate(
    key=ObjectKey("DeviceCertificate", "cams", "gate"),
    uid="uid",
    generation=1,
    created_at=NOW,
    devices=("gate",),
    issuer=CASecretIssuer("root-ca"),
)


def plan(
    names: Names = ONE, ca: AuthorityFacts = CA, kind: KeyType = KeyType.ECDSA_P256, **wanted: object
) -> LeafProfile:
    return plan_leaf(replace(WANTED, **wanted), names, ca, kind, NOW)  # type: ignore[arg-type]  # fields by name


def test_the_usual_leaf() -> None:
    made = plan()
    assert made == LeafProfile(
        names=ONE,
        subject=(("common_name", "10.0.0.1"),),
        not_before=NOW - timedelta(hours=1),
        not_after=NOW + timedelta(days=90),
        key_encipherment=False,
    )
    assert not made.san_critical


def test_an_rsa_leaf_enciphers_keys_as_well() -> None:
    assert plan(kind=KeyType.RSA_2048).key_encipherment


def test_validity_is_in_whole_seconds() -> None:
    made = plan_leaf(WANTED, ONE, CA, KeyType.ECDSA_P256, NOW + timedelta(microseconds=999_999))
    assert (made.not_before, made.not_after) == (NOW - timedelta(hours=1), NOW + timedelta(days=90))


def test_a_leaf_stays_within_every_ca_above_it() -> None:
    made = plan(ca=AuthorityFacts((BELOW, ROOT)), duration=timedelta(days=2000))
    assert made.not_after == BELOW.not_after
    young = AuthorityFacts((replace(BELOW, not_before=NOW - timedelta(minutes=1)), ROOT))
    assert plan(ca=young).not_before == NOW - timedelta(minutes=1)


def test_an_expired_ca_signs_nothing() -> None:
    with pytest.raises(IssuanceDenied) as caught:
        plan(ca=AuthorityFacts((BELOW, replace(ROOT, not_after=NOW))))
    assert caught.value.reason is Reason.CA_EXPIRED


# ---------------------------------------------------------------------------------------------- subject


@pytest.mark.parametrize(
    ("sentence", "names", "asked", "common"),
    [
        ("the first DNS name, which is sorted before addresses", ("10.0.0.1", "cam.example"), None, "cam.example"),
        ("the one asked for", ("10.0.0.1", "cam.example"), "10.0.0.1", "10.0.0.1"),
        ("in any spelling", ("cam.example",), "CAM.Example.", "cam.example"),
        ("an address in any spelling", ("fe80::1",), "FE80:0::1", "fe80::1"),
        ("the first that fits into 64 characters", ("a" * 60 + ".example", "z.example"), None, "z.example"),
        ("none where none fits", ("a" * 60 + ".example",), None, None),
        ("in Unicode", ("kaméra.example",), "kaméra.example", "xn--kamra-dsa.example"),
    ],
)
def test_the_common_name(sentence: str, names: tuple[str, ...], asked: str | None, common: str | None) -> None:
    made = plan(names_of(*names), subject=SubjectFields(common_name=asked))
    assert dict(made.subject).get("common_name") == common, sentence
    assert made.san_critical is (common is None)


def test_a_common_name_that_is_no_san_is_refused() -> None:
    with pytest.raises(InvalidSpec) as caught:
        plan(subject=SubjectFields(common_name="Gate camera"))
    assert caught.value.message == (
        "spec.subject.commonName 'Gate camera' is none of the certificate's names (10.0.0.1): leave it out, or add it "
        "to spec.dnsNames."
    )
    with pytest.raises(InvalidSpec):
        plan(subject=SubjectFields(common_name="é" + "a" * 62))


def test_every_part_of_the_subject_is_written_in_order() -> None:
    asked = SubjectFields("JP", "東京都", "千代田区", "株式会社　例", "カメラ", "10.0.0.1")
    assert plan(subject=asked).subject == (
        ("country", "JP"),
        ("state", "東京都"),
        ("locality", "千代田区"),
        ("organization", "株式会社　例"),
        ("organizational_unit", "カメラ"),
        ("common_name", "10.0.0.1"),
    )


def test_spaces_around_a_part_are_left_out() -> None:
    assert ("organization", "Example") in plan(subject=SubjectFields(organization=" Example ")).subject


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (SubjectFields(country="jp"), "spec.subject.country must be two capital letters (ISO 3166), such as JP."),
        (SubjectFields(country="J1"), "spec.subject.country must be"),
        (SubjectFields(country="日本"), "spec.subject.country must be"),
        (SubjectFields(country="JPN"), "spec.subject.country must be"),
        (SubjectFields(organization="x" * 65), "spec.subject.organization may have 64 characters, not 65."),
        (SubjectFields(organizational_unit="x" * 65), "spec.subject.organizationalUnit may have 64 characters"),
        (SubjectFields(locality="x" * 129), "spec.subject.locality may have 128 characters"),
        (SubjectFields(state="x" * 129), "spec.subject.state may have 128 characters"),
        (SubjectFields(common_name="x" * 65), "spec.subject.commonName may have 64 characters"),
        (SubjectFields(organization="a\0b"), "spec.subject.organization must be visible text on one line."),
        (SubjectFields(organization="a\nb"), "spec.subject.organization must be visible text"),
        (SubjectFields(organization="\ud800"), "spec.subject.organization must be visible text"),
        (SubjectFields(organization="  "), "spec.subject.organization must be visible text"),
    ],
)
def test_a_subject_that_no_certificate_can_carry_is_refused(asked: SubjectFields, sentence: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        plan(subject=asked)
    assert sentence in caught.value.message
    assert caught.value.retry is Retry.ON_CHANGE


# ---------------------------------------------------------------------------------------- constraints


def test_under_a_constrained_ca_there_is_no_common_name() -> None:
    assert plan(ca=CONSTRAINED).subject == (("organization", "Device certificates"),)
    asked = SubjectFields(organization="Example", common_name="10.0.0.1")
    assert plan(ca=CONSTRAINED, subject=asked).subject == (("organization", "Example"),)


def test_a_name_outside_the_constraints_is_refused_by_name() -> None:
    with pytest.raises(IssuanceDenied) as caught:
        plan(names_of("10.0.0.1", "192.168.0.1"), ca=CONSTRAINED)
    assert caught.value.reason is Reason.CA_NAME_NOT_PERMITTED
    assert caught.value.message == (
        "CA O=root does not permit 192.168.0.1 (name constraints): use a CA that does, or take the name out."
    )


def test_the_constraints_of_every_ca_above_count() -> None:
    with pytest.raises(IssuanceDenied):
        plan(names_of("192.168.0.1"), ca=AuthorityFacts((BELOW, *CONSTRAINED.path)))


# ---------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (Names(), "There is no name to issue for: list spec.dnsNames, or set includeDeviceAddresses."),
        (Names(("*.local",)), "No certificate can be issued for '*.local': a wildcard needs two labels below it"),
        (names_of("fe80::1%eth0"), "No certificate can be issued for 'fe80::1%eth0': an address with a zone"),
        (names_of(*(f"10.0.0.{n}" for n in range(129))), "at most 128 DNS names and as many addresses: use several."),
    ],
)
def test_names_that_no_certificate_can_carry_are_refused(names: Names, sentence: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        plan(names)
    assert sentence in caught.value.message


def test_as_many_names_as_one_resource_can_ask_for_are_fine() -> None:
    addresses = (f"10.0.{n}.1" for n in range(128))
    assert len(plan(names_of(*addresses, *(f"cam-{n}.example" for n in range(128)))).names.all) == 256


# ------------------------------------------------------------------------------------------- warnings


def test_more_than_825_days_are_not_for_apple() -> None:
    longest = timedelta(days=825) - timedelta(hours=1)
    assert plan(duration=longest).warnings == ()
    assert plan(duration=longest + timedelta(seconds=1)).warnings == (
        (Reason.NOT_FOR_APPLE, "spec.duration is more than 825 days: Apple's platforms refuse the certificate."),
    )


@pytest.mark.parametrize(("remaining", "warned"), [(60, False), (59, True)])
def test_a_ca_that_ends_before_two_renewals_is_told(remaining: int, warned: bool) -> None:
    """90 days are renewed 30 days before their end."""
    ending = AuthorityFacts((replace(ROOT, not_after=NOW + timedelta(days=remaining)),))
    reasons = [reason for reason, _ in plan(ca=ending).warnings]
    assert reasons == ([Reason.AUTHORITY_EXPIRES_SOON] if warned else [])


def test_the_remark_names_the_end_and_the_next_move() -> None:
    end = NOW + timedelta(days=3)
    ((_, told),) = remarks_on_dates(WANTED, end, NOW)
    assert told.startswith("The CA is valid until 2026-11-27 12:00 UTC and no certificate outlives it: make a new CA")
    assert remarks_on_dates(replace(WANTED, renew_before=timedelta(days=1)), end, NOW) == ()
    assert remarks_on_dates(replace(WANTED, issuer=AuthorityIssuer("site")), end, NOW) == (), "that one is rotated"
