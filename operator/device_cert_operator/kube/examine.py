"""Questions about the cluster itself, for `devicecert doctor`: definitions, rights, the Lease. Nothing is changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from device_cert_operator.api.v1alpha1.common import GROUP, VERSION
from device_cert_operator.errors import NotFound
from device_cert_operator.kube.client import Requests
from device_cert_operator.kube.views import Object

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
REVIEWS = "/apis/authorization.k8s.io/v1"
_EVERY_OBJECT_HAS = frozenset({"apiVersion", "kind", "metadata"})  # published in the API server's own words


@dataclass(frozen=True, slots=True)
class Right:
    """Verbs on one resource. subresource: after the slash. name: of the one object that is meant, empty for any."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    subresource: str = ""
    name: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.group, self.resource, self.subresource) if part)


NEEDED = (
    *(
        Right(GROUP, plural, ("get", "list", "watch"))
        for plural in ("devices", "devicecertificates", "certificateauthorities")
    ),
    *(
        Right(GROUP, plural, ("patch",), "status")
        for plural in ("devices", "devicecertificates", "certificateauthorities")
    ),
    Right("", "secrets", ("get", "list", "watch", "create", "patch", "delete")),
    Right("", "configmaps", ("get", "list", "watch", "create", "patch", "delete")),
    Right("", "events", ("create",)),
)
# only where there is cert-manager
FOR_CERT_MANAGER = (Right("cert-manager.io", "certificaterequests", ("get", "list", "create", "delete")),)


def lease_rights(name: str) -> tuple[Right, ...]:
    """In the Lease's namespace."""
    group, resource = "coordination.k8s.io", "leases"
    return Right(group, resource, ("create",)), Right(group, resource, ("get", "update"), name=name)


async def read_definition(requests: Requests, plural: str) -> Object | None:
    """One of our CRDs; None when it is not there. Raises ClusterError."""
    try:
        return await requests.call("GET", f"{DEFINITIONS}/{plural}.{GROUP}")
    except NotFound:
        return None


async def read_published_schema(requests: Requests, kind: str) -> dict[str, Any] | None:
    """The schema of one of our kinds as the API server publishes it for everybody (OpenAPI v3); None: not served.

    Raises ClusterError.
    """
    try:
        found = await requests.call("GET", f"/openapi/v3/apis/{GROUP}/{VERSION}")
    except NotFound:
        return None
    ours = {"group": GROUP, "version": VERSION, "kind": kind}
    schemas = (found.get("components") or {}).get("schemas") or {}
    return next((one for one in schemas.values() if ours in one.get("x-kubernetes-group-version-kind", ())), None)


async def has_cert_manager(requests: Requests) -> bool:
    """Whether this cluster has CertificateRequests. Raises ClusterError."""
    try:
        found = await requests.call("GET", "/apis/cert-manager.io/v1")
    except NotFound:
        return False
    return any(one["name"] == "certificaterequests" for one in found.get("resources") or ())


def schema_of(definition: Object) -> dict[str, Any]:
    """The schema of the version that this program speaks; {} when it is not served."""
    for version in definition["spec"]["versions"]:
        if version["name"] == VERSION and version.get("served"):
            return dict(version["schema"]["openAPIV3Schema"])
    return {}


def fields_of(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """(path, what is said of it without its children), in order; without what every object has."""
    for name, child in schema.get("properties", {}).items():
        if not path and name in _EVERY_OBJECT_HAS:
            continue
        where = f"{path}.{name}" if path else name
        own = {key: value for key, value in child.items() if key not in {"properties", "items"}}
        yield where, own
        yield from fields_of(child, where)
        if "items" in child:
            yield f"{where}[]", {key: value for key, value in child["items"].items() if key != "properties"}
            yield from fields_of(child["items"], f"{where}[]")


async def may(requests: Requests, right: Right, verb: str, namespace: str, account: tuple[str, str] | None) -> bool:
    """Whether we, or a ServiceAccount (namespace, name), may do that; namespace empty: in all. Raises ClusterError."""
    attributes = {
        "group": right.group,
        "resource": right.resource,
        "subresource": right.subresource,
        "name": right.name,
        "verb": verb,
        "namespace": namespace,
    }
    spec: Object = {"resourceAttributes": {name: text for name, text in attributes.items() if text}}
    kind = "SelfSubjectAccessReview"
    if account is not None:
        kind = "SubjectAccessReview"
        spec |= {
            "user": f"system:serviceaccount:{account[0]}:{account[1]}",
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{account[0]}", "system:authenticated"],
        }
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    answer = await requests.call("POST", f"{REVIEWS}/{kind.lower()}s", body=body)
    return bool((answer.get("status") or {}).get("allowed"))
