"""Secrets: read only where their owner agreed by a label, written only where they are ours."""

import base64
import contextlib
import hashlib
from dataclasses import dataclass, field
from urllib.parse import quote

from device_cert_operator.core.model import Credentials, Reference, Revision
from device_cert_operator.errors import ClusterError, Conflict, MissingReference, NotFound
from device_cert_operator.kube.cache import Cache
from device_cert_operator.kube.client import MERGE, Requests
from device_cert_operator.kube.intake import Intake
from device_cert_operator.kube.revisions import decode, encode, read_revision, revision_secret
from device_cert_operator.kube.views import GIVEN_TO, INPUT_HASH, OWNER_UID, USE, CertificateView, Object
from device_cert_operator.pki.facts import pem_to_ders
from device_cert_operator.pki.keys import read_key
from device_cert_operator.reasons import Reason

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
PLURALS = {"Secret": "secrets", "ConfigMap": "configmaps"}


@dataclass(frozen=True, slots=True)
class CASecret:
    """The data of a CA Secret, unchecked."""

    tls_crt: bytes | None = field(repr=False)
    tls_key: bytes | None = field(repr=False)
    resource_version: str


@dataclass(frozen=True, slots=True)
class RevisionMaterial:
    """A revision for a device. chain_der: without the leaf and without roots. Keys are empty where the device's."""

    leaf_der: bytes = field(repr=False)
    chain_der: tuple[bytes, ...] = field(repr=False)
    key_der: bytes = field(repr=False)
    tls_crt: bytes = field(repr=False)
    ca_crt: bytes = field(repr=False)
    tls_key: bytes = field(repr=False)


