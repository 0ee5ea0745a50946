"""What a reply says about a log-in, and the token that goes into a SOAP header."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from device_cert_operator.core.exchange import Reply
from device_cert_operator.core.model import Credentials
from device_cert_operator.errors import Retry
from device_cert_operator.net.login import LogIn, Verdict, busy, judge, retry_after, username_token
from device_cert_operator.reasons import Reason

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
NOT_AUTHORIZED = b"<Fault><Subcode><Value>ter:NotAuthorized</Value></Subcode></Fault>"


def test_the_token_is_that_of_the_profile() -> None:
    # the example of the ONVIF Application Programmer's Guide 1.0, section 6.1.1.3
    token = username_token(
        Credentials("user", "userpassword"),
        datetime(2010, 9, 16, 7, 50, 45, tzinfo=UTC),
        nonce=base64.b64decode("LKqI6G/AikKCQrN0zqZFlg=="),
    )
    assert token.created == "2010-09-16T07:50:45Z"
    assert token.nonce == "LKqI6G/AikKCQrN0zqZFlg=="
    assert token.password_digest == "tuOSpGlFlIXsozq4HFNeeGeFLEI="


def test_every_token_has_a_nonce_of_its_own_and_hides_itself() -> None:
    one, two = (username_token(Credentials("u", "p"), NOW) for _ in range(2))
    assert one.nonce != two.nonce
    assert repr(one) == "UsernameToken(…)"


@pytest.mark.parametrize(
    ("status", "headers", "body", "verdict"),
    [
        (200, {}, b"", Verdict.ACCEPTED),
        (400, {}, b"<Fault>ter:InvalidArgVal</Fault>", Verdict.ACCEPTED),
        (500, {}, b"<Fault>ter:ActionNotSupported</Fault>", Verdict.ACCEPTED),
        (400, {}, NOT_AUTHORIZED, Verdict.REFUSED),
        (401, {"www-authenticate": 'Digest nonce="2"'}, b"", Verdict.REFUSED),
        (401, {"www-authenticate": 'Digest nonce="2", stale=true'}, b"", Verdict.STALE),
        (400, {}, b"wsu:MessageExpired", Verdict.OUT_OF_TIME),
        (401, {"www-authenticate": 'Digest nonce="2"'}, b"wsu:MessageExpired", Verdict.OUT_OF_TIME),
        (403, {}, b"", Verdict.FORBIDDEN),
        (404, {}, b"", Verdict.UNSAID),
        (502, {}, b"", Verdict.LOST),
        (504, {}, b"", Verdict.LOST),
    ],
)
def test_the_verdict_on_a_log_in(status: int, headers: dict[str, str], body: bytes, verdict: Verdict) -> None:
    assert judge(Reply(status, headers, body)) is verdict


@pytest.mark.parametrize(
    ("status", "headers", "body", "reason", "wait"),
    [
        (423, {}, b"", Reason.LOGIN_LOCKED, 3600),
        (401, {}, b"Login has been locked", Reason.LOGIN_LOCKED, 3600),
        (403, {"retry-after": "120"}, b"<reason>account is locked</reason>", Reason.LOGIN_LOCKED, 120),
        (401, {}, b"{illegalLoginLock: 3}", Reason.LOGIN_LOCKED, 3600),
        (429, {"retry-after": "7"}, b"", Reason.DEVICE_BUSY, 7),
        (503, {"retry-after": "Mon, 01 Jun 2026 12:01:00 GMT"}, b"", Reason.DEVICE_BUSY, 60),
        (503, {}, b"restarting", Reason.DEVICE_BUSY, None),
        (503, {"content-type": "application/soap+xml"}, b"<Fault/>", None, None),
        (401, {}, b"clock blocked", None, None),
        (200, {}, b"locked", None, None),
    ],
)
def test_later_and_locked_are_told_apart(
    status: int, headers: dict[str, str], body: bytes, reason: Reason | None, wait: int | None
) -> None:
    error = busy(Reply(status, headers, body), "camera", NOW)
    assert (error.reason if error else None) == reason
    if error:
        assert error.retry_after == (timedelta(seconds=wait) if wait else None)
        assert error.retry is Retry.SOON


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("0", 1), ("999999999", 86400), ("Thu, 01 Jan 1970 00:00:00 GMT", 1), ("soon", None), ("", None), ("-5", None)],
)
def test_a_wait_is_bounded(value: str, seconds: int | None) -> None:
    wait = retry_after({"retry-after": value}, NOW)
    assert wait == (None if seconds is None else timedelta(seconds=seconds))


def test_basic_is_only_for_connections_on_which_the_password_may_be_shown() -> None:
    offer = Reply(401, {"www-authenticate": 'Basic realm="x"'}, b"")
    assert not LogIn(Credentials("u", "p"), may_show_password=False).take_offer(offer)
    assert LogIn(Credentials("u", "p"), may_show_password=True).take_offer(offer)
