"""Lists beside the watches: the first fill of the cache, and the rounds that notice what a watch never told.

A delete that happens before a watch is re-listed is never reported by it; a watch may be silently dead. So every few
minutes the names and versions of everything are listed, without contents, and compared.
"""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass

from device_cert_operator.api.v1alpha1.common import GROUP, VERSION
from device_cert_operator.errors import NotFound
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.client import Requests
from device_cert_operator.kube.secrets import METADATA_ONLY
from device_cert_operator.kube.views import USE, Object

LOG = logging.getLogger(__name__)
PAGE = 500


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind that is watched. labelled: only objects with our label."""

    kind: str
    base: str
    plural: str
    labelled: bool


RESOURCES = (
    Resource("Device", f"/apis/{GROUP}/{VERSION}", "devices", False),
    Resource("DeviceCertificate", f"/apis/{GROUP}/{VERSION}", "devicecertificates", False),
    Resource("CertificateAuthority", f"/apis/{GROUP}/{VERSION}", "certificateauthorities", False),
    Resource("Secret", "/api/v1", "secrets", True),
    Resource("ConfigMap", "/api/v1", "configmaps", True),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a round found: objects that are gone, and objects that the cache does not know in this version."""

    gone: tuple[tuple[str, str, str], ...]
    unknown: tuple[tuple[str, str, str], ...]


class Lister:
    """Lists of all kinds, in the namespaces watched (none given: all)."""

    def __init__(self, requests: Requests, cache: Cache, namespaces: tuple[str, ...]) -> None:
        self._requests = requests
        self._cache = cache
        self._namespaces = namespaces

    async def fill(self, resources: tuple[Resource, ...] = RESOURCES) -> None:
        """Put everything into the cache. Raises ClusterError; NotFound while the CRDs are not installed."""
        for resource in resources:
            async for item in self._list(resource, "application/json"):
                self._cache.apply({"kind": resource.kind} | item)

    async def compare(self) -> Difference:
        """List names and versions of everything, confirm what is gone. Raises ClusterError."""
        gone: list[tuple[str, str, str]] = []
        unknown: list[tuple[str, str, str]] = []
        for resource in RESOURCES:
            known = self._cache.versions(resource.kind)
            listed = {}
            async for item in self._list(resource, METADATA_ONLY):
                meta = item["metadata"]
                listed[meta.get("namespace", ""), meta["name"]] = meta["resourceVersion"]
            for place in known.keys() - listed.keys():
                if await self._is_gone(resource, *place):
                    gone.append((resource.kind, *place))
            unknown += [
                (resource.kind, *place) for place, version in listed.items() if _newer(version, known.get(place))
            ]
        return Difference(tuple(gone), tuple(unknown))

    async def fetch(self, kind: str, namespace: str, name: str) -> Object | None:
        """One object, live; None when it is gone. Raises ClusterError."""
        resource = next(one for one in RESOURCES if one.kind == kind)
        try:
            found = await self._requests.call("GET", f"{_path(resource, namespace)}/{name}")
        except NotFound:
            return None
        return {"kind": kind} | found

    async def _is_gone(self, resource: Resource, namespace: str, name: str) -> bool:
        """Missing from a list is confirmed by a live read: it may have been made, or labelled, meanwhile."""
        found = await self.fetch(resource.kind, namespace, name)
        return found is None or (resource.labelled and USE not in (found["metadata"].get("labels") or {}))

    async def _list(self, resource: Resource, accept: str) -> AsyncIterator[Object]:
        for namespace in self._namespaces or ("",):
            query = {"limit": str(PAGE)} | ({"labelSelector": USE} if resource.labelled else {})
            while True:
                page = await self._requests.call("GET", _path(resource, namespace), query=query, accept=accept)
                for item in page.get("items") or ():
                    yield item
                token = (page.get("metadata") or {}).get("continue")
                if not token:
                    break
                query["continue"] = token


def _path(resource: Resource, namespace: str) -> str:
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{resource.base}{inside}/{resource.plural}"


def _newer(listed: str, known: str | None) -> bool:
    if known is None:
        return True
    return listed != known and not (listed.isdigit() and known.isdigit() and int(listed) < int(known))
