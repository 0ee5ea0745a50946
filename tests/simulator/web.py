"""A small client of the tests' own for the firmware-CA camera, and what openssl thinks of the camera."""

import asyncio
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from device_simulator.tls import PEM, KeyAndChain
from tests.simulator.blind import blind


@dataclass(frozen=True)
class Answer:
    """status: HTTP's."""

    status: int
    headers: Any
    body: bytes

    @property
    def told(self) -> Any:
        """JSON."""
        return json.loads(self.body)

    @property
    def word(self) -> str:
        """Why it was refused."""
        return str(self.told["error"])


@dataclass(frozen=True)
class Web:
    """One log-in at one camera. port None: HTTPS, whatever certificate it shows."""

    address: str
    port: int | None = 8080
    username: str = "admin"
    password: str = "secret"

    async def ask(self, method: str, path: str, body: Any = None, *, login: bool = True) -> Answer:
        """One request on a connection of its own. body: JSON, or a form."""
        digest = (aiohttp.DigestAuthMiddleware(self.username, self.password),) if login else ()
        where = f"http://{self.address}:{self.port}" if self.port else f"https://{self.address}:8443"
        sent = {} if body is None else {"data": body} if isinstance(body, aiohttp.FormData) else {"json": body}
        async with (
            aiohttp.ClientSession(middlewares=digest, timeout=aiohttp.ClientTimeout(10)) as session,
            session.request(method, f"{where}/cgi/{path}", ssl=blind(), **sent) as reply,
        ):
            return Answer(reply.status, reply.headers, await reply.read())

    async def state(self) -> Any:
        """The certificate page."""
        return (await self.ask("GET", "certificate")).told

    async def upload(self, identity: KeyAndChain, name: str | None = None) -> Answer:
        """A certificate with its key."""
        return await self.ask("POST", "certificate", form(identity, name=name))

    async def upload_signed(self, pem: bytes) -> Answer:
        """A certificate without a key."""
        made = aiohttp.FormData()
        made.add_field("certificate", pem, filename="signed.crt")
        return await self.ask("POST", "certificate/signed", made)

    async def request_file(self) -> bytes:
        """certreq.pem, as soon as the key is made."""
        deadline = time.monotonic() + 10
        while True:
            got = await self.ask("GET", "certificate/certreq.pem")
            if got.status != 503:
                assert got.status == 200, got.body
                return got.body
            assert time.monotonic() < deadline, "the key is never made"
            await asyncio.sleep(0.02)


def form(identity: KeyAndChain, *, name: str | None = None) -> aiohttp.FormData:
    """The upload form, filled in."""
    made = aiohttp.FormData()
    made.add_field("certificate", b"".join(one.public_bytes(PEM) for one in identity.chain), filename="server.crt")
    made.add_field("key", key_pem(identity), filename="server.key")
    if name is not None:
        made.add_field("name", name)
    return made


def key_pem(identity: KeyAndChain) -> bytes:
    """PKCS#8 without a passphrase."""
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    return identity.key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())


def openssl_says(address: str, ca: Path, *, name: str | None = None) -> str:
    """The verify result of `openssl s_client` for an address: `ok`, or openssl's words."""
    done = subprocess.run(
        [
            *("openssl", "s_client", "-connect", f"{address}:8443", "-CAfile", str(ca)),
            *("-verify_ip", name or address, "-x509_strict"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    line = next((one for one in done.stdout.splitlines() if one.strip().startswith("Verify return code:")), "")
    return line.partition("(")[2].rstrip(")")
