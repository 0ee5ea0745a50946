"""`devicecert trust`: what clients have to trust, in the form in which they take it."""

import asyncio
import sys
from pathlib import Path

import click

from device_cert_operator.clock import SystemClock
from device_cert_operator.core.model import ObjectKey
from device_cert_operator.errors import MissingReference, OperatorError
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.client import Requests, load_configuration, namespace_of
from device_cert_operator.kube.relist import Lister
from device_cert_operator.kube.revisions import decode
from device_cert_operator.kube.views import DeviceView, authority_view, device_view
from device_cert_operator.pki.bundle import PEM_KEY
from device_cert_operator.pki.facts import pem_to_ders
from device_cert_operator.pki.mobileconfig import build_profile
from device_cert_operator.reasons import Reason

FORMATS = ("pem", "der", "mobileconfig")


@click.group()
def trust() -> None:
    """What clients have to trust."""


@trust.command()
@click.argument("name")
@click.option("-n", "--namespace", default=None, help="Namespace; default that of the kubeconfig's context.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="pem", show_default=True)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File; default standard output.")
@click.option("--kubeconfig", envvar="KUBECONFIG", help="Cluster to ask.")
def export(name: str, namespace: str | None, form: str, output: Path | None, kubeconfig: str | None) -> None:
    """Write the root certificates of CertificateAuthority NAME; docs/trust.md says where to put them.

    pem holds both roots while one replaces the other, der only the first of them; mobileconfig is a profile with all
    of them for macOS, iOS and iPadOS. Exit code 2: there is nothing to export.
    """
    try:
        made = asyncio.run(_export(name, namespace, form, kubeconfig))
    except OperatorError as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(2)
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


async def _export(name: str, namespace: str | None, form: str, kubeconfig: str | None) -> bytes:
    requests = Requests(await load_configuration(kubeconfig), SystemClock())
    try:
        key = ObjectKey("CertificateAuthority", namespace or await namespace_of(kubeconfig), name)
        pem = await _bundle(Lister(requests, Cache(), ()), key)
    finally:
        await requests.close()
    roots = pem_to_ders(pem)
    match form:
        case "der":
            return roots[0]
        case "mobileconfig":
            return build_profile(f"{key.namespace}/{key.name}", roots)
        case _:
            return pem


async def _bundle(lister: Lister, key: ObjectKey) -> bytes:
    """The bundle that the operator published. Raises MissingReference, ClusterError."""
    found = await lister.fetch(key.kind, key.namespace, key.name)
    if found is None:
        raise MissingReference(f"There is no {key}.", reason=Reason.AUTHORITY_MISSING)
    status = authority_view(found).status
    if status.bundle is None or status.certificate is None:
        raise MissingReference(
            f"{key} has published nothing yet: kubectl -n {key.namespace} describe dca {key.name}",
            reason=Reason.AUTHORITY_NOT_READY,
        )
    published = await lister.fetch("ConfigMap", key.namespace, status.bundle)
    pem = decode(published, PEM_KEY) if published is not None else None
    if not pem:
        raise MissingReference(
            f"ConfigMap {key.namespace}/{status.bundle} is gone or empty; the operator makes it anew, if it runs.",
            reason=Reason.CONFIG_MAP_MISSING,
        )
    return pem
