"""Messages of the Device Management Service (tds), without IO (ONVIF Core Specification 26.06, chapter 8)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from device_cert_operator.core.model import ClockSource, DeviceIdentity, canonical_host, is_ip
from device_cert_operator.core.zones import zone_offset
from device_cert_operator.drivers.onvif.soap import (
    TDS,
    TT,
    Element,
    boolean,
    child,
    children,
    elements,
    local_name,
    node,
    safe,
    text,
    truth,
    whole,
)

_MOST_ENTRIES = 64
_LONGEST_WORD = 128
_PATH = re.compile(r"[a-z]{1,8}://(?:[^/@?#\s]*@)?(?:\[[^\]]*\]|[^/:?#\s]*)(?::[0-9]{1,5})?(/[!-~]*)?", re.IGNORECASE)
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


class ProtocolName(StrEnum):
    """tt:NetworkProtocolType; what it does not name is UNKNOWN and is never sent back."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"
    RTSP = "RTSP"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class NetworkProtocol:
    """One listening service of the device."""

    name: ProtocolName
    enabled: bool
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DeviceTime:
    """The device's clock as it tells it, in whole seconds. utc: None where it cannot be known from the answer."""

    source: ClockSource
    utc: datetime | None
    time_zone: str | None
    daylight_saving: bool


@dataclass(frozen=True, slots=True)
class InterfaceSettings:
    """The IPv4 side of one enabled interface. manual: (address, prefix length) as set by hand, in order.

    addresses: all that it has now, however they came.
    """

    token: str
    manual: tuple[tuple[str, int], ...]
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Interfaces:
    """What the device says of its interfaces: information, not proof."""

    mac_addresses: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    settings: tuple[InterfaceSettings, ...] = ()


# ------------------------------------------------------------------------------------------------ build


def build_get(operation: str) -> Element:
    """A request without parameters, e.g. GetNTP."""
    return node(TDS, operation)


def build_get_services() -> Element:
    return node(TDS, "GetServices", node(TDS, "IncludeCapability", text="false"))


def build_set_clock(source: ClockSource, utc: datetime | None, time_zone: str | None, daylight: bool) -> Element:
    """SetSystemDateAndTime. utc: aware, needed with MANUAL; seconds are rounded."""
    return node(
        TDS,
        "SetSystemDateAndTime",
        node(TDS, "DateTimeType", text=source.value),
        node(TDS, "DaylightSavings", text=truth(daylight)),
        node(TDS, "TimeZone", node(TT, "TZ", text=time_zone)) if time_zone else None,
        _date_time(utc) if utc is not None else None,
    )


def _date_time(at: datetime) -> Element:
    at = (at.astimezone(UTC) + timedelta(milliseconds=500)).replace(microsecond=0)
    clock = [node(TT, name, text=str(value)) for name, value in (("Hour", at.hour), ("Minute", at.minute))]
    date = [
        node(TT, name, text=str(value)) for name, value in (("Year", at.year), ("Month", at.month), ("Day", at.day))
    ]
    seconds = node(TT, "Second", text=str(at.second))
    return node(TDS, "UTCDateTime", node(TT, "Time", *clock, seconds), node(TT, "Date", *date))


def build_set_ntp(servers: tuple[str, ...]) -> Element:
    """SetNTP with servers of our own: addresses or names."""
    return node(TDS, "SetNTP", node(TDS, "FromDHCP", text="false"), *(_network_host(server) for server in servers))


def _network_host(server: str) -> Element:
    host = canonical_host(server)
    if not is_ip(host):
        kind, field = "DNS", "DNSname"
    else:
        kind, field = ("IPv6", "IPv6Address") if ":" in host else ("IPv4", "IPv4Address")
    return node(TDS, "NTPManual", node(TT, "Type", text=kind), node(TT, field, text=host))


