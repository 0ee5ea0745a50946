"""The device's certificate store: what is in it, and getting one key pair in and out of it.

Every method may be the first after a crash between any two requests, so each looks before it acts, and objects are
known by their alias and their bytes, never by an id remembered from before (ids are re-used).
"""

import re
import secrets
import string
from collections.abc import Iterable
from dataclasses import dataclass, replace

from device_cert_operator.core.model import (
    CertificateBundle,
    CertificateFacts,
    Inventory,
    Pkcs12Encryption,
    StoredCertificate,
)
from device_cert_operator.drivers.onvif import security_messages as tas
from device_cert_operator.drivers.onvif.security_messages import (
    KeystoreFeatures,
    StoreCertificate,
    StoreKey,
    StorePath,
)
from device_cert_operator.drivers.onvif.session import OnvifSession
from device_cert_operator.drivers.onvif.soap import Element, OnvifFault
from device_cert_operator.errors import DeviceRefused, OperatorError, Unsupported
from device_cert_operator.pki.facts import read_facts
from device_cert_operator.pki.pkcs12 import build_pkcs12

_OURS = re.compile(r"(dc-[0-9a-f]{8}-r)([0-9]+)")
_PASSPHRASE_LENGTH = 32  # devices support up to 40 ASCII characters (Capability-implied Requirements)


@dataclass(frozen=True, slots=True)
class Contents:
    """The store at one moment. assigned: ids of the paths that the TLS server uses."""

    certificates: tuple[StoreCertificate, ...]
    keys: tuple[StoreKey, ...]
    paths: tuple[StorePath, ...]
    assigned: tuple[str, ...]

    def certificate(self, certificate_id: str) -> StoreCertificate | None:
        return next((one for one in self.certificates if one.certificate_id == certificate_id), None)

    def with_der(self, der: bytes) -> StoreCertificate | None:
        return next((one for one in self.certificates if one.der == der), None)

    def ders_of(self, path: StorePath) -> tuple[bytes, ...]:
        """The path's certificates, as far as the device lists them."""
        found = (self.certificate(one) for one in path.certificate_ids)
        return tuple(one.der for one in found if one is not None)

    def leaf_of(self, path: StorePath) -> StoreCertificate | None:
        return self.certificate(path.certificate_ids[0]) if path.certificate_ids else None

    def in_a_path(self, certificate_id: str) -> bool:
        return any(certificate_id in path.certificate_ids for path in self.paths)

    def has_key(self, certificate: StoreCertificate) -> bool | None:
        """Whether its private key is on the device, as the certificate or its key tells."""
        if certificate.has_private_key is not None:
            return certificate.has_private_key
        return next((key.has_private_key for key in self.keys if key.key_id == certificate.key_id), None)

    def alias_of(self, certificate: StoreCertificate) -> str:
        """Its own alias, or its key's: certificates out of a PKCS#12 file get none."""
        key = next((key.alias for key in self.keys if key.key_id == certificate.key_id), "")
        return certificate.alias or key


