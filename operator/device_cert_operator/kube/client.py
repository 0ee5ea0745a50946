"""Requests to the API server and the errors they come to; and the kinds of ours, read and written.

Objects are plain dicts: making the client's model classes costs more than everything else together.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import (
    ConfigException,
    list_kube_config_contexts,
    load_incluster_config,
    load_kube_config,
)
from yaml import YAMLError

from device_cert_operator.api.convert_authority import authority_status_document
from device_cert_operator.api.convert_status import certificate_status_document, device_status_document
from device_cert_operator.api.v1alpha1.common import GROUP, VERSION
from device_cert_operator.clock import Clock
from device_cert_operator.core.authority_model import AuthorityStatus
from device_cert_operator.core.model import ObjectKey
from device_cert_operator.core.status import CertificateStatus, DeviceStatus
from device_cert_operator.errors import ClusterError, Conflict, NotFound
from device_cert_operator.kube.intake import Intake
from device_cert_operator.kube.views import (
    AuthorityView,
    CertificateView,
    DeviceView,
    Object,
    authority_view,
    certificate_view,
    device_view,
)
from device_cert_operator.permit import ALWAYS, Permit

PLURALS = {
    "Device": "devices",
    "DeviceCertificate": "devicecertificates",
    "CertificateAuthority": "certificateauthorities",
}
NAMESPACE_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
REQUEST_TIMEOUT = 10.0
# the client takes a file apart before it knows that it is one of these
_NO_KUBECONFIG = (ConfigException, OSError, ValueError, TypeError, AttributeError, LookupError, YAMLError)
MERGE = "application/merge-patch+json"


async def load_configuration(kubeconfig: str | None) -> Configuration:
    """From the file given, `$KUBECONFIG`, the home folder, or the pod. Raises ClusterError."""
    configuration = Configuration()
    configuration.connection_pool_maxsize = 32
    try:
        await load_kube_config(config_file=kubeconfig, client_configuration=configuration, persist_config=False)
        return configuration
    except _NO_KUBECONFIG as error:
        if kubeconfig is not None:
            raise ClusterError(f"The kubeconfig {kubeconfig} cannot be used: {error}") from None
    try:
        load_incluster_config(client_configuration=configuration)
        return configuration
    except ConfigException:
        raise ClusterError(
            "No cluster is configured: set KUBECONFIG, or run `devicecert local up` and follow what it prints."
        ) from None


async def namespace_of(kubeconfig: str | None) -> str:
    """The namespace of the kubeconfig's present context, `default` where it names none."""
    try:
        _, context = await asyncio.to_thread(list_kube_config_contexts, kubeconfig)
    except _NO_KUBECONFIG:
        return "default"
    return str((context or {}).get("context", {}).get("namespace") or "default")


def own_namespace() -> str:
    """That of the pod this process runs in. Raises ClusterError outside of one."""
    try:
        return Path(NAMESPACE_FILE).read_text(encoding="ascii").strip()
    except OSError:
        raise ClusterError("This is no pod: DEVICECERT_LEASE_NAMESPACE must say where the Lease is.") from None


def in_pod() -> bool:
    """Whether this process runs in one, with a service account."""
    return Path(NAMESPACE_FILE).is_file()


class Requests:
    """One connection pool. Every call has a timeout; every failure is a ClusterError."""

    def __init__(self, configuration: Configuration, clock: Clock, permit: Permit = ALWAYS) -> None:
        """permit: asked before each write."""
        self._client = ApiClient(configuration)
        self._permit = permit
        self._clock = clock
        self._clock_error: timedelta | None = None

    async def close(self) -> None:
        """Close the pool."""
        await self._client.close()

    def clock_error(self) -> timedelta | None:
        """Our clock minus the API server's `Date` of its last answer (RFC 9110, 6.6.1); None if that is unknown.

        Counted only beyond the header's one-second grain and the round trip.
        """
        return self._clock_error

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = REQUEST_TIMEOUT,
    ) -> Object:
        """One request; the answer as a dict. timeout: seconds. Raises NotFound, Conflict, NotLeading, ClusterError."""
        if method != "GET":
            await self._permit.before(timedelta(seconds=timeout))
        headers = {"Content-Type": content_type, "Accept": accept}
        query = dict(query or {})
        await self._client.update_params_for_auth(headers, query, ["BearerToken"], path, method, body)
        url = f"{self._client.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
        what = f"{method} {path}"
        sent_at = time.monotonic()
        try:
            reply = await self._client.rest_client.request(
                method, url, headers=headers, body=body, _request_timeout=timeout
            )
            data = await reply.read()
        except ApiException as error:
            raise _converted(error, what) from None
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ClusterError(f"{what}: the API server does not answer ({type(error).__name__}).") from None
        self._note_time(reply.headers.get("Date"), time.monotonic() - sent_at)
        if reply.status >= 400:
            raise _converted(ApiException(status=reply.status, reason=reply.reason), what, data)
        try:
            return dict(json.loads(data)) if data else {}
        except ValueError:
            raise ClusterError(f"{what}: the API server's answer is no JSON.") from None

    def _note_time(self, date: str | None, took: float) -> None:
        if date is None:
            return
        try:
            theirs = parsedate_to_datetime(date)
        except ValueError:
            return
        ours = datetime.fromtimestamp(time.time(), UTC)
        error = ours - theirs
        slack = timedelta(seconds=1 + took)
        self._clock_error = timedelta(0) if abs(error) <= slack else error