def build_set_network_protocols(protocols: tuple[NetworkProtocol, ...]) -> Element:
    """SetNetworkProtocols with the complete list: devices reset what is left out."""
    return node(TDS, "SetNetworkProtocols", *(_protocol(one) for one in protocols))


def _protocol(protocol: NetworkProtocol) -> Element:
    return node(
        TDS,
        "NetworkProtocols",
        node(TT, "Name", text=protocol.name.value),
        node(TT, "Enabled", text=truth(protocol.enabled)),
        *(node(TT, "Port", text=str(port)) for port in protocol.ports),
    )


def build_set_interface(token: str, manual: tuple[tuple[str, int], ...]) -> Element:
    """SetNetworkInterfaces: these IPv4 addresses by hand, no DHCP; everything else of the interface stays."""
    addresses = (
        node(TT, "Manual", node(TT, "Address", text=address), node(TT, "PrefixLength", text=str(length)))
        for address, length in manual
    )
    ipv4 = node(TT, "IPv4", node(TT, "Enabled", text=truth(True)), *addresses, node(TT, "DHCP", text=truth(False)))
    interface = node(TDS, "NetworkInterface", node(TT, "Enabled", text=truth(True)), ipv4)
    return node(TDS, "SetNetworkInterfaces", node(TDS, "InterfaceToken", text=token), interface)


def build_set_gateway(ipv4: str, ipv6: tuple[str, ...]) -> Element:
    """SetNetworkDefaultGateway: the list is replaced, so IPv6 gateways go along as they were."""
    others = (node(TDS, "IPv6Address", text=address) for address in ipv6)
    return node(TDS, "SetNetworkDefaultGateway", node(TDS, "IPv4Address", text=ipv4), *others)


# ------------------------------------------------------------------------------------------------- read


def read_services(answer: Element) -> dict[str, str]:
    """The path of every service by its namespace. Only the path: the host may be stale, behind NAT, or a stranger's."""
    paths: dict[str, str] = {}
    for service in children(answer, "Service")[:_MOST_ENTRIES]:
        namespace, address = text(service, "Namespace"), text(service, "XAddr")
        match = _PATH.fullmatch(address) if address else None
        if namespace and match and len(match[1] or "") <= 1024:
            paths.setdefault(namespace, match[1] or "/")
    return paths


