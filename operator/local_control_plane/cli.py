"""`devicecert local`: a control plane to try things on."""

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import yaml
from rich.console import Console

from local_control_plane import plane as planes
from local_control_plane import state
from local_control_plane.build import BuildError, cache_root, ensure_programs
from local_control_plane.components import START_ORDER
from local_control_plane.plane import ControlPlane
from local_control_plane.terminal import Reporter

NOT_UP = 3
Command = Callable[..., None]


def _options(command: Command) -> Command:
    name = click.option(
        "--name", default="default", show_default=True, callback=_plain_name, help="Which plane, where several run."
    )
    folder = click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Its folder, instead of one in the user's cache.",
    )
    return name(folder(command))


def _plain_name(_context: click.Context, _option: click.Parameter, name: str) -> str:
    if not name or name.startswith(".") or "/" in name:
        raise click.BadParameter("a name is one word; a folder is named by --data-dir")
    return name


def _folder(name: str, data_dir: Path | None) -> Path:
    return data_dir.absolute() if data_dir else cache_root() / "planes" / name


@contextmanager
def _told() -> Iterator[Reporter]:
    """Progress and failures, on standard error."""
    with Reporter(Console(stderr=True)) as reporter:
        try:
            yield reporter
        except (BuildError, planes.PlaneError, OSError) as error:
            failure: Exception = error
        else:
            return
    raise click.ClickException(str(failure))


@click.group()
def local() -> None:
    """A real Kubernetes control plane on this machine: API server, etcd, controller manager; no nodes, no root."""


@local.command()
def build() -> None:
    """Make its programs, and do nothing else; once a user, some minutes."""
    with _told() as progress:
        ensure_programs(progress)


@local.command()
@_options
def up(name: str, data_dir: Path | None) -> None:
    """Start it, unless it runs; builds its programs the first time."""
    folder = _folder(name, data_dir)
    with _told() as progress:
        ensure_programs(progress)
        with state.locked(folder):
            running = planes.load(folder)
            if running is None or not running.healthy():
                if running is not None:
                    running.stop(keep_data=True)
                progress("Starting the control plane …")
                running = planes.start(folder, tied=False, progress=progress)
        progress(f"The control plane is up at {running.url}. To use it:")
    click.echo(f"export KUBECONFIG={shlex.quote(str(running.kubeconfig))} PATH={_programs(running)}:$PATH")


def _programs(running: ControlPlane) -> str:
    return shlex.quote(str(running.kubectl.parent))


@local.command()
@_options
@click.option("--keep-data", is_flag=True, help="Leave its data: the next `up` goes on with it.")
def down(name: str, data_dir: Path | None, keep_data: bool) -> None:  # click passes flags so
    """Stop it and remove its data."""
    folder = _folder(name, data_dir)
    with _told() as progress:
        running = planes.load(folder)
        if running is None:
            progress("No control plane is up.")
            return
        with state.locked(folder):
            running.stop(keep_data=keep_data)
        progress("The control plane is down.")


@local.command()
@_options
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
def status(name: str, data_dir: Path | None, output: str) -> None:
    """Whether it is up. Exit code 0: up; 3: not, or not whole."""
    with _told():
        running = planes.load(_folder(name, data_dir))
    facts = {"up": False} if running is None else _facts(running)
    if output == "json":
        click.echo(json.dumps(facts, indent=2))
    elif output == "yaml":
        click.echo(yaml.safe_dump(facts, sort_keys=False), nl=False)
    else:
        _show(running, up=bool(facts["up"]))
    sys.exit(0 if facts["up"] else NOT_UP)


def _facts(running: ControlPlane) -> dict[str, object]:
    return {
        "up": running.healthy(),
        "url": running.url,
        "kubeconfig": str(running.kubeconfig),
        "processes": {part: {"pid": it.pid, "alive": it.alive} for part, it in running.parts.items()},
    }


def _show(running: ControlPlane | None, *, up: bool) -> None:
    """Colours vanish where there is no terminal."""
    if running is None or not (parts := running.parts):
        click.echo("The control plane is not up: start it with `devicecert local up`.")
        return
    if up:
        click.echo(f"{click.style('up', fg='green')} at {running.url}")
    else:
        click.echo(f"{click.style('not up', fg='red')}: `devicecert local up` mends it, with the data that is there")
    for name in START_ORDER:
        part = parts.get(name)
        if part is not None and part.alive:
            click.echo(f"  {name}: running (pid {part.pid})")
            continue
        click.echo(f"  {name}: {click.style('ENDED', fg='red') if part else 'stopped'}")
        if part is not None:
            click.echo(f"    the end of its log, {running.folder / f'{name}.log'}:")
            click.echo("\n".join(f"      {line[:300]}" for line in running.log_tail(name, 3).splitlines()))


@local.command()
@_options
def kubeconfig(name: str, data_dir: Path | None) -> None:
    """Print the path of its kubeconfig. Exit code 1: it is not up."""
    with _told():
        running = planes.load(_folder(name, data_dir))
    if running is None or not all(name in (parts := running.parts) and parts[name].alive for name in START_ORDER):
        raise click.ClickException("No control plane is up: start one with `devicecert local up`.")
    click.echo(os.fspath(running.kubeconfig))
