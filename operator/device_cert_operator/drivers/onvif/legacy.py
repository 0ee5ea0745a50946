"""The certificate store of devices without the security service: certificates with keys, some of them enabled.

The words of `keystore.Keystore`. A key of the device's own comes with a self-signed certificate, `<alias>-key`, which
names it; the signed certificate is loaded beside it, since an id that is taken is refused by some and replaced by
others. Only the leaf is served: there is no word for its chain.
"""

import re
from contextlib import suppress

from device_cert_operator.core.model import CertificateBundle, CSRRequest, Inventory, StoredCertificate
from device_cert_operator.drivers.onvif import device_keys
from device_cert_operator.drivers.onvif import device_messages as tds
from device_cert_operator.drivers.onvif import legacy_messages as messages
from device_cert_operator.drivers.onvif.contents import OURS, older_in_series
from device_cert_operator.drivers.onvif.legacy_messages import LegacyCertificate, LegacyFeatures
from device_cert_operator.drivers.onvif.session import OnvifSession
from device_cert_operator.drivers.onvif.soap import OnvifFault
from device_cert_operator.errors import DeviceRefused, OperatorError, ProtocolViolation, Unsupported
from device_cert_operator.pki.csr import read_csr
from device_cert_operator.pki.facts import fingerprint, read_facts
from device_cert_operator.pki.names import subject_text
from device_cert_operator.reasons import Reason

_KEY = "-key"
_NO_KEY = frozenset({"KeysNotMatching", "NoMatchingPrivateKey"})
_IN_USE = re.compile(r"ReferenceExists|CertificateInUse|\w*Referenced\w*|NotDeletable")
_Stored = tuple[LegacyCertificate, ...]


class LegacyStore:
    """The store through one session; implements `store.CertificateStore`."""

    def __init__(self, session: OnvifSession) -> None:
        self._session = session
        self._features: LegacyFeatures | None = None

    async def features(self) -> LegacyFeatures | None:
        """ONVIF Core Specification 16.06, GetServiceCapabilities; None where HTTPS has no certificates to manage.

        The flags alone are not believed: GetCertificatesStatus has to be answered as well.
        """
        if self._features is not None:
            return self._features
        try:
            found = messages.read_features(await self._session.device(tds.build_get("GetServiceCapabilities")))
            if not found.serves_tls:
                return None
            await self._session.device(tds.build_get("GetCertificatesStatus"))
        except (Unsupported, OnvifFault):
            return None
        self._features = found
        return found

    async def inventory(self) -> Inventory:
        """ONVIF Core Specification 16.06: GetCertificates, GetCertificatesStatus. It tells no limits."""
        stored = await self._stored()
        entries = tuple(_entry(one) for one in stored if one.enabled or not _names_a_key(one))
        keys = frozenset(one.certificate_id.removesuffix(_KEY) for one in stored if _is_ours(one))
        return Inventory(entries, keys=keys)

    async def create_csr(self, request: CSRRequest) -> bytes:
        """ONVIF Core Specification 16.06: CreateCertificate, GetPkcs10Request."""
        features = await self.features()
        if features is None or not features.makes_keys:
            raise Unsupported("the device makes no keys: use spec.privateKey.source: Operator")
        if not request.key_type.startswith("RSA"):
            raise DeviceRefused(
                f"the device makes RSA keys, no {request.key_type} ones: set spec.privateKey.algorithm of the "
                "DeviceCertificate to Auto",
                reason=Reason.KEY_TYPE_REFUSED,
            )
        stored, key_id = await self._stored(), request.alias + _KEY
        subject = subject_text(request.subject)
        if not any(one.certificate_id == key_id for one in stored):
            await self._sweep(stored, request.alias)
            await self._session.device(messages.build_create_certificate(key_id, subject))
        csr = await self._request_for(key_id, subject)
        if (name := dict(request.subject).get("common_name")) is not None and _takes_all_for_name(csr, subject):
            return await self._request_for(key_id, name)
        return csr

    async def _request_for(self, key_id: str, subject: str) -> bytes:
        return messages.read_request(await self._session.device(messages.build_get_request(key_id, subject)))

    async def _sweep(self, stored: _Stored, alias: str) -> None:
        """Delete keys of earlier requests in this device's series that no certificate was loaded for."""
        for one in stored:
            name = one.certificate_id.removesuffix(_KEY)
            if _names_a_key(one) and not one.enabled and older_in_series(name, alias) and not _is_shared(one, stored):
                await self._delete((one.certificate_id,))

    async def install(self, bundle: CertificateBundle) -> str:
        """ONVIF Core Specification 16.06: LoadCertificateWithPrivateKey; LoadCertificates for a key of the device."""
        stored = await self._stored()
        if (there := _with_der(stored, bundle.leaf_der)) is not None:
            return there.certificate_id
        await self._free_id(stored, bundle.alias)
        if bundle.key_der:
            request = messages.build_load_with_key(bundle.alias, bundle.leaf_der, bundle.key_der)
        else:
            _check_key(stored, bundle)
            request = messages.build_load(bundle.alias, bundle.leaf_der)
        try:
            await self._session.device(request)
        except OnvifFault as fault:
            raise (device_keys.key_lost() if _NO_KEY & set(fault.codes) and not bundle.key_der else fault) from None
        there = _with_der(await self._stored(), bundle.leaf_der)  # an answer proves nothing
        if there is None:
            raise DeviceRefused("the device took the certificate and did not store it")
        return there.certificate_id

    async def _free_id(self, stored: _Stored, alias: str) -> None:
        """Of the alias only one certificate is wanted: another one is a left-over of ours, unless it is in use."""
        taken = next((one for one in stored if one.certificate_id == alias), None)
        if taken is not None and (taken.enabled or not await self._delete((alias,))):
            raise DeviceRefused(f"the device uses another certificate under the name {alias}: it is left alone")

    async def assign(self, certificate_id: str) -> None:
        """ONVIF Core Specification 16.06, SetCertificatesStatus: this one on, those that were on off, at once."""
        enabled = await self._enabled()
        if enabled != {certificate_id}:
            off = dict.fromkeys(sorted(enabled - {certificate_id}), False)
            await self._session.device(messages.build_set_status({certificate_id: True, **off}))

    async def remove(self, certificate_id: str) -> bool:
        """ONVIF Core Specification 16.06, DeleteCertificates: with the certificate that names its key, at once."""
        stored = await self._stored()
        certificate = next((one for one in stored if one.certificate_id == certificate_id), None)
        if certificate is None:
            return True
        if certificate.enabled:
            return False
        key = _key_sha256(certificate.der)
        of_key = [one for one in stored if one is not certificate and key and _key_sha256(one.der) == key]
        alone = all(_names_a_key(one) and not one.enabled for one in of_key)
        ids = [one.certificate_id for one in of_key] if alone else []
        return await self._delete((certificate_id, *ids))

    async def enable_any(self, self_signed_id: str) -> None:
        """Something enabled for HTTPS: what is, or a self-signed certificate made on the device under this id."""
        stored = await self._stored()
        if any(one.enabled for one in stored):
            return
        if not any(one.certificate_id == self_signed_id for one in stored):
            await self._session.device(messages.build_create_certificate(self_signed_id, "CN=device"))
        await self.assign(self_signed_id)

    async def _stored(self) -> _Stored:
        enabled = await self._enabled()
        return messages.read_certificates(await self._session.device(tds.build_get("GetCertificates")), enabled)

    async def _enabled(self) -> frozenset[str]:
        return messages.read_enabled(await self._session.device(tds.build_get("GetCertificatesStatus")))

    async def _delete(self, certificate_ids: tuple[str, ...]) -> bool:
        """True: they are gone. False: something uses one of them."""
        try:
            await self._session.device(messages.build_delete(certificate_ids))
        except OnvifFault as fault:
            if any(_IN_USE.fullmatch(code) for code in fault.codes):
                return False
            if not fault.gone:
                raise
        return True


