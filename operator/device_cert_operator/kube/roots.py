"""The Secrets that hold roots, and the ConfigMap from which clients get them.

A root's Secret carries no ownerReference: deleting a CertificateAuthority must not destroy a key that clients trust.
"""

import contextlib
from dataclasses import dataclass, field
from typing import Any

from device_cert_operator.api.v1alpha1.common import GROUP, VERSION
from device_cert_operator.errors import Conflict, MissingReference, NotFound, Retry
from device_cert_operator.kube.client import MERGE, Requests
from device_cert_operator.kube.intake import Intake
from device_cert_operator.kube.revisions import decode, encode
from device_cert_operator.kube.secrets import object_path
from device_cert_operator.kube.views import OWNER_UID, SHAPE, USE, AuthorityView, DeviceView, Object
from device_cert_operator.reasons import Reason

_NAMES_IT = "CertificateAuthority"  # its spec says how the ConfigMap is called
NEW_BY_OLD, OLD_BY_NEW = "new-by-old.crt", "old-by-new.crt"


@dataclass(frozen=True, slots=True)
class RootSecret:
    """The data of a CA Secret, unchecked. shared: labelled for this use. shape: of what we made it.

    new_by_old, old_by_new: the cross-certificates of a rotation, in the Secret of the root that is to follow.
    """

    tls_crt: bytes | None = field(repr=False)
    tls_key: bytes | None = field(repr=False)
    new_by_old: bytes | None = field(repr=False)
    old_by_new: bytes | None = field(repr=False)
    uid: str
    resource_version: str
    shared: bool
    owner_uid: str | None = None
    shape: str | None = None


@dataclass(frozen=True, slots=True)
class NewRoot:
    """A root to be written, as PEM. crosses: NEW_BY_OLD and OLD_BY_NEW, where there are."""

    tls_crt: bytes = field(repr=False)
    tls_key: bytes = field(repr=False)
    shape: str
    crosses: dict[str, bytes] = field(default_factory=dict, repr=False)