class Secrets:
    """Live reads and writes."""

    def __init__(self, requests: Requests, cache: Cache, intake: Intake) -> None:
        self._requests = requests
        self._cache = cache
        self._intake = intake
        self._versions: dict[tuple[str, str], str] = {}

    # ------------------------------------------------------------------------------------------ reading

    async def read_credentials(self, namespace: str, name: str) -> Credentials:
        """User name and password of a Device. Raises MissingReference, ClusterError."""
        secret = await self._shared(Reference("Secret", name), namespace, "credentials", Reason.SECRET_MISSING)
        parts = {}
        for part in ("username", "password"):
            value = decode(secret, part)
            if not value:
                raise MissingReference(
                    f"Secret {namespace}/{name} has no key {part}: add it.", reason=Reason.SECRET_INCOMPLETE
                )
            parts[part] = value.decode("utf-8", "replace").rstrip("\r\n")
        return Credentials(parts["username"], parts["password"], self._version(secret, parts))

    async def read_ca(self, namespace: str, name: str) -> CASecret:
        """The data of a CA Secret. Raises MissingReference (CAMissing, CANotShared), ClusterError."""
        secret = await self._shared(Reference("Secret", name), namespace, "ca", Reason.CA_MISSING)
        return CASecret(decode(secret, "tls.crt"), decode(secret, "tls.key"), secret["metadata"]["resourceVersion"])

    async def read_anchor(self, namespace: str, reference: Reference) -> tuple[bytes, ...]:
        """The certificates (DER) of a referenced ConfigMap or Secret. Raises MissingReference, ClusterError."""
        found = await self._shared(reference, namespace, "certificate", Reason.CONFIG_MAP_MISSING)
        key = reference.key or "ca.crt"
        data = decode(found, key)
        if not data:
            raise MissingReference(
                f"{reference.kind} {namespace}/{reference.name} has no key {key}: add the CA certificate as PEM.",
                reason=Reason.SECRET_INCOMPLETE,
            )
        return pem_to_ders(data)

    async def read_certificates(self, namespace: str, reference: Reference) -> tuple[bytes, ...]:
        """The certificates (DER) of a ConfigMap or Secret that its owner shared, written as PEM or DER.

        Raises MissingReference, ProtocolViolation (CertificateUnreadable), ClusterError.
        """
        found = await self._shared(reference, namespace, "certificate", Reason.CONFIG_MAP_MISSING)
        key = reference.key or "ca.crt"
        binary = (found.get("binaryData") or {}).get(key)
        data = base64.b64decode(binary) if binary is not None else decode(found, key)
        if not data:
            raise MissingReference(
                f"{reference.kind} {namespace}/{reference.name} has no key {key}: add the CA certificate.",
                reason=Reason.SECRET_INCOMPLETE,
            )
        return pem_to_ders(data) if b"-----BEGIN" in data else (data,)

    async def read_returned(self, namespace: str, reference: Reference) -> tuple[bytes, bytes | None] | None:
        """What an outside CA signed: (chain, the CA where it is given) as PEM; None when nothing is there yet.

        Raises MissingReference (SecretNotShared), ClusterError.
        """
        key = reference.key or "tls.crt"
        try:
            found = await self._shared(reference, namespace, "certificate", Reason.CONFIG_MAP_MISSING)
        except MissingReference as error:
            if error.reason is Reason.CONFIG_MAP_MISSING:
                return None
            raise
        chain = decode(found, key)
        return (chain, decode(found, "ca.crt") if key != "ca.crt" else None) if chain else None

    async def read_pair(self, namespace: str, name: str) -> tuple[bytes, bytes, bytes | None]:
        """A provided certificate: (chain, key, the CA where it is given) as PEM. Raises MissingReference."""
        found = await self._shared(Reference("Secret", name), namespace, "certificate", Reason.SECRET_MISSING)
        chain, key = decode(found, "tls.crt"), decode(found, "tls.key")
        if not chain or not key:
            raise MissingReference(
                f"Secret {namespace}/{name} needs tls.crt (the certificate, then its issuers) and tls.key.",
                reason=Reason.SECRET_INCOMPLETE,
            )
        return chain, key, decode(found, "ca.crt")

    async def read_revision(self, namespace: str, name: str) -> RevisionMaterial:
        """A revision with its key. Raises MissingReference, ClusterError."""
        try:
            secret = await self._requests.call("GET", object_path("Secret", namespace, name))
        except NotFound:
            raise MissingReference(f"Revision Secret {namespace}/{name} is gone; another follows.") from None
        crt, ca, key = decode(secret, "tls.crt"), decode(secret, "ca.crt"), decode(secret, "tls.key")
        if not crt:
            raise MissingReference(f"Revision Secret {namespace}/{name} is not whole; another follows.")
        chain = pem_to_ders(crt)
        return RevisionMaterial(
            chain[0], chain[1:], read_key(key).pkcs8_der() if key else b"", crt, ca or b"", key or b""
        )

    async def _shared(self, reference: Reference, namespace: str, use: str, missing: Reason) -> Object:
        """An object that its owner labelled for this use."""
        kind, name = reference.kind, reference.name
        try:
            found = await self._requests.call("GET", object_path(kind, namespace, name))
        except NotFound:
            raise MissingReference(
                f"{kind} {namespace}/{name} does not exist: create it, labelled {USE}={use}.", reason=missing
            ) from None
        if (found["metadata"].get("labels") or {}).get(USE) != use:
            reason = Reason.CA_NOT_SHARED if use == "ca" else Reason.SECRET_NOT_SHARED
            raise MissingReference(
                f"{kind} {namespace}/{name} is not shared with the operator. If it is meant for this: "
                f"kubectl -n {namespace} label {kind.lower()} {name} {USE}={use}",
                reason=reason,
            )
        return {"kind": kind} | found

    def _version(self, secret: Object, parts: dict[str, str]) -> str:
        """Tells versions of the data apart and gives nothing away; slow to make, so kept by resourceVersion."""
        meta = secret["metadata"]
        known = (meta["uid"], meta["resourceVersion"])
        if known not in self._versions:
            if len(self._versions) > 50_000:
                self._versions.clear()
            data = "\0".join(parts.values()).encode()
            made = hashlib.scrypt(data, salt=meta["uid"].encode(), n=2**12, r=8, p=1, dklen=16)
            self._versions[known] = made.hex()
        return self._versions[known]

    # ------------------------------------------------------------------------------------------ revisions

    async def create_revision(
        self,
        owner: CertificateView,
        *,
        tls_crt: bytes,
        ca_crt: bytes,
        tls_key: bytes,
        input_hash: str,
        authority_fingerprint: str,
        number: int | None = None,
    ) -> Revision:
        """Publish under the next number, or the one given.

        A Secret that is there already is ours only with equal owner and inputs.

        Raises Conflict when the number was taken by something else, ClusterError.
        """
        fixed = number is not None
        number = number or self._cache.highest_revision(owner.key.namespace, owner.key.name) + 1
        for _ in range(1 if fixed else 2):
            manifest = revision_secret(
                namespace=owner.key.namespace,
                owner_name=owner.key.name,
                owner_uid=owner.uid,
                number=number,
                tls_crt=tls_crt,
                ca_crt=ca_crt,
                tls_key=tls_key,
                input_hash=input_hash,
                authority_fingerprint=authority_fingerprint,
            )
            if (made := await self._created_or_ours(manifest)) is not None:
                return self._known(made)
            number = await self._next_number(owner.key.namespace, owner.key.name)
        raise Conflict(f"Secret {owner.key.namespace}/{owner.key.name}-r{number} was taken by something else.")

    async def _created_or_ours(self, manifest: Object) -> Object | None:
        """Create it; what is there already counts only with equal owner and inputs. None: the number is taken."""
        meta = manifest["metadata"]
        try:
            return await self._requests.call("POST", object_path("Secret", meta["namespace"]), body=manifest)
        except Conflict:
            there = await self._requests.call("GET", object_path("Secret", meta["namespace"], meta["name"]))
        notes = there["metadata"].get("annotations") or {}
        equal = all(notes.get(note) == meta["annotations"][note] for note in (OWNER_UID, INPUT_HASH))
        return there if equal else None

    async def give_to(self, namespace: str, revision: Revision, device_uid: str) -> Revision:
        """Write the Device's uid onto the revision, before its turn. Raises Conflict, ClusterError."""
        path = object_path("Secret", namespace, revision.secret)
        live = await self._requests.call("GET", path)
        notes = live["metadata"].get("annotations") or {}
        given = {uid for uid in notes.get(GIVEN_TO, "").split(",") if uid}
        if device_uid in given:
            return self._known(live)
        body = {
            "metadata": {
                "resourceVersion": live["metadata"]["resourceVersion"],
                "annotations": {GIVEN_TO: ",".join(sorted(given | {device_uid}))},
            }
        }
        return self._known(await self._requests.call("PATCH", path, body=body, content_type=MERGE))

    async def delete_revision(self, namespace: str, revision: Revision) -> None:
        """Delete exactly this Secret. Raises ClusterError."""
        view = self._cache.secret(namespace, revision.secret)
        body: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if view is not None:
            body["preconditions"] = {"uid": view.uid}
        with contextlib.suppress(NotFound):
            await self._requests.call("DELETE", object_path("Secret", namespace, revision.secret), body=body)
        self._intake.gone("Secret", namespace, revision.secret)

    async def _next_number(self, namespace: str, name: str) -> int:
        """Above every `<name>-r<N>` that exists, whoever made it: asked only when the cache did not know."""
        listed: Object = await self._requests.call(
            "GET", object_path("Secret", namespace), query={"labelSelector": f"{USE}=revision"}, accept=METADATA_ONLY
        )
        numbers = [0]
        items: list[Object] = listed.get("items") or []
        for item in items:
            head, _, tail = item["metadata"]["name"].rpartition("-r")
            if head == name and tail.isdigit():
                numbers.append(int(tail))
        return max(numbers) + 1

    def _known(self, secret: Object) -> Revision:
        secret = {**secret, "kind": "Secret"}
        self._intake.take(secret)
        revision = read_revision(
            secret, pem_to_ders(decode(secret, "tls.crt") or b""), secret["metadata"].get("annotations") or {}
        )
        if revision is None:
            raise ClusterError(f"Secret {secret['metadata']['name']} is no whole revision.")
        return revision

    # ------------------------------------------------------------------------------------------ copies

    async def write_copy(self, owner: CertificateView, name: str, material: RevisionMaterial) -> None:
        """The proven pair for others, as kubernetes.io/tls. Raises MissingReference (SecretNotOurs), ClusterError."""
        namespace = owner.key.namespace
        data = encode({"tls.crt": material.tls_crt, "tls.key": material.tls_key, "ca.crt": material.ca_crt})
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": namespace,
                "labels": {USE: "copy"},
                "annotations": {OWNER_UID: owner.uid},
            },
            "type": "kubernetes.io/tls",
            "data": data,
        }
        try:
            made = await self._requests.call("POST", object_path("Secret", namespace), body=manifest)
        except Conflict:
            made = await self._requests.call("GET", object_path("Secret", namespace, name))
            if (made["metadata"].get("annotations") or {}).get(OWNER_UID) != owner.uid:
                raise MissingReference(
                    f"Secret {namespace}/{name} exists and is not ours: delete it, or choose another spec.secretName.",
                    reason=Reason.SECRET_NOT_OURS,
                ) from None
            if made.get("data") != data:
                body = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "data": data}
                made = await self._requests.call(
                    "PATCH", object_path("Secret", namespace, name), body=body, content_type=MERGE
                )
        self._intake.take({"kind": "Secret"} | made)


def object_path(kind: str, namespace: str, name: str = "") -> str:
    """The path of a Secret or ConfigMap, or of all in a namespace."""
    base = f"/api/v1/namespaces/{namespace}/{PLURALS[kind]}"
    return f"{base}/{quote(name)}" if name else base
