"""A camera whose firmware holds a CA: at each boot it has a new certificate signed for the address of that moment.

It has room for one uploaded certificate, which is used instead while it is there.
"""

import asyncio
import time
from dataclasses import dataclass, field

from aiohttp import web
from cryptography import x509

from device_simulator.camera_web import server
from device_simulator.device import SimulatedDevice
from device_simulator.faults import Fault
from device_simulator.firmware_ca import FirmwareCA, make_firmware_ca
from device_simulator.signing_requests import Extension, make_csr
from device_simulator.tls import PEM, Key, KeyAndChain, kind_of, make_key, self_signed
from device_simulator.uploads import UploadRefused, Why, admit, key_is_refused


@dataclass(frozen=True)
class Uploaded:
    """What is in the one slot. name: as its maker called it."""

    name: str
    identity: KeyAndChain


@dataclass
class SigningRequest:
    """A key that stays on the camera, and the request for it. pem None: still being made."""

    name: str
    kind: str
    key: Key | None = field(default=None, repr=False)
    pem: bytes | None = None
    ready_at: float = 0.0

    @property
    def ready(self) -> bool:
        """Whether it can be fetched."""
        return self.pem is not None and time.monotonic() >= self.ready_at


class FirmwareCADevice(SimulatedDevice):
    """See README.md. own: what the CA signed at the last boot."""

    own: KeyAndChain
    uploaded: Uploaded | None = None
    request: SigningRequest | None = None
    _firmware_ca: FirmwareCA | None = None
    _destroyed: bool = False  # by a request: nothing is served after a restart, not even the own one
    _unservable: str | None = None

    @property
    def firmware_ca(self) -> FirmwareCA:
        """The firmware's own, or the one that a factory reset made instead."""
        return self._firmware_ca or self._surroundings.firmware_cas.named(self.spec.firmware_ca, self._clock())

    def make_new_firmware_ca(self) -> None:
        """Of the same name, with another key; other devices keep theirs."""
        self._firmware_ca = make_firmware_ca(self.spec.firmware_ca, self._clock())

    def make_factory_state(self) -> None:
        """Nothing uploaded, no request; a reset ends with a start."""
        self.uploaded = self.request = self._unservable = None
        self._destroyed = False
        self.reset_settings()
        self.boot()

    def boot(self) -> None:
        """A new key and certificate, also while an uploaded one is used. Dates are by the device's clock."""
        elliptic = any(kind.startswith("ECDSA") for kind in self.spec.key_types)
        key = make_key("ECDSA-P256" if elliptic else "RSA-2048")
        lasts = self.spec.firmware_certificate_lasts
        self.own = self.firmware_ca.server_certificate(key, self.address, self.now(), lasts)
        self.show(self._chosen)

    def take_foreign(self) -> None:
        """In the slot, and shown at once."""
        self.uploaded = Uploaded("stranger", self_signed("somebody else's", self._clock()))
        self._destroyed, self._unservable = False, None
        self.show(self._chosen)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The web interface."""
        return await server.answer(self, request)

    @property
    def ports(self) -> tuple[int | None, int | None]:
        """Without a certificate there is no HTTPS."""
        http, https = super().ports
        return http, https if self._shown is not None else None

    @property
    def cannot_serve(self) -> bool:
        """While the certificate that broke it is in the slot."""
        return self.uploaded is not None and self.uploaded.identity.fingerprint == self._unservable

    # --------------------------------------------------------------------------- what its interface asks

    @property
    def in_use(self) -> str:
        """As the interface says: `firmware`, `uploaded` or `none`."""
        if self.uploaded is not None:
            return "uploaded"
        return "none" if self._destroyed else "firmware"

    @property
    def _chosen(self) -> KeyAndChain | None:
        if self.uploaded is not None:
            return self.uploaded.identity
        return None if self._destroyed else self.own

    def upload(self, key: Key, chain: tuple[x509.Certificate, ...], name: str) -> None:
        """In place of the one before, and used at once. Raises UploadRefused and leaves everything as it was."""
        kind = kind_of(key)
        if kind not in self.spec.key_types:
            raise UploadRefused(Why.KEY_TYPE)
        kept = admit(self.faults, chain, kind, self.now(), occupied=self.uploaded is not None)
        if self.faults.strikes(Fault.IMPORT_IGNORED):
            return
        self.uploaded, self._destroyed = Uploaded(name, KeyAndChain(key, kept)), False
        if self.faults.strikes(Fault.CANNOT_SERVE):
            self._unservable = self.uploaded.identity.fingerprint
        self._take_over()

    def remove_uploaded(self) -> None:
        """The own one is used again, as the last boot made it."""
        self.uploaded, self._destroyed = None, False
        self._take_over()

    def _take_over(self) -> None:
        if self.faults.on(Fault.NEEDS_REBOOT) or self.faults.strikes(Fault.STORED_NOT_SERVED):
            return
        before = self.ports
        self.show(self._chosen)
        if self.ports != before:
            self.later(self.restart_listeners)
        self.maybe_restart_web()

    def begin_request(self, name: str, kind: str, subject: x509.Name, extensions: tuple[Extension, ...]) -> None:
        """A new key, and a request for it, made in the background. Raises UploadRefused."""
        if kind not in self.spec.key_types or key_is_refused(self.faults, kind):
            raise UploadRefused(Why.KEY_TYPE)
        takes = self.spec.key_generation_for if self.faults.strikes(Fault.SLOW_KEY_GENERATION) else 0.0
        made = self.request = SigningRequest(name, kind, ready_at=time.monotonic() + takes)
        if self.faults.strikes(Fault.CSR_DESTROYS_CERTIFICATE):
            self.uploaded, self._destroyed = None, True

        async def fill() -> None:
            made.key = await asyncio.to_thread(make_key, kind)
            made.pem = make_csr(self, made.key, subject, extensions).public_bytes(PEM)

        self.later(fill, 0.0)
