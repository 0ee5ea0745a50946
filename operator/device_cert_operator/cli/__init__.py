"""The command line: one file a command."""

import click

from device_cert_operator import __version__
from device_cert_operator.cli.csr import csr
from device_cert_operator.cli.doctor import doctor
from device_cert_operator.cli.run import run
from device_cert_operator.cli.show import show
from device_cert_operator.cli.status import status
from device_cert_operator.cli.trust import trust


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Keeps the HTTPS certificate of every network device correct, from Git."""


main.add_command(csr)
main.add_command(doctor)
main.add_command(run)
main.add_command(show)
main.add_command(status)
main.add_command(trust)


def _attach(name: str, module: str, attribute: str) -> None:
    """Commands of the two companion packages; they know nothing of the operator."""
    from importlib import import_module

    main.add_command(getattr(import_module(module), attribute), name)


_attach("local", "local_control_plane.cli", "local")
_attach("simulate", "device_simulator.cli", "simulate")
