"""cert-manager as far as the operator meets it: its real CRDs, from its Go module, and an approver and a signer.

The signer does what https://cert-manager.io/docs/usage/certificaterequest/ says of approvers and issuers; the CA behind
it is `OutsideCA`.
"""

import asyncio
import base64
import hashlib
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

from local_control_plane.plane import ControlPlane
from local_control_plane.toolchain import ENVIRONMENT, ensure_go
from tests.support.admin import admin
from tests.support.control_plane import established, kubectl
from tests.support.outside_ca import OutsideCA
from tests.support.world import World

MODULE = "github.com/cert-manager/cert-manager@v1.21.2"
CRD = "deploy/crds/cert-manager.io_certificaterequests.yaml"
SHA256 = "74cf3801ab146a1745498de5f3b619cde6f2dc89ae03755084be08129ce726c3"
Object = dict[str, Any]


def crd_file(folder: Path) -> Path:
    """The CustomResourceDefinition of CertificateRequests. folder: of Go, where the machine has none."""
    go = ensure_go(folder, lambda _told: None)
    done = subprocess.run(
        [str(go), "mod", "download", "-json", MODULE],
        env=os.environ | ENVIRONMENT,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{MODULE}: {done.stdout}{done.stderr}"
    found = Path(json.loads(done.stdout)["Dir"]) / CRD
    digest = hashlib.sha256(found.read_bytes()).hexdigest()
    assert digest == SHA256, f"{found} has SHA-256 {digest}: another file than was looked at"
    return found


def install_crds(plane: ControlPlane, folder: Path) -> None:
    """cert-manager's CertificateRequests, established. They are cluster-wide; installing them twice does no harm."""
    kubectl(plane, "apply", "--server-side", "-f", str(crd_file(folder)))
    established(plane, "crd/certificaterequests.cert-manager.io")


class CertManager:
    """An approver and an issuer for one world's CertificateRequests; each act is asked for by the test."""

    def __init__(self, world: World, ca: OutsideCA) -> None:
        self.world = world
        self.ca = ca

    async def requests(self) -> list[Object]:
        """All of the namespace, by creation."""
        here = self.world.namespace
        found = await asyncio.to_thread(admin(self.world.plane).all, here, "certificaterequest")
        return sorted(found, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]))

    async def wait_for(self, name: str, within: float = 20, but: str = "") -> Object:
        """The CertificateRequest, once it is there. but: the uid of one that does not count."""
        deadline = asyncio.get_running_loop().time() + within
        while True:
            found = await self.world.get("certificaterequest", name)
            if found and found["metadata"]["uid"] != but:
                return found
            assert asyncio.get_running_loop().time() < deadline, f"there is no CertificateRequest {name}"
            await asyncio.sleep(0.1)

    async def approve(self, name: str) -> None:
        """What `cmctl approve` and approver-policy do."""
        await self._set(name, _condition("Approved", "True", "cert-manager.io", "Approved by the test"))

    async def deny(self, name: str, message: str) -> None:
        """An approver says no; the issuer then marks the request."""
        await self._set(name, _condition("Denied", "True", "cert-manager.io", message))
        refused = _condition("Ready", "False", "Denied", "The CertificateRequest was denied by an approval controller")
        await self._set(name, refused, failureTime=_now())

    async def pending(self, name: str, message: str) -> None:
        """The issuer is at work."""
        await self._set(name, _condition("Ready", "False", "Pending", message))

    async def fail(self, name: str, message: str) -> None:
        """The issuer gave up on this request."""
        await self._set(name, _condition("Ready", "False", "Failed", message), failureTime=_now())

    async def call_invalid(self, name: str, message: str) -> None:
        """The issuer cannot sign what is asked for."""
        await self._set(name, _condition("InvalidRequest", "True", "InvalidRequest", message))
        await self._set(name, _condition("Ready", "False", "Failed", message), failureTime=_now())

    async def sign(self, name: str, *, days: int = 90) -> None:
        """The issuer signs: leaf and intermediate in `certificate`, the root in `ca`."""
        csr = await self.csr(name)
        leaf = await asyncio.to_thread(self.ca.sign, csr, days=days)
        await self._set(
            name,
            _condition("Ready", "True", "Issued", "Certificate fetched from issuer successfully"),
            certificate=_encoded(leaf + self.ca.issuing_pem),
            ca=_encoded(self.ca.root_pem),
        )

    async def issue(self, name: str, *, days: int = 90) -> None:
        """Wait for the request, approve and sign it."""
        await self.wait_for(name)
        await self.approve(name)
        await self.sign(name, days=days)

    async def csr(self, name: str) -> str:
        """The CSR of a request as PEM."""
        return base64.b64decode((await self.wait_for(name))["spec"]["request"]).decode()

    async def _set(self, name: str, condition: Object, **status: Any) -> None:
        found = await self.wait_for(name)
        conditions = [one for one in found.get("status", {}).get("conditions", []) if one["type"] != condition["type"]]
        patch = {"status": {**status, "conditions": [*conditions, condition]}}
        given = ("--subresource=status", "--type=merge", "--patch-file=/dev/stdin")
        await self.world.kubectl("patch", "certificaterequest", name, *given, given=json.dumps(patch))


def _condition(kind: str, status: str, reason: str, message: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": _now()}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
