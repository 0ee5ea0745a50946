"""A CertificateAuthority's spec and status, to values and back."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_cert_operator.api.convert_authority import (
    authority_status,
    authority_status_document,
    desired_authority,
)
from device_cert_operator.core.authority_model import (
    PRIVATE_RANGES,
    AllowedNames,
    AuthorityStatus,
    DesiredAuthority,
    RootShape,
    RotationPolicy,
)
from device_cert_operator.core.model import KeyType, NameConstraints, ObjectKey, SubjectFields
from device_cert_operator.errors import InvalidSpec
from tests.api.statuses import FULL_AUTHORITY

META = {"name": "site-ca", "namespace": "cams", "uid": "u-1", "generation": 3}
SHORT: dict[str, Any] = {"secretName": "root"}


def authority(spec: Any = None, **notes: str) -> DesiredAuthority:
    return desired_authority({"metadata": META | {"annotations": notes}, "spec": SHORT if spec is None else spec})


def test_a_short_authority_gets_every_default() -> None:
    shape = RootShape(SubjectFields(common_name="site-ca"), KeyType.ECDSA_P256, (), PRIVATE_RANGES)
    key = ObjectKey("CertificateAuthority", "cams", "site-ca")
    assert authority() == DesiredAuthority(key, "u-1", 3, "root", "site-ca-trust", shape)
    assert authority().duration == timedelta(days=3650)
    assert authority().rotation == RotationPolicy(None, timedelta(days=30), require_confirmation=False)


def test_every_field_is_read() -> None:
    wanted = authority(
        {
            "secretName": "root",
            "subject": {"country": "JP", "organization": "Example", "commonName": "My Root!"},
            "privateKey": {"algorithm": "RSA", "size": 4096},
            "duration": "1000h",
            "nameConstraints": {"permittedDNSDomains": ["Cams.Example."], "permittedIPRanges": ["FD00::/8"]},
            "allowed": {"dnsNames": ["*.Cams.example"], "ipRanges": ["10.0.0.0/8"]},
            "trustBundle": {"configMapName": "trust"},
            "rotation": {"before": "500h", "overlap": "100h", "requireConfirmation": True},
        },
        **{
            "devicecert.io/rotate": "1",
            "devicecert.io/trust-distributed": "2",
            "devicecert.io/paused": "true",
        },
    )
    assert wanted.shape == RootShape(
        SubjectFields(country="JP", organization="Example", common_name="My Root!"),
        KeyType.RSA_4096,
        ("cams.example",),
        ("fd00::/8",),
    )
    assert (wanted.secret_name, wanted.bundle_name, wanted.duration) == ("root", "trust", timedelta(hours=1000))
    assert wanted.allowed == AllowedNames(("*.cams.example",), ("10.0.0.0/8",))
    assert wanted.rotation == RotationPolicy(timedelta(hours=500), timedelta(hours=100), require_confirmation=True)
    assert (wanted.rotate_request, wanted.trust_distributed, wanted.paused) == ("1", "2", True)


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        ({}, NameConstraints(None, ("",), PRIVATE_RANGES, None)),
        ({"permittedIPRanges": ["10.0.0.0/8"]}, NameConstraints(None, ("",), ("10.0.0.0/8",), None)),
        (
            {"permittedDNSDomains": ["a"], "permittedIPRanges": []},
            NameConstraints(("a",), None, None, ("0.0.0.0/0", "::/0")),
        ),
    ],
)
def test_a_kind_that_is_not_permitted_is_excluded(constraints: Any, expected: NameConstraints) -> None:
    assert authority(SHORT | {"nameConstraints": constraints}).shape.constraints == expected


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({}, "spec.secretName is missing"),
        (SHORT | {"privateKey": {"algorithm": "DSA"}}, "spec.privateKey.algorithm must be one of ECDSA, RSA"),
        (SHORT | {"privateKey": {"size": 521}}, "spec.privateKey.size: there is no ECDSA key of 521 bits"),
        (SHORT | {"allowed": {"ipRanges": ["10.0.0.1/8"]}}, "ipRanges: 10.0.0.1/8 has host bits set"),
        (SHORT | {"rotation": {"overlap": "soon"}}, "spec.rotation.overlap: 'soon' is no duration"),
        (SHORT | {"rotation": {"requireConfirmation": "yes"}}, "requireConfirmation must be true or false"),
    ],
)
def test_a_spec_that_cannot_be_read_names_the_field(spec: Any, told: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        authority(spec)
    assert caught.value.message.startswith("CertificateAuthority cams/site-ca cannot be read: ")
    assert told in caught.value.message


NONSENSE = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one, max_size=3))


@given(NONSENSE)
def test_nonsense_anywhere_is_an_invalid_spec_or_none(nonsense: Any) -> None:
    for field in ("subject", "privateKey", "duration", "nameConstraints", "allowed", "trustBundle", "rotation"):
        assert field in (complaint(SHORT | {field: nonsense}) or field)


def complaint(spec: Any) -> str:
    """What an InvalidSpec says of it; empty where it can be read."""
    try:
        authority(spec)
    except InvalidSpec as error:
        return error.message
    return ""


@settings(deadline=None)
@given(NONSENSE)
def test_a_damaged_status_is_as_good_as_none(nonsense: Any) -> None:
    document = authority_status_document(FULL_AUTHORITY)
    for field in document:
        status = authority_status({"status": document | {field: nonsense}})
        assert authority_status({"status": authority_status_document(status)}) == status


def test_a_status_comes_back_as_it_was() -> None:
    assert authority_status({"status": authority_status_document(FULL_AUTHORITY)}) == FULL_AUTHORITY
    assert authority_status({}) == AuthorityStatus()
    assert authority_status({"status": authority_status_document(AuthorityStatus())}) == AuthorityStatus()


def test_shapes_are_told_apart() -> None:
    shape = authority().shape
    assert shape.digest == authority().shape.digest
    others = [
        replace(shape, permitted_dns=("a",)),
        replace(shape, permitted_ip=()),
        replace(shape, key_type=KeyType.RSA_2048),
        replace(shape, subject=SubjectFields(common_name="other")),
    ]
    assert len({one.digest for one in (shape, *others)}) == 5
