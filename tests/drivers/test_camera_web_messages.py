"""What goes to the web interface and what comes back, also from a hostile one. Without IO."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from device_cert_operator.core.exchange import Reply
from device_cert_operator.core.failures import failure
from device_cert_operator.core.model import ClockReading, ClockSource, KeyType, StaticAddress
from device_cert_operator.core.steps import LogIn
from device_cert_operator.drivers.camera_web import messages, pages
from device_cert_operator.errors import DeviceBusy, DeviceRefused, OperatorError, ProtocolViolation, Unsupported
from device_cert_operator.pki.facts import pem_to_ders
from device_cert_operator.pki.keys import read_key
from device_cert_operator.reasons import Reason
from tests.drivers.bundles import bundle, csr_request
from tests.net.certificates import make

FINGERPRINT = "ab" * 32
CERTIFICATES = {
    "inUse": "firmware",
    "replaces": "in-place",
    "keyTypes": ["RSA-2048", "DSA-1024"],
    "firmware": {"name": "firmware", "fingerprints": [FINGERPRINT]},
    "uploaded": None,
    "request": {"name": "dc-0a1b2c3d-r1", "keyType": "RSA-2048", "ready": True},
}
READERS = [
    pages.read_identity,
    pages.read_addresses,
    pages.read_clock,
    pages.read_https,
    pages.read_address,
    pages.read_reboot_needed,
    pages.read_certificates,
]


def reply(body: object, status: int = 200) -> Reply:
    return Reply(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def test_a_form_holds_leaf_issuers_and_key_under_the_names_that_are_asked_for() -> None:
    mine = bundle(1, issuer=make("issuer", ca=True, usages=()))
    message = messages.build_upload(mine, mine.chain_der, "edge")
    assert (message.method, message.path) == ("POST", "/cgi/certificate")
    form = message_from_bytes(f"Content-Type: {message.content_type}\r\n\r\n".encode() + message.body)
    fields = {part.get_param("name", header="content-disposition"): part for part in form.get_payload()}  # type: ignore[union-attr]
    assert set(fields) == {"name", "certificate", "key"}
    assert fields["name"].get_payload() == mine.alias  # type: ignore[union-attr]
    assert pem_to_ders(fields["certificate"].get_payload(decode=True)) == (mine.leaf_der, *mine.chain_der)  # type: ignore[union-attr,arg-type]
    assert read_key(fields["key"].get_payload(decode=True)).key is not None  # type: ignore[union-attr,arg-type]
    assert "BEGIN" not in repr(message)


def test_a_certificate_without_a_key_goes_to_the_page_for_signed_ones() -> None:
    message = messages.build_upload(replace(bundle(1), key_der=b""), (), "edge")
    assert message.path == "/cgi/certificate/signed"
    assert b'name="key"' not in message.body and b"PRIVATE" not in message.body


def test_the_clock_is_sent_in_utc_with_zone_and_saving_as_they_were() -> None:
    at = datetime(2026, 5, 1, 14, 0, 9, tzinfo=timezone(timedelta(hours=2)))
    seen = ClockReading(ClockSource.MANUAL, timedelta(), "CET-1CEST", daylight_saving=True)
    sent = json.loads(messages.build_set_clock(at, seen).body)
    assert sent == {"utc": "2026-05-01T12:00:09Z", "timeZone": "CET-1CEST", "daylightSaving": True}
    sent = json.loads(messages.build_use_ntp(("a", "b"), ClockReading(ClockSource.MANUAL, None)).body)
    assert sent == {"mode": "ntp", "ntpServers": ["a", "b"], "daylightSaving": False}


def test_a_request_names_subject_and_san_in_the_cameras_words() -> None:
    sent = json.loads(messages.build_begin_request(csr_request(1, KeyType.RSA_2048)).body)
    assert sent == {
        "name": "dc-0a1b2c3d-r1",
        "keyType": "RSA-2048",
        "subject": {"O": "Example", "CN": "127.0.0.1"},
        "dnsNames": ["cam.example"],
        "ipAddresses": ["127.0.0.1"],
    }


def test_a_gateway_that_is_not_asked_for_is_not_sent() -> None:
    sent = json.loads(messages.build_set_address(StaticAddress("127.0.0.2", 24, was="127.0.0.1")).body)
    assert sent == {"address": "127.0.0.2", "prefixLength": 24}


def test_the_certificate_page_is_read_and_unknown_kinds_of_key_are_left_out() -> None:
    found = pages.read_certificates(CERTIFICATES)
    assert found.key_types == {KeyType.RSA_2048}
    assert (found.firmware.leaf, found.uploaded, found.deletes_first) == (FINGERPRINT, None, False)
    assert found.request == pages.SigningRequest("dc-0a1b2c3d-r1", ready=True)
    assert not found.request_destroys  # older firmware does not say
    assert pages.read_certificates(CERTIFICATES | {"requestDestroys": True}).request_destroys


@pytest.mark.parametrize(
    "change",
    [
        {"inUse": "both"},
        {"inUse": 7},
        {"requestDestroys": "yes"},
        {"keyTypes": "RSA"},
        {"keyTypes": [1]},
        {"firmware": None},
        {"firmware": {"fingerprints": ["zz"]}},
        {"uploaded": []},
        {"request": {"name": "x", "ready": 1}},
    ],
)
def test_a_certificate_page_that_makes_no_sense_cannot_be_read(change: dict[str, object]) -> None:
    with pytest.raises(ProtocolViolation):
        pages.read_certificates(CERTIFICATES | change)


def test_time_and_addresses_of_another_form_cannot_be_read() -> None:
    for reader, page in (
        (pages.read_clock, {"utc": "yesterday"}),
        (pages.read_clock, {"utc": 1}),
        (pages.read_reboot_needed, {}),
        (pages.read_address, {"address": 1}),
    ):
        with pytest.raises(ProtocolViolation):
            reader(page)  # type: ignore[operator]
    assert pages.read_clock({}).utc is None
    assert pages.read_clock({"mode": "gps"}).source is ClockSource.UNKNOWN
    assert pages.read_https({"enabled": True, "port": 99999}) == (True, None)


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (400, {"error": "key-type"}, DeviceRefused, Reason.KEY_TYPE_REFUSED),
        (409, {"error": "no-request"}, DeviceRefused, Reason.DEVICE_KEY_LOST),
        (507, {"error": "store-full"}, DeviceRefused, Reason.STORE_FULL),
        (400, {"error": "something-new", "message": "no"}, DeviceRefused, Reason.DEVICE_REFUSED),
        (503, {"error": "busy"}, DeviceBusy, Reason.DEVICE_BUSY),
        (404, b"<html>", Unsupported, Reason.UNSUPPORTED),
        (500, b"\xff", ProtocolViolation, Reason.PROTOCOL_VIOLATION),
        (400, {"error": ["x"]}, ProtocolViolation, Reason.PROTOCOL_VIOLATION),
    ],
)
def test_refusals_say_who_can_help(status: int, body: object, kind: type[OperatorError], reason: Reason) -> None:
    error = pages.error_of(reply(body, status), "uploading")
    assert isinstance(error, kind)
    assert error.reason is reason
    assert error.message.startswith("uploading")


def test_a_kind_of_key_that_is_refused_comes_with_the_next_move() -> None:
    error = pages.error_of(reply({"error": "key-type"}, 400), "uploading")
    assert error is not None
    assert "spec.privateKey.algorithm of the DeviceCertificate" in failure(error, LogIn()).message


def test_what_a_device_says_is_cut_and_made_printable() -> None:
    error = pages.error_of(reply({"error": "no\x1b[31m", "message": "y\n" * 500}, 400), "asking")
    assert error is not None
    assert error.message.isprintable() and len(error.message) < 250


def test_what_a_device_quotes_of_a_log_in_is_not_shown() -> None:
    quoted = 'no Digest response="6629fae49393a05397450978507c4ef1"'
    error = pages.error_of(reply({"error": "bad", "message": quoted}, 400), "asking")
    assert error is not None
    assert error.message == 'asking: the device says bad (no Digest response="…")'


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
members = st.sampled_from(
    [
        *("manufacturer", "macAddress", "addresses", "utc", "mode", "ntpServers", "enabled", "port", "address"),
        *("rebootNeeded", "inUse", "keyTypes", "firmware", "uploaded", "request", "fingerprints", "name", "ready"),
    ]
)


def said(read: Callable[[], object]) -> str:
    """The words of a refusal; nothing where it was read."""
    try:
        read()
    except ProtocolViolation as error:
        return error.message
    return ""


@settings(suppress_health_check=[HealthCheck.too_slow])  # the first draw, on a busy machine
@given(st.dictionaries(members, values, max_size=6))
def test_whatever_comes_is_read_or_refused_in_our_own_words(page: dict[str, object]) -> None:
    for reader in READERS:
        assert said(lambda reader=reader: reader(page)).isprintable()  # type: ignore[misc]


@given(st.binary(max_size=200) | st.just(b"[" * 100_000), st.integers(200, 599))
def test_no_body_is_too_odd(body: bytes, status: int) -> None:
    assert (pages.error_of(Reply(status, {}, body), "asking") is None) is (status < 400)
    assert said(lambda: pages.read_page(Reply(status, {}, body), "asking")).isprintable()


def test_a_time_far_away_is_written_with_four_digits() -> None:
    sent = json.loads(
        messages.build_set_clock(datetime(999, 1, 1, tzinfo=UTC), ClockReading(ClockSource.MANUAL, None)).body
    )
    assert sent["utc"].endswith("-01-01T00:00:00Z")
