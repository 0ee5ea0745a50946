"""`devicecert status`: every device, secure or not, and what is next."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Any

import click
import yaml
from rich.console import Console
from rich.table import Table

from device_cert_operator.clock import SystemClock
from device_cert_operator.core.conditions import find, status_of
from device_cert_operator.errors import NotFound, OperatorError
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.client import Requests, load_configuration
from device_cert_operator.kube.relist import RESOURCES, Lister
from device_cert_operator.kube.views import DeviceView


@click.command()
@click.argument("name", required=False)
@click.option("--kubeconfig", envvar="KUBECONFIG", help="Cluster to ask.")
@click.option("-n", "--namespace", default=None, help="Only this namespace; default all.")
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
def status(name: str | None, kubeconfig: str | None, namespace: str | None, output: str) -> None:
    """Show devices: address, secure or not, expiry, clock, and what is next. NAME shows one device.

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
            _print_one(rows[0])
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
    ready, clock = find(state.conditions, "Ready"), find(state.conditions, "ClockInSync")
    served = state.served
    return {
        "namespace": view.key.namespace,
        "name": view.key.name,
        "address": state.address.current or (view.desired.host if view.desired else ""),
        "declared": view.desired.host if view.desired else "",
        "secure": status_of(state.conditions, "Secure"),
        "expires": served.not_after.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if served else "",
        "expiresInDays": (served.not_after - now).days if served else None,
        "clock": clock.message if clock else "not read yet",
        "clockInSync": status_of(state.conditions, "ClockInSync"),
        "served": {
            "subject": served.subject,
            "issuer": served.issuer,
            "names": [*served.dns_names, *served.ip_addresses],
            "fingerprint": served.fingerprint,
        }
        if served
        else None,
        "ready": ready is not None and ready.status == "True",
        "reason": ready.reason if ready else "NotChecked",
        "next": ready.message if ready else "The operator has not looked at it yet: is it running?",
    }


def _print(rows: list[dict[str, Any]]) -> None:
    if not rows:
        click.echo("There are no devices. An example: deploy/examples/.", err=True)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("DEVICE", "ADDRESS", "SECURE", "EXPIRES", "CLOCK", "NEXT"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "NEXT")
    for row in rows:
        colour = {"True": "green", "False": "red"}.get(row["secure"], "yellow")
        clock = {"True": "in sync", "False": "off"}.get(row["clockInSync"], "unknown")
        told = "" if row["ready"] else f"{row['reason']}: {row['next']}"
        table.add_row(
            f"{row['namespace']}/{row['name']}",
            row["address"],
            f"[{colour}]{row['secure']}[/]",
            row["expires"],
            clock,
            told,
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _print_one(row: dict[str, Any]) -> None:
    served = row["served"] or {"subject": "nothing", "issuer": "", "names": [], "fingerprint": ""}
    lines = {
        "Device": f"{row['namespace']}/{row['name']}",
        "Address": row["address"] + ("" if row["address"] == row["declared"] else f" (declared {row['declared']})"),
        "Secure": row["secure"],
        "Served": f"{served['subject']}, issued by {served['issuer']}",
        "Names": ", ".join(served["names"]),
        "Expires": row["expires"],
        "SHA-256": served["fingerprint"],
        "Clock": row["clock"],
        "Next": f"{row['reason']}: {row['next']}",
    }
    for name, value in lines.items():
        click.echo(f"{name + ':':<10}{value}")
