"""The web interface of cameras with a CA in their firmware: the sequences of messages behind the words of `Driver`.

There are two certificates and one choice. `firmware` is the camera's own, made at each start; `uploaded` is in the only
slot, and is served as soon as it is there. So `install` is what changes what is served, and `activate("firmware")`
takes the uploaded one off.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from device_cert_operator.clock import Clock
from device_cert_operator.core.exchange import Reply
from device_cert_operator.core.model import (
    Capabilities,
    CertificateBundle,
    ClockReading,
    ClockSource,
    CSRRequest,
    DeviceReport,
    Inventory,
    StaticAddress,
    StoredCertificate,
    canonical_host,
    is_ip,
)
from device_cert_operator.drivers.base import DeviceConnection
from device_cert_operator.drivers.camera_web import messages, pages
from device_cert_operator.drivers.camera_web.messages import Message
from device_cert_operator.drivers.camera_web.pages import Certificates, Page, Slot, WebRefusal
from device_cert_operator.errors import DeviceBusy, DeviceRefused, DeviceUnreachable
from device_cert_operator.pki.csr import csr_to_der, read_csr
from device_cert_operator.pki.facts import pem_to_ders, read_facts
from device_cert_operator.pki.verify import is_root
from device_cert_operator.reasons import Reason

FIRMWARE, UPLOADED = "firmware", "uploaded"
LOGIN_BUDGET = 2
_RESTART_FOR = timedelta(seconds=60)
_CHAIN_LENGTH = 4
_KEY_WITHIN_SECONDS = 10.0  # then the next pass goes on waiting: the request is found by its name
_LOOK_EVERY_SECONDS = 0.25


class CameraWebDriver:
    """One visit to one camera; implements `drivers.base.Driver`. Paths and words: `docs/driver-camera-web.md`."""

    def __init__(self, connection: DeviceConnection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock

    # -------------------------------------------------------------------------------------------- what is there

    async def observe(self) -> DeviceReport:
        """GET system, clock, https, certificate. The clock's offset is that in the middle of its request."""
        system = await self._read(messages.SYSTEM)
        clock = await self._clock_reading()
        enabled, port = pages.read_https(await self._read(messages.HTTPS))
        addresses = pages.read_addresses(system)
        return DeviceReport(
            identity=pages.read_identity(system),
            clock=clock,
            capabilities=_capabilities(await self._certificates()),
            https_enabled=enabled,
            https_port=port,
            reported_addresses=tuple(canonical_host(one) for one in addresses if is_ip(one)),
        )

    async def _clock_reading(self) -> ClockReading:
        started, tick = self._clock.now(), self._clock.monotonic()
        page = await self._read(messages.CLOCK)
        half = timedelta(seconds=(self._clock.monotonic() - tick) / 2)
        told = pages.read_clock(page)
        return ClockReading(
            source=told.source,
            offset=None if told.utc is None else told.utc - (started + half),
            time_zone=told.time_zone,
            daylight_saving=told.daylight_saving,
            ntp_servers=told.ntp_servers,
        )

    async def inventory(self) -> Inventory:
        """GET certificate. keys: the waiting request's, and that of the uploaded certificate, by name."""
        found = await self._certificates()
        slots = ((FIRMWARE, found.firmware), (UPLOADED, found.uploaded))
        keys = {one.name for one in (found.uploaded, found.request) if one is not None}
        return Inventory(
            tuple(_entry(handle, slot, found.in_use) for handle, slot in slots if slot is not None),
            keys=frozenset(keys),
        )

    async def export_ca(self) -> bytes:
        """GET cacert.crt, DER or PEM. Raises Unsupported, and ProtocolViolation for what is no certificate."""
        body = (await self._ask(messages.CA_CERTIFICATE)).body
        der = pem_to_ders(body)[0] if b"-----BEGIN" in body else body
        read_facts(der)
        return der

    # ------------------------------------------------------------------------------------------------ settings

    async def set_clock(self, now: Callable[[], datetime], clock: ClockReading) -> None:
        """PUT clock. Raises DeviceRefused under NTP, as last observed or as it is by now.

        now: asked right before sending. clock: its time zone and daylight saving are sent back.
        """
        if clock.source is not ClockSource.MANUAL:
            raise DeviceRefused(
                f"the device's clock source is {clock.source}: it is not turned into Manual; correct the device's time "
                "servers, or give spec.clock.ntpServers",
                reason=Reason.CLOCK_OFF,
            )
        await self._read(messages.CLOCK)  # opens the connection: what is sent then is not old on arrival
        await self._ask(messages.build_set_clock(now(), clock))

    async def use_ntp(self, servers: tuple[str, ...], clock: ClockReading) -> None:
        """PUT clock with mode ntp."""
        await self._ask(messages.build_use_ntp(servers, clock))

    async def enable_https(self) -> None:
        """PUT https; before it, where a request destroyed every certificate, DELETE certificate, which brings the
        camera's own back. HTTP stays on.
        """
        if (await self._certificates()).in_use == "none":
            await self._ask(messages.DELETE_UPLOADED)
        await self._ask(messages.build_enable_https())

    async def set_address(self, address: StaticAddress) -> bool:
        """PUT network. A connection that breaks off counts as False: the camera may have moved already.

        Raises DeviceRefused where the camera has neither the address to be replaced nor the one that is wanted (NAT).
        """
        here, _, _ = pages.read_address(await self._read(messages.NETWORK))
        if canonical_host(here) not in {canonical_host(address.was), canonical_host(address.address)}:
            raise DeviceRefused(
                f"the device does not have the address {address.was} (NAT?): set its address by hand, or set "
                "spec.address.policy to Follow"
            )
        try:
            return pages.read_reboot_needed(await self._read(messages.build_set_address(address)))
        except DeviceUnreachable:
            return False

    async def reboot(self) -> None:
        """POST reboot: answered before the camera goes away."""
        await self._ask(messages.REBOOT)

    # -------------------------------------------------------------------------------------------- certificates

    async def create_csr(self, request: CSRRequest) -> bytes:
        """POST certificate/request, unless there is one of this name, and GET certificate/certreq.pem when it is ready.

        There is one request at a time: an earlier one that nobody answered is lost with its key. What comes back is the
        device's word: unverified. Raises DeviceBusy while the camera makes its key: call again.
        """
        found = await self._certificates()
        if request.key_type not in found.key_types:
            raise DeviceRefused(
                f"the device makes no {request.key_type} keys, only {', '.join(sorted(found.key_types))}: set "
                "spec.privateKey.algorithm of the DeviceCertificate to Auto",
                reason=Reason.KEY_TYPE_REFUSED,
            )
        if found.request is None or found.request.name != request.alias:
            await self._ask(messages.build_begin_request(request))
        await self._wait_for_request(request.alias)
        return csr_to_der((await self._ask(messages.REQUEST_FILE)).body)

    async def _wait_for_request(self, name: str) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + _KEY_WITHIN_SECONDS
        while True:
            made = (await self._certificates()).request
            if made is None or made.name != name:
                raise DeviceRefused("the device forgot the certificate request", reason=Reason.DEVICE_KEY_LOST)
            if made.ready:
                return
            if loop.time() + _LOOK_EVERY_SECONDS > until:
                raise DeviceBusy("the device is still making its key")
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    async def install(self, bundle: CertificateBundle) -> str:
        """POST certificate, or certificate/signed for a key of the camera; DELETE first where the camera wants that.

        It is served at once, in place of the one uploaded before; where that is deleted first (`clears_first`), the
        camera's own is served in between. Raises DeviceRefused (STORE_FULL, KEY_TYPE_REFUSED, DEVICE_KEY_LOST).
        """
        found = await self._certificates()
        if found.uploaded is not None and found.uploaded.leaf == bundle.fingerprint:
            return UPLOADED
        if not bundle.key_der:
            await self._check_key(bundle, found)
        if found.uploaded is not None and found.deletes_first:
            await self._ask(messages.DELETE_UPLOADED)
        chain = tuple(der for der in bundle.chain_der if not is_root(der))[: _CHAIN_LENGTH - 1]
        try:
            await self._upload(bundle, chain)
        except WebRefusal as refusal:
            if refusal.word != "chain" or not chain:
                raise
            await self._upload(bundle, ())  # whether clients can do without the issuers shows in the verdict
        return UPLOADED

    async def _upload(self, bundle: CertificateBundle, chain: tuple[bytes, ...]) -> None:
        await self._ask(messages.build_upload(bundle, chain, f"dc-{secrets.token_hex(16)}"))

    async def _check_key(self, bundle: CertificateBundle, found: Certificates) -> None:
        """The key that the camera holds fits, before anything is deleted for it."""
        if found.request is not None and found.request.ready:
            held = read_csr((await self._ask(messages.REQUEST_FILE)).body).public_key_sha256
            if held == read_facts(bundle.leaf_der).public_key_sha256:
                return
        raise DeviceRefused(
            "the device does not hold the key of this certificate any more: it needs a certificate for a new request",
            reason=Reason.DEVICE_KEY_LOST,
        )

    async def activate(self, handle: str) -> None:
        """`uploaded` is in use while it is there; `firmware`: DELETE certificate, which takes the uploaded one off."""
        found = await self._certificates()
        if handle == FIRMWARE:
            if found.in_use != FIRMWARE:
                await self._ask(messages.DELETE_UPLOADED)
        elif handle != UPLOADED or found.uploaded is None:
            raise DeviceRefused(f"the device has no certificate {handle[:40]!r}", reason=Reason.NOT_SERVED)

    async def remove(self, handle: str) -> bool:
        """What is there is in use, or the camera's own: True only for what is gone already."""
        if handle == FIRMWARE:
            return False
        return handle != UPLOADED or (await self._certificates()).uploaded is None

    # ------------------------------------------------------------------------------------------------ messages

    async def _certificates(self) -> Certificates:
        return pages.read_certificates(await self._read(messages.CERTIFICATES))

    async def _read(self, message: Message) -> Page:
        return pages.read_page(await self._ask(message), message.what)

    async def _ask(self, message: Message) -> Reply:
        """The answer. Raises DeviceErrors and Unsupported."""
        reply = await self._connection.request(
            message.method, message.path, message.body, content_type=message.content_type
        )
        if (error := pages.error_of(reply, message.what)) is not None:
            raise error
        return reply


def _entry(handle: str, slot: Slot, in_use: str) -> StoredCertificate:
    return StoredCertificate(
        handle,
        slot.name,
        slot.fingerprints,
        has_key=True,
        in_use_by_tls=in_use == handle,
        built_in=handle == FIRMWARE,
    )


def _capabilities(found: Certificates) -> Capabilities:
    """The camera lists its kinds of key; the rest is the same for all of them."""
    return Capabilities(
        can_install_key_pair=True,
        can_make_key=True,
        can_export_ca=True,
        can_set_address=True,
        can_set_clock=True,
        can_use_ntp=True,
        can_reboot=True,
        can_enable_https=True,
        key_types=found.key_types,
        makes_key_types=found.key_types,
        chain_length=_CHAIN_LENGTH,
        csr_clears_first=found.request_destroys,
        clears_first=found.deletes_first,
        replaces_in_place=True,
        restart_for=_RESTART_FOR,
        login_budget=LOGIN_BUDGET,
    )
