"""What is in a device's keystore at one moment, as values: what belongs together, and what is ours. Pure."""

import re
from dataclasses import dataclass

from device_cert_operator.core.model import CertificateFacts, Inventory, StoredCertificate
from device_cert_operator.drivers.onvif.security_messages import (
    KeystoreFeatures,
    StoreCertificate,
    StoreKey,
    StorePath,
)
from device_cert_operator.errors import OperatorError
from device_cert_operator.pki.facts import read_facts

OURS = re.compile(r"(dc-[0-9a-f]{8}-r)([0-9]+)")


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

    def key_under(self, alias: str) -> StoreKey | None:
        """The key pair of this alias, as far as one can tell."""
        named = (key for key in self.keys if key.alias == alias)
        return next((key for key in named if key.status == "corrupt" or self.holds(key)), None)

    def holds(self, key: StoreKey) -> bool:
        """Whether the private half is there, or being made: where neither the key nor a certificate denies it."""
        if key.status == "generating":
            return True
        if key.has_private_key is not None:
            return key.has_private_key
        of_it = [one for one in self.certificates if one.key_id == key.key_id]
        return all(one.has_private_key is not False for one in of_it)

    def is_used(self, key: StoreKey) -> bool:
        """Whether a certificate refers to it."""
        return any(one.key_id == key.key_id for one in self.certificates)


def inventory_of(contents: Contents, features: KeystoreFeatures) -> Inventory:
    """The store for those who decide. Certificates in no path are not listed: nothing can serve them."""
    return Inventory(
        certificates=tuple(_entry(contents, path) for path in contents.paths),
        free_slots=_free_slots(contents, features),
        keys=frozenset(key.alias for key in contents.keys if key.status != "corrupt" and contents.holds(key)) - {""},
    )


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


def same_series(name: str, alias: str) -> bool:
    """Whether a name is of the same device's series as the alias, and not of a later revision."""
    other, own = OURS.fullmatch(name), OURS.fullmatch(alias)
    if own is None or other is None:
        return bool(name) and name == alias
    return other[1] == own[1] and int(other[2]) <= int(own[2])


def older_in_series(name: str, alias: str) -> bool:
    """Whether a name is of the same device's series as the alias, and of an earlier number."""
    return name != alias and OURS.fullmatch(alias) is not None and same_series(name, alias)


def may_go(contents: Contents, certificate: StoreCertificate, path: StorePath) -> bool:
    """An issuer goes with its path only if nobody else named it."""
    alias = contents.alias_of(certificate)
    return not alias or alias == path.alias or OURS.fullmatch(alias) is not None
