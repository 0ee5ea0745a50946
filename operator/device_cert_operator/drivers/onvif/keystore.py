"""The device's certificate store: what is in it, and getting one key pair in and out of it.

Every method may be the first after a crash between any two requests, so each looks before it acts, and objects are
known by their alias and their bytes, never by an id remembered from before (ids are re-used).
"""

import secrets
import string
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from device_cert_operator.core.model import CertificateBundle, CSRRequest, Inventory, KeyType, Pkcs12Encryption
from device_cert_operator.drivers.onvif import device_keys
from device_cert_operator.drivers.onvif import security_messages as tas
from device_cert_operator.drivers.onvif.capabilities import chain_length_of
from device_cert_operator.drivers.onvif.contents import (
    OURS,
    Contents,
    inventory_of,
    may_go,
    older_in_series,
    same_series,
)
from device_cert_operator.drivers.onvif.security_messages import KeystoreFeatures, StoreCertificate, StorePath
from device_cert_operator.drivers.onvif.session import OnvifSession
from device_cert_operator.drivers.onvif.soap import Element, OnvifFault
from device_cert_operator.errors import DeviceBusy, DeviceRefused, OperatorError, Unsupported
from device_cert_operator.pki.pkcs12 import build_pkcs12
from device_cert_operator.pki.verify import is_root

_NO_KEY = frozenset({"NoMatchingPrivateKey", "NoPrivateKey"})
_CHAIN_REFUSED = frozenset({"BadPKCS12File", "InvalidCertificationPath", "BadCertificate"})  # where issuers go along
_PASSPHRASE_LENGTH = 32  # devices support up to 40 ASCII characters (Capability-implied Requirements)


