"""Names in certificates: what may stand in a SAN, what covers a host, what a CA's name constraints permit. Pure."""

import re
from ipaddress import ip_address, ip_network

from device_cert_operator.core.model import NameConstraints, is_ip

LONGEST_NAME = 253  # RFC 1035, section 2.3.4, as text
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


def why_unusable(name: str) -> str | None:
    """Why no client would accept this name in a SAN. name: canonical (`core.model.canonical_host`)."""
    if is_ip(name):
        return None
    if "%" in name:
        return "an address with a zone means something else on each machine"
    if name.startswith("*.") and name.count(".") < 2:
        return "a wildcard needs two labels below it, as in *.cams.example"
    if name.startswith("*.") and "_" in name:
        return "OpenSSL accepts no wildcard above an underscore"
    labels = name.removeprefix("*.").split(".")
    if len(name) > LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        return "it is neither an address nor a DNS name"
    if labels[-1].isdecimal():
        return "browsers read a name that ends in a number as an IPv4 address"
    return None


def covers(dns_names: tuple[str, ...], ip_addresses: tuple[str, ...], host: str) -> bool:
    """Whether a SAN with these values is good for the host (RFC 9525, section 6). host: canonical."""
    if is_ip(host):
        return host in ip_addresses
    return any(_matches(pattern, host) for pattern in dns_names)


def not_permitted(
    constraints: NameConstraints, dns_names: tuple[str, ...], ip_addresses: tuple[str, ...]
) -> tuple[str, ...]:
    """Those of the names that the constraints do not let through (RFC 5280, section 4.2.1.10)."""
    addresses = [address for address in ip_addresses if not _address_permitted(constraints, address)]
    return (*(name for name in dns_names if not _name_permitted(constraints, name)), *addresses)


def _matches(pattern: str, host: str) -> bool:
    """A wildcard is one whole left-most label, and two labels are below it."""
    if pattern.startswith("*."):
        _, dot, rest = host.partition(".")
        return bool(dot) and rest == pattern[2:] and "." in rest
    return pattern == host


def subject_permitted(constraints: NameConstraints, subject: str) -> bool:
    """Whether the constraints let a subject through: a directory name permits what it begins (RFC 5280, 4.2.1.10).

    subject: as RFC 4514 writes it, last part first; an empty one is bound by nothing. Letter case does not count.
    """
    if not subject:
        return True
    permitted = constraints.permitted_directory
    if permitted is not None and not any(_begins(one, subject) for one in permitted):
        return False
    return not any(_begins(one, subject) for one in constraints.excluded_directory or ())


def _begins(directory: str, subject: str) -> bool:
    return not directory or ("," + subject.lower()).endswith("," + directory.lower())


def partly_matches(pattern: str, host: str) -> bool:
    """Whether a wildcard within the left-most label fits (`g*.cams.example`): OpenSSL takes it, browsers do not."""
    label, _, rest = pattern.partition(".")
    first, _, above = host.partition(".")
    before, star, after = label.partition("*")
    long_enough = len(first) >= len(before) + len(after)
    return (
        bool(star and (before or after))
        and rest == above
        and "." in rest
        and long_enough
        and (first.startswith(before) and first.endswith(after))
    )


def _address_permitted(constraints: NameConstraints, address: str) -> bool:
    if constraints.permitted_ip is not None and not _in_any(address, constraints.permitted_ip):
        return False
    return constraints.excluded_ip is None or not _in_any(address, constraints.excluded_ip)


def _name_permitted(constraints: NameConstraints, name: str) -> bool:
    if constraints.permitted_dns is not None and not any(_below(name, one) for one in constraints.permitted_dns):
        return False
    excluded = constraints.excluded_dns or ()
    return not any(_below(name, one) or _may_stand_for(name, one) for one in excluded)


def _in_any(address: str, ranges: tuple[str, ...]) -> bool:
    return any(ip_address(address) in ip_network(one) for one in ranges)


def _below(name: str, domain: str) -> bool:
    """A leading dot leaves the domain itself out, as BoringSSL and OpenSSL read it."""
    if not domain or domain.startswith("."):
        return name.endswith(domain)
    return name == domain or name.endswith("." + domain)


def _may_stand_for(name: str, domain: str) -> bool:
    """A wildcard is excluded already if one of the names it stands for is."""
    return name.startswith("*.") and domain.partition(".")[2] == name[2:]
