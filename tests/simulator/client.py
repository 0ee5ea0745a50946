"""A small ONVIF client of the tests' own: aiohttp's Digest, or a UsernameToken made here, or no log-in."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from lxml import etree

SOAP = "http://www.w3.org/2003/05/soap-envelope"
TDS = "http://www.onvif.org/ver10/device/wsdl"
TAS = "http://www.onvif.org/ver10/advancedsecurity/wsdl"
TT = "http://www.onvif.org/ver10/schema"
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_DIGEST = f"{_WSS}username-token-profile-1.0#PasswordDigest"
_BASE64 = f"{_WSS}soap-message-security-1.0#Base64Binary"
PATHS = {TDS: "/onvif/device_service", TAS: "/onvif/security_service"}


@dataclass(frozen=True)
class Reply:
    """status: HTTP's. body: what the SOAP body holds. codes: a fault's, outermost first, without prefixes."""

    status: int
    headers: Any
    body: etree._Element | None

    @property
    def codes(self) -> list[str]:
        """`Sender`, `InvalidArgVal`, `ReferenceExists`, …"""
        found = self.body.iter(f"{{{SOAP}}}Value") if self.body is not None else ()
        return [(one.text or "").rpartition(":")[2] for one in found]

    def text(self, name: str) -> str:
        """The first element of this local name. Raises AssertionError."""
        return self.texts(name)[0]

    def texts(self, name: str) -> list[str]:
        """Every element of this local name."""
        assert self.body is not None
        return [one.text or "" for one in self.body.iter(f"{{*}}{name}")]


def token(username: str, password: str, created: datetime, nonce: bytes | None = None) -> str:
    """A wsse:Security header with PasswordDigest."""
    nonce = nonce or secrets.token_bytes(16)
    at = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = base64.b64encode(hashlib.sha1(nonce + at.encode() + password.encode()).digest()).decode()
    return (
        f'<w:Security xmlns:w="{_WSS}wssecurity-secext-1.0.xsd" xmlns:u="{_WSS}wssecurity-utility-1.0.xsd">'
        f'<w:UsernameToken><w:Username>{username}</w:Username><w:Password Type="{_DIGEST}">{digest}</w:Password>'
        f'<w:Nonce EncodingType="{_BASE64}">{base64.b64encode(nonce).decode()}</w:Nonce>'
        f"<u:Created>{at}</u:Created></w:UsernameToken></w:Security>"
    )


def envelope(namespace: str, operation: str, inner: str = "", header: str = "") -> str:
    """inner: XML with the prefix `p` for the service and `tt` for the schema."""
    return (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:p="{namespace}" xmlns:tt="{TT}"><s:Header>{header}</s:Header>'
        f"<s:Body><p:{operation}>{inner}</p:{operation}></s:Body></s:Envelope>"
    )


@dataclass(frozen=True)
class Client:
    """One log-in at one device."""

    address: str
    port: int = 8080
    username: str = "admin"
    password: str = "secret"

    async def call(
        self, namespace: str, operation: str, inner: str = "", *, login: str = "digest", created: datetime | None = None
    ) -> Reply:
        """One request on a connection of its own. login: digest, token or none. Raises aiohttp.ClientError."""
        header = ""
        if login == "token":
            header = token(self.username, self.password, created or datetime.now(UTC))  # noqa: TID251
        return await self.post(PATHS[namespace], envelope(namespace, operation, inner, header), login == "digest")

    async def post(self, path: str, text: str, digest: bool = False, **headers: str) -> Reply:
        """Raw text to a path."""
        middlewares = (aiohttp.DigestAuthMiddleware(self.username, self.password),) if digest else ()
        async with aiohttp.ClientSession(middlewares=middlewares, timeout=aiohttp.ClientTimeout(10)) as session:
            kind = {"Content-Type": "application/soap+xml; charset=utf-8", **headers}
            url = f"http://{self.address}:{self.port}{path}"
            async with session.post(url, data=text.encode(), headers=kind, allow_redirects=False) as reply:
                data = await reply.read()
                body = etree.fromstring(data)[-1][0] if reply.content_type == "application/soap+xml" else None
                return Reply(reply.status, reply.headers, body)
