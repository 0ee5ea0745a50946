"""Events → cache → queue: what kopf tells goes to the intake, and a handler returns nothing."""

from collections.abc import Callable
from typing import Any

import kopf

from device_cert_operator.api.v1alpha1.common import GROUP, VERSION
from device_cert_operator.kube.views import USE, Object


def register(registry: kopf.OperatorRegistry, take: Callable[[Object, bool], object]) -> None:
    """Watch our kinds, and the Secrets and ConfigMaps that bear our label. take: gets (object, deleted)."""

    async def on_event(event: Any, **_: Any) -> None:
        take(dict(event["object"]), event["type"] == "DELETED")

    for plural in ("devices", "devicecertificates", "certificateauthorities"):
        kopf.on.event(GROUP, VERSION, plural, registry=registry, id=plural)(on_event)
    for plural in ("secrets", "configmaps"):
        kopf.on.event("", "v1", plural, registry=registry, id=plural, labels={USE: kopf.PRESENT})(on_event)
        kopf.on.event("", "v1", plural, registry=registry, id=f"{plural}-unlabelled", labels={USE: kopf.ABSENT})(
            on_event
        )
