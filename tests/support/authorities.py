"""A CertificateAuthority in a world: manifests, what it published, and clients that trust one root only."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from device_cert_operator.core.model import ObjectKey
from device_simulator import Kind, SimulatedDevice
from tests.support.world import HTTPS, Object, World

LOOPBACK = {"permittedIPRanges": ["127.0.0.0/8"]}


def authority(**spec: Any) -> Object:
    return {
        "apiVersion": "devicecert.io/v1alpha1",
        "kind": "CertificateAuthority",
        "metadata": {"name": "site-ca"},
        "spec": {"secretName": "site-root", "nameConstraints": LOOPBACK, **spec},
    }


def certificate(world: World, name: str = "gate", *devices: str, **spec: Any) -> Object:
    return world.certificate(name, *devices, **{"issuer": {"authorityRef": {"name": "site-ca"}}, **spec})


def wake(world: World, kind: str = "CertificateAuthority", name: str = "site-ca") -> None:
    """Schedules run on the machine's clock; whoever shifts the other one says so."""
    assert world.app is not None
    world.app.queue.add(ObjectKey(kind, world.namespace, name))


async def one_camera(
    world: World, *, camera: dict[str, Any] | None = None, wanted: dict[str, Any] | None = None, **spec: Any
) -> SimulatedDevice:
    """A camera, its log-in, a CertificateAuthority, the operator; Secure. wanted: of the DeviceCertificate's spec."""
    made = await world.camera("gate", **(camera or {}))
    driver = "onvif" if made.spec.kind is Kind.ONVIF else "camera-web"
    await world.credentials()
    await world.apply(authority(**spec), world.device("gate", driver=driver), certificate(world, **(wanted or {})))
    await world.start_operator()
    await world.ready("gate")
    await world.until("dca", "site-ca", "Ready", "True")
    return made


async def bundle(world: World, roots: int = 1) -> list[str]:
    """The certificates of the authority's ca.crt, each as PEM, once it holds so many."""
    end, until = "-----END CERTIFICATE-----\n", asyncio.get_running_loop().time() + 20
    while True:
        text = (await world.get("configmap", "site-ca-trust")).get("data", {}).get("ca.crt", "")
        found = [one + end for one in text.split(end) if one.strip()]
        if len(found) == roots:
            return found
        assert asyncio.get_running_loop().time() < until, f"the bundle holds {len(found)} roots, not {roots}"
        await asyncio.sleep(0.1)


async def secret_text(world: World, name: str, key: str = "tls.crt") -> str:
    found = await world.get("secret", name)
    return base64.b64decode(found.get("data", {}).get(key, "")).decode()


async def rotation(world: World) -> Object:
    return dict((await world.get("dca", "site-ca"))["status"].get("rotation") or {})


async def phase(world: World, wanted: str | None, within: float = 20) -> None:
    """Wait until the rotation is there; None: it is over."""
    until = asyncio.get_running_loop().time() + within
    while (seen := (await rotation(world)).get("phase")) != wanted:
        if asyncio.get_running_loop().time() > until:
            status = (await world.get("dca", "site-ca"))["status"]
            raise AssertionError(f"{seen} is not {wanted}: {status}")
        wake(world)
        await asyncio.sleep(0.1)


async def reason(world: World, kind: str, condition: str, status: str, wanted: str, told: str = "") -> str:
    """The condition's message, once it has this reason and says these words."""
    name = "site-ca" if kind == "dca" else "gate"
    return str((await world.until(kind, name, condition, status, wanted, told=told))["message"])


async def put_root(world: World, crt: bytes, key: bytes, *, label: bool = True) -> None:
    await world.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "site-root", "labels": {"devicecert.io/use": "ca"} if label else {}},
            "stringData": {"tls.crt": crt.decode(), "tls.key": key.decode()},
        }
    )


class Client:
    """Somebody who trusts one root only, and looks at the camera all the time, by the world's clock."""

    def __init__(self, world: World, address: str, root: Path) -> None:
        self._clock = world.clock
        self._command = (
            *("openssl", "s_client", "-connect", f"{address}:{HTTPS}", "-CAfile", str(root), "-no-CApath"),
            *("-verify_return_error", "-verify_ip", address),
        )
        self.accepted = 0
        self.refused: list[str] = []

    async def look(self) -> None:
        """Once. A camera that is away for a moment is not one that is not trusted."""
        process = await asyncio.create_subprocess_exec(
            *(*self._command, "-attime", str(int(self._clock.now().timestamp()))),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told, _ = await process.communicate()
        if process.returncode == 0:
            self.accepted += 1
        elif b"verify error" in told:
            self.refused.append(told.decode(errors="replace")[:400])

    async def keep_looking(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(0.02)


@asynccontextmanager
async def client(world: World, camera: SimulatedDevice, root: str, name: str) -> AsyncIterator[Client]:
    """A client that looks until the end."""
    path = world.folder / f"{name}.pem"
    path.write_text(root)
    made = Client(world, camera.address, path)
    task = asyncio.create_task(made.keep_looking())
    try:
        yield made
        before = made.accepted
        if not made.refused:
            await world.holds(lambda: made.accepted > before + 2 or bool(made.refused))
        assert not task.done() or task.result() is None
    finally:
        task.cancel()
