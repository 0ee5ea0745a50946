"""`devicecert simulate`: run simulated cameras, and do to them what happens to cameras."""

import asyncio
import contextlib
import ipaddress
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
from device_simulator.spec import DeviceSpec

CONTROL = "127.0.0.1:8099"


@click.group()
def simulate() -> None:
    """Simulated ONVIF cameras on loopback addresses, which misbehave as devices do."""


@simulate.command()
@click.option("--devices", default=3, show_default=True, help="How many.")
@click.option("--prefix", default="cam", show_default=True, help="Their names: PREFIX-1, PREFIX-2, …")
@click.option("--subnet", default="127.20.0.0/24", show_default=True, help="Their addresses, from the first host on.")
@click.option("--http-port", default=8080, show_default=True)
@click.option("--https-port", default=8443, show_default=True)
@click.option("--username", default="admin", show_default=True)
@click.option("--password", default="secret", show_default=True)
@click.option("--seed", default=0, show_default=True, help="For the small troubles of the day.")
@click.option("--hostility", default=0.02, show_default=True, help="Their rate, 0 to 1.")
@click.option("--control", default=CONTROL, show_default=True, help="Where the other commands reach this one.")
def run(**given: Any) -> None:
    """Run cameras until interrupted."""
    asyncio.run(_run(given))


async def _run(given: dict[str, Any]) -> None:
    subnet = ipaddress.ip_network(given["subnet"])
    if not subnet.is_loopback:
        raise click.ClickException(f"{subnet} is not in 127.0.0.0/8: simulated devices stay on this machine.")
    stop = asyncio.Event()
    for told in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(told, stop.set)
    host, _, port = str(given["control"]).rpartition(":")
    async with Simulator(seed=given["seed"], hostility=given["hostility"]) as simulator:
        for number, address in zip(range(1, given["devices"] + 1), subnet.hosts(), strict=False):
            await simulator.add(
                DeviceSpec(
                    name=f"{given['prefix']}-{number}",
                    address=str(address),
                    http_port=given["http_port"],
                    https_port=given["https_port"],
                    username=given["username"],
                    password=given["password"],
                    seed=given["seed"],
                )
            )
        runner = web.AppRunner(application(simulator), access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, int(port)).start()
            click.echo(
                f"{given['devices']} devices from {next(subnet.hosts())} on; control at {given['control']}", err=True
            )
            await stop.wait()
        finally:
            await runner.cleanup()


def _control(command: Callable[..., None]) -> Callable[..., None]:
    return click.option("--control", default=CONTROL, show_default=True, help="Of the running simulator.")(command)


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
@_control
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
def list_(control: str, output: str) -> None:
    """Show the cameras."""
    devices = ask(control, "/devices")
    if output == "json":
        click.echo(json.dumps(devices, indent=2))
    elif output == "yaml":
        click.echo(yaml.safe_dump(devices, sort_keys=False), nl=False)
    else:
        for device in devices:
            faults = f" [{', '.join(device['faults'])}]" if device["faults"] else ""
            click.echo(f"{device['name']:<12} {device['address']:<16} {device['clock']}{faults}")


@simulate.command()
@_control
@click.argument("name")
@click.argument("address")
def move(control: str, name: str, address: str) -> None:
    """Give a camera another address."""
    ask(control, f"/devices/{name}/move", {"address": address})


@simulate.command()
@_control
@click.argument("name")
@click.argument("seconds", type=float)
def skew(control: str, name: str, seconds: float) -> None:
    """Put its clock off by so many seconds."""
    ask(control, f"/devices/{name}/skew", {"seconds": seconds})


@simulate.command()
@_control
@click.argument("name")
@click.argument("password")
def password(control: str, name: str, password: str) -> None:
    """Change its password."""
    ask(control, f"/devices/{name}/password", {"password": password})


@simulate.command()
@_control
@click.argument("name")
@click.argument("fault", type=click.Choice([str(fault) for fault in Fault]))
@click.option("--times", type=int, help="How many times; default until switched off.")
@click.option("--off", is_flag=True, help="Switch it off.")
def fault(control: str, name: str, fault: str, times: int | None, off: bool) -> None:
    """Switch a failure mode on or off."""
    ask(control, f"/devices/{name}/fault", {"fault": fault, "times": times, "off": off})


@simulate.command()
@_control
@click.argument("name")
@click.argument("state", type=click.Choice(["on", "off"]))
def power(control: str, name: str, state: str) -> None:
    """Take it off the network, or put it back."""
    ask(control, f"/devices/{name}/power", {"on": state == "on"})


@simulate.command()
@_control
@click.argument("address")
@click.option("--port", default=8443, show_default=True)
@click.option("--http-port", type=int)
@click.option("--relay-to", help="Pass TLS through to this camera.")
def stranger(control: str, address: str, port: int, http_port: int | None, relay_to: str | None) -> None:
    """Put somebody else at an address."""
    ask(control, "/strangers", {"address": address, "port": port, "httpPort": http_port, "to": relay_to})


def _simple(name: str, told: str) -> None:
    @simulate.command(name, help=told)
    @_control
    @click.argument("device")
    def command(control: str, device: str) -> None:
        ask(control, f"/devices/{device}/{name}", {})


_simple("reboot", "Restart it.")
_simple("factory-reset", "Empty its keystore and set its password back.")
_simple("replace-certificate", "Put somebody else's certificate on it.")
