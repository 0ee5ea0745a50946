"""A status goes to the API server as a merge patch and comes back; nothing is lost, and nothing old stays."""

import re
from dataclasses import is_dataclass, replace
from datetime import UTC, datetime, timedelta
from types import NoneType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_cert_operator.api.convert_status import (
    EPOCH,
    certificate_status,
    certificate_status_document,
    device_status,
    device_status_document,
)
from device_cert_operator.core.model import Condition, DeviceIdentity, KeyType, RevisionRef
from device_cert_operator.core.status import (
    Activating,
    AddressStatus,
    CertificateStatus,
    DeviceStatus,
    IdentityStatus,
    RequestStatus,
    RevisionState,
    ServedStatus,
)

times = st.integers(-62135596800, 253402300799).map(lambda seconds: EPOCH + timedelta(seconds=seconds))
durations = st.integers(-88_000_000 * 3600, 88_000_000 * 3600).map(lambda seconds: timedelta(seconds=seconds))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
SIMPLE: dict[object, st.SearchStrategy[Any]] = {
    str: texts,
    datetime: times,
    timedelta: durations,
    int: st.integers(0, 2**31 - 1),
    bool: st.booleans(),
    NoneType: st.none(),
}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type that a status is made of."""
    if (simple := SIMPLE.get(kind)) is not None:
        return simple
    if isinstance(kind, type) and is_dataclass(kind):
        return st.builds(kind, **{name: values(hint) for name, hint in get_type_hints(kind).items()})
    if get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0]), max_size=3).map(tuple)
    return st.one_of([values(one) for one in get_args(kind)]) if get_args(kind) else st.sampled_from(kind)


device_statuses: st.SearchStrategy[DeviceStatus] = values(DeviceStatus)
certificate_statuses: st.SearchStrategy[CertificateStatus] = values(CertificateStatus)

NOON = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SERVED = ServedStatus("f" * 64, "CN=a", "CN=ca", "01", NOON, NOON + timedelta(days=90), ("a.example",), ("192.0.2.1",))
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def merged(old: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


unhurried = settings(suppress_health_check=[HealthCheck.too_slow])  # the first draws, on a busy machine


@unhurried
@given(device_statuses, device_statuses)
def test_a_device_status_replaces_any_other(old: DeviceStatus, new: DeviceStatus) -> None:
    stored = merged(merged({}, device_status_document(old)), device_status_document(new))
    assert device_status({"status": stored}) == new


@unhurried
@given(certificate_statuses, certificate_statuses)
def test_a_certificate_status_replaces_any_other(old: CertificateStatus, new: CertificateStatus) -> None:
    stored = merged(merged({}, certificate_status_document(old)), certificate_status_document(new))
    assert certificate_status({"status": stored}) == new


# what the API server, or somebody with kubectl, may have put in place of any value
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)


def damaged(draw: st.DrawFn, value: Any, chance: int) -> Any:
    """The value with some parts replaced by anything, and some taken out."""
    if draw(st.integers(0, chance)) == 0:
        return draw(odd)
    match value:
        case dict():
            return {key: damaged(draw, one, chance) for key, one in value.items() if draw(st.integers(0, chance))}
        case list():
            return [damaged(draw, one, chance) for one in value]
        case _:
            return value


@st.composite
def damaged_documents(draw: st.DrawFn) -> Any:
    """Both kinds' documents with holes and nonsense in them."""
    documents = st.one_of(
        device_statuses.map(device_status_document), certificate_statuses.map(certificate_status_document)
    )
    return damaged(draw, merged({}, draw(documents)), draw(st.integers(3, 12)))


@given(damaged_documents())
def test_a_damaged_status_is_read_and_written_again(document: Any) -> None:
    ways: tuple[tuple[Any, Any], ...] = (
        (device_status, device_status_document),
        (certificate_status, certificate_status_document),
    )
    for read, written in ways:
        found = read({"status": document})
        again = written(found)
        assert read({"status": merged({}, again)}) == found
        assert written(read({"status": merged({}, again)})) == again


