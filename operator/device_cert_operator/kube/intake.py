"""Where objects come in: from watches, from lists, and from the answers to our own writes. One door for all of them."""

from collections.abc import Callable

from device_cert_operator.core.model import ObjectKey
from device_cert_operator.kube.cache import Cache, Change
from device_cert_operator.kube.revisions import secret_view
from device_cert_operator.kube.routing import (
    after_authority,
    after_certificate,
    after_device,
    after_secret,
    certificate_keys_of,
    device_keys_of,
)
from device_cert_operator.kube.views import Object


class Intake:
    """Takes objects as they come and wakes whoever has to look. wake, forget: of the queue."""

    def __init__(self, cache: Cache, wake: Callable[[ObjectKey], None], forget: Callable[[ObjectKey], None]) -> None:
        self._cache = cache
        self._wake = wake
        self._forget = forget

    def take(self, obj: Object, *, deleted: bool = False) -> None:
        """One object: new, changed or gone."""
        kind, meta = obj["kind"], obj["metadata"]
        key = ObjectKey(kind, meta.get("namespace", ""), meta["name"])
        match kind:
            case "Device":
                keys = self._device(obj, key, deleted=deleted)
            case "DeviceCertificate":
                keys = self._certificate(obj, key, deleted=deleted)
            case "CertificateAuthority":
                keys = self._authority(obj, key, deleted=deleted)
            case _:
                keys = self._secret(obj, key, deleted=deleted)
        for one in keys:
            self._wake(one)

    def _device(self, obj: Object, key: ObjectKey, *, deleted: bool) -> list[ObjectKey]:
        if deleted:
            self._forget(key)
            dependents = after_device(self._cache, key, Change.STATUS)  # while its uid is known
            return dependents if self._evict(key) else []
        return after_device(self._cache, key, self._cache.apply(obj))

    def _certificate(self, obj: Object, key: ObjectKey, *, deleted: bool) -> list[ObjectKey]:
        before = device_keys_of(self._cache.certificate(key))
        if deleted:
            self._forget(key)
            return before if self._evict(key) else []
        change = self._cache.apply(obj)
        now = device_keys_of(self._cache.certificate(key))
        return after_certificate(key, change, sorted({*before, *now}))

    def _authority(self, obj: Object, key: ObjectKey, *, deleted: bool) -> list[ObjectKey]:
        if deleted:
            self._forget(key)
            return after_authority(self._cache, key, Change.STATUS if self._evict(key) else Change.NONE)
        return after_authority(self._cache, key, self._cache.apply(obj))

    def _secret(self, obj: Object, key: ObjectKey, *, deleted: bool) -> list[ObjectKey]:
        view = secret_view(obj, key.kind)
        if deleted or not view.use:
            known = self._cache.secret(key.namespace, key.name, key.kind)
            return after_secret(self._cache, known, Change.SPEC) if known and self._evict(key) else []
        return after_secret(self._cache, view, self._cache.apply(obj))

    def _evict(self, key: ObjectKey) -> bool:
        return self._cache.evict(key.kind, key.namespace, key.name)

    def gone(self, kind: str, namespace: str, name: str) -> None:
        """An object that is confirmed gone: forget it, and wake who depended on it."""
        key = ObjectKey(kind, namespace, name)
        dependents: list[ObjectKey] = []
        match kind:
            case "Device":
                dependents = certificate_keys_of(self._cache, key)
            case "CertificateAuthority":
                dependents = after_authority(self._cache, key, Change.STATUS)
            case "Secret" | "ConfigMap":
                known = self._cache.secret(namespace, name, kind)
                dependents = after_secret(self._cache, known, Change.SPEC) if known else []
        self._evict(key)
        self._forget(key)
        for one in dependents:
            self._wake(one)
