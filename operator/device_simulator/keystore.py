"""A device's keystore with few slots: keys, certificates, certification paths, passphrases and one assignment.

Rules and fault names: ONVIF Security Service 26.06, chapter 5.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from device_simulator.pfx import Contents, StoreFault, chain_is_broken, read_pfx
from device_simulator.tls import Key, KeyAndChain, kind_of, spki_sha256


@dataclass
class StoredKey:
    """A key. public_sha256 None: still being made. private None: only the public half is known.
    ready_at: monotonic time until which the device says that it is being made."""

    public_sha256: str | None
    private: Key | None
    alias: str = ""
    ready_at: float = 0.0
    external: bool = True


@dataclass
class StoredCertificate:
    """A certificate and the key it belongs to."""

    certificate: x509.Certificate
    key_id: str
    alias: str = ""


@dataclass
class Path:
    """A certification path: certificate ids, leaf first."""

    certificate_ids: tuple[str, ...]
    alias: str = ""


@dataclass
class Keystore:
    """Everything that a factory reset empties. used_elsewhere: paths assigned to another service."""

    most_keys: int = 8
    most_certificates: int = 8
    most_paths: int = 4
    most_passphrases: int = 2
    encryptions: tuple[str, ...] = ("PBES2",)
    key_types: tuple[str, ...] = ("RSA-2048", "RSA-3072", "ECDSA-P256")
    keys: dict[str, StoredKey] = field(default_factory=dict)
    certificates: dict[str, StoredCertificate] = field(default_factory=dict)
    paths: dict[str, Path] = field(default_factory=dict)
    passphrases: dict[str, tuple[str, str]] = field(default_factory=dict)
    assigned: str | None = None
    used_elsewhere: set[str] = field(default_factory=set)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def new_id(self, kind: str) -> str:
        """An NCName."""
        return f"{kind}-{next(self._numbers)}"

    # ---------------------------------------------------------------------------------------------- add

    def reserve_key(self, alias: str, ready_at: float) -> str:
        """A slot for a key that is being made."""
        self._room(self.keys, self.most_keys, "MaximumNumberOfKeysReached")
        key_id = self.new_id("key")
        self.keys[key_id] = StoredKey(None, None, alias, ready_at, external=False)
        return key_id

    def fill_key(self, key_id: str, key: Key) -> None:
        """It is made; nothing happens where somebody deleted the slot meanwhile."""
        if (slot := self.keys.get(key_id)) is not None:
            slot.public_sha256, slot.private = spki_sha256(key.public_key()), key

    def add_key(self, key: Key, alias: str, *, ready_at: float = 0.0, external: bool = True) -> str:
        """A key pair; the id of the same key where it is known already."""
        public = spki_sha256(key.public_key())
        for key_id, stored in self.keys.items():
            if stored.public_sha256 == public:
                stored.private = stored.private or key
                return key_id
        self._room(self.keys, self.most_keys, "MaximumNumberOfKeysReached")
        key_id = self.new_id("key")
        self.keys[key_id] = StoredKey(public, key, alias, ready_at, external)
        return key_id

    def add_certificate(self, certificate: x509.Certificate, alias: str, *, key_required: bool = False) -> str:
        """A certificate; its public key gets a slot where no key fits."""
        self._room(self.certificates, self.most_certificates, "MaximumNumberOfCertificatesReached")
        public_key = certificate.public_key()
        if not isinstance(public_key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
            raise StoreFault("InvalidArgVal UnsupportedPublicKeyAlgorithm")
        public = spki_sha256(public_key)
        key_id = next((one for one, stored in self.keys.items() if stored.public_sha256 == public), None)
        if key_required and (key_id is None or self.keys[key_id].private is None):
            raise StoreFault("InvalidArgVal NoMatchingPrivateKey")
        if key_id is None:
            self._room(self.keys, self.most_keys, "MaximumNumberOfKeysReached")
            key_id = self.new_id("key")
            self.keys[key_id] = StoredKey(public, None, alias)
        certificate_id = self.new_id("cert")
        self.certificates[certificate_id] = StoredCertificate(certificate, key_id, alias)
        return certificate_id

    def add_path(self, certificate_ids: tuple[str, ...], alias: str, *, path_id: str | None = None) -> str:
        """A path; each certificate must be signed by the next. path_id: a free one unless given."""
        self._room(self.paths, self.most_paths, "MaximumNumberOfCertificationPathsReached")
        if not certificate_ids or any(one not in self.certificates for one in certificate_ids):
            raise StoreFault("InvalidArgVal CertificateID")
        if chain_is_broken([self.certificates[one].certificate for one in certificate_ids]):
            raise StoreFault("InvalidArgVal InvalidCertificationPath")
        path_id = path_id or self.new_id("path")
        self.paths[path_id] = Path(certificate_ids, alias)
        return path_id

    def add_pkcs12(
        self,
        data: bytes,
        passphrase: str | None,
        path_alias: str,
        key_alias: str,
        *,
        leaf_only: bool = False,
        admit: Callable[[Contents], Contents] = lambda found: found,
    ) -> tuple[str, str]:
        """(path id, key id) of an uploaded PFX. Raises StoreFault and leaves everything as it was.

        admit: what the device makes of its contents before they are stored; may raise StoreFault.
        """
        found = read_pfx(data, passphrase, self.encryptions, leaf_only=leaf_only)
        self.check_kind(found.key)
        return self.add_pair(admit(found), path_alias, key_alias)

    def check_kind(self, key: Key) -> None:
        """Raises StoreFault for a kind of key that is not taken."""
        if (kind := kind_of(key)) not in self.key_types:
            other_length = any(one.partition("-")[0] == kind.partition("-")[0] for one in self.key_types)
            raise StoreFault(f"InvalidArgVal {'KeyLength' if other_length else 'UnsupportedPublicKeyAlgorithm'}")

    def add_pair(
        self, found: Contents, path_alias: str, key_alias: str, *, path_id: str | None = None
    ) -> tuple[str, str]:
        """(path id, key id) of a key with its chain. Raises StoreFault and leaves everything as it was."""
        before = (dict(self.keys), dict(self.certificates), dict(self.paths))
        try:
            key_id = self.add_key(found.key, key_alias)
            ids = tuple(self._known_or_new(certificate, path_alias) for certificate in found.chain)
            return self.add_path(ids, path_alias, path_id=path_id), key_id
        except StoreFault:
            self.keys, self.certificates, self.paths = before
            raise

    def _known_or_new(self, certificate: x509.Certificate, alias: str) -> str:
        for certificate_id, stored in self.certificates.items():
            if stored.certificate == certificate:
                return certificate_id
        return self.add_certificate(certificate, alias)

    # ------------------------------------------------------------------------------------------- remove

    def delete_key(self, key_id: str) -> None:
        """Refused while a certificate refers to it."""
        if key_id not in self.keys:
            raise StoreFault("InvalidArgVal KeyID")
        if any(one.key_id == key_id for one in self.certificates.values()):
            raise StoreFault("InvalidArgVal ReferenceExists")
        del self.keys[key_id]

    def delete_certificate(self, certificate_id: str) -> None:
        """Refused while a path refers to it."""
        if certificate_id not in self.certificates:
            raise StoreFault("InvalidArgVal CertificateID")
        if any(certificate_id in path.certificate_ids for path in self.paths.values()):
            raise StoreFault("InvalidArgVal ReferenceExists")
        del self.certificates[certificate_id]

    def delete_path(self, path_id: str) -> None:
        """Refused while a service uses it."""
        if path_id not in self.paths:
            raise StoreFault("InvalidArgVal CertificationPathID")
        if path_id == self.assigned or path_id in self.used_elsewhere:
            raise StoreFault("InvalidArgVal ReferenceExists")
        del self.paths[path_id]

    def put_in_place_of(self, path_id: str | None, identity: KeyAndChain, alias: str, *, external: bool = True) -> str:
        """A path with a key and certificate of its own; what was in this path gives up its slots."""
        if path_id is not None and path_id not in self.used_elsewhere:
            self.forget(path_id)
        self.add_key(identity.key, alias, external=external)
        return self.add_path(tuple(self.add_certificate(one, alias) for one in identity.chain), alias)

    def forget(self, path_id: str, *, keep_key: str | None = None) -> None:
        """A path, and of its certificates and keys what nothing else refers to."""
        ids = self.paths.pop(path_id).certificate_ids
        for certificate_id in ids:
            if not any(certificate_id in path.certificate_ids for path in self.paths.values()):
                key_id = self.certificates.pop(certificate_id).key_id
                if key_id != keep_key and not any(one.key_id == key_id for one in self.certificates.values()):
                    del self.keys[key_id]

    # ------------------------------------------------------------------------------------------ identity

    def identity(self, path_id: str | None) -> KeyAndChain | None:
        """The key and chain behind a path, if it can be served."""
        if path_id is None or path_id not in self.paths:
            return None
        stored = [self.certificates[one] for one in self.paths[path_id].certificate_ids]
        key = self.keys[stored[0].key_id].private
        return KeyAndChain(key, tuple(one.certificate for one in stored)) if key is not None else None

    @staticmethod
    def _room(slots: dict, most: int, fault: str) -> None:  # type: ignore[type-arg]
        if len(slots) >= most:
            raise StoreFault(f"Action {fault}")


def parse_certificate(der: bytes) -> x509.Certificate:
    """An uploaded certificate; its dates are not looked at (BadCertificate must not be raised for them)."""
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        raise StoreFault("InvalidArgVal BadCertificate") from None


def to_der(certificate: x509.Certificate) -> bytes:
    """DER."""
    return certificate.public_bytes(Encoding.DER)
