"""The network settings of Device Management (tds): ONVIF Core Specification 26.06, chapter 8.2."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from device_simulator.onvif.soap import TDS, TT, Element, Request, SoapFault, argument, maker, value, values

if TYPE_CHECKING:
    from device_simulator.onvif.device import OnvifDevice

tds, tt = maker(TDS), maker(TT)
TOKEN = "eth0"  # noqa: S105  # of the one interface


def _family(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


def get_interfaces(device: "OnvifDevice", request: Request) -> Element:
    """GetNetworkInterfaces."""
    config = tt(
        "Config",
        tt("Manual", tt("Address", text=device.address), tt("PrefixLength", text=device.prefix_length)),
        tt("DHCP", text=False),
    )
    interface = tds(
        "NetworkInterfaces",
        tt("Enabled", text=True),
        tt("Info", tt("Name", text="eth0"), tt("HwAddress", text=device.mac_address), tt("MTU", text=1500)),
        tt(_family(device.address), tt("Enabled", text=True), config),
        **{"token": TOKEN},
    )
    return tds("GetNetworkInterfacesResponse", interface)


def set_interfaces(device: "OnvifDevice", request: Request) -> Element:
    """SetNetworkInterfaces. RebootNeeded false: the device is at its new address after a short gap."""
    if argument(request, "InterfaceToken") != TOKEN:
        raise SoapFault("Sender", "InvalidArgVal", "InvalidNetworkInterface")
    wanted = next((one for one in request.body if one.tag == f"{{{TDS}}}NetworkInterface"), None)
    found = [
        (family, text, value(wanted, family, "Manual", "PrefixLength"))
        for family in ("IPv4", "IPv6")
        if wanted is not None and (text := value(wanted, family, "Manual", "Address"))
    ]
    if len(found) != 1:
        raise SoapFault("Sender", "InvalidArgVal", "SettingManualAddressFailed")
    family, address, prefix = found[0]
    try:
        if _family(address) != family:
            raise ValueError(address)
        waits = device.set_network(address, int(prefix or device.prefix_length), None)
    except ValueError:
        raise SoapFault("Sender", "InvalidArgVal", f"Invalid{family}Address") from None
    return tds("SetNetworkInterfacesResponse", tds("RebootNeeded", text=waits))


def get_gateway(device: "OnvifDevice", request: Request) -> Element:
    """GetNetworkDefaultGateway."""
    known = device.gateway
    address = tt(f"{_family(known)}Address", text=known) if known is not None else None
    return tds("GetNetworkDefaultGatewayResponse", tds("NetworkGateway", address))


def set_gateway(device: "OnvifDevice", request: Request) -> Element:
    """SetNetworkDefaultGateway; without an address there is none."""
    found = [text for name in ("IPv4Address", "IPv6Address") for text in values(request.body, name)]
    device.gateway = found[0] if found else None
    return tds("SetNetworkDefaultGatewayResponse")


OPERATIONS: dict[str, Callable[["OnvifDevice", Request], Element]] = {
    "GetNetworkInterfaces": get_interfaces,
    "SetNetworkInterfaces": set_interfaces,
    "GetNetworkDefaultGateway": get_gateway,
    "SetNetworkDefaultGateway": set_gateway,
}