def read_identity(answer: Element) -> DeviceIdentity:
    """GetDeviceInformationResponse; MAC addresses come from the interfaces."""
    words = [_word(text(answer, name)) for name in ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber")]
    maker, model, firmware, serial = words
    return DeviceIdentity(maker, model, firmware, serial)


def read_clock(answer: Element) -> DeviceTime:
    """GetSystemDateAndTimeResponse. Without UTC, local time and a readable zone are taken; else the time is unknown."""
    clock = child(answer, "SystemDateAndTime")
    if clock is None:
        return DeviceTime(ClockSource.UNKNOWN, None, None, False)
    source = {"Manual": ClockSource.MANUAL, "NTP": ClockSource.NTP}.get(text(clock, "DateTimeType") or "")
    zone = text(clock, "TimeZone", "TZ")
    zone = zone[:_LONGEST_WORD] if zone else None
    daylight = boolean(text(clock, "DaylightSavings")) or False
    utc = _instant(child(clock, "UTCDateTime"))
    if utc is None:
        local, ahead = _instant(child(clock, "LocalDateTime")), zone_offset(zone, daylight=daylight)
        utc = local - ahead if local is not None and ahead is not None else None
    return DeviceTime(source or ClockSource.UNKNOWN, utc, zone, daylight)


def _instant(element: Element | None) -> datetime | None:
    """A tt:DateTime as an aware datetime; None for one that is no date. Leap seconds are held back."""
    if element is None:
        return None
    date = [whole(text(element, "Date", name)) for name in ("Year", "Month", "Day")]
    clock = [whole(text(element, "Time", name)) for name in ("Hour", "Minute", "Second")]
    numbers = [number for number in date + clock if number is not None]
    if len(numbers) != 6 or not 2 <= numbers[0] <= 9998:  # a day to either side for time zones
        return None
    year, month, day, hour, minute, second = numbers
    try:
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None


def read_interfaces(answer: Element) -> Interfaces:
    """GetNetworkInterfacesResponse: MAC addresses, and the addresses of enabled interfaces without zones."""
    macs: list[str] = []
    addresses: list[str] = []
    settings: list[InterfaceSettings] = []
    for interface in children(answer, "NetworkInterfaces")[:_MOST_ENTRIES]:
        mac = (text(interface, "Info", "HwAddress") or "").lower().replace("-", ":")
        macs += [mac] if _MAC.fullmatch(mac) else []
        for family in ("IPv4", "IPv6"):
            config = child(interface, family, "Config")
            addresses += _addresses(config) if config is not None else []
        settings += _settings(interface)
    return Interfaces(tuple(dict.fromkeys(macs)), tuple(dict.fromkeys(addresses))[:_MOST_ENTRIES], tuple(settings))


def _settings(interface: Element) -> list[InterfaceSettings]:
    token, config = safe(interface.get("token") or ""), child(interface, "IPv4", "Config")
    if not token or config is None or boolean(text(interface, "Enabled")) is False:
        return []
    manual = (
        (canonical_host(address), length)
        for one in children(config, "Manual")[:_MOST_ENTRIES]
        if (address := text(one, "Address")) and is_ip(address) and (length := whole(text(one, "PrefixLength")))
    )
    return [InterfaceSettings(token, tuple(manual), tuple(_addresses(config)))]


def read_gateways(answer: Element) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """GetNetworkDefaultGatewayResponse: IPv4 and IPv6 gateways, canonical."""
    gateway = child(answer, "NetworkGateway")
    found = []
    for name in ("IPv4Address", "IPv6Address"):
        texts = (text(one) for one in (children(gateway, name) if gateway is not None else [])[:_MOST_ENTRIES])
        found.append(tuple(canonical_host(one) for one in texts if one and is_ip(one)))
    return found[0], found[1]


def read_reboot_needed(answer: Element) -> bool:
    """SetNetworkInterfacesResponse; False where it is not told."""
    return boolean(text(answer, "RebootNeeded")) or False


def _addresses(config: Element) -> list[str]:
    kinds = {"Manual", "LinkLocal", "FromDHCP", "FromRA"}
    found = (text(one, "Address") for one in elements(config) if local_name(one) in kinds)
    return [canonical_host(address) for address in found if address and is_ip(address)]


def read_protocols(answer: Element) -> tuple[NetworkProtocol, ...]:
    """GetNetworkProtocolsResponse, in the device's order."""
    found = []
    for element in children(answer, "NetworkProtocols")[:_MOST_ENTRIES]:
        name = (text(element, "Name") or "").upper()
        known = ProtocolName(name) if name in set(ProtocolName) else ProtocolName.UNKNOWN
        ports = (whole(text(port)) for port in children(element, "Port")[:_MOST_ENTRIES])
        usable = tuple(port for port in ports if port is not None and 0 < port < 65536)
        found.append(NetworkProtocol(known, boolean(text(element, "Enabled")) or False, usable))
    return tuple(found)


def read_ntp_servers(answer: Element) -> tuple[str, ...]:
    """GetNTPResponse: the servers in use, from DHCP or set by hand."""
    information = child(answer, "NTPInformation")
    if information is None:
        return ()
    dhcp = boolean(text(information, "FromDHCP")) or False
    hosts = children(information, "NTPFromDHCP" if dhcp else "NTPManual")[:_MOST_ENTRIES]
    names = (text(host, "IPv4Address") or text(host, "IPv6Address") or text(host, "DNSname") for host in hosts)
    return tuple(_word(name) for name in names if name)


def _word(value: str | None) -> str:
    return safe(value or "")[:_LONGEST_WORD]
