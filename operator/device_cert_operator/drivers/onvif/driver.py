"""ONVIF: the sequences of messages behind the words of `Driver`. What is said is in the `…messages` modules."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from device_cert_operator.clock import Clock
from device_cert_operator.core.model import (
    CertificateBundle,
    ClockReading,
    ClockSource,
    CSRRequest,
    DeviceReport,
    Inventory,
    StaticAddress,
)
from device_cert_operator.drivers.base import DeviceConnection
from device_cert_operator.drivers.onvif import device_messages as tds
from device_cert_operator.drivers.onvif.capabilities import capabilities_of
from device_cert_operator.drivers.onvif.device_messages import Interfaces, ProtocolName
from device_cert_operator.drivers.onvif.https import enable_https
from device_cert_operator.drivers.onvif.keystore import Keystore
from device_cert_operator.drivers.onvif.legacy import LegacyStore
from device_cert_operator.drivers.onvif.legacy_messages import LegacyFeatures
from device_cert_operator.drivers.onvif.network import set_address
from device_cert_operator.drivers.onvif.security_messages import KeystoreFeatures
from device_cert_operator.drivers.onvif.session import OnvifSession
from device_cert_operator.drivers.onvif.soap import Element, OnvifFault
from device_cert_operator.drivers.onvif.store import CertificateStore
from device_cert_operator.errors import DeviceRefused, Unsupported
from device_cert_operator.reasons import Reason


class OnvifDriver:
    """One visit to one ONVIF device; implements `drivers.base.Driver`."""

    def __init__(self, connection: DeviceConnection, clock: Clock) -> None:
        self._session = OnvifSession(connection, clock)
        self._keystore = Keystore(self._session)
        self._legacy = LegacyStore(self._session)

    async def observe(self) -> DeviceReport:
        """ONVIF Core Specification 26.06, chapter 8: GetSystemDateAndTime, GetDeviceInformation, GetNetworkInterfaces,
        GetNetworkProtocols, GetNTP; Security Service 26.06, GetServiceCapabilities.

        The clock comes first: a token needs it. Only identity is indispensable; what it does not know is left out.
        """
        await self._session.paths()
        time = await self._session.time()
        identity = tds.read_identity(await self._session.device(tds.build_get("GetDeviceInformation")))
        answer = await self._optional("GetNetworkInterfaces")
        interfaces = tds.read_interfaces(answer) if answer is not None else Interfaces()
        answer = await self._optional("GetNetworkProtocols")
        protocols = tds.read_protocols(answer) if answer is not None else ()
        ntp = await self._optional("GetNTP")
        https = next((one for one in protocols if one.name is ProtocolName.HTTPS), None)
        return DeviceReport(
            identity=replace(identity, mac_addresses=interfaces.mac_addresses),
            clock=ClockReading(
                source=time.told.source,
                offset=time.offset,
                time_zone=time.told.time_zone,
                daylight_saving=time.told.daylight_saving,
                ntp_servers=tds.read_ntp_servers(ntp) if ntp is not None else (),
            ),
            capabilities=capabilities_of(
                await self._features(), protocols, has_ntp=ntp is not None, has_interfaces=bool(interfaces.settings)
            ),
            https_enabled=https.enabled if https else None,
            https_port=https.ports[0] if https and https.ports else None,
            reported_addresses=interfaces.addresses,
        )

    async def _optional(self, operation: str) -> Element | None:
        """The answer to a reading request; None where the device does not know it."""
        try:
            return await self._session.device(tds.build_get(operation))
        except (Unsupported, OnvifFault):
            return None

    async def _features(self) -> KeystoreFeatures | LegacyFeatures | None:
        return await self._keystore.features() if await self._session.has_security() else await self._legacy.features()

    async def _store(self) -> CertificateStore:
        if await self._session.has_security():
            return self._keystore
        if await self._legacy.features() is not None:
            return self._legacy
        raise Unsupported(
            "the device has neither an ONVIF security service nor the certificate operations from before it: "
            "certificates cannot be managed this way"
        )

    async def inventory(self) -> Inventory:
        """ONVIF Security Service 26.06: GetAllCertificates, GetAllKeys, GetAllCertificationPaths, GetCertificationPath,
        GetAssignedServerCertificates; legacy devices (ONVIF Core Specification 16.06): GetCertificates,
        GetCertificatesStatus. Raises Unsupported where the device has neither.
        """
        return await (await self._store()).inventory()

    async def set_clock(self, now: Callable[[], datetime], clock: ClockReading) -> None:
        """ONVIF Core Specification 26.06, SetSystemDateAndTime with Manual. Raises DeviceRefused under NTP.

        now: asked right before sending. clock: as last observed; its time zone and daylight saving are sent back.
        """
        if clock.source is not ClockSource.MANUAL:
            raise DeviceRefused(
                f"the device's clock source is {clock.source}: it is not turned into Manual; correct the device's time "
                "servers, or give spec.clock.ntpServers",
                reason=Reason.CLOCK_OFF,
            )
        await self._session.time()  # opens the connection: what is sent then is not old on arrival
        await self._session.device(
            tds.build_set_clock(ClockSource.MANUAL, now(), clock.time_zone, clock.daylight_saving)
        )

    async def use_ntp(self, servers: tuple[str, ...], clock: ClockReading) -> None:
        """ONVIF Core Specification 26.06, SetNTP, then SetSystemDateAndTime (NTP), which alone switches the source."""
        await self._session.device(tds.build_set_ntp(servers))
        await self._session.device(tds.build_set_clock(ClockSource.NTP, None, clock.time_zone, clock.daylight_saving))

    async def enable_https(self) -> None:
        """ONVIF Core Specification 26.06, SetNetworkProtocols; before it, where no certificate is assigned, Security
        Service 26.06: CreateECCKeyPair or CreateRSAKeyPair, GetKeyStatus, CreateSelfSignedCertificate,
        CreateCertificationPath, AddServerCertificateAssignment.

        HTTP stays as it is. Raises DeviceBusy while the device makes its key: call again.
        """
        await enable_https(self._session, self._keystore, self._legacy)

    async def create_csr(self, request: CSRRequest) -> bytes:
        """ONVIF Security Service 26.06: CreateECCKeyPair or CreateRSAKeyPair, GetKeyStatus, CreatePKCS10CSR; legacy
        devices (ONVIF Core Specification 16.06): CreateCertificate, GetPkcs10Request, without a SAN.

        The key is looked up by the alias first. Keys of earlier requests that no certificate uses are cleared away.
        What comes back is the device's word: unverified. Raises DeviceBusy while the device makes its key: call again.
        """
        return await (await self._store()).create_csr(request)

    async def export_ca(self) -> bytes:
        """ONVIF has no word for a CA in the firmware."""
        raise Unsupported("an ONVIF device exports no CA of its firmware")

    async def set_address(self, address: StaticAddress) -> bool:
        """ONVIF Core Specification 26.06: GetNetworkInterfaces, SetNetworkInterfaces (IPv4 by hand, no DHCP),
        GetNetworkDefaultGateway and SetNetworkDefaultGateway where another gateway is wanted.

        A connection that breaks off counts as False: it may have moved already. Raises Unsupported for IPv6.
        """
        return await set_address(self._session, address)

    async def install(self, bundle: CertificateBundle) -> str:
        """ONVIF Security Service 26.06: UploadPassphrase, UploadCertificateWithPrivateKeyInPKCS12, DeletePassphrase;
        UploadCertificate and CreateCertificationPath where parts of the chain are there already, for a key of the
        device, and where the chain is refused in one file; the leaf alone where it is refused as a path as well. Legacy
        devices (ONVIF Core Specification 16.06): LoadCertificateWithPrivateKey, or LoadCertificates.

        Looks first: a path with this leaf is returned as it is, and what a broken-off call left is completed or
        cleared away. Raises DeviceRefused (STORE_FULL, KEY_TYPE_REFUSED, DEVICE_KEY_LOST), Unsupported.
        """
        return await (await self._store()).install(bundle)

    async def activate(self, handle: str) -> None:
        """ONVIF Security Service 26.06: AddServerCertificateAssignment, or ReplaceServerCertificateAssignment where one
        is assigned; never Remove, which would switch the TLS server off. Legacy devices: SetCertificatesStatus.
        """
        await (await self._store()).assign(handle)

    async def remove(self, handle: str) -> bool:
        """ONVIF Security Service 26.06: DeleteCertificationPath, DeleteCertificate, DeleteKey, in this order; legacy
        devices (ONVIF Core Specification 16.06): DeleteCertificates.

        False: something still refers to one of them (ter:ReferenceExists), or the path is assigned.
        """
        return await (await self._store()).remove(handle)

    async def reboot(self) -> None:
        """ONVIF Core Specification 26.06, SystemReboot: answered before the device goes away."""
        await self._session.device(tds.build_get("SystemReboot"))
