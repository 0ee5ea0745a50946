"""Giving a device an address: the one change after which the connection may be gone before its answer."""

from ipaddress import IPv4Address, ip_address, ip_network

from device_cert_operator.core.model import StaticAddress, canonical_host, is_ip
from device_cert_operator.drivers.onvif import device_messages as tds
from device_cert_operator.drivers.onvif.device_messages import InterfaceSettings
from device_cert_operator.drivers.onvif.session import OnvifSession
from device_cert_operator.errors import DeviceRefused, DeviceUnreachable, Unsupported


async def set_address(session: OnvifSession, wanted: StaticAddress) -> bool:
    """See `OnvifDriver.set_address`.

    A gateway that the device reaches from where it is now is set first: nobody answers here afterwards. Any other
    comes second, for it would cut the device off; whoever finds the device at its new address asks again.
    """
    for address in (wanted.address, wanted.gateway):
        if address is not None and not (is_ip(address) and isinstance(ip_address(address), IPv4Address)):
            raise Unsupported(f"the driver sets IPv4 addresses only, not {address}")
    interfaces = tds.read_interfaces(await session.device(tds.build_get("GetNetworkInterfaces")))
    interface = _interface_of(interfaces.settings, wanted)
    first = wanted.gateway is not None and _on_link(wanted.gateway, wanted)
    if wanted.gateway is not None and first:
        await _set_gateway(session, wanted.gateway)
    kept = tuple(one for one in interface.manual if one[0] not in {wanted.address, wanted.was})
    request = tds.build_set_interface(interface.token, ((wanted.address, wanted.prefix_length), *kept))
    try:
        needs_restart = tds.read_reboot_needed(await session.device(request))
        if wanted.gateway is not None and not first:
            await _set_gateway(session, wanted.gateway)
    except DeviceUnreachable:  # it may have moved before it answered: only the new address can tell
        return False
    return needs_restart


def _interface_of(settings: tuple[InterfaceSettings, ...], wanted: StaticAddress) -> InterfaceSettings:
    """The interface with the address to be replaced; after a first try that awaits a restart, with the new one."""
    for address in (canonical_host(wanted.was), canonical_host(wanted.address)):
        for interface in settings:
            if address in interface.addresses:
                return interface
    raise DeviceRefused(
        f"none of the device's interfaces has {wanted.was} (NAT?): set its address by hand, or set "
        "spec.address.policy to Follow"
    )


def _on_link(gateway: str, wanted: StaticAddress) -> bool:
    if not is_ip(wanted.was) or ":" in wanted.was:
        return False
    return ip_address(gateway) in ip_network(f"{wanted.was}/{wanted.prefix_length}", strict=False)


async def _set_gateway(session: OnvifSession, gateway: str) -> None:
    answer = await session.device(tds.build_get("GetNetworkDefaultGateway"))
    ipv4, ipv6 = tds.read_gateways(answer)
    if canonical_host(gateway) not in ipv4:
        await session.device(tds.build_set_gateway(gateway, ipv6))
