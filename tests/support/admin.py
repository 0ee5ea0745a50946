"""The tests' own hand on the cluster, as administrator and without a kubectl process for each look.

A process of kubectl takes 0.1 s of CPU and more: stories that ran one each 0.1 s left the machine no time for the rest.
"""

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from threading import Lock
from typing import Any

from kubernetes.config import new_client_from_config
from kubernetes.dynamic import DynamicClient, Resource
from kubernetes.dynamic.exceptions import DynamicApiError, NotFoundError

from local_control_plane.plane import ControlPlane

Object = dict[str, Any]

_DEVICECERT = "devicecert.io/v1alpha1"
# as one types them to kubectl
_KINDS: Mapping[str, tuple[str, str]] = {
    "dev": (_DEVICECERT, "Device"),
    "dcert": (_DEVICECERT, "DeviceCertificate"),
    "dca": (_DEVICECERT, "CertificateAuthority"),
    "secret": ("v1", "Secret"),
    "configmap": ("v1", "ConfigMap"),
    "serviceaccount": ("v1", "ServiceAccount"),
    "namespace": ("v1", "Namespace"),
    "event": ("v1", "Event"),
    "lease": ("coordination.k8s.io/v1", "Lease"),
    "certificaterequest": ("cert-manager.io/v1", "CertificateRequest"),
}
_WITHIN = 10  # seconds a request


class Admin:
    """One control plane, as a member of system:masters; safe for several threads.

    Methods raise DynamicApiError, in the API server's own words, where it refuses.
    """

    def __init__(self, plane: ControlPlane) -> None:
        client = new_client_from_config(str(plane.kubeconfig))
        self._client = DynamicClient(client, cache_file=str(plane.folder / f"discovered-{id(self)}.json"))
        self._known: dict[tuple[str, str], Resource] = {}
        self._discovering = Lock()

    def find(self, namespace: str, kind: str, name: str) -> Object:
        """One object; {} when it is not there. kind: singular, as kubectl takes it."""
        try:
            return _ask(self._resource(*_KINDS[kind]).get, name=name, namespace=namespace)
        except NotFoundError:
            return {}

    def all(self, namespace: str, kind: str) -> list[Object]:
        """All of a kind in a namespace."""
        return list(_ask(self._resource(*_KINDS[kind]).get, namespace=namespace)["items"])

    def apply(self, namespace: str, *objects: Object) -> None:
        """Have them as they are given: server-side, whoever has them otherwise, with no unknown field."""
        for one in objects:
            apply = self._resource(one["apiVersion"], one["kind"]).server_side_apply
            strict = [("fieldValidation", "Strict")]
            _ask(apply, body=one, namespace=namespace, field_manager="tests", force_conflicts=True, query_params=strict)

    def create(self, namespace: str, one: Object, *, dry_run: bool = False) -> Object:
        """A new object, with no unknown field; dry_run: only see whether it would be admitted."""
        more = {"dry_run": "All"} if dry_run else {}
        strict = [("fieldValidation", "Strict")]
        create = self._resource(one["apiVersion"], one["kind"]).create
        return _ask(create, body=one, namespace=namespace, query_params=strict, **more)

    def token(self, namespace: str, account: str, *, seconds: int) -> str:
        """A bearer token of a service account."""
        wanted = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": seconds},
        }
        create = self._resource(*_KINDS["serviceaccount"]).subresources["token"].create
        return str(_ask(create, name=account, namespace=namespace, body=wanted)["status"]["token"])

    def may(self, user: str, verb: str, group: str, resource: str, namespace: str) -> bool:
        """Whether this user is allowed that. namespace: "" for all of them."""
        where = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": user, "resourceAttributes": where},
        }
        return bool(_ask(self._resource(review["apiVersion"], review["kind"]).create, body=review)["status"]["allowed"])

    def _resource(self, version: str, kind: str) -> Resource:
        with self._discovering:
            if (version, kind) not in self._known:
                self._known[version, kind] = self._client.resources.get(api_version=version, kind=kind)
            return self._known[version, kind]


@lru_cache
def admin(plane: ControlPlane) -> Admin:
    """One for each plane of this process."""
    return Admin(plane)


def said(refusal: DynamicApiError) -> str:
    """The API server's own sentence."""
    return str(json.loads(refusal.body)["message"])


def _ask(what: Callable[..., Any], **given: Any) -> Object:
    return dict(json.loads(what(**given, serialize=False, _request_timeout=_WITHIN).data))
