"""An ONVIF device: a keystore, one assignment to its TLS server, and a factory certificate that it signed itself."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aiohttp import web
from cryptography import x509

from device_simulator.device import SimulatedDevice
from device_simulator.faults import Fault
from device_simulator.keystore import Keystore
from device_simulator.onvif import server
from device_simulator.pfx import Contents, StoreFault
from device_simulator.tls import kind_of, make_key, self_signed
from device_simulator.uploads import UploadRefused, Why, admit, check_dates, check_room, cut

FACTORY = "factory"  # the alias of what was there from the beginning
_REFUSALS = {
    Why.CHAIN: "InvalidArgVal BadPKCS12File",
    Why.EXPIRED: "InvalidArgVal BadCertificate",
    Why.OCCUPIED: "Action MaximumNumberOfCertificationPathsReached",
}


@contextmanager
def _told(refusals: Mapping[Why, str]) -> Iterator[None]:
    """A refusal in the words of ONVIF's faults."""
    try:
        yield
    except UploadRefused as refused:
        raise StoreFault(refusals[refused.why]) from None


class OnvifDevice(SimulatedDevice):
    """Device Management and, unless the spec says otherwise, the Security Service."""

    keystore: Keystore
    _good_path: str | None = None

    def make_factory_state(self) -> None:
        """A keystore with one self-signed certificate."""
        self.keystore = Keystore(
            most_keys=self.spec.most_keys,
            most_certificates=self.spec.most_certificates,
            most_paths=self.spec.most_paths if self.spec.advanced_security else self.spec.most_certificates,
            encryptions=self.spec.encryptions,
            key_types=self.spec.key_types,
        )
        self.reset_settings()
        self._good_path = None
        self._make_own_certificate()

    def _make_own_certificate(self) -> None:
        """CN is the model and there is no SAN, except where the firmware names its address."""
        elliptic = any(kind.startswith("ECDSA") for kind in self.spec.key_types)
        key = make_key("ECDSA-P256" if elliptic else "RSA-2048")
        address = self.address if self.faults.on(Fault.STALE_ADDRESS_CERTIFICATE) else None
        identity = self_signed(self.spec.model, self.now(), key, address=address)
        self.keystore.assigned = self.keystore.put_in_place_of(
            self.keystore.assigned, identity, FACTORY, external=False
        )
        self.show(identity)

    def boot(self) -> None:
        """What is assigned, or nothing."""
        assigned = self.keystore.paths.get(self.keystore.assigned or "")
        if assigned is not None and assigned.alias == FACTORY and self.faults.on(Fault.STALE_ADDRESS_CERTIFICATE):
            self._make_own_certificate()
        self.show(self.keystore.identity(self.keystore.assigned))

    def take_foreign(self) -> None:
        """Assigned and shown at once."""
        identity = self_signed("somebody else's", self._clock())
        self.keystore.assigned = self.keystore.put_in_place_of(self.keystore.assigned, identity, "stranger")
        self._good_path = None
        self.show_assigned()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """SOAP."""
        return await server.answer(self, request)

    @property
    def cannot_serve(self) -> bool:
        """Until the path from before is assigned again."""
        return self._good_path is not None and self.keystore.assigned != self._good_path

    # ----------------------------------------------------------------------- what services ask to happen

    def show_assigned(self) -> None:
        """Take over what is assigned, if there is something."""
        wanted = self.keystore.identity(self.keystore.assigned)
        if wanted is not None:
            self.show(wanted)

    def assign(self, path_id: str) -> None:
        """The API's assignment, with the faults that come with it."""
        before, self.keystore.assigned = self.keystore.assigned, path_id
        if path_id == self._good_path:
            self._good_path = None
        elif self._good_path is None and before is not None and self.faults.strikes(Fault.CANNOT_SERVE):
            self._good_path = before
        held_back = self.faults.on(Fault.NEEDS_REBOOT) or self.faults.strikes(Fault.STORED_NOT_SERVED)
        if not held_back:
            self.show_assigned()
        self.maybe_restart_web()

    def admit(self, found: Contents) -> Contents:
        """What is stored of an upload. Raises StoreFault."""
        kind = kind_of(found.key)
        no_key = "KeyLength" if kind.startswith("RSA") else "UnsupportedPublicKeyAlgorithm"
        with _told({**_REFUSALS, Why.KEY_TYPE: f"InvalidArgVal {no_key}"}):
            return Contents(found.key, admit(self.faults, found.chain, kind, self.now(), occupied=self._occupied))

    def admit_certificate(self, certificate: x509.Certificate) -> x509.Certificate:
        """One that comes without a key. Raises StoreFault."""
        with _told(_REFUSALS):
            check_dates(self.faults, certificate, self.now())
        return certificate

    def admit_path(self, certificate_ids: tuple[str, ...]) -> tuple[str, ...]:
        """What becomes of a path that is put together from certificates. Raises StoreFault."""
        with _told({**_REFUSALS, Why.CHAIN: "InvalidArgVal InvalidCertificationPath"}):
            check_room(self.faults, occupied=self._occupied)
            return cut(self.faults, certificate_ids)

    @property
    def _occupied(self) -> bool:
        return any(path.alias != FACTORY for path in self.keystore.paths.values())

    def made_csr(self, key_id: str) -> None:
        """A request for a signature is out; some devices have then forgotten what they serve, and know it after a
        restart. key_id: the key of the request, which stays.
        """
        if self.keystore.assigned is not None and self.faults.strikes(Fault.CSR_DESTROYS_CERTIFICATE):
            self.keystore.forget(self.keystore.assigned, keep_key=key_id)
            self.keystore.assigned = None
