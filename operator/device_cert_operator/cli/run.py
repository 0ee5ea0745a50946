"""`devicecert run`: the operator itself."""

import asyncio
import sys
from dataclasses import replace

import click

from device_cert_operator.cli.logs import set_up
from device_cert_operator.errors import OperatorError
from device_cert_operator.settings import Settings


@click.command()
@click.option("--kubeconfig", envvar="KUBECONFIG", help="Cluster to work on; in a pod the pod's own.")
@click.option("-n", "--namespace", "namespaces", multiple=True, help="Watch only these; default all.")
@click.option("--log-format", type=click.Choice(["auto", "text", "json"]), help="Default: text on a terminal.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]))
@click.option("--metrics-port", type=int, help="Port of /metrics, /healthz and /readyz; 0 picks one.")
@click.option("--dry-run", is_flag=True, help="Look and report; change no device.")
def run(  # one parameter an option
    kubeconfig: str | None,
    namespaces: tuple[str, ...],
    log_format: str | None,
    log_level: str | None,
    metrics_port: int | None,
    dry_run: bool,  # click passes flags so
) -> None:
    """Run the operator until it is told to end. Settings come from DEVICECERT_… and these options."""
    try:
        settings = Settings.from_environment()
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    given = {
        "namespaces": namespaces or None,
        "log_format": log_format,
        "log_level": log_level,
        "metrics_port": metrics_port,
        "dry_run": dry_run or None,
    }
    settings = replace(settings, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # names and types are those of the fields
    set_up(settings.log_format, settings.log_level)
    from device_cert_operator.handlers.lifecycle import run as run_operator

    try:
        asyncio.run(run_operator(settings, kubeconfig))
    except OperatorError as error:
        raise click.ClickException(error.message) from None
    except OSError as error:
        click.echo(f"Error: {error}: is another operator running here? Try --metrics-port 0.", err=True)
        sys.exit(1)
