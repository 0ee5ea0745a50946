"""For people with files: the CSR that waits for its signature, and where the signed chain is to be put.

Used by the command line, with the rights of whoever runs it.
"""

from dataclasses import dataclass, field

from device_cert_operator.core.model import DesiredCertificate, ObjectKey, Reference
from device_cert_operator.core.requests import CSR_KEY
from device_cert_operator.core.status import RequestStatus
from device_cert_operator.errors import MissingReference, NotFound
from device_cert_operator.kube.client import MERGE, Requests, resource_path
from device_cert_operator.kube.csrs import csr_name
from device_cert_operator.kube.revisions import decode, encode
from device_cert_operator.kube.secrets import object_path
from device_cert_operator.kube.views import USE, Object, certificate_view
from device_cert_operator.reasons import Reason

SHARED = "certificate"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A DeviceCertificate and its open request. csr_pem: None while nobody has made it."""

    desired: DesiredCertificate
    request: RequestStatus | None
    csr_pem: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the chain goes. found: what is there now, if anything."""

    namespace: str
    reference: Reference
    found: Object | None = field(repr=False)

    @property
    def name(self) -> str:
        """For sentences."""
        return f"{self.reference.kind} {self.namespace}/{self.reference.name}"

    @property
    def key(self) -> str:
        """The key that holds the chain."""
        return self.reference.key or "tls.crt"

    @property
    def is_shared(self) -> bool:
        """Absent, or labelled by its owner for this use."""
        return self.found is None or (self.found["metadata"].get("labels") or {}).get(USE) == SHARED

    @property
    def ca_pem(self) -> bytes | None:
        """The CA that stands beside the chain already."""
        return decode(self.found, "ca.crt") if self.found is not None and self.key != "ca.crt" else None


async def read_waiting(requests: Requests, key: ObjectKey) -> Waiting:
    """What waits for a signature. Raises NotFound, the view's problem (InvalidSpec), ClusterError."""
    view = certificate_view(await requests.call("GET", resource_path(key.kind, key.namespace, key.name)))
    if view.desired is None:
        raise view.problem or NotFound(f"{key} cannot be read.")
    request, csr = view.status.request, None
    if request is not None and request.public_key_sha256 is not None:
        try:
            found = await requests.call("GET", object_path("ConfigMap", key.namespace, csr_name(key.name)))
            csr = decode({"kind": "ConfigMap"} | found, CSR_KEY)
        except NotFound:
            csr = None
    return Waiting(view.desired, request, csr)


async def read_place(requests: Requests, namespace: str, reference: Reference) -> Place:
    """What is at the place that the spec names. Raises ClusterError."""
    try:
        found = await requests.call("GET", object_path(reference.kind, namespace, reference.name))
    except NotFound:
        return Place(namespace, reference, None)
    return Place(namespace, reference, {"kind": reference.kind} | found)


async def write_chain(
    requests: Requests, place: Place, chain_pem: bytes, ca_pem: bytes | None, *, force: bool = False
) -> None:
    """Put the chain there, labelled for its use. Other keys of the object stay as they are.

    force: label an object that its owner has not labelled. Raises MissingReference (SecretNotShared), Conflict when it
    changed since it was read, ClusterError.
    """
    if not place.is_shared and not force:
        raise MissingReference(
            f"{place.name} exists and is not labelled {USE}={SHARED}: it may be somebody else's.",
            reason=Reason.SECRET_NOT_SHARED,
        )
    data = {place.key: chain_pem} | ({"ca.crt": ca_pem} if ca_pem is not None else {})
    kind, name = place.reference.kind, place.reference.name
    texts = encode(data) if kind == "Secret" else {key: value.decode("ascii") for key, value in data.items()}
    meta: Object = {"name": name, "namespace": place.namespace, "labels": {USE: SHARED}}
    if place.found is None:
        body = {"apiVersion": "v1", "kind": kind, "metadata": meta, "data": texts}
        await requests.call("POST", object_path(kind, place.namespace), body=body)
        return
    meta["resourceVersion"] = place.found["metadata"]["resourceVersion"]
    path = object_path(kind, place.namespace, name)
    await requests.call("PATCH", path, body={"metadata": meta, "data": texts}, content_type=MERGE)
