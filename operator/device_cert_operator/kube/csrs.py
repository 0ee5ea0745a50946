"""CSRs on their way to a signature: the ConfigMap `<name>-csr`, and the Secret of a key that waits for one.

The ConfigMap goes with its DeviceCertificate; the key does not: it may be that of a certificate being paid for.
"""

import contextlib
from dataclasses import dataclass, field

from device_cert_operator.api.v1alpha1.common import GROUP, VERSION
from device_cert_operator.core.requests import CSR_KEY
from device_cert_operator.errors import Conflict, MissingReference, NotFound
from device_cert_operator.kube.client import MERGE, Requests
from device_cert_operator.kube.intake import Intake
from device_cert_operator.kube.revisions import decode, encode
from device_cert_operator.kube.secrets import object_path
from device_cert_operator.kube.views import (
    DEVICE_UID,
    KEY_SHA256,
    NUMBER,
    OWNER_NAME,
    OWNER_UID,
    USE,
    CertificateView,
    Object,
)
from device_cert_operator.reasons import Reason

KEY_TYPE = "devicecert.io/pending-key"


def csr_name(certificate: str) -> str:
    """The ConfigMap in which the CSR of a DeviceCertificate stands."""
    return f"{certificate}-csr"


def key_name(certificate: str, number: int) -> str:
    """The Secret of the key that waits for revision `number` to be signed."""
    return f"{certificate}-r{number}-key"


@dataclass(frozen=True, slots=True)
class NewCSR:
    """A CSR to be published. pem: PKCS#10. device_uid: of the Device that holds the key; empty: the operator."""

    number: int
    pem: bytes = field(repr=False)
    key_sha256: str
    device_uid: str = ""


class CSRs:
    """Live reads and writes."""

    def __init__(self, requests: Requests, intake: Intake) -> None:
        self._requests = requests
        self._intake = intake

    async def read(self, namespace: str, certificate: str) -> bytes | None:
        """The CSR as PEM; None when there is none. Raises ClusterError."""
        try:
            found = await self._requests.call("GET", object_path("ConfigMap", namespace, csr_name(certificate)))
        except NotFound:
            return None
        return decode({"kind": "ConfigMap"} | found, CSR_KEY)

    async def publish(self, owner: CertificateView, csr: NewCSR) -> None:
        """Put it where people, and the story that asked, find it.

        Raises MissingReference (SecretNotOurs) where a ConfigMap of that name is somebody else's, ClusterError.
        """
        manifest = _manifest(owner, csr)
        namespace, name = owner.key.namespace, manifest["metadata"]["name"]
        try:
            made = await self._requests.call("POST", object_path("ConfigMap", namespace), body=manifest)
        except Conflict:
            there = await self._requests.call("GET", object_path("ConfigMap", namespace, name))
            if (there["metadata"].get("annotations") or {}).get(OWNER_UID) != owner.uid:
                raise MissingReference(
                    f"ConfigMap {namespace}/{name} exists and is not ours: delete it; the CSR belongs there.",
                    reason=Reason.SECRET_NOT_OURS,
                ) from None
            meta = manifest["metadata"] | {"resourceVersion": there["metadata"]["resourceVersion"]}
            body = {"metadata": meta, "data": manifest["data"]}
            made = await self._requests.call(
                "PATCH", object_path("ConfigMap", namespace, name), body=body, content_type=MERGE
            )
        self._intake.take({"kind": "ConfigMap"} | made)

    async def withdraw(self, namespace: str, certificate: str, uid: str) -> None:
        """Delete exactly this ConfigMap. Raises ClusterError."""
        await self._delete("ConfigMap", namespace, csr_name(certificate), uid)

    async def store_key(self, owner: CertificateView, number: int, key_pem: bytes) -> bytes:
        """Keep a key until its certificate comes; the one that is there already wins. Raises ClusterError."""
        namespace, name = owner.key.namespace, key_name(owner.key.name, number)
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {USE: "pending-key"},
                "annotations": {OWNER_UID: owner.uid, OWNER_NAME: owner.key.name, NUMBER: str(number)},
            },
            "type": KEY_TYPE,
            "immutable": True,
            "data": encode({"tls.key": key_pem}),
        }
        try:
            made = await self._requests.call("POST", object_path("Secret", namespace), body=manifest)
        except Conflict:
            made = await self._requests.call("GET", object_path("Secret", namespace, name))
            if (made["metadata"].get("annotations") or {}).get(OWNER_UID) != owner.uid:
                raise MissingReference(
                    f"Secret {namespace}/{name} exists and is not ours: delete it.", reason=Reason.SECRET_NOT_OURS
                ) from None
        self._intake.take({"kind": "Secret"} | made)
        return decode({"kind": "Secret"} | made, "tls.key") or b""

    async def read_key(self, owner: CertificateView, number: int) -> bytes | None:
        """The stored key as PEM; None when it is gone. Raises ClusterError."""
        path = object_path("Secret", owner.key.namespace, key_name(owner.key.name, number))
        try:
            found = await self._requests.call("GET", path)
        except NotFound:
            return None
        ours = (found["metadata"].get("annotations") or {}).get(OWNER_UID) == owner.uid
        return decode({"kind": "Secret"} | found, "tls.key") if ours else None

    async def drop_key(self, namespace: str, name: str, uid: str) -> None:
        """Delete exactly this key. Raises ClusterError."""
        await self._delete("Secret", namespace, name, uid)

    async def _delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        body: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}}
        with contextlib.suppress(NotFound):
            await self._requests.call("DELETE", object_path(kind, namespace, name), body=body)
        self._intake.gone(kind, namespace, name)


def _manifest(owner: CertificateView, csr: NewCSR) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": csr_name(owner.key.name),
            "namespace": owner.key.namespace,
            "labels": {USE: "csr"},
            "annotations": {
                OWNER_UID: owner.uid,
                OWNER_NAME: owner.key.name,
                NUMBER: str(csr.number),
                DEVICE_UID: csr.device_uid,
                KEY_SHA256: csr.key_sha256,
            },
            "ownerReferences": [
                {
                    "apiVersion": f"{GROUP}/{VERSION}",
                    "kind": "DeviceCertificate",
                    "name": owner.key.name,
                    "uid": owner.uid,
                }
            ],
        },
        "data": {CSR_KEY: csr.pem.decode("ascii")},
    }
