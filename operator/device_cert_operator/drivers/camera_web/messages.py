"""What is sent to the web interface: paths, JSON, forms. Pure."""

import json
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from textwrap import wrap

from device_cert_operator.core.exchange import Method
from device_cert_operator.core.model import CertificateBundle, ClockReading, CSRRequest, StaticAddress

CERTIFICATE = "/cgi/certificate"
_JSON = "application/json"
_WORDS = {
    "country": "C",
    "state": "ST",
    "locality": "L",
    "organization": "O",
    "organizational_unit": "OU",
    "common_name": "CN",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One request. what: for people, in errors."""

    method: Method
    path: str
    what: str
    body: bytes = field(default=b"", repr=False)
    content_type: str | None = None


SYSTEM = Message("GET", "/cgi/system", "reading who it is")
CLOCK = Message("GET", "/cgi/clock", "reading the clock")
HTTPS = Message("GET", "/cgi/https", "reading whether HTTPS is on")
NETWORK = Message("GET", "/cgi/network", "reading the address")
CERTIFICATES = Message("GET", CERTIFICATE, "reading the certificates")
CA_CERTIFICATE = Message("GET", "/cgi/cacert.crt", "exporting the CA")
REQUEST_FILE = Message("GET", f"{CERTIFICATE}/certreq.pem", "fetching the certificate request")
DELETE_UPLOADED = Message("DELETE", CERTIFICATE, "taking the uploaded certificate off")
REBOOT = Message("POST", "/cgi/reboot", "restarting")


def build_set_clock(now: datetime, clock: ClockReading) -> Message:
    """The time, with zone and daylight saving as they are: firmware may reset what a PUT leaves out."""
    utc = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _put("/cgi/clock", "setting the clock", utc=utc, **_zone(clock))


def build_use_ntp(servers: tuple[str, ...], clock: ClockReading) -> Message:
    """Time servers, and the mode that uses them."""
    return _put("/cgi/clock", "setting time servers", mode="ntp", ntpServers=list(servers), **_zone(clock))


def _zone(clock: ClockReading) -> dict[str, object]:
    zone = {"timeZone": clock.time_zone} if clock.time_zone is not None else {}
    return {**zone, "daylightSaving": clock.daylight_saving}


def build_enable_https() -> Message:
    """HTTPS on; HTTP cannot be switched off."""
    return _put("/cgi/https", "switching HTTPS on", enabled=True)


def build_set_address(wanted: StaticAddress) -> Message:
    """Without a gateway it stays as it is."""
    gateway = {"gateway": wanted.gateway} if wanted.gateway is not None else {}
    return _put(
        "/cgi/network", "setting the address", address=wanted.address, prefixLength=wanted.prefix_length, **gateway
    )


def build_begin_request(request: CSRRequest) -> Message:
    """A new key and a request for it."""
    body: dict[str, object] = {
        "name": request.alias,
        "keyType": str(request.key_type),
        "subject": {_WORDS[name]: value for name, value in request.subject},
        "dnsNames": list(request.names.dns_names),
        "ipAddresses": list(request.names.ip_addresses),
    }
    return Message("POST", f"{CERTIFICATE}/request", "making a key and a request", _dumped(body), _JSON)


def build_upload(bundle: CertificateBundle, chain_der: Iterable[bytes], boundary: str) -> Message:
    """The form. boundary: random; it must not occur in a field. Without a key in the bundle: for the request's key."""
    chain = b"".join(pem("CERTIFICATE", der) for der in (bundle.leaf_der, *chain_der))
    parts = [("name", None, bundle.alias.encode()), ("certificate", "server.crt", chain)]
    if bundle.key_der:
        parts.append(("key", "server.key", pem("PRIVATE KEY", bundle.key_der)))
    path = CERTIFICATE if bundle.key_der else f"{CERTIFICATE}/signed"
    kind = f"multipart/form-data; boundary={boundary}"
    return Message("POST", path, "uploading the certificate", _form(parts, boundary), kind)


def _form(parts: Iterable[tuple[str, str | None, bytes]], boundary: str) -> bytes:
    """multipart/form-data (RFC 7578): (field, file name, content)."""
    made = b""
    for name, file_name, content in parts:
        file = f'; filename="{file_name}"\r\nContent-Type: application/octet-stream' if file_name else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        made += head.encode() + content + b"\r\n"
    return made + f"--{boundary}--\r\n".encode()


def pem(label: str, der: bytes) -> bytes:
    """The textual encoding of RFC 7468."""
    lines = "\n".join(wrap(b64encode(der).decode("ascii"), 64))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n".encode()


def _put(path: str, what: str, **body: object) -> Message:
    return Message("PUT", path, what, _dumped(body), _JSON)


def _dumped(body: dict[str, object]) -> bytes:
    return json.dumps(body).encode()