class Keystore:
    """The store through one session."""

    def __init__(self, session: OnvifSession) -> None:
        self._session = session
        self._features: KeystoreFeatures | None = None

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
        """The store as values. Certificates in no path are not listed: nothing can serve them."""
        contents, features = await self.contents(), await self.features()
        return Inventory(tuple(_entry(contents, path) for path in contents.paths), _free_slots(contents, features))

    # ------------------------------------------------------------------------------------------- install

    async def install(self, bundle: CertificateBundle, chain_length: int) -> str:
        """Make the path of this bundle exist once; see `OnvifDriver.install`."""
        chain = _without_roots(bundle.chain_der)[: max(0, chain_length - 1)]
        contents = await self.contents()
        done = [path for path in contents.paths if contents.ders_of(path)[:1] == (bundle.leaf_der,)]
        complete = [path for path in done if contents.ders_of(path) == (bundle.leaf_der, *chain)]
        in_use = [path for path in done if path.path_id in contents.assigned]
        if found := complete or in_use:
            await self._drop_passphrases(bundle.alias)
            return found[0].path_id
        leaf = contents.with_der(bundle.leaf_der)
        if leaf is not None and contents.has_key(leaf) is not False:
            return await self._complete(bundle, chain, leaf, done, contents)
        await self._sweep(bundle, contents)
        if any(contents.with_der(der) for der in chain):
            return await self._upload_beside(bundle, chain)
        return await self._upload(replace(bundle, chain_der=chain))

    async def _complete(
        self,
        bundle: CertificateBundle,
        chain: tuple[bytes, ...],
        leaf: StoreCertificate,
        short: Iterable[StorePath],
        contents: Contents,
    ) -> str:
        """The leaf and its key are there: upload what lacks of the chain, and make the path."""
        await self._drop_passphrases(bundle.alias)
        for path in short:
            if path.alias == bundle.alias:
                await self._delete("CertificationPath", path.path_id)
        ids = [leaf.certificate_id]
        for der in chain:
            there = contents.with_der(der)
            ids.append(there.certificate_id if there else await self._upload_issuer(der, bundle.alias))
        answer = await self._session.security(tas.build_create_path(tuple(ids), bundle.alias))
        return tas.read_id(answer, "CertificationPathID")

    async def _upload_issuer(self, der: bytes, alias: str) -> str:
        answer = await self._session.security(tas.build_upload_certificate(der, alias))
        return tas.read_id(answer, "CertificateID")

    async def _upload_beside(self, bundle: CertificateBundle, chain: tuple[bytes, ...]) -> str:
        """An issuer is there already: it is used again rather than stored twice, so the leaf goes up alone."""
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
        await self._drop_passphrases(bundle.alias)
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
                await self._drop_passphrases(bundle.alias)
        return tas.read_id(answer, "CertificationPathID")

    async def _upload_passphrase(self, passphrase: str, alias: str) -> str:
        request = tas.build_with("UploadPassphrase", Passphrase=passphrase, PassphraseAlias=alias)
        return tas.read_id(await self._session.security(request), "PassphraseID")

    async def _drop_passphrases(self, alias: str) -> None:
        """Delete what an upload left behind. Never in the way of what matters: a failure shows at the next visit."""
        if not (await self.features()).most_passphrases:
            return
        try:
            stored = tas.read_passphrases(await self._get("GetAllPassphrases"))
            for passphrase_id, name in stored:
                if _same_series(name, alias):
                    await self._delete("Passphrase", passphrase_id)
        except OperatorError:
            return

    async def _sweep(self, bundle: CertificateBundle, contents: Contents) -> None:
        """Delete what this device's own series left in no path after a crash: it fills the store."""
        loose = [
            one
            for one in contents.certificates
            if not contents.in_a_path(one.certificate_id) and _same_series(contents.alias_of(one), bundle.alias)
        ]
        for certificate in loose:
            await self._delete("Certificate", certificate.certificate_id)
        gone = {one.certificate_id for one in loose}
        used = {one.key_id for one in contents.certificates if one.certificate_id not in gone}
        for key in contents.keys:
            if key.key_id not in used and _same_series(key.alias, bundle.alias):
                await self._delete("Key", key.key_id)

    # ------------------------------------------------------------------------------------ assign and remove

    async def assign(self, path_id: str) -> None:
        """See `OnvifDriver.activate`."""
        assigned = await self.assigned()
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
            if path is not None and _OURS.fullmatch(path.alias):
                return path_id
        return assigned[0]

    async def remove(self, path_id: str) -> bool:
        """See `OnvifDriver.remove`."""
        contents = await self.contents()
        path = next((one for one in contents.paths if one.path_id == path_id), None)
        if path is None:
            return True
        if path_id in contents.assigned or not await self._delete("CertificationPath", path_id):
            return False
        left = replace(contents, paths=tuple(one for one in contents.paths if one.path_id != path_id))
        mine = [one for one in path.certificate_ids if not left.in_a_path(one)]
        removed = True
        for position, certificate_id in enumerate(mine):
            certificate = left.certificate(certificate_id)
            if certificate is None or (position and not _may_go(contents, certificate, path)):
                continue
            removed &= await self._delete("Certificate", certificate_id)
            left = replace(left, certificates=tuple(one for one in left.certificates if one is not certificate))
            key_id = certificate.key_id
            if key_id and not any(one.key_id == key_id for one in left.certificates):
                removed &= await self._delete("Key", key_id)
        return removed

    async def _delete(self, kind: str, object_id: str) -> bool:
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


def _entry(contents: Contents, path: StorePath) -> StoredCertificate:
    leaf = contents.leaf_of(path)
    return StoredCertificate(
        handle=path.path_id,
        alias=path.alias or (contents.alias_of(leaf) if leaf is not None else ""),
        fingerprints=tuple(facts.fingerprint for der in contents.ders_of(path) if (facts := _facts(der)) is not None),
        has_key=contents.has_key(leaf) if leaf is not None else None,
        in_use_by_tls=path.path_id in contents.assigned,
    )


def _facts(der: bytes) -> CertificateFacts | None:
    try:
        return read_facts(der)
    except OperatorError:
        return None


def _free_slots(contents: Contents, features: KeystoreFeatures) -> int | None:
    """How many more key pairs with one certificate fit; None where the device names no limit."""
    limits = (
        (features.most_keys, len(contents.keys)),
        (features.most_certificates, len(contents.certificates)),
        (features.most_paths, len(contents.paths)),
    )
    return min((max(0, most - have) for most, have in limits if most is not None), default=None)


def _without_roots(chain_der: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Roots are never uploaded: no client takes one from a device."""
    return tuple(der for der in chain_der if not read_facts(der).self_issued)


def _chosen_encryption(features: KeystoreFeatures) -> Pkcs12Encryption:
    if not features.encryptions:
        raise Unsupported("the device lists no encryption of PKCS#12 files that can be written here")
    return features.encryptions[0]


def _same_series(name: str, alias: str) -> bool:
    """Whether a name is of the same device's series as the alias, and not of a later revision."""
    other, own = _OURS.fullmatch(name), _OURS.fullmatch(alias)
    if own is None or other is None:
        return bool(name) and name == alias
    return other[1] == own[1] and int(other[2]) <= int(own[2])


def _may_go(contents: Contents, certificate: StoreCertificate, path: StorePath) -> bool:
    """An issuer goes with its path only if nobody else named it."""
    alias = contents.alias_of(certificate)
    return not alias or alias == path.alias or _OURS.fullmatch(alias) is not None
