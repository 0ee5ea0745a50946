"""`devicecert status`: every device, secure or not, and what is next."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

import click
import yaml
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from device_cert_operator.api.convert_status import MOST_ITEMS
from device_cert_operator.cli.plain import coloured, printable
from device_cert_operator.clock import SystemClock
from device_cert_operator.core.conditions import find, status_of
from device_cert_operator.core.model import canonical_host
from device_cert_operator.core.naming import covers
from device_cert_operator.core.status import DeviceStatus, ServedStatus
from device_cert_operator.errors import NotFound, OperatorError
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.client import Requests, load_configuration
from device_cert_operator.kube.relist import RESOURCES, Lister
from device_cert_operator.kube.views import DeviceView

_COLOURS = {"True": "green", "False": "red"}


@click.command()
@click.argument("name", required=False)
@click.option("--kubeconfig", envvar="KUBECONFIG", help="Cluster to ask.")
@click.option("-n", "--namespace", default=None, help="Only this namespace; default all.")
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
def status(name: str | None, kubeconfig: str | None, namespace: str | None, output: str) -> None:
    """Show devices: address, secure or not, expiry, clock, and what is next. NAME: all of one, in each namespace.

    Exit code 0: all are as wanted; 1: some are not; 2: the cluster cannot be asked.
    """
    try:
        views = asyncio.run(_read(kubeconfig, namespace))
    except NotFound:
        click.echo("Error: the CRDs are not installed: kubectl apply --server-side -f crds/", err=True)
        sys.exit(2)
    except OperatorError as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(2)
    if name is not None:
        views = [view for view in views if view.key.name == name]
        if not views:
            click.echo(f"Error: there is no Device {name}.", err=True)
            sys.exit(2)
    rows = [describe(view, SystemClock().now()) for view in sorted(views, key=lambda view: view.key)]
    match output:
        case "json":
            click.echo(json.dumps(rows, indent=2))
        case "yaml":
            click.echo(yaml.safe_dump(rows, sort_keys=False), nl=False)
        case _ if name is not None:
            _print_each(rows)
        case _:
            _print(rows)
    sys.exit(0 if all(row["ready"] for row in rows) else 1)


async def _read(kubeconfig: str | None, namespace: str | None) -> list[DeviceView]:
    requests = Requests(await load_configuration(kubeconfig), SystemClock())
    cache = Cache()
    try:
        await Lister(requests, cache, (namespace,) if namespace else ()).fill(RESOURCES[:1])
    finally:
        await requests.close()
    return list(cache.all_devices())


def describe(view: DeviceView, now: datetime) -> dict[str, Any]:
    """One device as people ask for it."""
    state = view.status
    ready, clock, secure = (find(state.conditions, kind) for kind in ("Ready", "ClockInSync", "Secure"))
    served = state.served
    address = state.address.current or (view.desired.host if view.desired else "")
    devices_time = device_time(state, now)
    return {
        "namespace": view.key.namespace,
        "name": view.key.name,
        "address": address,
        "declared": view.desired.host if view.desired else "",
        "secure": status_of(state.conditions, "Secure"),
        "secureMessage": secure.message if secure else "",
        "expires": served.not_after.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if served else "",
        "expiresInDays": (served.not_after - now).days if served else None,
        "clock": clock.message if clock else "not read yet",
        "clockInSync": status_of(state.conditions, "ClockInSync"),
        "served": _served(served, address, now, devices_time) if served else None,
        "deviceTime": devices_time.isoformat(timespec="seconds") if devices_time else None,
        "ready": ready is not None and ready.status == "True",
        "reason": ready.reason if ready else "NotChecked",
        "next": ready.message if ready else "The operator has not looked at it yet: is it running?",
    }


def _served(served: ServedStatus, address: str, now: datetime, devices_time: datetime | None) -> dict[str, Any]:
    """What is served, and whether it fits the address, the time, and the time as the device has it."""
    return {
        "subject": served.subject,
        "issuer": served.issuer,
        "names": [*served.dns_names, *served.ip_addresses],
        "fingerprint": served.fingerprint,
        "notBefore": served.not_before.isoformat(),
        "notAfter": served.not_after.isoformat(),
        "fitsAddress": fits_address(served, address),
        "fitsTime": served.not_before <= now <= served.not_after,
        "fitsDeviceClock": served.not_before <= devices_time <= served.not_after if devices_time else None,
    }


def device_time(state: DeviceStatus, now: datetime) -> datetime | None:
    """What the device's clock shows, as far as it was read: the offset is kept only where it matters."""
    if state.clock.offset is not None:
        return now + state.clock.offset
    return now if status_of(state.conditions, "ClockInSync") == "True" else None


