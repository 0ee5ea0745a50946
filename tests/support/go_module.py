"""Files out of Go modules: what other projects publish for everybody, pinned by version and SHA-256."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

from local_control_plane.build import cache_root
from local_control_plane.toolchain import ENVIRONMENT, ensure_go

PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
PROMETHEUS_OPERATOR_CRDS = {
    "monitoring.coreos.com_servicemonitors.yaml": "1dae27b7189b5ce7b9ab764656c18b4c75a45cde1e6f3af6a5e84c4317628919",
    "monitoring.coreos.com_prometheusrules.yaml": "98fd16c9ab79fba8dcd6ef62c957c98cd6546ab74ce0a4ecf09ddf2fda03020e",
}


def prometheus_operator_crds() -> list[Path]:
    """ServiceMonitor and PrometheusRule, as their project publishes them."""
    folder = module_folder(PROMETHEUS_OPERATOR) / "example" / "prometheus-operator-crd"
    return [checked(folder / name, sha256) for name, sha256 in PROMETHEUS_OPERATOR_CRDS.items()]


def module_folder(module: str) -> Path:
    """Where `path@version` is, downloaded unless it is in Go's module cache."""
    cache_root().mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [str(ensure_go(cache_root() / "go", print)), "mod", "download", "-json", module],
        cwd=cache_root(),
        env=os.environ | ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{module}: {done.stdout} {done.stderr}"
    return Path(json.loads(done.stdout)["Dir"])


def checked(file: Path, sha256: str) -> Path:
    """The file, if it is the one that was pinned."""
    assert hashlib.sha256(file.read_bytes()).hexdigest() == sha256, f"{file.name} is not the pinned one"
    return file
