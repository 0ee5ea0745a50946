"""`devicecert simulate`: run simulated cameras, and do to them what happens to cameras."""

import asyncio
import contextlib
import ipaddress
import itertools
import json
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import click
import yaml
from aiohttp import web

from device_simulator.control import application
from device_simulator.faults import Fault
from device_simulator.fleet import Simulator
from device_simulator.spec import DeviceSpec, Kind, on_this_machine

CONTROL = "127.0.0.1:8099"


@click.group()
def simulate() -> None:
    """Simulated cameras on loopback addresses, which misbehave as devices do."""


@simulate.command()
@click.option("--devices", type=click.IntRange(min=1), default=3, show_default=True, help="How many.")
@click.option("--kind", type=click.Choice([str(kind) for kind in Kind]), default=str(Kind.ONVIF), show_default=True)
@click.option(
    "--firmware-ca", default=DeviceSpec.firmware_ca, show_default=True, help="Its CA's name, with firmware-ca."
)
@click.option("--prefix", default="cam", show_default=True, help="Their names: PREFIX-1, PREFIX-2, …")
@click.option("--subnet", default="127.20.0.0/24", show_default=True, help="Their addresses, from the first host on.")
@click.option("--http-port", default=8080, show_default=True)
@click.option("--https-port", default=8443, show_default=True)
@click.option("--username", default="admin", show_default=True)
@click.option("--password", default="secret", show_default=True)
@click.option("--seed", default=0, show_default=True, help="For the small troubles of the day.")
@click.option("--hostility", type=click.FloatRange(0, 1), default=0.02, show_default=True, help="Their rate, 0 to 1.")
@click.option("--control", default=CONTROL, show_default=True, help="Where the other commands reach this one.")
def run(**given: Any) -> None:
    """Run cameras until interrupted."""
    asyncio.run(_run(given))


async def _run(given: dict[str, Any]) -> None:
    addresses = _addresses(given["subnet"], given["devices"])
    host, port = _place(given["control"])
    stop = asyncio.Event()
    for told in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(told, stop.set)
    shared = {key: given[key] for key in ("http_port", "https_port", "username", "password", "seed", "firmware_ca")}
    shared["kind"] = Kind(given["kind"])
    async with Simulator(seed=given["seed"], hostility=given["hostility"]) as simulator:
        runner = web.AppRunner(application(simulator), access_log=None)
        try:
            for number, address in enumerate(addresses, 1):
                await simulator.add(DeviceSpec(name=f"{given['prefix']}-{number}", address=address, **shared))
            await runner.setup()
            await web.TCPSite(runner, host, port).start()
            click.echo(f"{len(addresses)} devices from {addresses[0]} on; control at {given['control']}", err=True)
            await stop.wait()
        except OSError as error:
            raise click.ClickException(f"{error}: choose other ports or another subnet.") from None
        finally:
            await runner.cleanup()


def _addresses(subnet: str, count: int) -> list[str]:
    try:
        network = ipaddress.ip_network(subnet)
        found = [on_this_machine(str(one)) for one in itertools.islice(network.hosts(), count)]
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    if len(found) < count:
        raise click.ClickException(f"{subnet} has room for {len(found)} devices, not for {count}: give a larger one.")
    return found


def _place(control: str) -> tuple[str, int]:
    host, _, port = control.rpartition(":")
    try:
        return on_this_machine(host), int(port)
    except ValueError:
        raise click.ClickException(f"--control {control}: give ADDRESS:PORT in 127.0.0.0/8.") from None


def _control(command: Callable[..., None]) -> Callable[..., None]:
    return click.option("--control", default=CONTROL, show_default=True, help="Of the running simulator.")(command)


def _output(command: Callable[..., None]) -> Callable[..., None]:
    kinds = click.Choice(["text", "json", "yaml"])
    return _control(click.option("-o", "--output", type=kinds, default="text", show_default=True)(command))


def show(told: Any, output: str) -> None:
    """One device, or a list of them."""
    if output == "json":
        click.echo(json.dumps(told, indent=2))
    elif output == "yaml":
        click.echo(yaml.safe_dump(told, sort_keys=False), nl=False)
    else:
        for device in told if isinstance(told, list) else [told]:
            faults = f" [{', '.join(device['faults'])}]" if device["faults"] else ""
            off = "" if device["powered"] else " off"
            click.echo(f"{device['name']:<12} {device['address']:<16} {device['clock']}{off}{faults}")


