"""A pod of the chart on this machine: the rendered Deployment's container as an OCI bundle, run by runc.

What a kubelet would do with it, in small: arguments and environment, user, read-only root, no capabilities, no new
privileges, limits, an emptyDir in memory, the ServiceAccount's token where it belongs. It shares the host's network, as
the control plane and the simulated devices listen on loopback. Seccomp is left to the cluster.
"""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local_control_plane.plane import ControlPlane

Object = dict[str, Any]
TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount"
PROGRAM = "runc"


@dataclass(frozen=True)
class Pod:
    """root: the image's files. image: its configuration (OCI image specification). spec: of the pod, as rendered.
    namespace: where its objects are. folder: of the bundle."""

    root: Path
    image: Object
    spec: Object
    namespace: str
    folder: Path

    def bundle(self, extra: dict[str, str], arguments: list[str] | None = None) -> Path:
        """Write the bundle. extra: environment on top. arguments: instead of the whole command."""
        [container] = self.spec["containers"]
        outer, inner = self.spec["securityContext"], container["securityContext"]
        assert inner["capabilities"] == {"drop": ["ALL"]}, "a container that keeps capabilities is not what this runs"
        environment = [*self.image["Env"], *(f"{one['name']}={self._value(one)}" for one in container["env"])]
        environment += [f"{name}={value}" for name, value in extra.items()]
        config = {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": outer["runAsUser"], "gid": outer["runAsGroup"]},
                "args": arguments or [*self.image["Entrypoint"], *container["args"]],
                "env": environment,
                "cwd": self.image.get("WorkingDir") or "/",
                "capabilities": {},
                "noNewPrivileges": not inner["allowPrivilegeEscalation"],
            },
            "root": {"path": str(self.root), "readonly": inner["readOnlyRootFilesystem"]},
            "mounts": [*_SYSTEM, *self._volumes(container), self._token()],
            "linux": {"namespaces": [{"type": kind} for kind in ("pid", "mount", "ipc", "uts")]},
        }
        (self.folder / "config.json").write_text(json.dumps(config))
        return self.folder

    def _value(self, variable: Object) -> str:
        if "value" in variable:
            return str(variable["value"])
        path = variable["valueFrom"]["fieldRef"]["fieldPath"]
        return {"status.podIP": "127.0.0.1", "metadata.namespace": self.namespace}[path]

    def _volumes(self, container: Object) -> Iterator[Object]:
        sizes = {one["name"]: one["emptyDir"]["sizeLimit"] for one in self.spec["volumes"]}
        for one in container["volumeMounts"]:
            options = ["nosuid", "nodev", "mode=1777", f"size={sizes[one['name']].removesuffix('i').lower()}"]
            yield {"destination": one["mountPath"], "type": "tmpfs", "source": "tmpfs", "options": options}

    def _token(self) -> Object:
        return {"destination": TOKEN, "type": "bind", "source": str(self.folder / "token"), "options": ["bind", "ro"]}

    def write_token(self, plane: ControlPlane, token: str) -> dict[str, str]:
        """The token as a kubelet mounts it; the environment that says where the API server is."""
        admin = yaml.safe_load(plane.kubeconfig.read_text())
        cluster = admin["clusters"][0]["cluster"]
        folder = self.folder / "token"
        folder.mkdir()
        (folder / "token").write_text(token)
        (folder / "ca.crt").write_bytes(Path(cluster["certificate-authority"]).read_bytes())
        (folder / "namespace").write_text(self.namespace)
        host, port = plane.url.removeprefix("https://").rsplit(":", 1)
        return {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}


_SYSTEM: tuple[Object, ...] = (
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {
        "destination": "/dev",
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["nosuid", "strictatime", "mode=755", "size=64k"],
    },
)


@contextmanager
def running(bundle: Path, name: str) -> Iterator["subprocess.Popen[str]"]:
    """Run it until the block ends; then it is told to end as a kubelet tells it. Its output is `bundle/log`."""
    with (bundle / "log").open("w") as log:
        command = [PROGRAM, "--root", str(bundle / "state"), "run", "--bundle", str(bundle), name]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, text=True)
        try:
            yield child
        finally:
            child.send_signal(signal.SIGTERM)  # runc hands it on
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                subprocess.run([PROGRAM, "--root", str(bundle / "state"), "kill", name, "KILL"], check=False)
                child.wait(15)


def run_once(bundle: Path, name: str) -> "subprocess.CompletedProcess[str]":
    """Run it to its end."""
    command = [PROGRAM, "--root", str(bundle / "state"), "run", "--bundle", str(bundle), name]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
