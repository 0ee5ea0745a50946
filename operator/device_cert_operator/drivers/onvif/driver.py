"""ONVIF: the sequences of messages behind the words of `Driver`. What is said is in the `…messages` modules."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from device_cert_operator.clock import Clock
from device_cert_operator.core.model import (
    Capabilities,
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
from device_cert_operator.drivers.onvif.capabilities import capabilities_of, chain_length_of
from device_cert_operator.drivers.onvif.device_messages import Interfaces, NetworkProtocol, ProtocolName
from device_cert_operator.drivers.onvif.https import enable_https
from device_cert_operator.drivers.onvif.keystore import Keystore
from device_cert_operator.drivers.onvif.session import OnvifSession
from device_cert_operator.drivers.onvif.soap import Element, OnvifFault
from device_cert_operator.errors import DeviceRefused, Unsupported
from device_cert_operator.reasons import Reason


class OnvifDriver:
    """One visit to one ONVIF device; implements `drivers.base.Driver`."""

    def __init__(self, connection: DeviceConnection, clock: Clock) -> None:
        self._session = OnvifSession(connection, clock)
        self._keystore = Keystore(self._session)

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
            capabilities=await self._capabilities(protocols, has_ntp=ntp is not None),
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

    async def _capabilities(self, protocols: tuple[NetworkProtocol, ...], *, has_ntp: bool) -> Capabilities:
        features = await self._keystore.features() if await self._session.has_security() else None
        return capabilities_of(features, protocols, has_ntp=has_ntp)

    async def inventory(self) -> Inventory:
        """ONVIF Security Service 26.06: GetAllCertificates, GetAllKeys, GetAllCertificationPaths, GetCertificationPath,
        GetAssignedServerCertificates. Raises Unsupported where the device has no security service.
        """
        return await self._keystore.inventory()

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
        await enable_https(self._session, self._keystore)

    async def create_csr(self, request: CSRRequest) -> bytes:
        """Not yet."""
        raise Unsupported("the driver makes no CSR on the device")

    async def export_ca(self) -> bytes:
        """ONVIF has no word for a CA in the firmware."""
        raise Unsupported("an ONVIF device exports no CA of its firmware")

    async def set_address(self, address: StaticAddress) -> bool:
        """Not yet."""
        raise Unsupported("the driver sets no address")

    async def install(self, bundle: CertificateBundle) -> str:
        """ONVIF Security Service 26.06: UploadPassphrase, UploadCertificateWithPrivateKeyInPKCS12, DeletePassphrase;
        UploadCertificate and CreateCertificationPath where parts of the chain are there already.

        Looks first: a path with this leaf is returned as it is, and what a broken-off call left is completed or
        cleared away. Raises DeviceRefused (STORE_FULL, KEY_TYPE_REFUSED), Unsupported.
        """
        features = await self._keystore.features()
        if not features.pkcs12:
            raise Unsupported("the device takes no certificate with a key from outside (PKCS#12)")
        return await self._keystore.install(bundle, chain_length_of(features))

    async def activate(self, handle: str) -> None:
        """ONVIF Security Service 26.06: AddServerCertificateAssignment, or ReplaceServerCertificateAssignment where one
        is assigned; never Remove, which would switch the TLS server off.
        """
        await self._keystore.assign(handle)

    async def remove(self, handle: str) -> bool:
        """ONVIF Security Service 26.06: DeleteCertificationPath, DeleteCertificate, DeleteKey, in this order.

        False: something still refers to one of them (ter:ReferenceExists), or the path is assigned.
        """
        return await self._keystore.remove(handle)

    async def reboot(self) -> None:
        """ONVIF Core Specification 26.06, SystemReboot: answered before the device goes away."""
        await self._session.device(tds.build_get("SystemReboot"))
