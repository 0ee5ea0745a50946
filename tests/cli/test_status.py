"""`devicecert status NAME`: what is served beside the address and the clock, and whether each fits."""

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from click.testing import CliRunner, Result

from device_cert_operator.cli import main
from device_cert_operator.cli.status import describe
from device_cert_operator.core.model import ClockSource, Condition
from device_cert_operator.core.status import AddressStatus, ClockStatus, DeviceStatus, ServedStatus
from device_cert_operator.kube.views import DeviceView
from tests.support.situations import KEY, NOW, desired

module = import_module("device_cert_operator.cli.status")
SERVED = ServedStatus(
    "ab" * 32, "CN=10.0.0.1", "O=root", "5", NOW - timedelta(1), NOW + timedelta(days=89), (), ("10.0.0.1",)
)


def condition(kind: str, status: str, reason: str, message: str) -> Condition:
    return Condition(kind, status, reason, message, 1, NOW)


WELL = DeviceStatus(
    observed_generation=1,
    address=AddressStatus("10.0.0.1", "10.0.0.1"),
    served=SERVED,
    conditions=(
        condition("Secure", "True", "Trusted", "Browsers accept it."),
        condition("ClockInSync", "True", "ClockInSync", "The device's clock is within 30 s of the operator's."),
        condition("Ready", "True", "Ready", "All is well."),
    ),
)


def view(status: DeviceStatus = WELL, **more: Any) -> DeviceView:
    return DeviceView(KEY, "uid", "1", 1, NOW, desired(**more), status)


def status_of(
    monkeypatch: pytest.MonkeyPatch, one: DeviceView, *arguments: str, more: DeviceView | None = None
) -> Result:
    async def read(kubeconfig: str | None, namespace: str | None) -> list[DeviceView]:
        return [one, more] if more else [one]

    class Clock:
        def now(self) -> datetime:
            return NOW

    monkeypatch.setattr(module, "_read", read)
    monkeypatch.setattr(module, "SystemClock", Clock)
    return CliRunner().invoke(main, ["status", *arguments])


def test_all_that_fits_is_said_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    result = status_of(monkeypatch, view(), "gate")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "Device:   cams/gate",
        "Address:  10.0.0.1",
        "          ✓ in the certificate",
        "Served:   CN=10.0.0.1, issued by O=root",
        "Names:    10.0.0.1",
        f"SHA-256:  {'ab' * 32}",
        "Valid:    2026-11-23 12:00 to 2027-02-21 12:00 UTC",
        "          ✓ valid now",
        "Clock:    The device's clock is within 30 s of the operator's.",
        "          ✓ within the validity",
        "Secure:   True  Browsers accept it.",
        "Next:     Ready: All is well.",
    ]


def test_a_device_that_moved_is_told_with_both_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    moved = replace(WELL, address=AddressStatus("10.0.0.1", "10.0.0.9"))
    said = status_of(monkeypatch, view(moved), "gate").stdout
    assert "Address:  10.0.0.9 (declared 10.0.0.1)\n          ✗ not in the certificate\n" in said


@pytest.mark.parametrize(
    ("offset", "in_sync", "fits"),
    [
        (timedelta(days=-3650), "False", False),
        (timedelta(minutes=2), "False", True),
        (None, "True", True),
        (None, "Unknown", None),
    ],
)
def test_the_devices_clock_is_held_against_the_validity(
    offset: timedelta | None, in_sync: str, fits: bool | None
) -> None:
    said = condition("ClockInSync", in_sync, "ClockOff", "It is off.")
    status = replace(WELL, clock=ClockStatus(ClockSource.MANUAL, offset), conditions=(said,))
    assert describe(view(status), NOW)["served"]["fitsDeviceClock"] is fits


@pytest.mark.parametrize(
    ("host", "dns_names", "addresses", "fits"),
    [
        ("10.0.0.1", (), ("10.0.0.1",), True),
        ("10.0.0.1", ("10.0.0.1",), (), False),
        ("Gate.Cams.example", ("*.cams.example",), (), True),
        ("10.0.0.1", (), tuple(f"10.0.1.{number}" for number in range(64)), None),
        ("10.0.0.1", (), tuple(f"10.0.0.{number}" for number in range(64)), True),
    ],
)
def test_the_address_is_held_against_the_names(
    host: str, dns_names: tuple[str, ...], addresses: tuple[str, ...], fits: bool | None
) -> None:
    served = replace(SERVED, dns_names=dns_names, ip_addresses=addresses)
    status = replace(WELL, served=served, address=AddressStatus(host, host))
    assert describe(view(status, host=host), NOW)["served"]["fitsAddress"] is fits


def test_an_expired_certificate_does_not_fit_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    expired = replace(WELL, served=replace(SERVED, not_after=NOW - timedelta(hours=1)))
    result = status_of(monkeypatch, view(expired), "gate", "-o", "json")
    assert json.loads(result.stdout)[0]["served"]["fitsTime"] is False


def test_devices_of_one_name_in_two_namespaces_are_both_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(view(), key=replace(KEY, namespace="yard"))
    shown = status_of(monkeypatch, view(), "gate", more=other).stdout
    assert re.findall(r"^Device: +(\S+)$", shown, re.MULTILINE) == [f"{KEY.namespace}/gate", "yard/gate"]


def test_a_device_that_was_never_seen_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    result = status_of(monkeypatch, view(DeviceStatus()), "gate")
    assert result.exit_code == 1
    assert "Served:   nothing was seen yet" in result.stdout


def test_the_list_has_a_line_for_each_and_says_what_is_next(monkeypatch: pytest.MonkeyPatch) -> None:
    well = status_of(monkeypatch, view())
    assert (well.exit_code, rows_of(well)) == (
        0,
        [
            ["DEVICE", "ADDRESS", "SECURE", "EXPIRES", "CLOCK", "NEXT"],
            ["cams/gate", "10.0.0.1", "True", "2027-02-21 12:00", "in sync"],
        ],
    )
    clock = condition("ClockInSync", "False", "ClockOff", "The device's clock is 60 min behind.")
    ready = condition("Ready", "False", "ClockOff", "Set it.")
    fast = replace(WELL, served=None, address=AddressStatus("10.0.0.1", "10.0.0.7"), conditions=(clock, ready))
    bad = status_of(monkeypatch, view(fast))
    assert (bad.exit_code, rows_of(bad)[1:]) == (1, [["cams/gate", "10.0.0.7", "Unknown", "off", "ClockOff: Set it."]])


def rows_of(result: Result) -> list[list[str]]:
    return [re.split(r"  +", line.strip()) for line in result.stdout.splitlines()]


def test_what_a_device_wrote_is_neither_markup_nor_command(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = (condition("Ready", "False", "IssuerMismatch", "issued by [/red]O=a\x1b[2Jb."),)
    status = replace(WELL, served=replace(SERVED, subject="O=\x1b[2J[bold]"), conditions=hostile)
    for arguments in ((), ("gate",)):
        result = status_of(monkeypatch, view(status), *arguments)
        assert result.exit_code == 1, result.output
        assert "\x1b[2J" not in result.stdout
        assert "[/red]" in result.stdout
