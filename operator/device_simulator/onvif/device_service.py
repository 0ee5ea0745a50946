"""Device Management Service (tds): ONVIF Core Specification 26.06, chapter 8."""

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING

from device_simulator.faults import Fault
from device_simulator.onvif import legacy, network, security_service
from device_simulator.onvif.soap import TAS, TDS, TT, Element, Request, SoapFault, maker, value, values

if TYPE_CHECKING:
    from device_simulator.onvif.device import OnvifDevice

tds, tt = maker(TDS), maker(TT)


def _address(device: "OnvifDevice", path: str) -> str:
    host = "192.0.2.1" if device.faults.on(Fault.WRONG_XADDR) else device.address
    return f"http://{f'[{host}]' if ':' in host else host}:{device.spec.http_port}/onvif/{path}"


def _capabilities(device: "OnvifDevice") -> Element:
    return tds(
        "Capabilities",
        tds("Network", NTP=4),
        tds(
            "Security",
            **{"TLS1.2": True, "OnboardKeyGeneration": True, "HttpDigest": True},
            UsernameToken=device.spec.username_token,
        ),
        tds("System"),
    )


def _get_services(device: "OnvifDevice", request: Request) -> Element:
    known = {TDS: ("device_service", _capabilities)}
    if device.spec.advanced_security:
        known[TAS] = ("security_service", security_service.capabilities)
    wanted = value(request.body, "IncludeCapability") == "true"
    return tds(
        "GetServicesResponse",
        *(
            tds(
                "Service",
                tds("Namespace", text=namespace),
                tds("XAddr", text=_address(device, path)),
                tds("Capabilities", capabilities(device)) if wanted else None,
                tds("Version", tt("Major", text=26), tt("Minor", text=6)),
            )
            for namespace, (path, capabilities) in known.items()
        ),
    )


def _get_service_capabilities(device: "OnvifDevice", request: Request) -> Element:
    return tds("GetServiceCapabilitiesResponse", _capabilities(device))


def _get_capabilities(device: "OnvifDevice", request: Request) -> Element:
    address = tt("XAddr", text=_address(device, "device_service"))
    return tds("GetCapabilitiesResponse", tds("Capabilities", tt("Device", address)))


def _date_time(name: str, at: datetime) -> Element:
    return tt(
        name,
        tt("Time", tt("Hour", text=at.hour), tt("Minute", text=at.minute), tt("Second", text=at.second)),
        tt("Date", tt("Year", text=at.year), tt("Month", text=at.month), tt("Day", text=at.day)),
    )


def _get_clock(device: "OnvifDevice", request: Request) -> Element:
    now = device.told_as_utc()
    return tds(
        "GetSystemDateAndTimeResponse",
        tds(
            "SystemDateAndTime",
            tt("DateTimeType", text="NTP" if device.on_ntp else "Manual"),
            tt("DaylightSavings", text=device.daylight_saving),
            tt("TimeZone", tt("TZ", text=device.time_zone)),
            None if device.faults.on(Fault.UTC_MISSING) else _date_time("UTCDateTime", now),
        ),
    )


def _set_clock(device: "OnvifDevice", request: Request) -> Element:
    if device.faults.strikes(Fault.CLOCK_SET_REFUSED):
        raise SoapFault("Sender", "OperationProhibited")
    body = request.body
    kind = value(body, "DateTimeType")
    if kind == "NTP":
        if not device.ntp_servers:
            raise SoapFault("Sender", "InvalidArgVal", "NtpServerUndefined")
        device.on_ntp = True
    elif kind == "Manual":
        parts = [value(body, "UTCDateTime", "Date", name) for name in ("Year", "Month", "Day")]
        parts += [value(body, "UTCDateTime", "Time", name) for name in ("Hour", "Minute", "Second")]
        if all(part is not None for part in parts):
            try:
                device.set_clock(datetime(*(int(part or 0) for part in parts), tzinfo=UTC))  # type: ignore[misc,arg-type]
            except ValueError:
                raise SoapFault("Sender", "InvalidArgVal", "InvalidDateTime") from None
        device.on_ntp = False
    else:
        raise SoapFault("Sender", "InvalidArgVal")
    device.time_zone = value(body, "TimeZone", "TZ") or device.time_zone
    device.daylight_saving = value(body, "DaylightSavings") == "true"
    return tds("SetSystemDateAndTimeResponse")


