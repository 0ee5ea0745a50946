"""What several tests of the simulator look at: a handshake, a state that comes about, chains to upload."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from device_simulator import SimulatedDevice
from device_simulator.tls import KeyAndChain, make_key

NOW = datetime.now(UTC)  # noqa: TID251  # certificates of tests are dated around it


def handshake(address: str, version: ssl.TLSVersion | None = None) -> str:
    """The fingerprint that is shown. Raises OSError."""
    return leaf_at(address, version).fingerprint(hashes.SHA256()).hex()


def leaf_at(address: str, version: ssl.TLSVersion | None = None) -> x509.Certificate:
    """The certificate that is shown. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version is not None:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
    with socket.create_connection((address, 8443), timeout=5) as plain, context.wrap_socket(plain) as tls:
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


async def served(camera: SimulatedDevice) -> str:
    """By a handshake, and as the simulator says."""
    shown = await asyncio.to_thread(handshake, camera.address)
    assert shown == camera.served_fingerprint
    return shown


async def gone(address: str) -> None:
    """Wait until nobody listens for HTTPS."""
    deadline = time.monotonic() + 5
    while True:
        try:
            await asyncio.to_thread(handshake, address)
        except ConnectionRefusedError:
            return
        except OSError:
            pass
        assert time.monotonic() < deadline, "HTTPS is still there"
        await asyncio.sleep(0.01)


async def back(address: str) -> None:
    """Wait until a handshake succeeds."""
    deadline = time.monotonic() + 5
    while True:
        try:
            await asyncio.to_thread(handshake, address)
        except OSError:
            assert time.monotonic() < deadline, "HTTPS is not there"
            await asyncio.sleep(0.01)
        else:
            return


async def until(what: Callable[[], bool]) -> None:
    """Wait for a state."""
    deadline = time.monotonic() + 5
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        await asyncio.sleep(0.01)


def signed_pair(name: str = "gate", *, kind: str = "ECDSA-P256", days: int = 30, issuers: int = 1) -> KeyAndChain:
    """A key with its leaf and so many issuers, the last of them self-signed. days: until the leaf ends."""
    keys = [make_key("ECDSA-P256") for _ in range(issuers)]
    cas = [
        _signed(
            f"{name} CA {n}",
            keys[n].public_key(),
            f"{name} CA {n + 1}" if n + 1 < issuers else None,
            keys[min(n + 1, issuers - 1)],
            365,
            ca=True,
        )
        for n in range(issuers)
    ]
    key = make_key(kind)
    leaf = _signed(name, key.public_key(), f"{name} CA 0" if issuers else None, keys[0] if issuers else key, days)
    return KeyAndChain(key, (leaf, *cas))


def sign_for(public_key: object, *, name: str = "signed") -> x509.Certificate:
    """A leaf for somebody's public key."""
    return _signed(name, public_key, "outside CA", make_key("ECDSA-P256"), 30)


def _signed(
    name: str, public: object, issuer: str | None, key: object, days: int, ca: bool = False
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer or name))
        .public_key(public)  # type: ignore[arg-type]
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=400))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
