"""The Lease (coordination.k8s.io/v1) in the API server: read, made, renewed over exactly what was read."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from device_cert_operator.clock import Clock
from device_cert_operator.errors import NotFound
from device_cert_operator.kube.client import Requests
from device_cert_operator.kube.views import Object

API = "coordination.k8s.io/v1"
GRAIN = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """renewed_at: as the holder's clock had it, for people; nothing is decided by it."""

    holder: str
    duration: timedelta
    renewed_at: str
    transitions: int
    whole: Object = field(repr=False)  # as read, so that a renewal keeps what others wrote on it

    @property
    def token(self) -> str:
        """Another one after each renewal."""
        return f"{self.holder} {self.transitions} {self.renewed_at}"


class KubeLease:
    """Fulfils `engine.lease.LeaseStore`. requests: of its own, so that it never waits for a place behind others."""

    def __init__(self, requests: Requests, namespace: str, name: str, clock: Clock) -> None:
        self._requests = requests
        self._folder = f"/apis/{API}/namespaces/{quote(namespace)}/leases"
        self._path = f"{self._folder}/{quote(name)}"
        self._name = name
        self._clock = clock

    async def read(self, within: timedelta) -> LeaseRecord | None:
        """The Lease; None when it is not there. Raises ClusterError."""
        try:
            return parse_lease(await self._requests.call("GET", self._path, timeout=within.total_seconds()))
        except NotFound:
            return None

    async def write(self, over: LeaseRecord | None, holder: str, duration: timedelta, within: timedelta) -> LeaseRecord:
        """Make it, or renew exactly what was read. holder: empty to release it. Raises Conflict, ClusterError."""
        seconds = within.total_seconds()
        spec = self._spec(over, holder, duration)
        if over is None:
            body = {"apiVersion": API, "kind": "Lease", "metadata": {"name": self._name}, "spec": spec}
            return parse_lease(await self._requests.call("POST", self._folder, body=body, timeout=seconds))
        body = over.whole | {"spec": (over.whole.get("spec") or {}) | spec}
        return parse_lease(await self._requests.call("PUT", self._path, body=body, timeout=seconds))

    def _spec(self, over: LeaseRecord | None, holder: str, duration: timedelta) -> dict[str, Any]:
        now = self._clock.now()
        stamp = _micro_time(now)
        if over is not None and stamp == over.renewed_at:  # a clock that stands still must not look like no renewal
            stamp = _micro_time(now + GRAIN)
        spec: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": max(math.ceil(duration.total_seconds()), 1),
            "renewTime": stamp,
        }
        if over is None or holder not in {over.holder, ""}:
            spec |= {"acquireTime": stamp, "leaseTransitions": over.transitions + 1 if over is not None else 0}
        return spec


def parse_lease(found: Object) -> LeaseRecord:
    """From the object; what is missing reads as released."""
    spec = found.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        duration=timedelta(seconds=spec.get("leaseDurationSeconds") or 0),
        renewed_at=spec.get("renewTime") or "",
        transitions=spec.get("leaseTransitions") or 0,
        whole=found,
    )


def _micro_time(at: datetime) -> str:
    """MicroTime of the API: RFC 3339 in UTC with six digits."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
