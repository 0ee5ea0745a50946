"""Events: what happened, where people look for it. They are told once and never fail a pass."""

import hashlib
import logging
from datetime import UTC, datetime

from device_cert_operator.api.v1alpha1.common import GROUP, VERSION
from device_cert_operator.clock import Clock
from device_cert_operator.errors import Conflict, OperatorError
from device_cert_operator.kube.client import Requests
from device_cert_operator.kube.views import View

LOG = logging.getLogger(__name__)
COMPONENT = "device-cert-operator"


class Events:
    """Writes core/v1 Events."""

    def __init__(self, requests: Requests, clock: Clock) -> None:
        self._requests = requests
        self._clock = clock

    async def emit(self, view: View, kind: str, reason: str, message: str) -> None:
        """kind: `Normal` or `Warning`. An event that cannot be written is logged."""
        now = self._clock.now().astimezone(UTC)
        namespace, name = view.key.namespace, view.key.name
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        level = logging.INFO if kind == "Normal" else logging.WARNING
        LOG.log(level, message, extra={"object": str(view.key), "reason": str(reason)})
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name[:200]}.{_suffix(view.uid, reason, message, now)}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": view.key.kind,
                "name": name,
                "namespace": namespace,
                "uid": view.uid,
            },
            "type": kind,
            "reason": str(reason),
            "message": message[:1024],
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            await self._requests.call("POST", f"/api/v1/namespaces/{namespace}/events", body=body)
        except Conflict:
            pass
        except OperatorError as error:
            LOG.warning("An event could not be written: %s", error.message, extra={"object": str(view.key)})


def _suffix(uid: str, reason: str, message: str, now: datetime) -> str:
    """The same event within a second is one."""
    text = f"{uid}/{reason}/{message}/{int(now.timestamp())}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
