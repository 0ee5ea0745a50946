"""`devicecert show`: what any host serves, and what each client makes of it. No cluster is asked."""

import asyncio
import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

import click
import yaml

from device_cert_operator.cli import look
from device_cert_operator.cli.plain import coloured, printable
from device_cert_operator.clock import SystemClock
from device_cert_operator.core.model import CertificateFacts
from device_cert_operator.core.verdict import Client
from device_cert_operator.errors import OperatorError
from device_cert_operator.pki.facts import ders_to_pem

_WIDTH = 11


@click.command()
@click.argument("host", metavar="HOST[:PORT]")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="CAs that clients trust.")
@click.option("--name", help="DNS name to ask for and to judge, instead of HOST.")
@click.option("--timeout", type=click.FloatRange(0.1, 300), default=10, show_default=True, help="In seconds.")
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml", "pem"]), default="text", show_default=True)
def show(host: str, ca: Path | None, name: str | None, timeout: float, output: str) -> None:
    """Show the certificate that HOST serves, and whether Chromium, OpenSSL and Apple's clients would accept it.

    HOST is an address, a DNS name or an https URL; an IPv6 address with a port goes into brackets. One handshake, and
    nothing is sent. --ca takes PEM or DER; without it nothing can be proven, and the certificate is judged as if
    clients trusted its issuer.

    Exit code 0: browsers that trust the given CA accept it; 1: they do not, or no CA was given; 2: nothing was seen.
    """
    try:
        target = look.parse_target(host)
        wanted = look.parse_host(name) if name is not None else None
        anchors = look.read_anchors(ca) if ca is not None else None
        seen = asyncio.run(
            look.look(
                target,
                name=wanted,
                anchors_der=anchors,
                now=SystemClock().now(),
                timeout=timedelta(seconds=timeout),
            )
        )
    except OperatorError as error:
        click.echo(f"Error: {printable(error.message)}", err=True)
        sys.exit(2)
    match output:
        case "pem":
            click.echo(ders_to_pem(*seen.served.chain_der).decode(), nl=False)
        case "json":
            click.echo(json.dumps(look.as_data(seen), indent=2))
        case "yaml":
            click.echo(yaml.safe_dump(look.as_data(seen), sort_keys=False), nl=False)
        case _:
            _print(seen)
    sys.exit(0 if seen.secure else 1)


def _print(seen: look.Look) -> None:
    served, leaf = seen.served, seen.served.leaf
    asked = f", asked for as {seen.name}" if seen.name else ""
    _line("Host", f"{seen.host}, port {seen.port}{asked}")
    _line("Secure", *_secure(seen))
    _line("Subject", leaf.subject or "(empty)")
    _line("Issuer", "itself" if leaf.self_issued else leaf.issuer)
    _line("Names", ", ".join((*leaf.dns_names, *leaf.ip_addresses)) or "none")
    _line("Valid", _validity(leaf, seen.at))
    _line("Key", f"{look.key_of(leaf)}, signed with {leaf.signature_hash or 'no separate hash'}")
    _line("SHA-256", leaf.fingerprint)
    _line("Key SHA-256", leaf.public_key_sha256)
    _line("TLS", f"{served.tls_version}, {served.cipher}")
    for number, facts in enumerate(served.chain[1:], 1):
        _line("Sent along" if number == 1 else "", f"{facts.subject}, issued by {facts.issuer}")
    _line("Trust", seen.trust)
    for client in Client:
        _print_client(seen, client)
    for warning in seen.verdict.warnings:
        _line("Note", warning.message)


def _secure(seen: look.Look) -> tuple[str, str]:
    """(words, colour)."""
    if seen.secure:
        return "yes", "green"
    if seen.verdict.secure:
        return "not proven: no trust anchor was given", "yellow"
    return f"no: {seen.verdict.reason}", "red"


def _validity(facts: CertificateFacts, now: datetime) -> str:
    """Both ends, and where now is between them."""
    if now < facts.not_before:
        told = f"not yet: in {_days(facts.not_before - now)}"
    elif now > facts.not_after:
        told = f"expired {_days(now - facts.not_after)} ago"
    else:
        told = f"{_days(facts.not_after - now)} left"
    return f"{facts.not_before:%Y-%m-%d %H:%M} to {facts.not_after:%Y-%m-%d %H:%M} UTC, {told}"


def _days(span: timedelta) -> str:
    if span < timedelta(days=2):
        return f"{int(span.total_seconds() // 3600)} h"
    return f"{span.days} days"


def _print_client(seen: look.Look, client: Client) -> None:
    faults = look.faults_of(seen.verdict, client)
    if not faults:
        _line(str(client), "accepts" if seen.anchors is not None else "would accept", "green")
        return
    _line(str(client), f"refuses: {faults[0].message}", "red")
    for fault in faults[1:]:
        _line("", f"and: {fault.message}", "red")


def _line(name: str, value: str, colour: str | None = None) -> None:
    """One line of the answer; what a device wrote into its certificate steers no terminal."""
    head = f"{name}:" if name else ""
    click.echo(f"{head:<{_WIDTH + 2}}{coloured(printable(value), colour)}")
