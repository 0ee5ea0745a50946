"""Events → cache → queue. A handler remembers and queues, within a few lines, and returns nothing."""

import logging
from typing import Any

import kopf

from device_cert_operator.api.v1alpha1.common import GROUP, VERSION
from device_cert_operator.core.model import ObjectKey
from device_cert_operator.engine.queue import KeyedQueue
from device_cert_operator.handlers.routing import after_certificate, after_device, after_secret, device_keys_of
from device_cert_operator.kube.cache import Cache, Change
from device_cert_operator.kube.revisions import secret_view
from device_cert_operator.kube.views import USE, Object

LOG = logging.getLogger(__name__)


class Intake:
    """Takes objects as they come, from watches and from lists, and queues whoever has to look."""

    def __init__(self, cache: Cache, queue: KeyedQueue[ObjectKey]) -> None:
        self._cache = cache
        self._queue = queue

    def take(self, obj: Object, *, deleted: bool = False) -> None:
        """One object: new, changed or gone."""
        kind, meta = obj["kind"], obj["metadata"]
        key = ObjectKey(kind, meta.get("namespace", ""), meta["name"])
        match kind:
            case "Device":
                keys = self._device(obj, key, deleted=deleted)
            case "DeviceCertificate":
                keys = self._certificate(obj, key, deleted=deleted)
            case _:
                keys = self._secret(obj, key, deleted=deleted)
        for one in keys:
            self._queue.add(one)

    def _device(self, obj: Object, key: ObjectKey, *, deleted: bool) -> list[ObjectKey]:
        if deleted:
            self._queue.forget(key)
            return after_device(self._cache, key, Change.STATUS if self._evict(key) else Change.NONE)
        return after_device(self._cache, key, self._cache.apply(obj))

    def _certificate(self, obj: Object, key: ObjectKey, *, deleted: bool) -> list[ObjectKey]:
        before = device_keys_of(self._cache.certificate(key))
        if deleted:
            self._queue.forget(key)
            return before if self._evict(key) else []
        change = self._cache.apply(obj)
        now = device_keys_of(self._cache.certificate(key))
        return after_certificate(key, change, sorted({*before, *now}))

    def _secret(self, obj: Object, key: ObjectKey, *, deleted: bool) -> list[ObjectKey]:
        view = secret_view(obj, key.kind)
        if deleted or not view.use:
            known = self._cache.secret(key.namespace, key.name, key.kind)
            return after_secret(self._cache, known, Change.SPEC) if known and self._evict(key) else []
        return after_secret(self._cache, view, self._cache.apply(obj))

    def _evict(self, key: ObjectKey) -> bool:
        return self._cache.evict(key.kind, key.namespace, key.name)

    def gone(self, kind: str, namespace: str, name: str) -> None:
        """An object that a list no longer shows and that has been evicted: wake who depended on it."""
        key = ObjectKey(kind, namespace, name)
        self._queue.forget(key)
        listing = self._cache.certificates_listing(namespace, name) if kind == "Device" else ()
        for view in listing:
            self._queue.add(view.key)


def register(registry: kopf.OperatorRegistry, intake: Intake) -> None:
    """Watch our kinds, and the Secrets and ConfigMaps that bear our label."""

    async def on_event(event: Any, **_: Any) -> None:
        obj = dict(event["object"])
        intake.take(obj, deleted=event["type"] == "DELETED")

    for plural in ("devices", "devicecertificates"):
        kopf.on.event(GROUP, VERSION, plural, registry=registry, id=plural)(on_event)
    for plural in ("secrets", "configmaps"):
        kopf.on.event("", "v1", plural, registry=registry, id=plural, labels={USE: kopf.PRESENT})(on_event)
        kopf.on.event("", "v1", plural, registry=registry, id=f"{plural}-unlabelled", labels={USE: kopf.ABSENT})(
            on_event
        )
