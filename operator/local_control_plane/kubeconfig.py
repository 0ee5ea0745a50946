"""Kubeconfigs: written for a plane's users, read for a cluster that somebody else runs."""

import os
from pathlib import Path
from typing import Any

import yaml


def write_for_client(path: Path, url: str, ca: Path, pki: Path, user: str) -> None:
    """For a client certificate, `<user>.crt` and `.key` in pki."""
    login = {"client-certificate": str(pki / f"{user}.crt"), "client-key": str(pki / f"{user}.key")}
    _write(path, url, ca, login, "default")


def write_for_token(path: Path, url: str, ca: Path, token: str, namespace: str) -> None:
    """For a bearer token, e.g. of a service account."""
    _write(path, url, ca, {"token": token}, namespace)


def read_url(path: Path) -> str:
    """The server of the current context. Raises ValueError, without the file's content, and OSError."""
    try:
        config: Any = yaml.safe_load(path.read_text())
        context = next(it["context"] for it in config["contexts"] if it["name"] == config["current-context"])
        cluster = next(it["cluster"] for it in config["clusters"] if it["name"] == context["cluster"])
        return str(cluster["server"])
    except (yaml.YAMLError, LookupError, TypeError, StopIteration):
        raise ValueError(f"{path} is no kubeconfig with a current context") from None


def _write(path: Path, url: str, ca: Path, login: dict[str, str], namespace: str) -> None:
    """It lets its reader do all that the login may: for its owner's eyes only."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "local",
        "clusters": [{"name": "local", "cluster": {"server": url, "certificate-authority": str(ca)}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "local", "namespace": namespace}}],
        "users": [{"name": "local", "user": login}],
    }
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        yaml.safe_dump(content, file, sort_keys=False)
