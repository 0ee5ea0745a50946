"""Looking for a device that moved: who in these subnets serves a key that only this device has?

Handshakes only. Being found is an observation; whether it is proof is decided elsewhere.
"""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from device_cert_operator.core.model import Served, is_ip
from device_cert_operator.errors import InvalidSpec, NotLeading
from device_cert_operator.net.rate import RateLimiter
from device_cert_operator.net.tls_probe import probe
from device_cert_operator.permit import ALWAYS, Permit

MOST_ADDRESSES = 4096
Address = IPv4Address | IPv6Address


async def locate(
    key_sha256s: frozenset[str],
    subnets: tuple[str, ...],
    port: int,
    *,
    near: str,
    timeout: timedelta,
    limiter: RateLimiter,
    skip: frozenset[str] = frozenset(),
    concurrency: int = 256,
    permit: Permit = ALWAYS,
) -> tuple[Served, ...]:
    """Every address in the subnets that serves one of these public keys, nearest to the old one first.

    key_sha256s: SHA-256 over SubjectPublicKeyInfo. subnets: CIDR, together at most 4096 addresses. near: the old
    address, where the search starts. skip: addresses known to be others' (canonical text). timeout: of one handshake.
    limiter: shared by all searches. Several answers mean that the key is no proof. Raises InvalidSpec, NotLeading.
    """
    addresses = iter(candidates(subnets, near=near, skip=skip))
    found: list[tuple[int, Served]] = []

    async def search(numbered: Iterator[tuple[int, str]]) -> None:
        for place, address in numbered:
            await limiter.take()
            served = await probe(address, port, server_name=None, timeout=timeout, permit=permit)
            if isinstance(served, Served) and served.leaf.public_key_sha256 in key_sha256s:
                found.append((place, served))

    numbered = enumerate(addresses)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(max(1, concurrency)):
                group.create_task(search(numbered))
    except ExceptionGroup as failed:  # each of them was refused for the same reason
        if failed.subgroup(NotLeading) is None:
            raise
        raise NotLeading("This process no longer holds the Lease; the search ends.") from None
    return tuple(served for _, served in sorted(found, key=lambda one: one[0]))


def candidates(subnets: tuple[str, ...], *, near: str, skip: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The host addresses of these subnets without duplicates, in the order of their distance from `near`.

    Raises InvalidSpec for what is no subnet, and beyond 4096 addresses in all.
    """
    networks = [_network(subnet) for subnet in subnets]
    total = sum(network.num_addresses for network in networks)
    if total > MOST_ADDRESSES:
        raise InvalidSpec(
            f"address.locate.subnets hold {total} addresses; at most {MOST_ADDRESSES} are searched: name smaller ones"
        )
    hosts: set[Address] = set()
    for network in networks:
        hosts.update(network.hosts())
    start = ip_address(near) if is_ip(near) else None
    ordered = sorted(hosts, key=lambda host: _distance(host, start))
    return tuple(text for host in ordered if (text := host.compressed) not in skip)


def _network(subnet: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(subnet, strict=False)
    except ValueError:
        raise InvalidSpec(f"address.locate.subnets: {subnet!r} is no subnet such as 192.168.1.0/24") from None


def _distance(host: Address, start: Address | None) -> tuple[int, int, int]:
    """Same family first, then by distance; equal distances by value."""
    if start is None:
        return (host.version, int(host), 0)
    return (abs(host.version - start.version), abs(int(host) - int(start)), int(host))
