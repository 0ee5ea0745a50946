"""Would the clients people use accept what is served? Pure rules over certificate facts, one function a rule.

The rules follow what Chromium, OpenSSL and Apple's platforms were seen or documented to do (`docs/concepts/verdict.md`
has the table). Signatures are checked elsewhere; here they arrive as `ChainFacts`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address, ip_network

from device_cert_operator.core.model import CertificateFacts, NameConstraints, Served, canonical_host, is_ip
from device_cert_operator.reasons import Reason

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
ANY_PURPOSE = "2.5.29.37.0"
APPLE_MOST_DAYS = timedelta(days=825)
BROWSER_CURVES = frozenset({"secp256r1", "secp384r1"})
WEAK_HASHES = frozenset({"sha1", "md5", "md4", "md2"})


class Client(StrEnum):
    """Whose eyes a finding is seen with."""

    CHROMIUM = "Chromium"
    OPENSSL = "OpenSSL"
    APPLE = "Apple"


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """The path from the leaf upwards, as far as signatures hold.

    path: leaf first; ends with the trust anchor if `anchored`, sent or not. intended: subjects of the trust anchors.
    broken: a name fits further up, its signature does not.
    """

    path: tuple[CertificateFacts, ...]
    anchored: bool
    intended: tuple[str, ...] = ()
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, in whose eyes. Without clients it is a warning."""

    reason: Reason
    message: str
    clients: frozenset[Client]