def _check_key(stored: _Stored, bundle: CertificateBundle) -> None:
    """The device would take any certificate, some do: only one that it has the key of goes there."""
    wanted = _key_sha256(bundle.leaf_der)
    if not any(_key_sha256(one.der) == wanted for one in stored):
        raise device_keys.key_lost()


def _entry(one: LegacyCertificate) -> StoredCertificate:
    return StoredCertificate(
        handle=one.certificate_id,
        alias=one.certificate_id,
        fingerprints=(fingerprint(one.der),),
        has_key=None,
        in_use_by_tls=one.enabled,
    )


def _with_der(stored: _Stored, der: bytes) -> LegacyCertificate | None:
    return next((one for one in stored if one.der == der), None)


def _names_a_key(one: LegacyCertificate) -> bool:
    """Whether it is the self-signed certificate that stands for a key of ours."""
    return one.certificate_id.endswith(_KEY) and _is_ours(one)


def _is_ours(one: LegacyCertificate) -> bool:
    return OURS.fullmatch(one.certificate_id.removesuffix(_KEY)) is not None


def _is_shared(one: LegacyCertificate, stored: _Stored) -> bool:
    """Whether another certificate has the same key."""
    key = _key_sha256(one.der)
    return any(_key_sha256(other.der) == key for other in stored if other is not one)


def _key_sha256(der: bytes) -> str | None:
    try:
        return read_facts(der).public_key_sha256
    except OperatorError:
        return None


def _takes_all_for_name(csr: bytes, subject: str) -> bool:
    """Firmware differs in what it expects as subject: a whole name, or the common name alone."""
    with suppress(ProtocolViolation):
        return read_csr(csr).common_name == subject
    return False