def ask(control: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """One request to a running simulator. Raises ClickException."""
    request = urllib.request.Request(  # a loopback address of our own
        f"http://{control}{path}", json.dumps(body).encode() if body is not None else None
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as reply:
            return json.loads(reply.read())
    except urllib.error.HTTPError as error:
        told = {}
        with contextlib.suppress(ValueError):
            told = json.loads(error.read())
        raise click.ClickException(str(told.get("error", error))) from None
    except OSError as error:
        raise click.ClickException(f"No simulator answers at {control} ({error}): `devicecert simulate run`.") from None


@simulate.command("list")
@_output
def list_(control: str, output: str) -> None:
    """Show the cameras."""
    show(ask(control, "/devices"), output)


@simulate.command()
@_output
@click.argument("name")
@click.argument("address")
def move(control: str, output: str, name: str, address: str) -> None:
    """Give a camera another address."""
    show(ask(control, f"/devices/{name}/move", {"address": address}), output)


@simulate.command()
@_output
@click.argument("name")
@click.argument("seconds", type=float)
def skew(control: str, output: str, name: str, seconds: float) -> None:
    """Put its clock off by so many seconds."""
    show(ask(control, f"/devices/{name}/skew", {"seconds": seconds}), output)


@simulate.command()
@_output
@click.argument("name")
@click.argument("password")
def password(control: str, output: str, name: str, password: str) -> None:
    """Change its password."""
    show(ask(control, f"/devices/{name}/password", {"password": password}), output)


@simulate.command()
@_output
@click.argument("name")
@click.argument("fault", type=click.Choice([str(fault) for fault in Fault]))
@click.option("--times", type=click.IntRange(min=1), help="How many times; default until switched off.")
@click.option("--off", is_flag=True, help="Switch it off.")
def fault(control: str, output: str, name: str, fault: str, times: int | None, off: bool) -> None:
    """Switch a failure mode on or off."""
    show(ask(control, f"/devices/{name}/fault", {"fault": fault, "times": times, "off": off}), output)


@simulate.command()
@_output
@click.argument("name")
@click.argument("state", type=click.Choice(["on", "off"]))
def power(control: str, output: str, name: str, state: str) -> None:
    """Take it off the network, or put it back."""
    show(ask(control, f"/devices/{name}/power", {"on": state == "on"}), output)


@simulate.command("factory-reset")
@_output
@click.argument("device")
@click.option("--new-firmware-ca", is_flag=True, help="It makes itself another CA as well.")
def factory_reset(control: str, output: str, device: str, new_firmware_ca: bool) -> None:
    """Remove its certificates and keys and set its password back."""
    show(ask(control, f"/devices/{device}/factory-reset", {"newFirmwareCA": new_firmware_ca}), output)


@simulate.command()
@_control
@click.argument("address")
@click.option("--port", default=8443, show_default=True)
@click.option("--http-port", type=int)
@click.option("--relay-to", help="Pass TLS through to this camera.")
def stranger(control: str, address: str, port: int, http_port: int | None, relay_to: str | None) -> None:
    """Put somebody else at an address."""
    ask(control, "/strangers", {"address": address, "port": port, "httpPort": http_port, "to": relay_to})


@simulate.command()
@_control
@click.argument("name")
@click.argument("address")
@click.option("--port", default=8443, show_default=True)
@click.option("--http-port", type=int)
def relay(control: str, name: str, address: str, port: int, http_port: int | None) -> None:
    """Put somebody at an address who passes TLS through to a camera."""
    ask(control, "/strangers", {"address": address, "port": port, "httpPort": http_port, "to": name})


@simulate.command()
@_control
@click.option("-o", "--output", type=click.Choice(["json", "yaml"]), default="yaml", show_default=True)
def strangers(control: str, output: str) -> None:
    """Show what strangers and relays were offered."""
    show(ask(control, "/strangers"), output)


def _simple(name: str, told: str) -> None:
    @simulate.command(name, help=told)
    @_output
    @click.argument("device")
    def command(control: str, output: str, device: str) -> None:
        show(ask(control, f"/devices/{device}/{name}", {}), output)


_simple("reboot", "Restart it.")
_simple("power-cycle", "Take its power away for a moment.")
_simple("replace-certificate", "Put somebody else's certificate on it.")
