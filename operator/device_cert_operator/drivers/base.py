"""What every driver can be asked, and the connection it is handed.

A driver sequences messages of one protocol over a `DeviceConnection` that `net/` has already pinned to one key: it
never sees addresses, certificates of the connection or passwords. It raises only `DeviceError`s and `Unsupported`.
A driver instance lives for one visit to one device.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from device_cert_operator.clock import Clock
from device_cert_operator.core.exchange import Method, Reply, UsernameToken
from device_cert_operator.core.model import (
    Capabilities,
    CertificateBundle,
    ClockReading,
    CSRRequest,
    DeviceReport,
    Inventory,
    StaticAddress,
)


class DeviceConnection(Protocol):
    """One conversation with one device over connections that show one pinned key (or plain HTTP, if allowed).

    The connection counts log-ins: it raises CredentialsRejected after the budget, and never sends a log-in that was
    not allowed. Raises DeviceUnreachable, DeviceBusy, CredentialsRejected, PermissionMissing (known to the device, but
    not allowed), IdentityMismatch, ProtocolViolation.
    """

    async def request(
        self,
        method: Method,
        path: str,
        body: bytes = b"",
        *,
        content_type: str | None = None,
        log_in: bool = True,
        timeout: timedelta | None = None,
    ) -> Reply:
        """One request, with HTTP Digest (or Basic over TLS) when `log_in` and the device challenges.

        path: with its query, as it is sent. content_type: of a body that there is. Answers of any status are returned
        as they are, but redirects and those that the errors above name. A 401, or a fault that says "not authorized",
        is returned where no log-in was sent: because `log_in` is False, or because the device offers nothing that may
        be used here. So a driver can go on to a UsernameToken.
        """
        ...

    async def post(
        self, path: str, body: bytes, *, content_type: str, log_in: bool = True, timeout: timedelta | None = None
    ) -> Reply:
        """`request` with POST, as SOAP needs no other."""
        ...

    def username_token(self, created_at: datetime) -> UsernameToken:
        """A WS-Security UsernameToken for the device's own time; the next request carries it and counts as a log-in."""
        ...

    @property
    def encrypted(self) -> bool:
        """Whether the conversation is TLS pinned to a key (a private key may travel)."""
        ...


class Driver(Protocol):
    """One device in one visit. Method names are the words of `core/steps.py`."""

    async def observe(self) -> DeviceReport:
        """Identity, clock, addresses, HTTPS state and capabilities, in one session."""
        ...

    async def inventory(self) -> Inventory:
        """What is in the device's certificate store."""
        ...

    async def set_clock(self, now: Callable[[], datetime], clock: ClockReading) -> None:
        """Set the device's UTC time, keeping time zone and daylight saving of `clock`. Never turns NTP into manual."""
        ...

    async def use_ntp(self, servers: tuple[str, ...], clock: ClockReading) -> None:
        """Put the device on NTP with these servers."""
        ...

    async def enable_https(self) -> None:
        """Switch HTTPS on; makes a self-signed certificate on the device first where it has none. HTTP stays on."""
        ...

    async def create_csr(self, request: CSRRequest) -> bytes:
        """Make a key pair under the alias, unless it is there, and a CSR for it; returns the CSR's DER.

        Raises DeviceBusy while the key is being made: call again. Raises Unsupported, DeviceRefused.
        """
        ...

    async def install(self, bundle: CertificateBundle) -> str:
        """Put certificate and key into the store, unless they are there (same leaf); returns the path's handle.

        Without a key in the bundle: the certificate for the key that the device holds under the alias. Raises
        DeviceRefused (DEVICE_KEY_LOST) when the device has no key that fits.
        """
        ...

    async def export_ca(self) -> bytes:
        """The certificate of the CA in the firmware, DER. Raises Unsupported where there is none."""
        ...

    async def set_address(self, address: StaticAddress) -> bool:
        """Give the device this address. True: it takes effect with a restart; False: after a short gap.

        Raises Unsupported, DeviceRefused. A connection that breaks off is no answer: look at the new address.
        """
        ...

    async def activate(self, handle: str) -> None:
        """Make the HTTPS server use the path; never removes an assignment."""
        ...

    async def remove(self, handle: str) -> bool:
        """Remove a path of ours with its certificates and key. False: kept, because something uses it."""
        ...

    async def reboot(self) -> None:
        """Ask the device to restart. Returns when it has acknowledged."""
        ...


DriverFactory = Callable[[DeviceConnection, Clock], Driver]

__all__ = [
    "Capabilities",
    "DeviceConnection",
    "Driver",
    "DriverFactory",
    "Method",
    "Reply",
    "UsernameToken",
]