@pytest.mark.parametrize("status", [None, "nonsense", 7, [], {}, {"conditions": [None, 3, {}]}, {"devices": 5}])
def test_a_status_that_says_nothing_is_a_new_one(status: Any) -> None:
    assert device_status({"status": status}) == DeviceStatus()
    assert certificate_status({"status": status}) == CertificateStatus()
    assert device_status({}) == DeviceStatus()


def test_one_broken_field_does_not_take_its_neighbours_along() -> None:
    document = merged({}, device_status_document(DeviceStatus(served=SERVED, handled_reboot="monday")))
    document["served"]["notAfter"] = "yesterday"
    document["observedGeneration"] = "three"
    read = device_status({"status": document})
    assert (read.served, read.observed_generation, read.handled_reboot) == (None, -1, "monday")


def test_a_request_for_a_key_that_nobody_makes_is_absent() -> None:
    request = RequestStatus(3, ("10.0.0.1",), KeyType.RSA_2048, "h", NOON)
    document = merged({}, certificate_status_document(CertificateStatus(request=request)))
    assert certificate_status({"status": document}).request == request
    document["certificateRequest"]["algorithm"] = "RSA-1000"
    assert certificate_status({"status": document}).request is None


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00"])
def test_a_time_that_is_none_is_absent(text: str) -> None:
    """Beyond the calendar in UTC, or without a zone."""
    assert device_status({"status": {"unreachableSince": text}}).unreachable_since is None


def test_what_is_over_goes_away() -> None:
    activating = Activating(RevisionRef(2, "cam-r2", "b" * 64), NOON, "path-1", "a" * 64)
    stored = merged({}, device_status_document(DeviceStatus(revision=RevisionState(activating=activating))))
    stored = merged(stored, device_status_document(DeviceStatus()))
    assert stored["revision"] == {}
    assert device_status({"status": stored}) == DeviceStatus()


@pytest.mark.parametrize("year", [1, 999, 2026, 9999])
def test_any_year_a_certificate_may_name_is_a_time_the_api_server_takes(year: int) -> None:
    at = datetime(year, 2, 3, 4, 5, 6, 789, UTC)
    served = device_status_document(DeviceStatus(served=replace(SERVED, not_before=at)))["served"]
    assert RFC_3339.fullmatch(served["notBefore"])


def test_a_time_elsewhere_is_written_in_utc_to_the_second() -> None:
    at = datetime.fromisoformat("2026-06-01T14:00:00.9+02:00")
    assert device_status_document(DeviceStatus(unreachable_since=at))["unreachableSince"] == "2026-06-01T12:00:00Z"


def test_what_a_device_says_is_cut_to_what_the_schema_takes() -> None:
    long, many = "x" * 70_000, tuple(f"{number}.example" for number in range(10_000))
    condition = Condition("Ready", "False", "Refused", long, 1, NOON)
    status = DeviceStatus(
        address=AddressStatus(reported=(*many, long)),
        identity=IdentityStatus(DeviceIdentity(long, long, long, long, many)),
        served=replace(SERVED, subject=long, issuer=long, serial_number=long, dns_names=many, ip_addresses=many),
        revision=RevisionState(activating=Activating(RevisionRef(1, "a-r1", "a" * 64), NOON, previous_handle=long)),
        capabilities=many,
        conditions=(condition,),
    )
    document = device_status_document(status)
    assert longest(document) == 1024
    assert most(document) == 64
    assert document["conditions"][0]["message"].endswith("…")
    assert document["identity"]["model"].endswith("…")


def longest(value: Any) -> int:
    """Of all strings in it."""
    return max((len(one) if isinstance(one, str) else longest(one) for one in parts(value)), default=0)


def most(value: Any) -> int:
    """Items of its longest list."""
    own = len(value) if isinstance(value, list) else 0
    return max([own, *(most(one) for one in parts(value) if not isinstance(one, str))])


def parts(value: Any) -> list[Any]:
    """What it consists of."""
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
