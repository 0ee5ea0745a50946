"""Asks a part of the plane over HTTPS, with a client certificate and never through a proxy."""

import http.client
import json
import ssl
import urllib.request
from pathlib import Path
from typing import Any

_TIMEOUT_SECONDS = 2.0


class Caller:
    """Speaks to one part as one user. pki: the folder with `ca.crt` and the user's `.crt` and `.key`."""

    def __init__(self, pki: Path, user: str, url: str) -> None:
        self._url = url
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / f"{user}.crt", pki / f"{user}.key")
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def ready(self) -> bool:
        """Whether the API server says it can serve."""
        return self.found("/readyz")

    def found(self, path: str) -> bool:
        """Whether a GET is answered with 200; False as well where nothing answers."""
        try:
            with self._opener.open(f"{self._url}{path}", timeout=_TIMEOUT_SECONDS) as reply:
                return bool(reply.status == 200)
        except (OSError, http.client.HTTPException):
            return False

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a POST, JSON both ways. Raises OSError, ValueError."""
        request = urllib.request.Request(f"{self._url}{path}", json.dumps(body).encode())  # noqa: S310  # our own URL
        with self._opener.open(request, timeout=_TIMEOUT_SECONDS * 5) as reply:
            return dict(json.load(reply))
