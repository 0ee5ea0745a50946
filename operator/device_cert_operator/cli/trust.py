"""`devicecert trust`: what clients have to trust, in the form in which they take it."""

import asyncio
import sys
from pathlib import Path

import click

from device_cert_operator.cli.published import Published, key_of, read_published
from device_cert_operator.clock import SystemClock
from device_cert_operator.core.model import ObjectKey
from device_cert_operator.errors import MissingReference, OperatorError
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.client import Requests, load_configuration, namespace_of
from device_cert_operator.kube.relist import Lister
from device_cert_operator.kube.views import DeviceView, device_view
from device_cert_operator.pki.facts import ders_to_pem
from device_cert_operator.pki.mobileconfig import build_profile
from device_cert_operator.reasons import Reason

FORMATS = ("pem", "der", "mobileconfig")
PARTS = ("roots", "intermediates")


@click.group()
def trust() -> None:
    """What clients have to trust."""


@trust.command()
@click.argument("name", metavar="[TYPE/]NAME")
@click.option("-n", "--namespace", default=None, help="Namespace; default that of the kubeconfig's context.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="pem", show_default=True)
@click.option(
    "--only", type=click.Choice(PARTS), help="Either of these alone; a store that knows both takes two files."
)
@click.option("--raw", is_flag=True, help="The CA in a firmware as it is, not limited by deviceCA.constrainedBy.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File; default standard output.")
@click.option("--kubeconfig", envvar="KUBECONFIG", help="Cluster to ask.")
def export(
    name: str,
    namespace: str | None,
    form: str,
    only: str | None,
    raw: bool,  # click passes flags so
    output: Path | None,
    kubeconfig: str | None,
) -> None:
    """Write what clients have to trust; docs/trust.md says where to put it.

    NAME or dca/NAME: the roots of a CertificateAuthority. dev/NAME: the CA in a device's firmware in its constrained
    form, which is your root and an intermediate CA below it (--raw: as it is); dcert/NAME: that of its devices.

    pem holds all, two roots while one replaces the other; der only the first certificate; mobileconfig is a profile
    with all of them for macOS, iOS and iPadOS. Exit code 2: there is nothing to export.
    """
    try:
        key, found = asyncio.run(_export(name, namespace, kubeconfig, raw))
        roots = found.roots if only != "intermediates" else ()
        intermediates = found.intermediates if only != "roots" else ()
        if not roots + intermediates:
            raise MissingReference(
                f"Clients of {key} need no intermediate CA: only a firmware's CA in its constrained form is one."
            )
        made = _in_form(form, f"{key.namespace}/{key.name}", roots, intermediates)
    except OperatorError as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(2)
    if found.warning:
        click.echo(f"Warning: {found.warning}", err=True, nl=False)
    if output is None:
        sys.stdout.buffer.write(made)
        return
    try:
        output.write_bytes(made)
    except OSError as error:
        click.echo(f"Error: {output} cannot be written: {error.strerror}.", err=True)
        sys.exit(2)


@trust.command()
@click.argument("device")
@click.option("-n", "--namespace", default=None, help="Namespace; default that of the kubeconfig's context.")
@click.option("--kubeconfig", envvar="KUBECONFIG", help="Cluster to ask.")
def pin(device: str, namespace: str | None, kubeconfig: str | None) -> None:
    """Show the CA in the firmware of DEVICE and the YAML that pins it.

    Compare the fingerprint first, with the maker's word or with what another device of the kind shows. Exit code 2: the
    device has not given its CA.
    """
    try:
        view = asyncio.run(_device(device, namespace, kubeconfig))
        click.echo(pin_text(view))
    except OperatorError as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(2)


async def _device(name: str, namespace: str | None, kubeconfig: str | None) -> DeviceView:
    requests = Requests(await load_configuration(kubeconfig), SystemClock())
    try:
        key = ObjectKey("Device", namespace or await namespace_of(kubeconfig), name)
        found = await Lister(requests, Cache(), ()).fetch(key.kind, key.namespace, key.name)
    finally:
        await requests.close()
    if found is None:
        raise MissingReference(f"There is no {key}.", reason=Reason.DEVICE_MISSING)
    return device_view(found)


def pin_text(view: DeviceView) -> str:
    """What people compare, and what they add to the DeviceCertificate. Raises MissingReference (PinNeeded)."""
    found = view.status.firmware_ca
    if found is None:
        raise MissingReference(
            f"{view.key} has not given the CA of its firmware yet: it is asked once a DeviceCertificate with issuer "
            f"deviceCA lists it. kubectl -n {view.key.namespace} describe dev {view.key.name} says more.",
            reason=Reason.PIN_NEEDED,
        )
    colons = ":".join(found.fingerprint[at : at + 2] for at in range(0, len(found.fingerprint), 2)).upper()
    published = f"ConfigMap {found.config_map}" if found.config_map else "nowhere: it is not pinned"
    shared = ["# Another device of this namespace has the same one."] if found.shared else []
    return "\n".join(
        [
            f"# CA in the firmware of {view.key.namespace}/{view.key.name}: {found.subject}",
            f"# SHA-256 {colons}",
            f"# published in {published}",
            *shared,
            "spec:",
            "  issuer:",
            "    deviceCA:",
            f"      sha256: {found.fingerprint}",
        ]
    )


async def _export(named: str, namespace: str | None, kubeconfig: str | None, raw: bool) -> tuple[ObjectKey, Published]:
    requests = Requests(await load_configuration(kubeconfig), SystemClock())
    try:
        key = key_of(named, namespace or await namespace_of(kubeconfig))
        return key, await read_published(Lister(requests, Cache(), ()), key, raw=raw)
    finally:
        await requests.close()


def _in_form(form: str, name: str, roots: tuple[bytes, ...], intermediates: tuple[bytes, ...]) -> bytes:
    ders = roots + intermediates
    match form:
        case "der":
            return ders[0]
        case "mobileconfig":
            return build_profile(name, roots, intermediates)
        case _:
            return ders_to_pem(*ders)
