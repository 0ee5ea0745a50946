"""Key pairs that a device makes and keeps, and the certificate requests that it signs with them."""

import asyncio

from device_cert_operator.core.model import CSRRequest, KeyType
from device_cert_operator.drivers.onvif import security_messages as tas
from device_cert_operator.drivers.onvif.security_messages import KeystoreFeatures
from device_cert_operator.drivers.onvif.session import OnvifSession
from device_cert_operator.drivers.onvif.soap import OnvifFault
from device_cert_operator.errors import DeviceBusy, DeviceRefused, Unsupported
from device_cert_operator.pki.names import alternative_names_der
from device_cert_operator.reasons import Reason

_WITHIN_SECONDS = 30.0  # then the next pass goes on waiting: the key is found by its alias
_FIRST_LOOK_SECONDS = 0.05
_LOOK_EVERY_SECONDS = 1.0


def check_request(request: CSRRequest, features: KeystoreFeatures) -> None:
    """Raises Unsupported, or DeviceRefused (KeyTypeRefused) naming what the device makes."""
    if not features.signs_requests or not features.makes_key_types:
        raise Unsupported("the device makes no keys with certificate requests: use spec.privateKey.source: Operator")
    if request.key_type not in features.makes_key_types:
        raise DeviceRefused(
            f"the device makes no {request.key_type} keys, only {', '.join(sorted(features.makes_key_types))}: set "
            "spec.privateKey.algorithm of the DeviceCertificate to Auto",
            reason=Reason.KEY_TYPE_REFUSED,
        )


async def make_key(session: OnvifSession, features: KeystoreFeatures, alias: str, kind: KeyType) -> str:
    """ONVIF Security Service 26.06: CreateECCKeyPair or CreateRSAKeyPair. Returns the id; the key may take a while."""
    if kind.startswith("RSA"):
        request = tas.build_with("CreateRSAKeyPair", KeyLength=kind.removeprefix("RSA-"), Alias=alias)
    else:
        request = tas.build_with("CreateECCKeyPair", EllipticCurve=features.curve_for(kind) or "", Alias=alias)
    return tas.read_id(await session.security(request), "KeyID")


async def is_made(session: OnvifSession, key_id: str) -> bool:
    """Poll GetKeyStatus. False: it came out corrupt. Raises DeviceBusy when it takes too long for a visit."""
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + _WITHIN_SECONDS, _FIRST_LOOK_SECONDS
    while True:
        status = tas.read_key_status(await session.security(tas.build_with("GetKeyStatus", KeyID=key_id)))
        if status in {"ok", "corrupt"}:
            return status == "ok"
        if loop.time() + pause > until:
            raise DeviceBusy("the device is still making its key")
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LOOK_EVERY_SECONDS)


async def create_csr(session: OnvifSession, key_id: str, request: CSRRequest) -> bytes:
    """ONVIF Security Service 26.06, CreatePKCS10CSR, as the device gives it: nothing is verified here.

    Where the device takes no SAN it is asked without: whoever signs may be able to add one.
    """
    algorithm = tas.algorithm_for(request.key_type)
    san = alternative_names_der(request.names) if request.names.all else None
    try:
        message = tas.build_create_csr(key_id, request.subject, san, algorithm)
        return tas.read_csr(await session.security(message))
    except OnvifFault as fault:
        if san is None or not any("Attribute" in code or "Extension" in code for code in fault.codes):
            raise
    return tas.read_csr(await session.security(tas.build_create_csr(key_id, request.subject, None, algorithm)))


def key_lost() -> DeviceRefused:
    """The error for a certificate whose key is no longer on the device that made it."""
    return DeviceRefused(
        "the device has no key that fits the certificate: it made the key itself and has lost it since (a factory "
        "reset?), so this certificate is of no more use and a new request has to be signed",
        reason=Reason.DEVICE_KEY_LOST,
    )
