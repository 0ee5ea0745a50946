"""Switching HTTPS on: a device without a certificate first makes a self-signed one with a key of its own."""

from device_cert_operator.core.model import KeyType
from device_cert_operator.drivers.onvif import device_messages as tds
from device_cert_operator.drivers.onvif import security_messages as tas
from device_cert_operator.drivers.onvif.contents import Contents
from device_cert_operator.drivers.onvif.device_messages import NetworkProtocol, ProtocolName
from device_cert_operator.drivers.onvif.keystore import Keystore
from device_cert_operator.drivers.onvif.legacy import LegacyStore
from device_cert_operator.drivers.onvif.session import OnvifSession
from device_cert_operator.errors import Unsupported

SELF_SIGNED_ALIAS = "dc-self-signed"
_HTTPS_PORT = 443


async def enable_https(session: OnvifSession, keystore: Keystore, legacy: LegacyStore) -> None:
    """See `OnvifDriver.enable_https`; every step is looked up first, so a second call goes on where one broke off."""
    answer = await session.device(tds.build_get("GetNetworkProtocols"))
    protocols = tds.read_protocols(answer)
    if any(one.name is ProtocolName.HTTPS and one.enabled for one in protocols):
        return
    if await session.has_security():
        if (await keystore.features()).serves_tls:
            await _ensure_certificate(session, keystore)
    elif (await legacy.features()) is not None:
        await legacy.enable_any(SELF_SIGNED_ALIAS)
    await session.device(tds.build_set_network_protocols(_with_https(protocols)))


def _with_https(protocols: tuple[NetworkProtocol, ...]) -> tuple[NetworkProtocol, ...]:
    """The device's own list with HTTPS on and everything else as it is; words that we do not know are not sent back."""
    known = [one for one in protocols if one.name is not ProtocolName.UNKNOWN and one.ports]
    before = next((one for one in known if one.name is ProtocolName.HTTPS), None)
    https = NetworkProtocol(ProtocolName.HTTPS, True, before.ports if before else (_HTTPS_PORT,))
    return (*(one for one in known if one.name is not ProtocolName.HTTPS), https)


async def _ensure_certificate(session: OnvifSession, keystore: Keystore) -> None:
    """Something assigned to the TLS server: what is, or a self-signed certificate made on the device."""
    contents = await keystore.contents()
    if contents.assigned:
        return
    path = next((one.path_id for one in contents.paths if one.alias == SELF_SIGNED_ALIAS), None)
    if path is None:
        certificate_id = await _ensure_self_signed(session, keystore, contents)
        answer = await session.security(tas.build_create_path((certificate_id,), SELF_SIGNED_ALIAS))
        path = tas.read_id(answer, "CertificationPathID")
    await keystore.assign(path)


async def _ensure_self_signed(session: OnvifSession, keystore: Keystore, contents: Contents) -> str:
    made = next((one for one in contents.certificates if one.alias == SELF_SIGNED_ALIAS), None)
    if made is not None:
        return made.certificate_id
    features = await keystore.features()
    if not features.self_signs:
        raise Unsupported("the device has no certificate and cannot make one: HTTPS cannot be switched on")
    kind = next((one for one in KeyType if one in features.makes_key_types), None)  # P-256 comes first
    if kind is None:
        raise Unsupported("the device makes no keys: HTTPS cannot be switched on without a certificate of its own")
    key_id = await keystore.ensure_key(contents, SELF_SIGNED_ALIAS, kind)
    algorithm = tas.algorithm_for(kind)
    request = tas.build_create_self_signed(key_id, "device", algorithm, SELF_SIGNED_ALIAS)
    return tas.read_id(await session.security(request), "CertificateID")