class Roots:
    """Live reads and writes."""

    def __init__(self, requests: Requests, intake: Intake) -> None:
        self._requests = requests
        self._intake = intake

    async def read(self, namespace: str, name: str) -> RootSecret | None:
        """The Secret as it is now, None when there is none. Raises ClusterError."""
        try:
            found = await self._requests.call("GET", object_path("Secret", namespace, name))
        except NotFound:
            return None
        return _root_secret({"kind": "Secret"} | found)

    async def create(self, owner: AuthorityView, name: str, root: NewRoot) -> None:
        """Raises Conflict when there is a Secret of this name, ClusterError."""
        await self._create(owner, name, "ca", root)

    async def keep_aside(self, owner: AuthorityView, name: str, old: RootSecret) -> None:
        """A copy of a root that is about to be replaced; nothing signs with it, nothing deletes it.

        Raises Conflict when the name is taken by something else, ClusterError.
        """
        namespace = owner.key.namespace
        root = NewRoot(old.tls_crt or b"", old.tls_key or b"", old.shape or "")
        try:
            await self._create(owner, name, "retired", root)
        except Conflict:
            there = await self.read(namespace, name)
            if there is None or (there.tls_crt, there.tls_key) != (old.tls_crt, old.tls_key):
                raise Conflict(f"Secret {namespace}/{name} exists and is not ours: delete it.") from None

    async def replace(self, owner: AuthorityView, name: str, old: RootSecret, root: NewRoot) -> None:
        """Put another root in the place of exactly the one that was read. Raises Conflict, NotFound, ClusterError."""
        body = {
            "metadata": {
                "uid": old.uid,
                "resourceVersion": old.resource_version,
                "annotations": {OWNER_UID: owner.uid, SHAPE: root.shape},
            },
            "data": encode({"tls.crt": root.tls_crt, "tls.key": root.tls_key}),
        }
        path = object_path("Secret", owner.key.namespace, name)
        made = await self._requests.call("PATCH", path, body=body, content_type=MERGE)
        self._intake.take({"kind": "Secret"} | made)

    async def delete(self, namespace: str, name: str, found: RootSecret) -> None:
        """Delete exactly this Secret. Raises ClusterError."""
        body: Object = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": found.uid, "resourceVersion": found.resource_version},
        }
        with contextlib.suppress(NotFound):
            await self._requests.call("DELETE", object_path("Secret", namespace, name), body=body)
        self._intake.gone("Secret", namespace, name)

    async def read_bundle(self, namespace: str, name: str) -> dict[str, bytes]:
        """What a trust ConfigMap holds as text; nothing where there is none. Raises ClusterError."""
        try:
            found = await self._requests.call("GET", object_path("ConfigMap", namespace, name))
        except NotFound:
            return {}
        return {key: str(text).encode() for key, text in (found.get("data") or {}).items()}

    async def write_bundle(
        self,
        owner: AuthorityView | DeviceView,
        name: str,
        content: dict[str, dict[str, str]],
        annotations: dict[str, str] | None = None,
    ) -> None:
        """Make the ConfigMap hold exactly this. content: as `trust_content` gives it.

        Raises MissingReference (ConfigMapNotOurs) where there is somebody else's, Conflict, ClusterError.
        """
        namespace = owner.key.namespace
        meta: dict[str, Any] = {
            "name": name,
            "namespace": namespace,
            "labels": {USE: "trust"},
            "annotations": annotations or {},
        }
        manifest = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta | {"ownerReferences": [_owner_reference(owner)]},
            **content,
        }
        try:
            made = await self._requests.call("POST", object_path("ConfigMap", namespace), body=manifest)
        except Conflict:
            there = await self._requests.call("GET", object_path("ConfigMap", namespace, name))
            if owner.uid not in {one.get("uid") for one in there["metadata"].get("ownerReferences") or ()}:
                another = ", or name another in spec.trustBundle.configMapName" if owner.key.kind == _NAMES_IT else ""
                raise MissingReference(
                    f"ConfigMap {namespace}/{name} exists and is not ours: delete it{another}.",
                    reason=Reason.CONFIG_MAP_NOT_OURS,
                    retry=Retry.ON_CHANGE,
                ) from None
            made = await self._repair(namespace, name, there, content, annotations or {})
        self._intake.take({"kind": "ConfigMap"} | made)

    async def _repair(
        self,
        namespace: str,
        name: str,
        there: Object,
        content: dict[str, dict[str, str]],
        annotations: dict[str, str],
    ) -> Object:
        """What somebody added goes, what was changed comes back."""
        body: Object = {
            "metadata": {
                "resourceVersion": there["metadata"]["resourceVersion"],
                "labels": {USE: "trust"},
                "annotations": annotations,
            },
        }
        for part, values in content.items():
            extra: dict[str, None] = {key: None for key in there.get(part) or {} if key not in values}
            body[part] = {**extra, **values}
        return await self._requests.call(
            "PATCH", object_path("ConfigMap", namespace, name), body=body, content_type=MERGE
        )

    async def _create(self, owner: AuthorityView, name: str, use: str, root: NewRoot) -> None:
        namespace = owner.key.namespace
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {USE: use},
                "annotations": {OWNER_UID: owner.uid, SHAPE: root.shape},
            },
            "type": "kubernetes.io/tls",
            "data": encode({"tls.crt": root.tls_crt, "tls.key": root.tls_key, **root.crosses}),
        }
        made = await self._requests.call("POST", object_path("Secret", namespace), body=manifest)
        self._intake.take({"kind": "Secret"} | made)


def _root_secret(found: Object) -> RootSecret:
    meta = found["metadata"]
    notes = meta.get("annotations") or {}
    return RootSecret(
        decode(found, "tls.crt"),
        decode(found, "tls.key"),
        decode(found, NEW_BY_OLD),
        decode(found, OLD_BY_NEW),
        meta["uid"],
        meta["resourceVersion"],
        (meta.get("labels") or {}).get(USE) == "ca",
        notes.get(OWNER_UID),
        notes.get(SHAPE),
    )


def _owner_reference(owner: AuthorityView | DeviceView) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": owner.key.kind,
        "name": owner.key.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
