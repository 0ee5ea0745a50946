"""Switching HTTPS on: a device without a certificate first makes a self-signed one with a key of its own."""

import asyncio

from device_cert_operator.core.model import KeyType
from device_cert_operator.drivers.onvif import device_messages as tds
from device_cert_operator.drivers.onvif import security_messages as tas
from device_cert_operator.drivers.onvif.device_messages import NetworkProtocol, ProtocolName
from device_cert_operator.drivers.onvif.keystore import Contents, Keystore
from device_cert_operator.drivers.onvif.security_messages import KeystoreFeatures
from device_cert_operator.drivers.onvif.session import OnvifSession
from device_cert_operator.errors import DeviceBusy, DeviceRefused, Unsupported

SELF_SIGNED_ALIAS = "dc-self-signed"
_HTTPS_PORT = 443
_KEY_WITHIN_SECONDS = 30.0  # then the next pass goes on waiting: the key is found by its alias
_FIRST_LOOK_SECONDS = 0.05
_LOOK_EVERY_SECONDS = 1.0


async def enable_https(session: OnvifSession, keystore: Keystore) -> None:
    """See `OnvifDriver.enable_https`; every step is looked up first, so a second call goes on where one broke off."""
    answer = await session.device(tds.build_get("GetNetworkProtocols"))
    protocols = tds.read_protocols(answer)
    if any(one.name is ProtocolName.HTTPS and one.enabled for one in protocols):
        return
    if await session.has_security() and (await keystore.features()).serves_tls:
        await _ensure_certificate(session, keystore)
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
    key = next((one for one in contents.keys if one.alias == SELF_SIGNED_ALIAS and one.status != "corrupt"), None)
    key_id = key.key_id if key is not None else await _make_key(session, features)
    await _wait_for_key(session, key_id)
    algorithm = tas.ECDSA_SHA256 if _curve(features) else tas.RSA_SHA256
    request = tas.build_create_self_signed(key_id, "device", algorithm, SELF_SIGNED_ALIAS)
    return tas.read_id(await session.security(request), "CertificateID")


def _curve(features: KeystoreFeatures) -> str | None:
    return features.curve_for(KeyType.ECDSA_P256) if features.makes_ecc else None


async def _make_key(session: OnvifSession, features: KeystoreFeatures) -> str:
    """ONVIF Security Service 26.06: CreateECCKeyPair where the device can, else CreateRSAKeyPair."""
    if curve := _curve(features):
        request = tas.build_with("CreateECCKeyPair", EllipticCurve=curve, Alias=SELF_SIGNED_ALIAS)
    elif features.makes_rsa:
        bits = min((one for one in features.rsa_lengths if one >= 2048), default=2048)
        request = tas.build_with("CreateRSAKeyPair", KeyLength=str(bits), Alias=SELF_SIGNED_ALIAS)
    else:
        raise Unsupported("the device makes no keys: HTTPS cannot be switched on without a certificate of its own")
    return tas.read_id(await session.security(request), "KeyID")


async def _wait_for_key(session: OnvifSession, key_id: str) -> None:
    """Poll GetKeyStatus. Raises DeviceBusy when it takes too long for a visit, DeviceRefused for a corrupt key."""
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + _KEY_WITHIN_SECONDS, _FIRST_LOOK_SECONDS
    while True:
        status = tas.read_key_status(await session.security(tas.build_with("GetKeyStatus", KeyID=key_id)))
        if status == "ok":
            return
        if status == "corrupt":
            raise DeviceRefused("the device could not make a key: it is corrupt")
        if loop.time() + pause > until:
            raise DeviceBusy("the device is still making its key")
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LOOK_EVERY_SECONDS)
