"""Revision Secrets: how they are written, and how they are read without their keys."""

import base64
import hashlib
import json
import secrets
from datetime import datetime
from functools import lru_cache
from typing import Any

from device_cert_operator.core.model import Revision
from device_cert_operator.errors import OperatorError
from device_cert_operator.kube.views import (
    AUTHORITY,
    GIVEN_TO,
    INPUT_HASH,
    NUMBER,
    OWNER_NAME,
    OWNER_UID,
    USE,
    Object,
    SecretView,
)
from device_cert_operator.pki.authority import lasts_until
from device_cert_operator.pki.facts import fingerprint, pem_to_ders, read_facts
from device_cert_operator.pki.verify import is_root

REVISION_TYPE = "devicecert.io/revision"
_SALT = secrets.token_bytes(16)  # of this process


def secret_view(obj: Object, kind: str) -> SecretView:
    """A labelled Secret or ConfigMap as the cache keeps it; broken certificates are as if absent."""
    meta = obj["metadata"]
    use = (meta.get("labels") or {}).get(USE, "")
    notes = {name: text for name, text in (meta.get("annotations") or {}).items() if name.startswith("devicecert.io/")}
    certificates = _certificates(obj, "tls.crt") if kind == "Secret" else ()
    return SecretView(
        kind,
        meta.get("namespace", ""),
        meta["name"],
        meta["uid"],
        meta["resourceVersion"],
        use,
        notes,
        fingerprint(certificates[0]) if certificates else None,
        read_revision(obj, certificates, notes) if use == "revision" and certificates else None,
        _digest(obj, kind, use),
        _ca_ends_at(certificates) if use == "ca" and certificates else None,
    )


def _ca_ends_at(certificates: tuple[bytes, ...]) -> datetime | None:
    try:
        return lasts_until(certificates)
    except OperatorError:
        return None


def content_digest(obj: Object) -> str:
    """Over everything that a ConfigMap holds."""
    return hashlib.sha256(_content(obj)).hexdigest()


def _digest(obj: Object, kind: str, use: str) -> str | None:
    """By which an edit is noticed. What people put there may be a private key, so its digest tells nothing outside."""
    if use == "certificate":
        return hashlib.sha256(_SALT + _content(obj)).hexdigest()
    return content_digest(obj) if kind == "ConfigMap" and use == "trust" else None


def _content(obj: Object) -> bytes:
    return json.dumps({part: obj.get(part) or {} for part in ("data", "binaryData")}, sort_keys=True).encode()


def read_revision(obj: Object, certificates: tuple[bytes, ...], notes: dict[str, str]) -> Revision | None:
    """The revision that a Secret holds; None when it is not whole."""
    try:
        chain, sent = _below_roots(certificates[1:])
        return Revision(
            number=int(notes[NUMBER]),
            secret=obj["metadata"]["name"],
            owner_uid=notes[OWNER_UID],
            input_hash=notes[INPUT_HASH],
            authority_fingerprint=notes[AUTHORITY],
            facts=read_facts(certificates[0]),
            given_to=frozenset(uid for uid in notes.get(GIVEN_TO, "").split(",") if uid),
            anchors_der=_certificates(obj, "ca.crt"),
            chain_der=chain,
            sent=sent,
            has_key=bool((obj.get("data") or {}).get("tls.key")),
        )
    except (KeyError, ValueError, OperatorError):
        return None


@lru_cache(maxsize=1024)
def _below_roots(issuers_der: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], frozenset[str]]:
    """The issuers that a device sends, and their fingerprints: one copy, however many revisions share them."""
    kept = tuple(der for der in issuers_der if not is_root(der))
    return kept, frozenset(fingerprint(der) for der in kept)


def revision_secret(
    *,
    namespace: str,
    owner_name: str,
    owner_uid: str,
    number: int,
    tls_crt: bytes,
    ca_crt: bytes,
    tls_key: bytes,
    input_hash: str,
    authority_fingerprint: str,
) -> dict[str, Any]:
    """The manifest. No ownerReferences: a prune must not destroy what a device serves."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": f"{owner_name}-r{number}",
            "namespace": namespace,
            "labels": {USE: "revision"},
            "annotations": {
                OWNER_UID: owner_uid,
                OWNER_NAME: owner_name,
                NUMBER: str(number),
                INPUT_HASH: input_hash,
                AUTHORITY: authority_fingerprint,
                GIVEN_TO: "",
            },
        },
        "type": REVISION_TYPE,
        "immutable": True,
        "data": encode({"tls.crt": tls_crt, "ca.crt": ca_crt} | ({"tls.key": tls_key} if tls_key else {})),
    }


def encode(data: dict[str, bytes]) -> dict[str, str]:
    """A Secret's data."""
    return {name: base64.b64encode(value).decode("ascii") for name, value in data.items()}


def decode(obj: Object, name: str) -> bytes | None:
    """One value of a Secret's data, or a ConfigMap's."""
    text = (obj.get("data") or {}).get(name)
    if text is None:
        return None
    if obj.get("kind") == "ConfigMap":
        return str(text).encode()
    try:
        return base64.b64decode(text)
    except ValueError:
        return None


def _certificates(obj: Object, name: str) -> tuple[bytes, ...]:
    data = decode(obj, name)
    try:
        return pem_to_ders(data) if data else ()
    except OperatorError:
        return ()
