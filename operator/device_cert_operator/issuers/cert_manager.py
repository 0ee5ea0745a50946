"""cert-manager: a CertificateRequest is made, and its conditions read (cert-manager.io/v1, CertificateRequest). Pure.

https://cert-manager.io/docs/usage/certificaterequest/ describes the conditions: Approved and Denied come from an
approver, InvalidRequest and Ready from the issuer; Ready=False has reason Pending, Failed or Denied.
"""

import base64
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from device_cert_operator.core.model import CertManagerIssuer, KeyType
from device_cert_operator.core.requests import NotSigned
from device_cert_operator.reasons import Reason

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ReturnedChain:
    """What the issuer signed, as PEM: leaf first; ca_pem: the CA, where the issuer tells it.

    key_sha256: of the private key (its SPKI) that came along with it, if one did.
    """

    chain_pem: bytes = field(repr=False)
    ca_pem: bytes | None = field(repr=False, default=None)
    key_sha256: str | None = None


def build_request(issuer: CertManagerIssuer, csr_pem: bytes, key_type: KeyType, duration: timedelta) -> dict[str, Any]:
    """The spec of a CertificateRequest. csr_pem: PKCS#10 as PEM. key_type: RSA keys alone encipher (RFC 5480, 3)."""
    enciphers = ("key encipherment",) if key_type.startswith("RSA") else ()
    return {
        "issuerRef": {"name": issuer.name, "kind": issuer.kind, "group": issuer.group},
        "request": base64.b64encode(csr_pem).decode("ascii"),
        "duration": f"{int(duration.total_seconds())}s",
        "isCA": False,
        "usages": ["digital signature", *enciphers, "server auth"],
    }


def read_request(name: str, request: Object) -> NotSigned | ReturnedChain:
    """What has come of a CertificateRequest. name: for the sentences."""
    status = request.get("status") or {}
    conditions = {one.get("type"): one for one in status.get("conditions") or ()}
    where = f"CertificateRequest {name}"
    ready = conditions.get("Ready") or {}
    if _holds(conditions, "Denied") or ready.get("reason") == "Denied":
        return _no(Reason.ISSUANCE_DENIED, f"{where} was denied", conditions.get("Denied") or ready)
    if _holds(conditions, "InvalidRequest"):
        return _no(Reason.REQUEST_INVALID, f"{where} is invalid for its issuer", conditions["InvalidRequest"])
    if ready.get("status") == "True" and status.get("certificate"):
        return ReturnedChain(_decoded(status["certificate"]), _decoded(status["ca"]) if status.get("ca") else None)
    if ready.get("reason") == "Failed":
        return NotSigned(Reason.REQUEST_FAILED, f"{where} failed: {_said(ready)} Another follows.", again=True)
    if not _holds(conditions, "Approved"):
        return NotSigned(Reason.WAITING_FOR_APPROVAL, f"{where} waits for its approval (`cmctl approve {name}`).")
    return NotSigned(Reason.WAITING_FOR_ISSUER, f"{where} is approved and waits for its issuer. {_said(ready)}".strip())


def requested_csr(request: Object) -> bytes:
    """The CSR that a CertificateRequest was made for, as PEM; empty where it holds none."""
    return _decoded(str((request.get("spec") or {}).get("request") or ""))


def may_be_asked(issuer: CertManagerIssuer, allowed: Collection[str]) -> bool:
    """Whether requests, which carry the operator's identity, may go to this issuer.

    Issuers of the namespace always; any other kind may reach beyond it, so it has to be in `allowed`: `NAME` is a
    ClusterIssuer of cert-manager, `KIND.GROUP/NAME` one of another kind.
    """
    if issuer.kind == "Issuer":
        return True
    return allow_list_entry(issuer) in allowed


def allow_list_entry(issuer: CertManagerIssuer) -> str:
    """How an issuer is written in the allow-list."""
    usual = (issuer.kind, issuer.group) == ("ClusterIssuer", "cert-manager.io")
    return issuer.name if usual else f"{issuer.kind}.{issuer.group}/{issuer.name}"


def _holds(conditions: Mapping[str | None, Object], kind: str) -> bool:
    return (conditions.get(kind) or {}).get("status") == "True"


def _no(reason: Reason, what: str, condition: Object) -> NotSigned:
    told = f"{what}: {_said(condition)} Correct the spec or the policy, then annotate devicecert.io/renew."
    return NotSigned(reason, told, final=True)


def _said(condition: Object) -> str:
    text = str(condition.get("message") or "").strip()[:300]
    return f"{text.rstrip('.')}." if text else ""


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except ValueError:
        return b""