@dataclass(frozen=True, slots=True)
class Verdict:
    """faults: what makes some client refuse, most useful first. warnings: what no tabled browser minds.

    secure: Chromium, trusting only the intended CA, would accept the connection.
    """

    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...] = ()

    @property
    def secure(self) -> bool:
        return self.accepted_by(Client.CHROMIUM)

    def accepted_by(self, client: Client) -> bool:
        """Whether this client would accept the connection."""
        return not any(client in fault.clients for fault in self.faults)

    @property
    def reason(self) -> Reason:
        """The first fault that browsers mind, or Trusted."""
        fault = self._first
        return fault.reason if fault else Reason.TRUSTED

    @property
    def message(self) -> str:
        """A sentence for the Secure condition."""
        if fault := self._first:
            return fault.message
        told = " ".join(warning.message for warning in self.warnings)
        return f"Clients that trust the intended CA accept this device. {told}".strip()

    @property
    def _first(self) -> Fault | None:
        return next((fault for fault in self.faults if Client.CHROMIUM in fault.clients), None)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a rule may look at. host: canonical address or name that was dialled."""

    leaf: CertificateFacts
    chain: ChainFacts
    host: str
    now: datetime
    tls_version: str
    browser_grade: bool
    why_not: str | None


ALL = frozenset(Client)
STRICT = frozenset({Client.OPENSSL})
BROWSERS = frozenset({Client.CHROMIUM, Client.APPLE})


def judge(served: Served, chain: ChainFacts, host: str, now: datetime) -> Verdict:
    """Every rule is asked; nothing stops at the first fault. host: what was dialled, address or DNS name."""
    evidence = Evidence(
        served.leaf, chain, canonical_host(host), now, served.tls_version, served.browser_grade, served.why_not
    )
    found = [fault for rule in RULES if (fault := rule(evidence)) is not None]
    return Verdict(
        tuple(fault for fault in found if fault.clients), tuple(fault for fault in found if not fault.clients)
    )


# ------------------------------------------------------------------------------------------------ rules


def issuer_is_another(e: Evidence) -> Fault | None:
    """The chain does not end at the intended CA: both are named."""
    if e.chain.anchored:
        return None
    intended = " or ".join(e.chain.intended) or "no CA"
    if e.chain.broken:
        return Fault(
            Reason.SIGNATURE_INVALID,
            f"The certificate names {e.leaf.issuer or 'no issuer'} as its issuer, and that CA did not sign it.",
            ALL,
        )
    if len(e.chain.path) == 1 and e.leaf.issuer in e.chain.intended:
        return Fault(Reason.SIGNATURE_INVALID, f"{e.leaf.issuer} did not sign this certificate.", ALL)
    top = e.chain.path[-1]
    told = "is self-signed" if e.leaf.self_issued else f"was issued by {top.issuer or 'nobody named'}"
    return Fault(Reason.ISSUER_MISMATCH, f"The served certificate {told}; wanted is one of {intended}.", ALL)


def address_is_not_named(e: Evidence) -> Fault | None:
    """The SAN does not hold what was dialled (RFC 6125, RFC 9525): an address as iPAddress, a name as dNSName."""
    if e.leaf.has_san and _named(e.leaf, e.host):
        return None
    if not e.leaf.has_san and e.leaf.common_name and canonical_host(e.leaf.common_name) == e.host:
        return Fault(
            Reason.NAME_ONLY_IN_COMMON_NAME, f"{e.host} stands only in the CN; clients read only the SAN.", ALL
        )
    names = ", ".join((*e.leaf.dns_names, *e.leaf.ip_addresses)[:4]) or "no name at all"
    return Fault(Reason.ADDRESS_NOT_IN_CERTIFICATE, f"The certificate is for {names}, not for {e.host}.", ALL)


def certificate_is_out_of_time(e: Evidence) -> Fault | None:
    """Any certificate of the path."""
    for place, facts in enumerate(e.chain.path):
        whose = "certificate" if place == 0 else f"CA certificate {facts.subject}"
        if e.now > facts.not_after:
            return Fault(
                Reason.CERTIFICATE_EXPIRED, f"The {whose} expired on {facts.not_after:%Y-%m-%d %H:%M} UTC.", ALL
            )
        if e.now < facts.not_before:
            return Fault(
                Reason.CERTIFICATE_NOT_YET_VALID,
                f"The {whose} is valid from {facts.not_before:%Y-%m-%d %H:%M} UTC.",
                ALL,
            )
    return None


def tls_is_too_old(e: Evidence) -> Fault | None:
    """What the handshake itself lacks."""
    if e.tls_version in {"SSLv3", "TLSv1", "TLSv1.1"}:
        return Fault(
            Reason.TLS_TOO_OLD,
            f"The device speaks {e.tls_version} at most; browsers want TLS 1.2: update it.",
            BROWSERS,
        )
    if not e.browser_grade:
        return Fault(Reason.TLS_TOO_OLD, e.why_not or "No browser makes this handshake.", BROWSERS)
    return None


def key_is_not_for_browsers(e: Evidence) -> Fault | None:
    """P-256, P-384 and RSA are what browsers take in a leaf."""
    if e.leaf.key_type == "RSA" or (e.leaf.key_type == "EC" and e.leaf.curve in BROWSER_CURVES):
        return None
    kind = e.leaf.curve or e.leaf.key_type
    return Fault(Reason.KEY_TYPE_NOT_IN_BROWSERS, f"Browsers take no {kind} keys.", BROWSERS)


def key_is_weak(e: Evidence) -> Fault | None:
    """Chromium takes RSA-1024 under a local root, Apple does not, and nobody should."""
    weak = next((facts for facts in e.chain.path if facts.key_type == "RSA" and facts.key_bits < 2048), None)
    if weak is None:
        return None
    return Fault(
        Reason.WEAK_KEY,
        f"{weak.subject or 'The certificate'} has an RSA key of {weak.key_bits} bits.",
        frozenset({Client.APPLE}),
    )


def signature_is_weak(e: Evidence) -> Fault | None:
    """SHA-1 and MD5 below the trust anchor, whose own signature nobody checks."""
    path = e.chain.path[:-1] if e.chain.anchored and len(e.chain.path) > 1 else e.chain.path
    weak = next((facts for facts in path if facts.signature_hash in WEAK_HASHES), None)
    if weak is None:
        return None
    return Fault(
        Reason.WEAK_SIGNATURE, f"{weak.subject or 'The certificate'} is signed with {weak.signature_hash}.", ALL
    )


def purpose_is_another(e: Evidence) -> Fault | None:
    """extendedKeyUsage of the leaf and of the CAs above it (RFC 5280, 4.2.1.12; CAs: as all tested verifiers do)."""
    purposes = e.leaf.extended_key_usage
    if purposes is not None and SERVER_AUTH not in purposes:
        if ANY_PURPOSE in purposes:
            return Fault(
                Reason.NOT_FOR_SERVERS,
                "The certificate is for any purpose, not expressly for servers.",
                frozenset({Client.OPENSSL, Client.APPLE}),
            )
        return Fault(Reason.NOT_FOR_SERVERS, "The certificate is not for TLS servers (extendedKeyUsage).", ALL)
    for facts in e.chain.path[1:]:
        above = facts.extended_key_usage
        if above is not None and not {SERVER_AUTH, ANY_PURPOSE} & set(above):
            return Fault(Reason.NOT_FOR_SERVERS, f"CA {facts.subject} is not for TLS servers (extendedKeyUsage).", ALL)
    if purposes is None:
        return Fault(
            Reason.NOT_FOR_APPLE, "Apple's platforms want extendedKeyUsage serverAuth.", frozenset({Client.APPLE})
        )
    return None


def key_usage_is_unfit(e: Evidence) -> Fault | None:
    """Handshakes that browsers make are signed with the leaf's key."""
    usage = e.leaf.key_usage
    if usage is None or "digitalSignature" in usage:
        return None
    return Fault(Reason.KEY_USAGE_UNFIT, "The certificate's keyUsage lacks digitalSignature.", BROWSERS)