def _converted(error: ApiException, what: str, data: bytes | None = None) -> ClusterError:
    """An API error as ours, with the server's own sentence."""
    text = data or error.body or b""
    try:
        message = str(json.loads(text).get("message", ""))
    except (ValueError, TypeError, AttributeError):
        message = ""
    sentence = f"{what}: {message or error.reason or 'failed'} (HTTP {error.status})."
    match error.status:
        case 404:
            return NotFound(sentence)
        case 409:
            return Conflict(sentence)
        case _:
            return ClusterError(sentence)


def resource_path(kind: str, namespace: str, name: str = "", subresource: str = "") -> str:
    """The path of one of our objects."""
    parts = ["/apis", GROUP, VERSION, "namespaces", namespace, PLURALS[kind]]
    parts += [quote(name)] if name else []
    return "/".join(parts + ([subresource] if subresource else []))


class Cluster:
    """Devices, DeviceCertificates and CertificateAuthorities, live."""

    def __init__(self, requests: Requests, intake: Intake) -> None:
        self._requests = requests
        self._intake = intake

    def clock_error(self) -> timedelta | None:
        """See `Requests.clock_error`."""
        return self._requests.clock_error()

    async def get_device(self, key: ObjectKey) -> DeviceView | None:
        """The Device as it is now; None when it is gone. Raises ClusterError."""
        found = await self._get(key)
        return device_view(found) if found is not None else None

    async def get_certificate(self, key: ObjectKey) -> CertificateView | None:
        """The DeviceCertificate as it is now; None when it is gone. Raises ClusterError."""
        found = await self._get(key)
        return certificate_view(found) if found is not None else None

    async def get_authority(self, key: ObjectKey) -> AuthorityView | None:
        """The CertificateAuthority as it is now; None when it is gone. Raises ClusterError."""
        found = await self._get(key)
        return authority_view(found) if found is not None else None

    async def write_device_status(self, view: DeviceView, status: DeviceStatus) -> DeviceView:
        """Write what differs; without a difference nothing is sent. Raises Conflict, NotFound, ClusterError."""
        document = device_status_document(status)
        if document == device_status_document(view.status):
            return view
        made = await self._patch_status(view.key, view.uid, view.resource_version, document)
        self._intake.take(made)
        return device_view(made)

    async def write_certificate_status(self, view: CertificateView, status: CertificateStatus) -> CertificateView:
        """Write what differs; without a difference nothing is sent. Raises Conflict, NotFound, ClusterError."""
        document = certificate_status_document(status)
        if document == certificate_status_document(view.status):
            return view
        made = await self._patch_status(view.key, view.uid, view.resource_version, document)
        self._intake.take(made)
        return certificate_view(made)

    async def write_authority_status(self, view: AuthorityView, status: AuthorityStatus) -> AuthorityView:
        """Write what differs; without a difference nothing is sent. Raises Conflict, NotFound, ClusterError."""
        document = authority_status_document(status)
        if document == authority_status_document(view.status):
            return view
        made = await self._patch_status(view.key, view.uid, view.resource_version, document)
        self._intake.take(made)
        return authority_view(made)

    async def _get(self, key: ObjectKey) -> Object | None:
        try:
            return await self._requests.call("GET", resource_path(key.kind, key.namespace, key.name))
        except NotFound:
            return None

    async def _patch_status(self, key: ObjectKey, uid: str, resource_version: str, document: dict[str, Any]) -> Object:
        """uid and resourceVersion make it fail when the object is another one, or was changed meanwhile."""
        body = {"metadata": {"uid": uid, "resourceVersion": resource_version}, "status": document}
        path = resource_path(key.kind, key.namespace, key.name, "status")
        return await self._requests.call("PATCH", path, body=body, content_type=MERGE)
