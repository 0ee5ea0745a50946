"""The pages of the web interface, as README.md promises them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web
from cryptography.hazmat.primitives import hashes

from device_simulator.camera_web import forms
from device_simulator.camera_web.forms import Refused, member
from device_simulator.faults import Fault
from device_simulator.tls import DER, Key, KeyAndChain
from device_simulator.uploads import UploadRefused, Why

if TYPE_CHECKING:
    from device_simulator.camera_web.device import FirmwareCADevice

Page = Callable[["FirmwareCADevice", web.BaseRequest], Awaitable[web.Response]]
_UPLOADS = {
    Why.KEY_TYPE: (400, "key-type", "this kind of key is not taken"),
    Why.CHAIN: (400, "chain", "only the leaf is taken"),
    Why.EXPIRED: (400, "expired", "the certificate has expired by the camera's clock"),
    Why.OCCUPIED: (409, "certificate-present", "delete the uploaded certificate first"),
}


def _told(body: Any, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)


async def system(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """Who it is."""
    return _told(
        {
            "manufacturer": device.spec.manufacturer,
            "model": device.spec.model,
            "firmware": "1.0",
            "serialNumber": device.serial_number,
            "macAddress": device.mac_address,
            "addresses": [device.address],
        }
    )


# ------------------------------------------------------------------------------------ clock and network


async def clock(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """What it takes for the time."""
    told: dict[str, Any] = {"utc": device.told_as_utc().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    if device.faults.on(Fault.UTC_MISSING):
        told = {}
    told |= {"timeZone": device.time_zone, "daylightSaving": device.daylight_saving}
    return _told(told | {"mode": "ntp" if device.on_ntp else "manual", "ntpServers": list(device.ntp_servers)})


async def set_clock(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """All of it or nothing."""
    body = await forms.read_json(request, "utc", "timeZone", "daylightSaving", "mode", "ntpServers")
    servers = forms.words(body, "ntpServers", device.ntp_servers)
    mode = member(body, "mode", str, "ntp" if device.on_ntp else "manual")
    if mode not in {"manual", "ntp"}:
        raise Refused(400, "bad-request", "mode is manual or ntp")
    if mode == "ntp" and "utc" in body:
        raise Refused(409, "on-ntp", "the clock is set by time servers")
    if mode == "ntp" and not servers:
        raise Refused(409, "no-ntp-servers", "there are no time servers")
    zone = member(body, "timeZone", str, device.time_zone)
    saving = member(body, "daylightSaving", bool, device.daylight_saving)
    at = _time(member(body, "utc", str, "")) if "utc" in body else None
    device.ntp_servers, device.on_ntp, device.time_zone, device.daylight_saving = servers, mode == "ntp", zone, saving
    if at is not None:
        device.set_clock(at)
    return _told({})


def _time(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refused(400, "bad-request", "utc is written 2026-05-01T12:00:00Z") from None


async def network(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """Where it is."""
    return _told({"address": device.address, "prefixLength": device.prefix_length, "gateway": device.gateway})


async def set_network(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """It goes there after the answer."""
    body = await forms.read_json(request, "address", "prefixLength", "gateway")
    address = member(body, "address", str, device.address)
    prefix = member(body, "prefixLength", int, device.prefix_length)
    gateway = member(body, "gateway", str, device.gateway or "") or None
    try:
        return _told({"rebootNeeded": device.set_network(address, prefix, gateway)})
    except ValueError as error:
        raise Refused(400, "bad-request", str(error)) from None


async def https(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """Whether HTTPS is on."""
    return _told({"enabled": device.ports[1] is not None, "port": device.spec.https_port})


async def set_https(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """On or off."""
    body = await forms.read_json(request, "enabled")
    wanted = member(body, "enabled", bool, device.https_enabled)
    if wanted and device.in_use == "none":
        raise Refused(409, "no-certificate", "there is no certificate to serve")
    before = device.ports
    device.https_enabled = wanted
    if device.ports != before:
        device.later(device.restart_listeners)
    return _told({})


async def reboot(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """Answered before."""
    device.asked_to_reboot()
    return _told({"result": "restarting"})


async def factory_restore(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """Answered before."""
    device.later(device.factory_reset)
    return _told({"result": "restoring"})


# ----------------------------------------------------------------------------------------- certificates


async def ca_certificate(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """For people to import."""
    der = device.firmware_ca.certificate.public_bytes(DER)
    return web.Response(body=der, content_type="application/x-x509-ca-cert")


def _slot(name: str, identity: KeyAndChain) -> dict[str, Any]:
    return {"name": name, "fingerprints": [one.fingerprint(hashes.SHA256()).hex() for one in identity.chain]}


def _uploaded(device: "FirmwareCADevice") -> dict[str, Any] | None:
    return _slot(device.uploaded.name, device.uploaded.identity) if device.uploaded else None


async def certificate(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """What is there and what is used."""
    asked = device.request
    return _told(
        {
            "inUse": device.in_use,
            "requestDestroys": device.faults.on(Fault.CSR_DESTROYS_CERTIFICATE),
            "replaces": "after-delete" if device.faults.on(Fault.CLEAR_IMPORT_GAP) else "in-place",
            "keyTypes": list(device.spec.key_types),
            "firmware": _slot("firmware", device.own),
            "uploaded": _uploaded(device),
            "request": {"name": asked.name, "keyType": asked.kind, "ready": asked.ready} if asked else None,
        }
    )


async def upload(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """A certificate with its key."""
    fields = await forms.read_form(request, "certificate", "key", "name")
    chain, key = forms.chain_in(fields), forms.key_in(fields)
    if key.public_key() != chain[0].public_key():
        raise Refused(400, "key-mismatch", "key and certificate do not belong together")
    return _store(device, key, chain, forms.name_in(fields, "uploaded"))


async def upload_signed(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """A certificate for the key of the request."""
    fields = await forms.read_form(request, "certificate", "name")
    asked = device.request
    if asked is None or asked.key is None:
        raise Refused(409, "no-request", "there is no request that this could answer")
    chain = forms.chain_in(fields)
    if asked.key.public_key() != chain[0].public_key():
        raise Refused(400, "key-mismatch", "the certificate is for another key than the request")
    return _store(device, asked.key, chain, forms.name_in(fields, asked.name))


def _store(device: "FirmwareCADevice", key: Key, chain: tuple[Any, ...], name: str) -> web.Response:
    if device.faults.strikes(Fault.STORE_FULL):
        raise Refused(507, "store-full", "there is no room")
    device.upload(key, chain, name)
    return _told(_uploaded(device) or {})


async def remove(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """Back to the own one."""
    device.remove_uploaded()
    return _told({})


async def begin_request(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """A key, and a request for it."""
    body = await forms.read_json(request, "name", "keyType", "subject", "dnsNames", "ipAddresses")
    kind = member(body, "keyType", str, device.spec.key_types[0])
    name = forms.short(member(body, "name", str, "request"))
    device.begin_request(name, kind, forms.subject_in(body), forms.names_in(body))
    return _told({"name": name}, status=202)


async def request_file(device: "FirmwareCADevice", request: web.BaseRequest) -> web.Response:
    """`certreq.pem`."""
    if device.request is None:
        raise Refused(404, "no-request", "there is no request")
    if not device.request.ready:
        raise Refused(503, "busy", "the key is being made")
    return web.Response(body=device.request.pem, content_type="application/x-pem-file")


def refusal(error: UploadRefused) -> Refused:
    """In the words of README.md."""
    return Refused(*_UPLOADS[error.why])


PAGES: dict[tuple[str, str], Page] = {
    ("GET", "/cgi/system"): system,
    ("GET", "/cgi/clock"): clock,
    ("PUT", "/cgi/clock"): set_clock,
    ("GET", "/cgi/network"): network,
    ("PUT", "/cgi/network"): set_network,
    ("GET", "/cgi/https"): https,
    ("PUT", "/cgi/https"): set_https,
    ("POST", "/cgi/reboot"): reboot,
    ("POST", "/cgi/factory-restore"): factory_restore,
    ("GET", "/cgi/cacert.crt"): ca_certificate,
    ("GET", "/cgi/certificate"): certificate,
    ("POST", "/cgi/certificate"): upload,
    ("DELETE", "/cgi/certificate"): remove,
    ("POST", "/cgi/certificate/signed"): upload_signed,
    ("POST", "/cgi/certificate/request"): begin_request,
    ("GET", "/cgi/certificate/certreq.pem"): request_file,
}
