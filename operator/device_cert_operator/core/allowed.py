"""Which names a CertificateAuthority may sign: `spec.allowed`, checked at signing. Pure."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from device_cert_operator.core.authority_model import AllowedNames
from device_cert_operator.core.model import Names
from device_cert_operator.errors import IssuanceDenied
from device_cert_operator.reasons import Reason


def why_not_allowed(allowed: AllowedNames | None, names: Names) -> IssuanceDenied | None:
    """NameNotAllowed with the names that are outside, if there are any; None allows everything."""
    if allowed is None:
        return None
    outside = [name for name in names.dns_names if not any(_fits(name, one) for one in allowed.dns_names)]
    outside += [
        address
        for address in names.ip_addresses
        if not any(ip_address(address) in ip_network(one) for one in allowed.ip_ranges)
    ]
    if not outside:
        return None
    return IssuanceDenied(
        f"The CertificateAuthority does not sign for {', '.join(outside[:4])}: its spec.allowed does not list "
        f"{'it' if len(outside) == 1 else 'them'}. Add to it, or take the name out.",
        reason=Reason.NAME_NOT_ALLOWED,
    )


def why_ranges_not_allowed(allowed: AllowedNames | None, ranges: tuple[str, ...]) -> IssuanceDenied | None:
    """The same for whole ranges (CIDR) that somebody else's CA is to be trusted for."""
    if allowed is None:
        return None
    outside = [one for one in ranges if not any(_is_within(one, other) for other in allowed.ip_ranges)]
    if not outside:
        return None
    return IssuanceDenied(
        f"The CertificateAuthority does not sign for {', '.join(outside[:4])}: its spec.allowed.ipRanges do not hold "
        "that. Add to them, or permit less.",
        reason=Reason.NAME_NOT_ALLOWED,
    )


def _is_within(one: str, other: str) -> bool:
    inner, outer = ip_network(one), ip_network(other)
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network) and inner.subnet_of(outer)


def _fits(name: str, pattern: str) -> bool:
    """`*.domain` stands for every name below, wildcards included; anything else for itself."""
    return name.endswith(pattern[1:]) if pattern.startswith("*.") else name == pattern
