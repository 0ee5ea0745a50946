"""What a host serves, and what clients make of it: one handshake, no cluster. `devicecert show` prints it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from device_cert_operator.core.model import CertificateFacts, NotServed, Served, canonical_host, is_ip
from device_cert_operator.core.naming import why_unusable
from device_cert_operator.core.verdict import ChainFacts, Client, Fault, Verdict, judge, supposing_trust
from device_cert_operator.errors import DeviceUnreachable, InvalidSpec, OperatorError
from device_cert_operator.net.tls_probe import probe
from device_cert_operator.pki.facts import pem_to_ders, read_facts
from device_cert_operator.pki.verify import links

DEFAULT_PORT = 443
_MOST_BYTES = 1024 * 1024  # of a file with CAs


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen. anchors: subjects of the given CAs, None where none were given."""

    host: str
    port: int
    name: str | None
    at: datetime
    served: Served
    chain: ChainFacts
    anchors: tuple[str, ...] | None
    verdict: Verdict

    @property
    def judged_host(self) -> str:
        """What the certificate has to name."""
        return self.name or self.host

    @property
    def secure(self) -> bool:
        """Proven: browsers that trust the given CAs, and only those, accept the connection."""
        return self.anchors is not None and self.verdict.secure

    @property
    def trust(self) -> str:
        """A sentence about whom clients have to trust."""
        leaf, top = self.chain.path[0], self.chain.path[-1]
        if self.anchors is not None:
            return f"judged for clients that trust {' and '.join(self.anchors)}"
        if leaf.self_issued:
            return "no trust anchor was given (--ca), and the certificate is self-signed: nobody trusts it by itself"
        needed = top.subject if top.self_issued else top.issuer
        return f"no trust anchor was given (--ca): judged as if clients trusted {needed}"


def parse_target(text: str) -> tuple[str, int]:
    """(host, port) of HOST, HOST:PORT, [IPv6]:PORT, an IPv6 address alone, or an https URL. Raises InvalidSpec."""
    rest = text.strip()
    if "://" in rest:
        if not rest.lower().startswith("https://"):
            raise InvalidSpec(f"{text!r} is no https address.")
        rest = urlsplit(rest).netloc
    host, port = _split(rest)
    return parse_host(host), port


def parse_host(text: str) -> str:
    """An address or DNS name in canonical form. Raises InvalidSpec, saying what it is not."""
    try:
        host = canonical_host(text)
    except UnicodeError:
        host = ""
    if (why := "it names many hosts" if "*" in host else why_unusable(host)) is not None:
        raise InvalidSpec(f"{text!r} is no host: {why}. An IPv6 address with a port is written [fd00::5]:443.")
    return host


def _split(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, closed, after = text[1:].partition("]")
        if not closed or not is_ip(host) or (after and not after.startswith(":")):
            raise InvalidSpec(f"{text!r}: within brackets stands an IPv6 address, and a colon before the port.")
        return host, _port(after[1:]) if after else DEFAULT_PORT
    host, colon, port = text.partition(":")
    if not colon or ":" in port:  # an IPv6 address alone
        return text, DEFAULT_PORT
    return host, _port(port)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text[:6]) < 65536:
        raise InvalidSpec(f"{text!r} is no port: a number from 1 to 65535 is.")
    return int(text)


def read_anchors(path: Path) -> tuple[bytes, ...]:
    """The certificates of a PEM or DER file, as DER. Raises InvalidSpec."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InvalidSpec(f"{path} cannot be read: {error.strerror}.") from None
    if len(data) > _MOST_BYTES:
        raise InvalidSpec(f"{path} is larger than {_MOST_BYTES // 1024} KiB: give the CA's certificate alone.")
    try:
        anchors = pem_to_ders(data) if b"-----BEGIN" in data else (data,)
        _ = [read_facts(der) for der in anchors]
    except OperatorError:
        raise InvalidSpec(f"{path} holds no certificate that can be read: PEM or DER is wanted.") from None
    return anchors


async def look(
    target: tuple[str, int],
    *,
    name: str | None,
    anchors_der: tuple[bytes, ...] | None,
    now: datetime,
    timeout: timedelta,
) -> Look:
    """Shake hands and judge. name: the DNS name asked for and judged, instead of the host that is dialled.

    anchors_der: what clients trust; None: not known. Raises DeviceUnreachable where no certificate is shown.
    """
    host, port = target
    served = await probe(host, port, server_name=name or host, timeout=timeout)
    if isinstance(served, NotServed):
        raise DeviceUnreachable(f"{served.message}.")
    chain = links(served.chain_der, anchors_der or ())
    if anchors_der is None:
        chain = supposing_trust(chain)
    anchors = None if anchors_der is None else tuple(read_facts(der).subject for der in anchors_der)
    return Look(host, port, name, now, served, chain, anchors, judge(served, chain, name or host, now))


def as_data(seen: Look) -> dict[str, Any]:
    """For JSON and YAML; times in ISO 8601, UTC."""
    served, verdict = seen.served, seen.verdict
    return {
        "host": seen.host,
        "port": seen.port,
        "name": seen.judged_host,
        "time": seen.at.isoformat(timespec="seconds"),
        "secure": seen.secure,
        "reason": str(verdict.reason) if seen.secure or not verdict.secure else None,
        "message": verdict.message if seen.secure or not verdict.secure else seen.trust,
        "trustAnchors": None if seen.anchors is None else list(seen.anchors),
        "selfSigned": served.leaf.self_issued,
        "tls": {"version": served.tls_version, "cipher": served.cipher, "browsers": served.browser_grade},
        "served": _certificate(served.leaf),
        "chain": [_certificate(facts) for facts in served.chain[1:]],
        "clients": [
            {
                "client": str(client),
                "verdict": verdict_of(seen, client),
                "faults": [_fault(fault) for fault in faults_of(verdict, client)],
            }
            for client in Client
        ],
        "warnings": [_fault(fault) for fault in verdict.warnings],
    }


def verdict_of(seen: Look, client: Client) -> str:
    """`Accepts`, `AcceptsIfTrusted` where no anchor was given, or `Refuses`."""
    if not seen.verdict.accepted_by(client):
        return "Refuses"
    return "Accepts" if seen.anchors is not None else "AcceptsIfTrusted"


def faults_of(verdict: Verdict, client: Client) -> tuple[Fault, ...]:
    """What this client minds."""
    return tuple(fault for fault in verdict.faults if client in fault.clients)


def key_of(facts: CertificateFacts) -> str:
    """`RSA 2048 bits`, `EC secp256r1`, `Ed25519`."""
    if facts.key_type == "RSA":
        return f"RSA {facts.key_bits} bits"
    return f"{facts.key_type} {facts.curve}" if facts.curve else facts.key_type


def _fault(fault: Fault) -> dict[str, str]:
    return {"reason": str(fault.reason), "message": fault.message}


def _certificate(facts: CertificateFacts) -> dict[str, Any]:
    return {
        "subject": facts.subject,
        "issuer": facts.issuer,
        "serialNumber": facts.serial_number,
        "notBefore": facts.not_before.isoformat(),
        "notAfter": facts.not_after.isoformat(),
        "dnsNames": list(facts.dns_names),
        "ipAddresses": list(facts.ip_addresses),
        "key": key_of(facts),
        "signatureHash": facts.signature_hash,
        "fingerprint": facts.fingerprint,
        "publicKeySHA256": facts.public_key_sha256,
    }