def fits_address(served: ServedStatus, address: str) -> bool | None:
    """Whether the SAN covers the address; None: its names were too many to keep."""
    try:
        fits = covers(served.dns_names, served.ip_addresses, canonical_host(address))
    except UnicodeError:
        return False
    cut = MOST_ITEMS in (len(served.dns_names), len(served.ip_addresses))
    return None if cut and not fits else fits


def _print(rows: list[dict[str, Any]]) -> None:
    if not rows:
        click.echo("There are no devices. An example: deploy/examples/.", err=True)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("DEVICE", "ADDRESS", "SECURE", "EXPIRES", "CLOCK", "NEXT"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "NEXT")
    for row in rows:
        colour = _COLOURS.get(row["secure"], "yellow")
        clock = {"True": "in sync", "False": "off"}.get(row["clockInSync"], "unknown")
        told = "" if row["ready"] else f"{row['reason']}: {row['next']}"
        table.add_row(
            f"{row['namespace']}/{row['name']}",
            escape(printable(row["address"])),
            f"[{colour}]{row['secure']}[/]",
            row["expires"],
            clock,
            escape(printable(told)),
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _print_each(rows: list[dict[str, Any]]) -> None:
    """A device of this name may be in several namespaces."""
    for number, row in enumerate(rows):
        if number:
            click.echo()
        _print_one(row)


def _print_one(row: dict[str, Any]) -> None:
    """What is served beside the address and the clock, and whether each fits."""
    served = row["served"]
    declared = "" if row["address"] == row["declared"] else f" (declared {row['declared']})"
    _line("Device", f"{row['namespace']}/{row['name']}")
    _line("Address", row["address"] + declared)
    if served is None:
        _line("Served", "nothing was seen yet")
    else:
        _line(
            "", *_fit(served["fitsAddress"], "in the certificate", "not in the certificate", "too many names to tell")
        )
        _line("Served", f"{served['subject'] or '(empty subject)'}, issued by {served['issuer']}")
        _line("Names", ", ".join(served["names"]) or "none")
        _line("SHA-256", served["fingerprint"])
        _line("Valid", f"{_minute(served['notBefore'])} to {_minute(served['notAfter'])} UTC")
        _line("", *_fit(served["fitsTime"], "valid now", "not valid now", ""))
    _line("Clock", row["clock"])
    if served is not None:
        unread = "not known to the operator"
        _line("", *_fit(served["fitsDeviceClock"], "within the validity", "outside of the validity", unread))
    _line("Secure", f"{row['secure']}  {row['secureMessage']}", _COLOURS.get(row["secure"], "yellow"))
    _line("Next", f"{row['reason']}: {row['next']}")


def _fit(fits: bool | None, yes: str, no: str, unknown: str) -> tuple[str, str]:
    """(words, colour)."""
    if fits is None:
        return f"? {unknown}", "yellow"
    return (f"✓ {yes}", "green") if fits else (f"✗ {no}", "red")


def _minute(iso: str) -> str:
    return iso[:16].replace("T", " ")


def _line(name: str, value: str, colour: str | None = None) -> None:
    head = f"{name}:" if name else ""
    click.echo(f"{head:<10}{coloured(printable(value), colour)}")
