"""Events → cache → queue: what kopf tells goes to the intake, and a handler returns nothing."""

from typing import Any, Protocol

import kopf

from device_cert_operator.api.v1alpha1.common import GROUP, VERSION
from device_cert_operator.kube.views import USE, Object


class See(Protocol):
    """Gets every object. listed: the watch began anew, and this one stood in its list."""

    def __call__(self, obj: Object, *, deleted: bool, listed: bool) -> object: ...


def register(registry: kopf.OperatorRegistry, see: See) -> None:
    """Watch our kinds, and the Secrets and ConfigMaps that bear our label."""

    async def on_event(event: Any, **_: Any) -> None:
        see(dict(event["object"]), deleted=event["type"] == "DELETED", listed=event["type"] is None)

    for plural in ("devices", "devicecertificates", "certificateauthorities"):
        kopf.on.event(GROUP, VERSION, plural, registry=registry, id=plural)(on_event)
    for plural in ("secrets", "configmaps"):
        kopf.on.event("", "v1", plural, registry=registry, id=plural, labels={USE: kopf.PRESENT})(on_event)
        kopf.on.event("", "v1", plural, registry=registry, id=f"{plural}-unlabelled", labels={USE: kopf.ABSENT})(
            on_event
        )