def _host(name: str, host: str) -> Element:
    try:
        version = ip_address(host).version
    except ValueError:
        return tt(name, tt("Type", text="DNS"), tt("DNSname", text=host))
    return tt(name, tt("Type", text=f"IPv{version}"), tt(f"IPv{version}Address", text=host))


def _get_ntp(device: "OnvifDevice", request: Request) -> Element:
    hosts = (_host("NTPManual", server) for server in device.ntp_servers)
    return tds("GetNTPResponse", tds("NTPInformation", tt("FromDHCP", text=False), *hosts))


def _set_ntp(device: "OnvifDevice", request: Request) -> Element:
    device.ntp_servers = tuple(
        text for name in ("IPv4Address", "IPv6Address", "DNSname") for text in values(request.body, name)
    )
    return tds("SetNTPResponse")


def _get_information(device: "OnvifDevice", request: Request) -> Element:
    return tds(
        "GetDeviceInformationResponse",
        tds("Manufacturer", text=device.spec.manufacturer),
        tds("Model", text=device.spec.model),
        tds("FirmwareVersion", text="1.0"),
        tds("SerialNumber", text=device.serial_number),
        tds("HardwareId", text="1"),
    )


def _get_endpoint_reference(device: "OnvifDevice", request: Request) -> Element:
    made = uuid.uuid5(uuid.NAMESPACE_OID, device.serial_number)
    return tds("GetEndpointReferenceResponse", tds("GUID", text=f"urn:uuid:{made}"))


def _get_hostname(device: "OnvifDevice", request: Request) -> Element:
    name = tt("Name", text=device.spec.name)
    return tds("GetHostnameResponse", tds("HostnameInformation", tt("FromDHCP", text=False), name))


def _protocols(device: "OnvifDevice") -> dict[str, tuple[bool, int]]:
    """Name: (enabled, port)."""
    return {
        "HTTP": (device.http_enabled, device.spec.http_port),
        "HTTPS": (device.https_enabled, device.spec.https_port),
    }


def _get_protocols(device: "OnvifDevice", request: Request) -> Element:
    known = (
        tds("NetworkProtocols", tt("Name", text=name), tt("Enabled", text=on), tt("Port", text=port))
        for name, (on, port) in _protocols(device).items()
    )
    return tds("GetNetworkProtocolsResponse", *known)


def _set_protocols(device: "OnvifDevice", request: Request) -> Element:
    before = _protocols(device)
    wanted = {value(one, "Name") or "": value(one, "Enabled") == "true" for one in request.body}
    if not wanted.keys() <= before.keys():
        raise SoapFault("Sender", "InvalidArgVal", "ServiceNotSupported")
    if any(value(one, "Port") not in {None, str(before[value(one, "Name") or ""][1])} for one in request.body):
        raise SoapFault("Sender", "InvalidArgVal", "PortAlreadyInUse")
    if wanted.get("HTTPS") and device.keystore.identity(device.keystore.assigned) is None:
        raise SoapFault("Receiver", "Action", "EnablingTlsFailed")
    device.http_enabled = wanted.get("HTTP", device.http_enabled)
    device.https_enabled = wanted.get("HTTPS", device.https_enabled)
    if _protocols(device) != before:
        device.show_assigned()
        device.later(device.restart_listeners)
    return tds("SetNetworkProtocolsResponse")


def _reboot(device: "OnvifDevice", request: Request) -> Element:
    device.asked_to_reboot()
    return tds("SystemRebootResponse", tds("Message", text="Rebooting"))


OPERATIONS: dict[str, Callable[["OnvifDevice", Request], Element | Awaitable[Element]]] = {
    **legacy.OPERATIONS,
    **network.OPERATIONS,
    "GetServices": _get_services,
    "GetServiceCapabilities": _get_service_capabilities,
    "GetCapabilities": _get_capabilities,
    "GetSystemDateAndTime": _get_clock,
    "SetSystemDateAndTime": _set_clock,
    "GetNTP": _get_ntp,
    "SetNTP": _set_ntp,
    "GetDeviceInformation": _get_information,
    "GetEndpointReference": _get_endpoint_reference,
    "GetHostname": _get_hostname,
    "GetNetworkProtocols": _get_protocols,
    "SetNetworkProtocols": _set_protocols,
    "SystemReboot": _reboot,
}
