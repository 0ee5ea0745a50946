"""`devicecert csr`: carry a CSR to a CA outside of the cluster, and the signed chain back."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from device_cert_operator.clock import SystemClock
from device_cert_operator.core.model import ExternalIssuer, ObjectKey, Reference, names_of
from device_cert_operator.core.requests import not_for_public_authorities
from device_cert_operator.core.status import RequestStatus
from device_cert_operator.errors import NotFound, OperatorError, ProtocolViolation
from device_cert_operator.kube.client import Requests, load_configuration, namespace_of
from device_cert_operator.kube.handover import Place, Waiting, read_place, read_waiting, write_chain
from device_cert_operator.pki.facts import certificates_in, ders_to_pem
from device_cert_operator.pki.returned import check_returned

T = TypeVar("T")
_KUBECONFIG = click.option("--kubeconfig", envvar="KUBECONFIG", help="Cluster to ask.")
_NAMESPACE = click.option("-n", "--namespace", default=None, help="Of the DeviceCertificate; default the context's.")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def csr() -> None:
    """Carry a certificate request out, and the signed certificate in.

    Exit code 0: done; 1: refused, or there is nothing to do; 2: the cluster cannot be asked.
    """


@csr.command()
@click.argument("name")
@_KUBECONFIG
@_NAMESPACE
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File; default standard output.")
def get(name: str, kubeconfig: str | None, namespace: str | None, output: Path | None) -> None:
    """Write the CSR of the DeviceCertificate NAME as PEM, and say where the answer goes."""
    key = _key(name, kubeconfig, namespace)
    waiting = _ask(kubeconfig, lambda requests: read_waiting(requests, key))
    request = _open_request(key, waiting)
    if waiting.csr_pem is None:
        _refuse(f"The CSR of {key} is being made: try again in a moment, or see `kubectl describe dcert {name}`.")
    if output is None:
        click.echo(waiting.csr_pem.decode("ascii"), nl=False)
    else:
        _write(output, waiting.csr_pem)
    for line in _what_to_do(key, waiting, request):
        click.echo(line, err=True)


@csr.command()
@click.argument("name")
@click.argument("files", nargs=-1, required=True, type=_FILE)
@_KUBECONFIG
@_NAMESPACE
@click.option("--ca", "ca_file", type=_FILE, help="The root, where the chain does not end with it.")
@click.option("--force", is_flag=True, help="Use an object that its owner has not labelled for this.")
def put(  # one parameter an option
    name: str, files: tuple[Path, ...], kubeconfig: str | None, namespace: str | None, ca_file: Path | None, force: bool
) -> None:
    """Check what was signed for the DeviceCertificate NAME, and put it where the operator looks.

    FILES: the device's certificate first, then each issuer; PEM or DER. A private key in them is left out.
    """
    key = _key(name, kubeconfig, namespace)
    waiting = _ask(kubeconfig, lambda requests: read_waiting(requests, key))
    request = _open_request(key, waiting)
    reference = _reference(key, waiting)
    place = _ask(kubeconfig, lambda requests: read_place(requests, key.namespace, reference))
    if ca_file is not None and place.key == "ca.crt":
        _refuse("spec.issuer.external.certificateRef.key is ca.crt: append the root to the chain instead of --ca.")
    chain = b"".join(_certificates(file) for file in files)
    ca = _certificates(ca_file) if ca_file is not None else None
    try:
        where, names = ", ".join(str(file) for file in files), names_of(*request.names)
        returned = check_returned(
            where, chain, ca or place.ca_pem, names, request.public_key_sha256, SystemClock().now()
        )
    except OperatorError as error:
        _refuse(error.message)
    force = force or _agreed(place)
    _ask(kubeconfig, lambda requests: write_chain(requests, place, chain, ca, force=force))
    click.echo(
        f"The certificate of {returned.facts.issuer}, valid until {returned.facts.not_after:%Y-%m-%d %H:%M} UTC, is in "
        f"{place.name}, key {place.key}. The operator installs it on {', '.join(waiting.desired.devices)} as revision "
        f"{request.number}: kubectl -n {key.namespace} get dcert {name} -w"
    )


# ------------------------------------------------------------------------------------------- sentences


def _open_request(key: ObjectKey, waiting: Waiting) -> RequestStatus:
    if waiting.request is None or waiting.request.public_key_sha256 is None:
        _refuse(
            f"{key} has no CSR that waits for a signature. `kubectl -n {key.namespace} describe dcert {key.name}` says "
            "why; the annotation devicecert.io/renew asks for another certificate."
        )
    return waiting.request


def _reference(key: ObjectKey, waiting: Waiting) -> Reference:
    if not isinstance(waiting.desired.issuer, ExternalIssuer):
        _refuse(f"spec.issuer of {key} is not `external`: its certificate comes by itself.")
    return waiting.desired.issuer.certificate_ref


def _what_to_do(key: ObjectKey, waiting: Waiting, request: RequestStatus) -> list[str]:
    told = [f"CSR {request.number} of {key}, for {', '.join(request.names)}."]
    if not isinstance(waiting.desired.issuer, ExternalIssuer):
        return [*told, "Nobody has to carry it anywhere: its issuer gets it from the operator."]
    if private := not_for_public_authorities(request.names):
        told.append(f"No public CA signs {', '.join(private[:4])}: use a CA of your organisation.")
    reference = waiting.desired.issuer.certificate_ref
    return [
        *told,
        f"Have it signed with all of these names in the SAN, then: devicecert csr put {key.name} CHAIN.pem "
        f"-n {key.namespace}",
        f"It belongs into key {reference.key or 'tls.crt'} of {reference.kind} {key.namespace}/{reference.name}.",
    ]


def _somebody_sits_there() -> bool:
    return sys.stdin.isatty()


def _write(output: Path, data: bytes) -> None:
    try:
        output.write_bytes(data)
    except OSError as error:
        _refuse(f"{output} cannot be written: {error.strerror}.")


def _certificates(file: Path) -> bytes:
    """As PEM, and nothing else of the file."""
    try:
        return ders_to_pem(*certificates_in(file.read_bytes()))
    except (ProtocolViolation, OSError):
        _refuse(f"{file} holds no certificate that can be read, neither as PEM nor as DER.")


def _agreed(place: Place) -> bool:
    """Whether a person says so; nobody is asked where nobody sits."""
    if place.is_shared:
        return False
    told = f"{place.name} exists and is not labelled devicecert.io/use=certificate: it may be somebody else's."
    if not _somebody_sits_there():
        _refuse(f"{told} If it is meant for this: --force.")
    return click.confirm(f"{told} Use it, and label it?", abort=True)


def _refuse(message: str) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    sys.exit(1)


# --------------------------------------------------------------------------------------------- cluster


def _key(name: str, kubeconfig: str | None, namespace: str | None) -> ObjectKey:
    return ObjectKey("DeviceCertificate", namespace or asyncio.run(namespace_of(kubeconfig)), name)


def _ask(kubeconfig: str | None, what: Callable[[Requests], Awaitable[T]]) -> T:
    async def ask() -> T:
        requests = Requests(await load_configuration(kubeconfig), SystemClock())
        try:
            return await what(requests)
        finally:
            await requests.close()

    try:
        return asyncio.run(ask())
    except NotFound as error:
        click.echo(f"Error: {error.message} Is the name right, and the namespace (-n)?", err=True)
    except OperatorError as error:
        click.echo(f"Error: {error.message}", err=True)
    sys.exit(2)
