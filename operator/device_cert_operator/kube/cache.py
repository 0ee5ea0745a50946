"""What is known of the cluster: views by key, and the ways between them.

Never holds a private key. A newer resourceVersion wins, so that our own writes can go in at once.
"""

from collections import defaultdict
from dataclasses import replace
from enum import Enum, auto

from device_cert_operator.core.model import (
    AuthorityIssuer,
    CASecretIssuer,
    Issuer,
    ObjectKey,
    Revision,
)
from device_cert_operator.kube.relations import constraint_of, matters, signs, source_of, turns
from device_cert_operator.kube.revisions import secret_view
from device_cert_operator.kube.views import (
    OWNER_NAME,
    OWNER_UID,
    AuthorityView,
    CertificateView,
    DeviceView,
    Object,
    SecretView,
    View,
    authority_view,
    certificate_view,
    device_view,
)

SecretKey = tuple[str, str, str]


class Change(Enum):
    """What an event changed, as far as anybody cares."""

    NONE = auto()
    STATUS = auto()  # only what stories write themselves
    SPEC = auto()  # what is wanted, or that the object came or went


class Cache:
    """Everything is O(result): there are ten thousand of each."""

    def __init__(self) -> None:
        self._devices: dict[ObjectKey, DeviceView] = {}
        self._certificates: dict[ObjectKey, CertificateView] = {}
        self._authorities: dict[ObjectKey, AuthorityView] = {}
        self._secrets: dict[SecretKey, SecretView] = {}
        self._listing: dict[tuple[str, str], set[ObjectKey]] = defaultdict(set)
        self._by_issuer: dict[tuple[str, Issuer], set[ObjectKey]] = defaultdict(set)
        self._by_source: dict[tuple[str, str, str], set[ObjectKey]] = defaultdict(set)
        self._by_root: dict[tuple[str, str], set[SecretKey]] = defaultdict(set)
        self._by_login: dict[tuple[str, str], set[ObjectKey]] = defaultdict(set)
        self._revisions: dict[tuple[str, str], dict[str, Revision]] = defaultdict(dict)
        self._numbers: dict[tuple[str, str], set[int]] = defaultdict(set)
        self._pending: dict[tuple[str, str], set[SecretKey]] = defaultdict(set)
        self._given: dict[tuple[str, str], set[SecretKey]] = defaultdict(set)
        self._revision_keys: dict[str, set[SecretKey]] = defaultdict(set)
        self._learned: dict[str, set[ObjectKey]] = defaultdict(set)
        self._firmware_cas: dict[tuple[str, str], set[ObjectKey]] = defaultdict(set)
        self._by_constraint: dict[tuple[str, str], set[ObjectKey]] = defaultdict(set)
        self._uids: dict[str, ObjectKey] = {}

    # ------------------------------------------------------------------------------------------ reading

    def device(self, key: ObjectKey) -> DeviceView | None:
        """The Device, if it is known."""
        return self._devices.get(key)

    def certificate(self, key: ObjectKey) -> CertificateView | None:
        """The DeviceCertificate, if it is known."""
        return self._certificates.get(key)

    def authority(self, key: ObjectKey) -> AuthorityView | None:
        """The CertificateAuthority, if it is known."""
        return self._authorities.get(key)

    def all_authorities(self) -> tuple[AuthorityView, ...]:
        """Every CertificateAuthority."""
        return tuple(self._authorities.values())

    def all_devices(self) -> tuple[DeviceView, ...]:
        """Every Device."""
        return tuple(self._devices.values())

    def all_certificates(self) -> tuple[CertificateView, ...]:
        """Every DeviceCertificate."""
        return tuple(self._certificates.values())

    def secret(self, namespace: str, name: str, kind: str = "Secret") -> SecretView | None:
        """A labelled Secret or ConfigMap."""
        return self._secrets.get((kind, namespace, name))

    def sharing_firmware_ca(self, key: ObjectKey, fingerprint: str, serial_number: str) -> str | None:
        """A device with another serial number in this namespace with this CA in its firmware, if there is one."""
        if serial_number:
            for one in self._firmware_cas.get((key.namespace, fingerprint), ()):
                other = self._devices[one].status.identity.device.serial_number
                if one != key and other and other != serial_number:
                    return one.name
        return None

    def constrained_by(self, namespace: str, authority: str) -> tuple[ObjectKey, ...]:
        """The DeviceCertificates whose firmware CA this CertificateAuthority constrains."""
        return tuple(self._by_constraint.get((namespace, authority), ()))

    def certificates_listing(self, namespace: str, device: str) -> tuple[CertificateView, ...]:
        """The DeviceCertificates that list this Device, by name."""
        keys = sorted(self._listing.get((namespace, device), ()))
        return tuple(self._certificates[key] for key in keys)

    def using_ca(self, namespace: str, secret: str) -> tuple[ObjectKey, ...]:
        """The DeviceCertificates that this CA Secret signs for."""
        return tuple(self._by_issuer.get((namespace, CASecretIssuer(secret)), ()))

    def using_authority(self, namespace: str, name: str) -> tuple[ObjectKey, ...]:
        """The DeviceCertificates that this CertificateAuthority signs for."""
        return tuple(self._by_issuer.get((namespace, AuthorityIssuer(name)), ()))

    def waiting_for(self, namespace: str, kind: str, name: str) -> tuple[ObjectKey, ...]:
        """The DeviceCertificates whose certificate comes by this Secret or ConfigMap."""
        return tuple(self._by_source.get((namespace, kind, name), ()))

    def revisions_under(self, namespace: str, root_fingerprint: str) -> tuple[Revision, ...]:
        """The revisions that this CA certificate signed, of whatever owner."""
        views = (self._secrets[key] for key in self._by_root.get((namespace, root_fingerprint), ()))
        return tuple(view.revision for view in views if view.revision is not None)

    def device_with_uid(self, uid: str) -> DeviceView | None:
        """The Device with this uid, if it is known."""
        key = self._uids.get(uid)
        return self._devices.get(key) if key is not None else None

    def using_login(self, namespace: str, secret: str) -> tuple[ObjectKey, ...]:
        """The Devices that log in with this Secret."""
        return tuple(self._by_login.get((namespace, secret), ()))

    def revisions(self, namespace: str, owner_uid: str) -> tuple[Revision, ...]:
        """The revisions of a DeviceCertificate, by number."""
        found = self._revisions.get((namespace, owner_uid), {})
        return tuple(sorted(found.values(), key=lambda revision: revision.number))

    def all_revisions(self) -> tuple[SecretView, ...]:
        """The Secrets that hold one, of every namespace and owner."""
        return tuple(view for view in self._secrets.values() if view.revision is not None)

    def highest_revision(self, namespace: str, owner_name: str) -> int:
        """The highest number among the revisions of this name, whoever owned it; 0 without any."""
        return max(self._numbers.get((namespace, owner_name), {0}))

    def pending_keys(self, namespace: str, owner_uid: str) -> tuple[SecretView, ...]:
        """The Secrets with keys of a DeviceCertificate that wait, or waited, for a signature; by name."""
        return tuple(self._secrets[key] for key in sorted(self._pending.get((namespace, owner_uid), ())))

    def revisions_given_to(self, namespace: str, device_uid: str) -> tuple[Revision, ...]:
        """The revisions, of whatever owner, that this Device was given."""
        views = (self._secrets[key] for key in self._given.get((namespace, device_uid), ()))
        return tuple(view.revision for view in views if view.revision is not None)

    def givers_to(self, namespace: str, device_uid: str) -> tuple[ObjectKey, ...]:
        """The owners of revisions that this Device was given, whether they still list it or not."""
        owners = {
            self._secrets[key].annotations.get(OWNER_NAME, "") for key in self._given.get((namespace, device_uid), ())
        }
        return tuple(ObjectKey("DeviceCertificate", namespace, name) for name in sorted(owners) if name)

    def others_with_key(self, public_key_sha256: str, uid: str) -> tuple[str, ...]:
        """Names of other existing Devices that learned this key, or alone were given a revision with it."""
        names = {key.name for key in self._learned.get(public_key_sha256, ()) if self._devices[key].uid != uid}
        for secret in self._revision_keys.get(public_key_sha256, ()):
            revision = self._secrets[secret].revision
            if revision is not None and uid not in revision.given_to:
                names |= {self._uids[one].name for one in revision.given_to if one in self._uids}
        return tuple(sorted(names))

    def uids_in(self, namespace: str) -> frozenset[str]:
        """Every Device's uid in a namespace."""
        return frozenset(uid for uid, key in self._uids.items() if key.namespace == namespace)

    def exists(self, uid: str) -> bool:
        """Whether a Device with this uid is known."""
        return uid in self._uids

    def versions(self, kind: str) -> dict[tuple[str, str], str]:
        """(namespace, name) → resourceVersion of every object of a kind: for comparing with a list."""
        if kind == "Device":
            return {(key.namespace, key.name): view.resource_version for key, view in self._devices.items()}
        if kind == "DeviceCertificate":
            return {(key.namespace, key.name): view.resource_version for key, view in self._certificates.items()}
        if kind == "CertificateAuthority":
            return {(key.namespace, key.name): view.resource_version for key, view in self._authorities.items()}
        return {
            (namespace, name): view.resource_version
            for (of, namespace, name), view in self._secrets.items()
            if of == kind
        }

    # ------------------------------------------------------------------------------------------ writing

    def apply(self, obj: Object) -> Change:
        """Take an object as the API server gave it, unless it or a newer one is known."""
        if self._is_known(obj):
            return Change.NONE
        match obj["kind"]:
            case "Device":
                return self._apply_device(device_view(obj))
            case "DeviceCertificate":
                return self._apply_certificate(certificate_view(obj))
            case "CertificateAuthority":
                return self._apply_authority(authority_view(obj))
            case kind:
                return self._apply_secret(secret_view(obj, kind))

    def _is_known(self, obj: Object) -> bool:
        """By resourceVersion alone: most events are re-lists and our own writes."""
        meta = obj["metadata"]
        kind, namespace, name = obj["kind"], meta.get("namespace", ""), meta["name"]
        known: View | SecretView | None
        if kind == "Device":
            known = self._devices.get(ObjectKey(kind, namespace, name))
        elif kind == "DeviceCertificate":
            known = self._certificates.get(ObjectKey(kind, namespace, name))
        elif kind == "CertificateAuthority":
            known = self._authorities.get(ObjectKey(kind, namespace, name))
        else:
            known = self._secrets.get((kind, namespace, name))
        if known is None or known.uid != meta["uid"]:
            return False
        return known.resource_version == meta["resourceVersion"] or _is_older(
            meta["resourceVersion"], known.resource_version
        )

    def evict(self, kind: str, namespace: str, name: str) -> bool:
        """Forget an object. Whether it was known."""
        key = ObjectKey(kind, namespace, name)
        if kind == "Device":
            return self._drop_device(key)
        if kind == "DeviceCertificate":
            return self._drop_certificate(key)
        if kind == "CertificateAuthority":
            return self._authorities.pop(key, None) is not None
        return self._drop_secret((kind, namespace, name))

    def _apply_device(self, view: DeviceView) -> Change:
        old = self._devices.get(view.key)
        self._drop_device(view.key)
        self._devices[view.key] = view
        self._uids[view.uid] = view.key
        if view.desired is not None:
            self._by_login[view.key.namespace, view.desired.credentials_secret].add(view.key)
        if view.status.identity.public_key_sha256:
            self._learned[view.status.identity.public_key_sha256].add(view.key)
        if view.status.firmware_ca is not None:
            self._firmware_cas[view.key.namespace, view.status.firmware_ca.fingerprint].add(view.key)
        if old is None or old.uid != view.uid or old.desired != view.desired:
            return Change.SPEC
        return Change.STATUS if matters(old.status) != matters(view.status) else Change.NONE

    def _apply_certificate(self, view: CertificateView) -> Change:
        old = self._certificates.get(view.key)
        self._drop_certificate(view.key)
        self._certificates[view.key] = view
        if view.desired is not None:
            for device in view.desired.devices:
                self._listing[view.key.namespace, device].add(view.key)
            self._by_issuer[view.key.namespace, view.desired.issuer].add(view.key)
            if (source := source_of(view.desired.issuer)) is not None:
                self._by_source[view.key.namespace, *source].add(view.key)
            if (authority := constraint_of(view.desired.issuer)) is not None:
                self._by_constraint[view.key.namespace, authority].add(view.key)
        if old is None or old.uid != view.uid or old.desired != view.desired:
            return Change.SPEC
        return Change.STATUS if turns(old.status) != turns(view.status) else Change.NONE

    def _apply_authority(self, view: AuthorityView) -> Change:
        old = self._authorities.get(view.key)
        self._authorities[view.key] = view
        if old is None or old.uid != view.uid or old.desired != view.desired:
            return Change.SPEC
        return Change.STATUS if signs(old.status) != signs(view.status) else Change.NONE

    def _apply_secret(self, view: SecretView) -> Change:
        key = (view.kind, view.namespace, view.name)
        old = self._secrets.get(key)
        self._drop_secret(key)
        self._secrets[key] = view
        if view.use == "pending-key":
            self._pending[_waits_for(view)].add(key)
        if (revision := view.revision) is not None:
            self._revisions[view.namespace, revision.owner_uid][view.name] = revision
            self._revision_keys[revision.facts.public_key_sha256].add(key)
            self._by_root[view.namespace, revision.authority_fingerprint].add(key)
            self._numbers[_family(view)].add(revision.number)
            for uid in revision.given_to:
                self._given[view.namespace, uid].add(key)
        if old is not None and replace(old, resource_version=view.resource_version) == view and old.use != "ca":
            return Change.SPEC if view.use == "credentials" else Change.NONE
        return Change.SPEC

    def _drop_device(self, key: ObjectKey) -> bool:
        view = self._devices.pop(key, None)
        if view is None:
            return False
        if self._uids.get(view.uid) == key:
            del self._uids[view.uid]
        if view.desired is not None:
            _discard(self._by_login, (key.namespace, view.desired.credentials_secret), key)
        if view.status.identity.public_key_sha256:
            _discard(self._learned, view.status.identity.public_key_sha256, key)
        if view.status.firmware_ca is not None:
            _discard(self._firmware_cas, (key.namespace, view.status.firmware_ca.fingerprint), key)
        return True

    def _drop_certificate(self, key: ObjectKey) -> bool:
        view = self._certificates.pop(key, None)
        if view is None:
            return False
        if view.desired is not None:
            for device in view.desired.devices:
                _discard(self._listing, (key.namespace, device), key)
            _discard(self._by_issuer, (key.namespace, view.desired.issuer), key)
            if (source := source_of(view.desired.issuer)) is not None:
                _discard(self._by_source, (key.namespace, *source), key)
            if (authority := constraint_of(view.desired.issuer)) is not None:
                _discard(self._by_constraint, (key.namespace, authority), key)
        return True

    def _drop_secret(self, key: SecretKey) -> bool:
        view = self._secrets.pop(key, None)
        if view is None:
            return False
        _discard(self._pending, _waits_for(view), key)
        if (revision := view.revision) is not None:
            self._revisions[view.namespace, revision.owner_uid].pop(view.name, None)
            _discard(self._revision_keys, revision.facts.public_key_sha256, key)
            _discard(self._by_root, (view.namespace, revision.authority_fingerprint), key)
            _discard(self._numbers, _family(view), revision.number)
            for uid in revision.given_to:
                _discard(self._given, (view.namespace, uid), key)
        return True


def _family(view: SecretView) -> tuple[str, str]:
    """(namespace, name of the owner) of a revision."""
    return view.namespace, view.annotations.get(OWNER_NAME, "")


def _waits_for(view: SecretView) -> tuple[str, str]:
    """(namespace, uid of the owner) of a key that waits."""
    return view.namespace, view.annotations.get(OWNER_UID, "")


def _is_older(one: str, other: str) -> bool:
    """resourceVersions are comparable as numbers (KEP-5504); where they are not, the later event wins."""
    return one.isdigit() and other.isdigit() and int(one) < int(other)


def _discard(index: dict, key: object, item: object) -> None:  # type: ignore[type-arg]
    entries = index.get(key)
    if entries is not None:
        entries.discard(item)
        if not entries:
            del index[key]
