"""`devicecert local`: a control plane to try things on."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click
import yaml

from local_control_plane import plane as planes
from local_control_plane.build import BuildError, cache_root, ensure_programs

Command = Callable[..., None]


def _folder(name: str, data_dir: str | None) -> Path:
    return Path(data_dir) if data_dir else cache_root() / "planes" / name


def _options(command: Command) -> Command:
    name = click.option("--name", default="default", show_default=True, help="Which plane, where several run.")
    folder = click.option("--data-dir", help="Its folder, instead of one in the user's cache.")
    return name(folder(command))


@click.group()
def local() -> None:
    """A real Kubernetes control plane on this machine: API server, etcd, controller manager; no nodes, no root."""


@local.command()
def build() -> None:
    """Make its programs, and do nothing else; once a user, some minutes."""
    try:
        ensure_programs(lambda line: click.echo(line, err=True))
    except BuildError as error:
        raise click.ClickException(str(error)) from None


@local.command()
@_options
def up(name: str, data_dir: str | None) -> None:
    """Start it, unless it runs; builds its programs the first time."""
    folder = _folder(name, data_dir)
    try:
        running = planes.load(folder)
        if running is None or not running.healthy():
            if running is not None:
                running.stop()
            running = planes.start(folder, tied=False, progress=lambda line: click.echo(line, err=True))
    except (BuildError, planes.PlaneError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"The control plane is up at {running.url}.", err=True)
    click.echo(f"export KUBECONFIG={running.kubeconfig} PATH={running.kubectl.parent}:$PATH")


@local.command()
@_options
@click.option("--keep-data", is_flag=True, help="Leave the folder.")
def down(name: str, data_dir: str | None, keep_data: bool) -> None:  # click passes flags so
    """Stop it and remove its data."""
    running = planes.load(_folder(name, data_dir))
    if running is None:
        click.echo("No control plane is up.", err=True)
        return
    running.stop(keep_data=keep_data)
    click.echo("The control plane is down.", err=True)


@local.command()
@_options
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text")
def status(name: str, data_dir: str | None, output: str) -> None:
    """Whether it is up. Exit code 0: up; 3: not, or not whole."""
    running = planes.load(_folder(name, data_dir))
    facts: dict[str, object] = {"up": False}
    if running is not None:
        facts = {
            "up": running.healthy(),
            "url": running.url,
            "kubeconfig": str(running.kubeconfig),
            "processes": {part: {"pid": it.pid, "alive": it.alive} for part, it in running.parts.items()},
        }
    if output == "json":
        click.echo(json.dumps(facts, indent=2))
    elif output == "yaml":
        click.echo(yaml.safe_dump(facts, sort_keys=False), nl=False)
    else:
        click.echo(f"up at {facts['url']}" if facts["up"] else "not up")
        for part, it in running.parts.items() if running else ():
            click.echo(f"  {part}: {'running' if it.alive else 'ENDED'} (pid {it.pid})")
    sys.exit(0 if facts["up"] else 3)


@local.command()
@_options
def kubeconfig(name: str, data_dir: str | None) -> None:
    """Print the path of its kubeconfig."""
    running = planes.load(_folder(name, data_dir))
    if running is None:
        raise click.ClickException("No control plane is up: start one with `devicecert local up`.")
    click.echo(os.fspath(running.kubeconfig))
