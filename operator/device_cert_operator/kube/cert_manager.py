"""CertificateRequests of cert-manager: made, read, older ones cleared away. Not watched: its CRDs may be absent."""

import contextlib
from typing import Any

from device_cert_operator.api.v1alpha1.common import GROUP, VERSION
from device_cert_operator.errors import Conflict, IssuerUnavailable, MissingReference, NotFound
from device_cert_operator.kube.client import Requests
from device_cert_operator.kube.views import OWNER_UID, CertificateView, Object
from device_cert_operator.reasons import Reason

_API = "/apis/cert-manager.io/v1"
LABEL = "devicecert.io/certificate-uid"
KEPT = 2


class CertManager:
    """Live reads and writes."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    async def read(self, namespace: str, name: str) -> Object | None:
        """The CertificateRequest; None when there is none. Raises ClusterError."""
        with contextlib.suppress(NotFound):
            return await self._requests.call("GET", _path(namespace, name))
        return None

    async def create(self, owner: CertificateView, name: str, spec: dict[str, Any]) -> None:
        """Ask for a signature; a request of ours that is there already is as good.

        Raises IssuerUnavailable (CertManagerMissing), MissingReference (RequestNotOurs), ClusterError.
        """
        namespace = owner.key.namespace
        reference = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "DeviceCertificate",
            "name": owner.key.name,
            "uid": owner.uid,
        }
        manifest = {
            "apiVersion": "cert-manager.io/v1",
            "kind": "CertificateRequest",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {LABEL: owner.uid},
                "annotations": {OWNER_UID: owner.uid},
                "ownerReferences": [reference],
            },
            "spec": spec,
        }
        try:
            await self._requests.call("POST", _path(namespace), body=manifest)
        except NotFound:
            raise IssuerUnavailable(
                "This cluster has no CertificateRequests (cert-manager.io/v1): install cert-manager.",
                reason=Reason.CERT_MANAGER_MISSING,
            ) from None
        except Conflict:
            there = await self._requests.call("GET", _path(namespace, name))
            if not is_ours(there, owner.uid):
                raise not_ours(namespace, name) from None

    async def remove(self, owner: CertificateView, name: str) -> None:
        """Delete a request of ours, if it is there. Raises ClusterError."""
        there = await self.read(owner.key.namespace, name)
        if there is None or not is_ours(there, owner.uid):
            return
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": there["metadata"]["uid"]}}
        with contextlib.suppress(NotFound):
            await self._requests.call("DELETE", _path(owner.key.namespace, name), body=body)

    async def clear(self, owner: CertificateView) -> None:
        """Delete all but the last two requests of this DeviceCertificate. Raises ClusterError."""
        namespace = owner.key.namespace
        listed = await self._requests.call("GET", _path(namespace), query={"labelSelector": f"{LABEL}={owner.uid}"})
        items: list[Object] = sorted(listed.get("items") or [], key=_number)
        for item in items[:-KEPT]:
            with contextlib.suppress(NotFound):
                await self._requests.call("DELETE", _path(namespace, item["metadata"]["name"]))


def is_ours(request: Object, owner_uid: str) -> bool:
    """Whether this DeviceCertificate made the CertificateRequest."""
    return bool((request["metadata"].get("annotations") or {}).get(OWNER_UID) == owner_uid)


def not_ours(namespace: str, name: str) -> MissingReference:
    """Somebody else has the name that we need."""
    return MissingReference(
        f"CertificateRequest {namespace}/{name} exists and is not of this DeviceCertificate: delete it; another "
        "follows.",
        reason=Reason.REQUEST_NOT_OURS,
    )


def _number(item: Object) -> int:
    tail = str(item["metadata"]["name"]).rpartition("-r")[2]
    return int(tail) if tail.isdigit() else 0


def _path(namespace: str, name: str = "") -> str:
    base = f"{_API}/namespaces/{namespace}/certificaterequests"
    return f"{base}/{name}" if name else base
