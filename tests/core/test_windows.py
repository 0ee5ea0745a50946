"""Maintenance windows by the clock on the wall: what is open, until when, and what opens next."""

from datetime import datetime, timedelta

import pytest

from device_cert_operator.core.windows import next_window, read_window, window_open_until

HOUR = timedelta(hours=1)

# Europe/Berlin: 2026-03-29 01:00Z the clock goes from 02:00 to 03:00, 2026-10-25 01:00Z from 03:00 back to 02:00
ROWS: list[tuple[str, str, str, str, str | None, str]] = [
    ("before it opens", "0 2 * * *", "Asia/Tokyo", "2026-06-01T16:59:59Z", None, "2026-06-01T17:00Z"),
    ("as it opens", "0 2 * * *", "Asia/Tokyo", "2026-06-01T17:00Z", "2026-06-01T18:00Z", "2026-06-02T17:00Z"),
    ("to its last second", "0 2 * * *", "UTC", "2026-06-01T02:59:59Z", "2026-06-01T03:00Z", "2026-06-02T02:00Z"),
    ("not after it", "0 2 * * *", "UTC", "2026-06-01T03:00Z", None, "2026-06-02T02:00Z"),
    ("over midnight", "30 23 * * *", "UTC", "2026-06-01T00:10Z", "2026-06-01T00:30Z", "2026-06-01T23:30Z"),
    ("on some days only", "0 2 * * SUN", "UTC", "2026-06-01T02:30Z", None, "2026-06-07T02:00Z"),
    ("openings that overlap", "0,30 2 * * *", "UTC", "2026-06-01T02:40Z", "2026-06-01T03:30Z", "2026-06-02T02:00Z"),
    ("summer time: before", "0 3 * * *", "Europe/Berlin", "2026-03-28T12:00Z", None, "2026-03-29T01:00Z"),
    ("summer time: after", "0 3 * * *", "Europe/Berlin", "2026-03-30T00:00Z", None, "2026-03-30T01:00Z"),
    ("winter time", "0 3 * * *", "Europe/Berlin", "2026-10-24T12:00Z", None, "2026-10-25T02:00Z"),
    ("the hour that is skipped", "30 2 * * *", "Europe/Berlin", "2026-03-29T00:59Z", None, "2026-03-29T01:00Z"),
    (
        "open right after the skipped hour",
        "30 2 * * *",
        "Europe/Berlin",
        "2026-03-29T01:20Z",
        "2026-03-29T02:00Z",
        "2026-03-30T00:30Z",
    ),
    ("the hour that comes twice", "30 2 * * *", "Europe/Berlin", "2026-10-24T23:59Z", None, "2026-10-25T00:30Z"),
    (
        "opens the first time",
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-25T00:31Z",
        "2026-10-25T01:30Z",
        "2026-10-26T01:30Z",
    ),
    ("and not the second", "30 2 * * *", "Europe/Berlin", "2026-10-25T01:31Z", None, "2026-10-26T01:30Z"),
    (
        "but each hour has its own where every hour is meant",
        "30 * * * *",
        "Europe/Berlin",
        "2026-10-25T01:31Z",
        "2026-10-25T02:30Z",
        "2026-10-25T02:30Z",
    ),
]


@pytest.mark.parametrize(
    ("schedule", "zone", "now", "until", "opens"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_a_window_goes_by_the_clock_on_the_wall(
    schedule: str, zone: str, now: str, until: str | None, opens: str
) -> None:
    window = read_window(schedule, HOUR, zone)
    at = datetime.fromisoformat(now)
    assert window_open_until((window,), at) == (datetime.fromisoformat(until) if until else None)
    assert next_window((window,), at) == (datetime.fromisoformat(opens), window)


def test_of_several_windows_the_first_to_open_and_the_last_to_close_count() -> None:
    night, noon = read_window("0 2 * * *", 3 * HOUR, "UTC"), read_window("0 4 * * *", 3 * HOUR, "UTC")
    both = (night, noon)
    assert window_open_until(both, datetime.fromisoformat("2026-06-01T04:30Z")) == datetime.fromisoformat(
        "2026-06-01T07:00Z"
    )
    assert next_window(both, datetime.fromisoformat("2026-06-01T03:00Z")) == (
        datetime.fromisoformat("2026-06-01T04:00Z"),
        noon,
    )


def test_without_windows_none_is_open_and_none_will_be() -> None:
    now = datetime.fromisoformat("2026-06-01T04:30Z")
    assert window_open_until((), now) is None
    assert next_window((), now) is None


@pytest.mark.parametrize(
    ("schedule", "zone", "told"),
    [
        ("", "UTC", "no schedule of five fields"),
        ("* * * *", "UTC", "no schedule of five fields"),
        ("* * * * * *", "UTC", "no schedule of five fields"),
        ("@daily", "UTC", "no schedule of five fields"),
        ("60 * * * *", "UTC", "no schedule: bad minute"),
        ("0 2 * * FUNDAY", "UTC", "no schedule: bad day-of-week"),
        ("0 0 31 4 *", "UTC", "no schedule: bad day-of-month"),
        ("0 2 * * *", "Mars/Base", "no time zone such as Europe/Berlin"),
        ("0 2 * * *", "../../etc/passwd", "no time zone such as Europe/Berlin"),
        ("0 2 * * *", "America", "no time zone such as Europe/Berlin"),
        ("0 2 * * *", "", "no time zone such as Europe/Berlin"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(schedule: str, zone: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_window(schedule, HOUR, zone)


def test_a_schedule_that_is_never_due_is_refused() -> None:
    with pytest.raises(ValueError, match="is never due"):
        read_window("0 0 */31 4 SUN#5", HOUR, "UTC")