def authority_is_unfit(e: Evidence) -> Fault | None:
    """A CA of the path that may not sign certificates."""
    for facts in e.chain.path[1:]:
        if facts.is_ca is False or (facts.key_usage is not None and "keyCertSign" not in facts.key_usage):
            return Fault(Reason.CA_NOT_A_CA, f"{facts.subject} may not sign certificates.", ALL)
    return None


def authority_has_legacy_form(e: Evidence) -> Fault | None:
    """An X.509 v1 root, as `openssl req` and `openssl x509 -req -signkey` make it: browsers take it, others do not."""
    if any(facts.version < 3 for facts in e.chain.path[1:]):
        return Fault(
            Reason.AUTHORITY_LEGACY_FORM,
            "The CA certificate is X.509 v1: browsers accept it, strict verifiers do not.",
            frozenset(),
        )
    return None


def subject_is_missing(e: Evidence) -> Fault | None:
    """An empty subject wants a critical SAN (RFC 5280, 4.2.1.6)."""
    if e.leaf.subject_is_empty and e.leaf.has_san and not e.leaf.san_critical:
        return Fault(
            Reason.EMPTY_SUBJECT_SAN_NOT_CRITICAL,
            "The subject is empty and the SAN is not critical.",
            BROWSERS,
        )
    return None


def name_is_constrained(e: Evidence) -> Fault | None:
    """A CA of the path does not permit what was dialled (RFC 5280, 4.2.1.10)."""
    for facts in e.chain.path[1:]:
        if facts.name_constraints is not None and not permits(facts.name_constraints, e.leaf):
            return Fault(
                Reason.NAME_CONSTRAINED, f"CA {facts.subject} does not permit the names of the certificate.", ALL
            )
    return None


def lifetime_is_long_for_apple(e: Evidence) -> Fault | None:
    """At most 825 days under a root that the user added (Apple, HT210176)."""
    if e.leaf.not_after - e.leaf.not_before <= APPLE_MOST_DAYS:
        return None
    return Fault(
        Reason.NOT_FOR_APPLE,
        "The certificate is valid for more than 825 days; Apple's platforms refuse it.",
        frozenset({Client.APPLE}),
    )


RULES: tuple[Callable[[Evidence], Fault | None], ...] = (
    issuer_is_another,
    address_is_not_named,
    certificate_is_out_of_time,
    tls_is_too_old,
    key_is_not_for_browsers,
    purpose_is_another,
    key_usage_is_unfit,
    authority_is_unfit,
    name_is_constrained,
    subject_is_missing,
    signature_is_weak,
    key_is_weak,
    lifetime_is_long_for_apple,
    authority_has_legacy_form,
)


# ------------------------------------------------------------------------------------------------ names


def _named(leaf: CertificateFacts, host: str) -> bool:
    if is_ip(host):
        return host in leaf.ip_addresses
    return any(_matches(pattern, host) for pattern in leaf.dns_names)


def _matches(pattern: str, host: str) -> bool:
    """A wildcard is one whole left-most label."""
    if pattern.startswith("*."):
        _, dot, rest = host.partition(".")
        return bool(dot) and rest == pattern[2:] and "." in rest
    return pattern == host


def permits(constraints: NameConstraints, leaf: CertificateFacts) -> bool:
    """Whether every name of the leaf is within what the CA permits and outside what it excludes."""
    for address in leaf.ip_addresses:
        if constraints.permitted_ip is not None and not _in_any(address, constraints.permitted_ip):
            return False
        if constraints.excluded_ip is not None and _in_any(address, constraints.excluded_ip):
            return False
    for name in leaf.dns_names:
        if constraints.permitted_dns is not None and not _below_any(name, constraints.permitted_dns):
            return False
        if constraints.excluded_dns is not None and _below_any(name, constraints.excluded_dns):
            return False
    return True


def _in_any(address: str, ranges: tuple[str, ...]) -> bool:
    return any(ip_address(address) in ip_network(one) for one in ranges)


def _below_any(name: str, domains: tuple[str, ...]) -> bool:
    plain = name.removeprefix("*.")
    return any(not one or plain == one.lstrip(".") or plain.endswith("." + one.lstrip(".")) for one in domains)
