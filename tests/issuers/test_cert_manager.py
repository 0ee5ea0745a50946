"""CertificateRequests: what is asked, and what their conditions come to."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from device_cert_operator.core.model import CertManagerIssuer, KeyType
from device_cert_operator.core.requests import NotSigned
from device_cert_operator.issuers.cert_manager import (
    ReturnedChain,
    allow_list_entry,
    build_request,
    may_be_asked,
    read_request,
    requested_csr,
)
from device_cert_operator.reasons import Reason

PEM = b"-----BEGIN CERTIFICATE REQUEST-----\n"
ISSUER = CertManagerIssuer("site")


def condition(kind: str, status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


APPROVED = condition("Approved", "True")


def request(*conditions: dict[str, str], **status: Any) -> dict[str, Any]:
    return {"status": {"conditions": list(conditions), **status}}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_the_request_says_what_the_certificate_is_for() -> None:
    asked = build_request(CertManagerIssuer("a", "StepIssuer", "step.sm"), PEM, KeyType.RSA_2048, timedelta(hours=2))
    assert asked == {
        "issuerRef": {"name": "a", "kind": "StepIssuer", "group": "step.sm"},
        "request": encoded(PEM),
        "duration": "7200s",
        "isCA": False,
        "usages": ["digital signature", "key encipherment", "server auth"],
    }
    assert requested_csr({"spec": asked}) == PEM


@pytest.mark.parametrize(("key_type", "enciphers"), [(kind, kind.startswith("RSA")) for kind in KeyType])
def test_only_an_rsa_key_is_asked_to_encipher(key_type: KeyType, enciphers: bool) -> None:
    asked = build_request(ISSUER, PEM, key_type, timedelta(hours=2))
    assert ("key encipherment" in asked["usages"]) is enciphers


@pytest.mark.parametrize(
    ("found", "reason", "final", "again", "words"),
    [
        (request(), Reason.WAITING_FOR_APPROVAL, False, False, "cmctl approve gate-r1"),
        ({}, Reason.WAITING_FOR_APPROVAL, False, False, "waits for its approval"),
        ({"status": {"conditions": None}}, Reason.WAITING_FOR_APPROVAL, False, False, "approval"),
        (request(APPROVED), Reason.WAITING_FOR_ISSUER, False, False, "waits for its issuer"),
        (
            request(APPROVED, condition("Ready", "False", "Pending", "order is open")),
            Reason.WAITING_FOR_ISSUER,
            False,
            False,
            "order is open.",
        ),
        (
            request(APPROVED, condition("Ready", "True", "Issued")),
            Reason.WAITING_FOR_ISSUER,
            False,
            False,
            "waits for its issuer",
        ),
        (
            request(condition("Denied", "True", "policy", "not this name")),
            Reason.ISSUANCE_DENIED,
            True,
            False,
            "was denied: not this name.",
        ),
        (
            request(condition("Ready", "False", "Denied", "by a controller")),
            Reason.ISSUANCE_DENIED,
            True,
            False,
            "by a controller",
        ),
        (
            request(condition("Denied", "True"), certificate=encoded(b"x")),
            Reason.ISSUANCE_DENIED,
            True,
            False,
            "was denied",
        ),
        (
            request(
                APPROVED, condition("InvalidRequest", "True", "", "no IPs"), condition("Ready", "False", "Failed", "x")
            ),
            Reason.REQUEST_INVALID,
            True,
            False,
            "is invalid for its issuer: no IPs.",
        ),
        (
            request(APPROVED, condition("Ready", "False", "Failed", "time-out")),
            Reason.REQUEST_FAILED,
            False,
            True,
            "failed: time-out. Another follows.",
        ),
        (request(condition("Denied", "False")), Reason.WAITING_FOR_APPROVAL, False, False, "approval"),
    ],
)
def test_what_has_not_been_signed_says_why(
    found: dict[str, Any], reason: Reason, final: bool, again: bool, words: str
) -> None:
    answer = read_request("gate-r1", found)
    assert isinstance(answer, NotSigned)
    assert (answer.reason, answer.final, answer.again) == (reason, final, again)
    assert words in answer.message and "gate-r1" in answer.message


def test_a_long_message_of_an_issuer_is_cut() -> None:
    answer = read_request("gate-r1", request(condition("Ready", "False", "Failed", "x" * 5000)))
    assert isinstance(answer, NotSigned)
    assert len(answer.message) < 400


def test_what_was_signed_comes_back_with_the_ca_where_it_is_told() -> None:
    ready = condition("Ready", "True", "Issued")
    with_ca = request(APPROVED, ready, certificate=encoded(b"chain"), ca=encoded(b"ca"))
    assert read_request("r", with_ca) == ReturnedChain(b"chain", b"ca")
    assert read_request("r", request(ready, certificate=encoded(b"chain"))) == ReturnedChain(b"chain")
    assert "chain" not in repr(read_request("r", with_ca))


@pytest.mark.parametrize("text", ["%%%", "YQ", "ü"])
def test_a_certificate_that_is_no_base64_is_none(text: str) -> None:
    found = read_request("r", request(condition("Ready", "True"), certificate=text))
    assert isinstance(found, ReturnedChain)
    assert b"BEGIN" not in found.chain_pem


@pytest.mark.parametrize("found", [{}, {"spec": None}, {"spec": {"request": None}}, {"spec": {"request": "ü"}}])
def test_a_request_without_a_csr_holds_none(found: dict[str, Any]) -> None:
    assert requested_csr(found) == b""


@pytest.mark.parametrize(
    ("issuer", "entry", "may"),
    [
        (CertManagerIssuer("a"), "Issuer.cert-manager.io/a", True),
        (CertManagerIssuer("a", "Issuer", "example.com"), "Issuer.example.com/a", True),
        (CertManagerIssuer("company", "ClusterIssuer"), "company", True),
        (CertManagerIssuer("other", "ClusterIssuer"), "other", False),
        (CertManagerIssuer("company", "ClusterIssuer", "example.com"), "ClusterIssuer.example.com/company", False),
        (CertManagerIssuer("x", "StepClusterIssuer", "step.sm"), "StepClusterIssuer.step.sm/x", True),
        (CertManagerIssuer("y", "StepClusterIssuer", "step.sm"), "StepClusterIssuer.step.sm/y", False),
    ],
)
def test_what_may_reach_beyond_the_namespace_is_asked_only_where_allowed(
    issuer: CertManagerIssuer, entry: str, may: bool
) -> None:
    assert allow_list_entry(issuer) == entry
    assert may_be_asked(issuer, ("company", "StepClusterIssuer.step.sm/x")) is may
