"""`devicecert doctor`: whether the operator can work here, and what it would do for a device."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace

import click
import yaml

from device_cert_operator.cli.checkup import (
    Level,
    Patient,
    Result,
    as_far_as_possible,
    check_cert_manager,
    check_clock,
    check_definitions,
    check_device,
    check_lease,
    check_lease_rights,
    check_orphans,
    check_rights,
    lease_place,
)
from device_cert_operator.cli.plain import coloured, printable
from device_cert_operator.clock import SystemClock
from device_cert_operator.core.model import ObjectKey
from device_cert_operator.errors import NotFound, OperatorError
from device_cert_operator.kube.lease import KubeLease
from device_cert_operator.kube.relist import Lister
from device_cert_operator.reconcile.tools import Tools
from device_cert_operator.settings import Settings

_MARKS = {Level.OK: ("✓", "green"), Level.WARNING: ("!", "yellow"), Level.PROBLEM: ("✗", "red")}


@click.command()
@click.argument("device", required=False)
@click.option("--kubeconfig", envvar="KUBECONFIG", help="Cluster to ask.")
@click.option("-n", "--namespace", default="default", show_default=True, help="Of DEVICE.")
@click.option(
    "--service-account", metavar="NAMESPACE/NAME", help="Check the rights of this account instead of your own."
)
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
def doctor(
    device: str | None, kubeconfig: str | None, namespace: str, service_account: str | None, output: str
) -> None:
    """Look whether the operator can work: CRDs, rights, cert-manager, clock, Lease, leftovers. Changes nothing.

    DEVICE (or NAMESPACE/DEVICE): shake hands with it as well, and tell what the operator would do next, without a
    log-in. Settings are read from DEVICECERT_… as the operator reads them.

    Exit code 0: well, perhaps with warnings; 1: a problem; 2: the cluster cannot be asked.
    """
    try:
        settings = Settings.from_environment()
        account = _account(service_account)
        results = asyncio.run(_examine(settings, kubeconfig, _key(device, namespace), account))
    except (ValueError, OperatorError) as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    match output:
        case "json":
            click.echo(json.dumps([asdict(one) for one in results], indent=2))
        case "yaml":
            plain = [{name: str(text) for name, text in asdict(one).items()} for one in results]
            click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)
        case _:
            _print(results)
    sys.exit(1 if any(one.level is Level.PROBLEM for one in results) else 0)


def _key(device: str | None, namespace: str) -> ObjectKey | None:
    if device is None:
        return None
    where, slash, name = device.rpartition("/")
    return ObjectKey("Device", where if slash else namespace, name)


def _account(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name):
        raise ValueError(f"{text!r} names no ServiceAccount: NAMESPACE/NAME is wanted")
    return namespace, name


async def _examine(
    settings: Settings, kubeconfig: str | None, key: ObjectKey | None, account: tuple[str, str] | None
) -> list[Result]:
    """Everything, in order. Raises OperatorError when the cluster cannot be asked at all."""
    from device_cert_operator.wiring import build

    clock = SystemClock()
    app = await build(replace(settings, lease_name=""), kubeconfig, clock)
    try:
        await app.requests.call("GET", "/version")
        patient = Patient(app.requests, settings, clock.now(), account)
        results = [check_clock(patient)]
        results += await _attempt("CRDs", lambda: check_definitions(patient))
        results += await _attempt("Rights", lambda: _one(check_rights(patient)))
        if settings.lease_name:
            results += await _attempt("Lease rights", lambda: _one(check_lease_rights(patient)))
        results += await _attempt("cert-manager", lambda: check_cert_manager(patient))
        results += await _attempt("Lease", lambda: _one(check_lease(patient, _store(patient))))
        return results + await _attempt("Objects", lambda: _check_objects(app.lister, app.tools, key))
    finally:
        await app.close()


async def _check_objects(lister: Lister, tools: Tools, key: ObjectKey | None) -> list[Result]:
    """What is told of objects when all of them are known: what was not listed must not look deleted."""
    try:
        await lister.fill()
    except NotFound:
        return []  # without CRDs there is nothing more to see
    results = list(check_orphans(tools.cache))
    if key is not None:
        results += await _attempt("Device", lambda: check_device(key, tools))
    return results


def _store(patient: Patient) -> KubeLease | None:
    settings = patient.settings
    if not settings.lease_name:
        return None
    return KubeLease(patient.requests, lease_place(settings), settings.lease_name, SystemClock())


async def _one(result: Awaitable[Result]) -> list[Result]:
    return [await result]


async def _attempt(name: str, check: Callable[[], Awaitable[list[Result]]]) -> list[Result]:
    """A right that is missing for one look, or an object that cannot be read, does not hide the others."""
    try:
        return await check()
    except OperatorError as error:
        return [as_far_as_possible(error, name)]


def _print(results: list[Result]) -> None:
    width = max(len(one.check) for one in results)
    for one in results:
        mark, colour = _MARKS[one.level]
        click.echo(f"{coloured(mark, colour)} {one.check:<{width}}  {printable(one.message)}")