class Keystore:
    """The store through one session."""

    def __init__(self, session: OnvifSession) -> None:
        self._session = session
        self._features: KeystoreFeatures | None = None
        self._seen: Contents | None = None

    async def features(self) -> KeystoreFeatures:
        """ONVIF Security Service 26.06, GetServiceCapabilities; asked once a visit."""
        if self._features is None:
            self._features = tas.read_features(await self._get("GetServiceCapabilities"))
        return self._features

    async def contents(self) -> Contents:
        """ONVIF Security Service 26.06: GetAllCertificates, GetAllKeys, all paths and the assignments."""
        certificates = tas.read_certificates(await self._get("GetAllCertificates"))
        keys = tas.read_keys(await self._get("GetAllKeys"))
        ids = tas.read_ids(await self._get("GetAllCertificationPaths"), "CertificationPathID")
        paths = [path for one in ids if (path := await self._path(one)) is not None]
        return Contents(certificates, keys, tuple(paths), await self.assigned())

    async def assigned(self) -> tuple[str, ...]:
        """ONVIF Security Service 26.06, GetAssignedServerCertificates."""
        return tas.read_ids(await self._get("GetAssignedServerCertificates"), "CertificationPathID")

    async def inventory(self) -> Inventory:
        """The store as values. What comes next in this visit was decided by it, and need not look again."""
        self._seen = await self.contents()
        return inventory_of(self._seen, await self.features())

    async def _as_seen(self) -> Contents:
        """What `inventory` saw, for the first use after it; later, or without it, a look."""
        seen, self._seen = self._seen, None
        return seen or await self.contents()

    # ------------------------------------------------------------------------------------------- install

    async def install(self, bundle: CertificateBundle) -> str:
        """Make the path of this bundle exist once; see `OnvifDriver.install`."""
        features = await self.features()
        if bundle.key_der and not features.pkcs12:
            raise Unsupported("the device takes no certificate with a key from outside (PKCS#12)")
        chain = _without_roots(bundle.chain_der)[: chain_length_of(features) - 1]
        contents = await self._as_seen()
        done = [path for path in contents.paths if contents.ders_of(path)[:1] == (bundle.leaf_der,)]
        complete = [path for path in done if contents.ders_of(path) == (bundle.leaf_der, *chain)]
        in_use = [path for path in done if path.path_id in contents.assigned]
        if found := complete or in_use:
            await self._drop_passphrases(bundle)
            return found[0].path_id
        leaf = contents.with_der(bundle.leaf_der)
        if leaf is not None and contents.has_key(leaf) is not False:
            return await self._complete(bundle, chain, leaf, done, contents)
        await self._sweep(bundle, contents)
        if not bundle.key_der:
            return await self._upload_for_key(bundle, chain)
        if any(contents.with_der(der) for der in chain):
            return await self._upload_beside(bundle, chain)
        try:
            return await self._upload(replace(bundle, chain_der=chain))
        except OnvifFault as fault:
            if not _is_about(chain, fault):
                raise
            return await self._upload_beside(bundle, chain)

    async def _complete(
        self,
        bundle: CertificateBundle,
        chain: tuple[bytes, ...],
        leaf: StoreCertificate,
        short: Iterable[StorePath],
        contents: Contents,
    ) -> str:
        """The leaf and its key are there: upload what lacks of the chain, and make the path.

        A device that refuses the chain gets a path of the leaf alone: whether clients can do without the issuers shows
        in the verdict.
        """
        await self._drop_passphrases(bundle)
        for path in short:
            if path.alias == bundle.alias:
                await self.delete("CertificationPath", path.path_id)
        ids = [leaf.certificate_id]
        try:
            for der in chain:
                there = contents.with_der(der)
                ids.append(there.certificate_id if there else await self._upload_issuer(der, bundle.alias))
            return await self._create_path(ids, bundle.alias)
        except OnvifFault as fault:
            if not _is_about(chain, fault):
                raise
        path_id = await self._create_path(ids[:1], bundle.alias)
        await self._sweep(bundle, await self.contents())  # the issuers that went up before the refusal
        return path_id

    async def _create_path(self, certificate_ids: Iterable[str], alias: str) -> str:
        answer = await self._session.security(tas.build_create_path(tuple(certificate_ids), alias))
        return tas.read_id(answer, "CertificationPathID")

    async def _upload_issuer(self, der: bytes, alias: str) -> str:
        answer = await self._session.security(tas.build_upload_certificate(der, alias))
        return tas.read_id(answer, "CertificateID")

    async def _upload_for_key(self, bundle: CertificateBundle, chain: tuple[bytes, ...]) -> str:
        """The certificate alone; the device looks for the key that fits it."""
        request = tas.build_upload_certificate(bundle.leaf_der, bundle.alias, key_required=True)
        try:
            await self._session.security(request)
        except OnvifFault as fault:
            raise (device_keys.key_lost() if _NO_KEY & set(fault.codes) else fault) from None
        contents = await self.contents()  # an answer proves nothing
        leaf = contents.with_der(bundle.leaf_der)
        if leaf is None:
            raise DeviceRefused("the device took the certificate and did not store it")
        if contents.has_key(leaf) is False:
            await self._sweep(bundle, contents)
            raise device_keys.key_lost()
        return await self._complete(bundle, chain, leaf, (), contents)

    async def _upload_beside(self, bundle: CertificateBundle, chain: tuple[bytes, ...]) -> str:
        """The leaf goes up alone: an issuer is there already and is used again rather than stored twice, or the device
        refuses the chain in one file.
        """
        await self._upload(replace(bundle, chain_der=()))
        contents = await self.contents()
        leaf = contents.with_der(bundle.leaf_der)
        if leaf is None:
            raise DeviceRefused("the device took the certificate and did not store it")
        short = [path for path in contents.paths if contents.ders_of(path) == (bundle.leaf_der,)]
        return await self._complete(bundle, chain, leaf, short, contents)

    async def _upload(self, bundle: CertificateBundle) -> str:
        """One PKCS#12 file under a passphrase that exists only for it."""
        features = await self.features()
        encryption = _chosen_encryption(features)
        await self._drop_passphrases(bundle)
        passphrase = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(_PASSPHRASE_LENGTH))
        stored_id = await self._upload_passphrase(passphrase, bundle.alias) if features.most_passphrases else None
        try:
            answer = await self._session.security(
                tas.build_upload_pkcs12(
                    build_pkcs12(bundle, passphrase, encryption),
                    bundle.alias,
                    passphrase_id=stored_id,
                    passphrase=passphrase,
                )
            )
        finally:
            if stored_id is not None:
                await self._drop_passphrases(bundle)
        return tas.read_id(answer, "CertificationPathID")

    async def _upload_passphrase(self, passphrase: str, alias: str) -> str:
        request = tas.build_with("UploadPassphrase", Passphrase=passphrase, PassphraseAlias=alias)
        return tas.read_id(await self._session.security(request), "PassphraseID")

    async def _drop_passphrases(self, bundle: CertificateBundle) -> None:
        """Delete what an upload left behind. Never in the way of what matters: a failure shows at the next visit."""
        if not bundle.key_der or not (await self.features()).most_passphrases:
            return
        try:
            stored = tas.read_passphrases(await self._get("GetAllPassphrases"))
            for passphrase_id, name in stored:
                if same_series(name, bundle.alias):
                    await self.delete("Passphrase", passphrase_id)
        except OperatorError:
            return

    async def _sweep(self, bundle: CertificateBundle, contents: Contents) -> None:
        """Delete what this device's own series left in no path after a crash: it fills the store.

        Keys that the device made are `create_csr`'s to sweep: a certificate for one may be on its way.
        """
        loose = [
            one
            for one in contents.certificates
            if not contents.in_a_path(one.certificate_id) and same_series(contents.alias_of(one), bundle.alias)
        ]
        for certificate in loose:
            await self.delete("Certificate", certificate.certificate_id)
        left = replace(contents, certificates=tuple(one for one in contents.certificates if one not in loose))
        behind = {one.key_id for one in loose}
        for key in contents.keys:
            may_fit = contents.holds(key) and (not bundle.key_der or key.made_here)
            ours = same_series(key.alias, bundle.alias) or (not key.alias and key.key_id in behind)
            if ours and not may_fit and not left.is_used(key):
                await self.delete("Key", key.key_id)

    # ------------------------------------------------------------------------------------- keys of its own

    async def create_csr(self, request: CSRRequest) -> bytes:
        """See `OnvifDriver.create_csr`."""
        features = await self.features()
        device_keys.check_request(request, features)
        contents = await self._as_seen()
        for key in contents.keys:
            if older_in_series(key.alias, request.alias) and not contents.is_used(key):
                await self.delete("Key", key.key_id)
        key_id = await self.ensure_key(contents, request.alias, request.key_type)
        return await device_keys.create_csr(self._session, key_id, request)

    async def ensure_key(self, contents: Contents, alias: str, kind: KeyType) -> str:
        """The id of a key pair of this alias, made on the device unless it is there.

        ONVIF Security Service 26.06: CreateECCKeyPair or CreateRSAKeyPair, GetKeyStatus. A corrupt one is made anew,
        once. Raises DeviceBusy while the device is still at it: the next visit finds the key by its alias.
        """
        self._seen = None
        found = contents.key_under(alias)
        for key in [found, None] if found is not None else [None, None]:
            key_id = key.key_id if key else await self._make_key(alias, kind)
            if await device_keys.is_made(self._session, key_id):
                return key_id
            await self.delete("Key", key_id)
        raise DeviceRefused("the device could not make a key: it comes out corrupt")

    async def _make_key(self, alias: str, kind: KeyType) -> str:
        """A new key. Raises Unsupported, and takes it away again, where a request's key does not keep its name: it
        would not be found again, and the next visit made another.
        """
        key_id = await device_keys.make_key(self._session, await self.features(), alias, kind)
        made = next((key for key in tas.read_keys(await self._get("GetAllKeys")) if key.key_id == key_id), None)
        if made is None or made.alias == alias or not OURS.fullmatch(alias):
            return key_id
        with suppress(DeviceBusy):
            await device_keys.is_made(self._session, key_id)
        with suppress(DeviceRefused):
            await self.delete("Key", key_id)
        raise Unsupported(
            "the device does not keep the name of a key that it makes, so that it would not be found again: set "
            "spec.privateKey.source of the DeviceCertificate to Operator"
        )

    # ------------------------------------------------------------------------------------ assign and remove

    async def assign(self, path_id: str) -> None:
        """See `OnvifDriver.activate`."""
        seen, self._seen = self._seen, None
        assigned = seen.assigned if seen is not None else await self.assigned()
        if path_id in assigned:
            return
        if not assigned:
            request = tas.build_with("AddServerCertificateAssignment", CertificationPathID=path_id)
        else:
            old = assigned[0] if len(assigned) == 1 else await self._ours_first(assigned)
            request = tas.build_with(
                "ReplaceServerCertificateAssignment", OldCertificationPathID=old, NewCertificationPathID=path_id
            )
        await self._session.security(request)

    async def _ours_first(self, assigned: tuple[str, ...]) -> str:
        """Of several assignments the one that we made; a stranger's only where none is ours."""
        for path_id in assigned:
            path = await self._path(path_id)
            if path is not None and OURS.fullmatch(path.alias):
                return path_id
        return assigned[0]

    async def remove(self, path_id: str) -> bool:
        """See `OnvifDriver.remove`."""
        contents = await self._as_seen()
        path = next((one for one in contents.paths if one.path_id == path_id), None)
        if path is None:
            return True
        if path_id in contents.assigned or not await self.delete("CertificationPath", path_id):
            return False
        left = replace(contents, paths=tuple(one for one in contents.paths if one.path_id != path_id))
        mine = [one for one in path.certificate_ids if not left.in_a_path(one)]
        removed = True
        for position, certificate_id in enumerate(mine):
            certificate = left.certificate(certificate_id)
            if certificate is None or (position and not may_go(contents, certificate, path)):
                continue
            removed &= await self.delete("Certificate", certificate_id)
            left = replace(left, certificates=tuple(one for one in left.certificates if one is not certificate))
            key_id = certificate.key_id
            if key_id and not any(one.key_id == key_id for one in left.certificates):
                removed &= await self.delete("Key", key_id)
        return removed

    async def delete(self, kind: str, object_id: str) -> bool:
        """Delete one object. True: it is gone, also if it was before. False: something refers to it."""
        try:
            await self._session.security(tas.build_with(f"Delete{kind}", **{f"{kind}ID": object_id}))
        except OnvifFault as fault:
            if fault.in_use:
                return False
            if not fault.gone:
                raise
        return True

    async def _path(self, path_id: str) -> StorePath | None:
        """One path; None if it went away between two requests."""
        try:
            request = tas.build_with("GetCertificationPath", CertificationPathID=path_id)
            return tas.read_path(await self._session.security(request), path_id)
        except OnvifFault as fault:
            if fault.gone:
                return None
            raise

    async def _get(self, operation: str) -> Element:
        return await self._session.security(tas.build_get(operation))


def _is_about(chain: tuple[bytes, ...], fault: OnvifFault) -> bool:
    """Whether the leaf alone might be taken. Where it is its own fault, it is refused once more."""
    return bool(chain) and bool(_CHAIN_REFUSED & set(fault.codes))


def _without_roots(chain_der: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Roots are never uploaded: no client takes one from a device."""
    return tuple(der for der in chain_der if not is_root(der))


def _chosen_encryption(features: KeystoreFeatures) -> Pkcs12Encryption:
    if not features.encryptions:
        raise Unsupported("the device lists no encryption of PKCS#12 files that can be written here")
    return features.encryptions[0]
