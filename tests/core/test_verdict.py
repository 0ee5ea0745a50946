"""The table: what each client makes of what is served. Rows are from tests against real Chromium, OpenSSL, Go."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from device_cert_operator.core.model import CertificateFacts, NameConstraints
from device_cert_operator.core.verdict import ALL, ChainFacts, Client, Verdict, judge, supposing_trust
from device_cert_operator.reasons import Reason
from tests.support.situations import NOW, facts, served

HOST = "10.0.0.1"
C, O, A = Client.CHROMIUM, Client.OPENSSL, Client.APPLE  # noqa: E741  # columns of the table
NOBODY: frozenset[Client] = frozenset()


def authority(subject: str = "O=root", **more: Any) -> CertificateFacts:
    """A conforming CA."""
    given: dict[str, Any] = {
        "subject": subject,
        "issuer": "O=root",
        "is_ca": True,
        "key_usage": frozenset({"keyCertSign", "cRLSign"}),
        "extended_key_usage": None,
        "has_san": False,
        "ip_addresses": (),
        "common_name": None,
        "not_after": NOW + timedelta(days=3650),
    }
    return facts("r", **{**given, **more})


ROOT = authority()
BELOW = authority("O=below", path_length=0)
V1 = authority(version=1, is_ca=None, key_usage=None, key_type="RSA", curve=None, key_bits=2048)


@dataclass(frozen=True)
class Row:
    """accepts: who takes it. reason: of the Secure condition. says: part of some finding's sentence."""

    sentence: str
    accepts: frozenset[Client]
    reason: Reason
    says: str
    leaf: CertificateFacts
    above: tuple[CertificateFacts, ...] = (ROOT,)
    host: str = HOST
    handshake: dict[str, Any] | None = None


def row(
    sentence: str,
    accepts: set[Client] | frozenset[Client],
    reason: Reason,
    says: str = "",
    *,
    above: tuple[CertificateFacts, ...] = (ROOT,),
    host: str = HOST,
    handshake: dict[str, Any] | None = None,
    **leaf: Any,
) -> Row:
    given: dict[str, Any] = {"issuer": "O=root", **leaf}
    return Row(sentence, frozenset(accepts), reason, says, facts(**given), above, host, handshake)


def rsa(bits: int) -> dict[str, Any]:
    return {"key_type": "RSA", "curve": None, "key_bits": bits}


def ec(curve: str) -> dict[str, Any]:
    return {"key_type": "EC", "curve": curve, "key_bits": 0}


T = Reason.TRUSTED
IPS = NameConstraints(permitted_ip=("10.0.0.0/8",), excluded_dns=("",))
BOTH = NameConstraints(permitted_ip=("10.0.0.0/8",), permitted_dns=("cams.example",))
OLD = NOW - timedelta(days=2)
ROWS = [
    row("a good leaf under a good root", ALL, T, "Browsers that trust the intended CA accept this device."),
    # ------------------------------------------------------------------ pki-facts §1: roots
    row("a v1 root", ALL, T, "is X.509 v1: browsers accept it, strict verifiers do not.", above=(V1,)),
    row("a root by req -x509, without keyUsage", ALL, T, above=(authority(key_usage=None),)),
    row("a v3 root with keyUsage and no basicConstraints", ALL, T, above=(authority(is_ca=None),)),
    row(
        "a v3 root with neither",
        {C, A},
        T,
        "O=root does not say that it is a CA: OpenSSL refuses it.",
        above=(authority(is_ca=None, key_usage=None),),
    ),
    row("a root RSA-1024", {C, O}, T, "O=root has an RSA key of 1024 bits", above=(authority(**rsa(1024)),)),
    row("a root RSA-512", NOBODY, Reason.WEAK_KEY, "512 bits; 2048 are wanted", above=(authority(**rsa(512)),)),
    row(
        "a root for clients only",
        NOBODY,
        Reason.NOT_FOR_SERVERS,
        "CA O=root is not for TLS servers",
        above=(authority(extended_key_usage=("1.3.6.1.5.5.7.3.2",)),),
    ),
    row(
        "a root for any purpose",
        {C, A},
        T,
        "CA O=root is for any purpose, not expressly for servers: OpenSSL refuses it.",
        above=(authority(extended_key_usage=("2.5.29.37.0",)),),
    ),
    row(
        "a root for clients above one for any purpose",
        NOBODY,
        Reason.NOT_FOR_SERVERS,
        "CA O=root is not for TLS servers",
        above=(
            replace(BELOW, extended_key_usage=("2.5.29.37.0",)),
            authority(extended_key_usage=("1.3.6.1.5.5.7.3.2",)),
        ),
    ),
    row("a root for servers", ALL, T, above=(authority(extended_key_usage=("1.3.6.1.5.5.7.3.1",)),)),
    row(
        "an anchor below another CA",
        {C, A},
        T,
        "O=root is trusted without O=above above it: OpenSSL accepts that only as a partial chain.",
        above=(authority(issuer="O=above"),),
    ),
    row(
        "an expired root",
        NOBODY,
        Reason.CERTIFICATE_EXPIRED,
        "The CA certificate O=root expired on 2026-11-22",
        above=(authority(not_after=OLD),),
    ),
    row(
        "a root of tomorrow",
        NOBODY,
        Reason.CERTIFICATE_NOT_YET_VALID,
        "The CA certificate O=root is valid from",
        above=(authority(not_before=NOW + timedelta(1)),),
    ),
    row("a root that signed itself with SHA-1", ALL, T, above=(authority(signature_hash="sha1"),)),
    row("a P-521 root", ALL, T, above=(authority(**ec("secp521r1")),)),
    row(
        "a root on Bitcoin's curve",
        {O},
        Reason.KEY_TYPE_NOT_IN_BROWSERS,
        "Browsers take no secp256k1 keys, as that of CA O=root.",
        above=(authority(**ec("secp256k1")),),
    ),
    # ------------------------------------------------------------------ pki-facts §1: leaves
    row("a leaf RSA-2048", ALL, T, **rsa(2048)),
    row("a leaf RSA-1024", {C, O}, T, "CN=10.0.0.1 has an RSA key of 1024 bits", **rsa(1024)),
    row("a leaf RSA-512", NOBODY, Reason.WEAK_KEY, "512 bits", **rsa(512)),
    row("a leaf P-384", ALL, T, **ec("secp384r1")),
    *(
        row(
            f"a leaf {curve}",
            {O},
            Reason.KEY_TYPE_NOT_IN_BROWSERS,
            f"Browsers take no {curve} keys, as that of the certificate.",
            **ec(curve),
        )
        for curve in ("secp521r1", "secp224r1")
    ),
    row(
        "a leaf Ed25519",
        {O},
        Reason.KEY_TYPE_NOT_IN_BROWSERS,
        "Browsers take no Ed25519 keys",
        key_type="Ed25519",
        curve=None,
    ),
    row("SAN critical although a subject is there", ALL, T, san_critical=True),
    row("a leaf with CA:TRUE", ALL, T, is_ca=True),
    row("empty subject, SAN critical", ALL, T, subject="", subject_is_empty=True, san_critical=True),
    row(
        "empty subject, SAN not critical",
        {O},
        Reason.EMPTY_SUBJECT_SAN_NOT_CRITICAL,
        "The subject is empty and the SAN is not critical.",
        subject="",
        subject_is_empty=True,
    ),
    row("any purpose only", {C}, T, "for any purpose, not expressly for servers", extended_key_usage=("2.5.29.37.0",)),
    row("no purpose given", {C, O}, T, "Apple's platforms want extendedKeyUsage serverAuth.", extended_key_usage=None),
    row(
        "for clients only",
        NOBODY,
        Reason.NOT_FOR_SERVERS,
        "is not for TLS servers (extendedKeyUsage)",
        extended_key_usage=("1.3.6.1.5.5.7.3.2",),
    ),
    row(
        "an RSA leaf whose keyUsage lacks digitalSignature",
        {O},
        Reason.KEY_USAGE_UNFIT,
        "keyUsage lacks digitalSignature",
        key_usage=frozenset({"keyEncipherment"}),
        **rsa(2048),
    ),
    row(
        "a leaf for signing certificates only",
        NOBODY,
        Reason.KEY_USAGE_UNFIT,
        "keyUsage lacks digitalSignature",
        key_usage=frozenset({"keyCertSign"}),
    ),
    row("no keyUsage at all", ALL, T, key_usage=None),
    row("a 10-year leaf", {C, O}, T, "more than 825 days; Apple's", not_after=NOW + timedelta(days=3650)),
    row("a leaf that outlives its CA", ALL, T, above=(authority(not_after=NOW + timedelta(1)),)),
    row(
        "CN only, no SAN",
        NOBODY,
        Reason.NAME_ONLY_IN_COMMON_NAME,
        "10.0.0.1 stands only in the CN; clients read only the SAN.",
        has_san=False,
        ip_addresses=(),
    ),
    row(
        "an address written as dNSName",
        NOBODY,
        Reason.ADDRESS_NOT_IN_CERTIFICATE,
        "names 10.0.0.1 as a DNS name; clients look for it as an IP address.",
        dns_names=("10.0.0.1",),
        ip_addresses=(),
    ),
    row("signed with SHA-1", NOBODY, Reason.WEAK_SIGNATURE, "is signed with sha1", signature_hash="sha1"),
    row("signed with MD5", NOBODY, Reason.WEAK_SIGNATURE, "is signed with md5", signature_hash="md5"),
    row("expired", NOBODY, Reason.CERTIFICATE_EXPIRED, "The certificate expired on 2026-11-22", not_after=OLD),
    row("valid to the second", ALL, T, not_after=NOW),
    row(
        "not yet valid",
        NOBODY,
        Reason.CERTIFICATE_NOT_YET_VALID,
        "The certificate is valid from 2026-11-25",
        not_before=NOW + timedelta(1),
    ),
    row(
        "extensions that cannot be read",
        NOBODY,
        Reason.CERTIFICATE_UNREADABLE,
        "Clients refuse CN=10.0.0.1: its extensions are odd.",
        extensions_problem="its extensions are odd",
    ),
    # ------------------------------------------------------------------ names
    row(
        "another address",
        NOBODY,
        Reason.ADDRESS_NOT_IN_CERTIFICATE,
        "The certificate is for 10.0.0.9, not for 10.0.0.1.",
        ip_addresses=("10.0.0.9",),
    ),
    row(
        "a SAN without names",
        NOBODY,
        Reason.ADDRESS_NOT_IN_CERTIFICATE,
        "is for no name at all, not for 10.0.0.1.",
        ip_addresses=(),
    ),
    row(
        "more names than are read",
        NOBODY,
        Reason.ADDRESS_NOT_IN_CERTIFICATE,
        "is for a.example, 10.0.0.9, …, not",
        dns_names=("a.example",),
        ip_addresses=("10.0.0.9",),
        names_cut=True,
    ),
    row("a name", ALL, T, host="Gate.cams.example.", dns_names=("gate.cams.example",)),
    row("a wildcard", ALL, T, host="gate.cams.example", dns_names=("*.cams.example",)),
    row(
        "a wildcard is one label",
        NOBODY,
        Reason.ADDRESS_NOT_IN_CERTIFICATE,
        "not for a.b.cams.example",
        host="a.b.cams.example",
        dns_names=("*.cams.example",),
        ip_addresses=(),
    ),
    row(
        "a name with a dot at its end",
        {C},
        T,
        "names gate.example with a dot at its end, which OpenSSL takes for another name.",
        host="gate.example",
        dns_names=("gate.example.",),
        ip_addresses=(),
    ),
    row(
        "a wildcard for a part of a label",
        {O},
        Reason.ADDRESS_NOT_IN_CERTIFICATE,
        "is for g*e.cams.example, not for gate.cams.example",
        host="gate.cams.example",
        dns_names=("g*e.cams.example",),
        ip_addresses=(),
    ),
    row("IPv6 in any spelling", ALL, T, host="FE80:0:0::1", ip_addresses=("fe80::1",)),
    row(
        "a name only in the CN",
        NOBODY,
        Reason.NAME_ONLY_IN_COMMON_NAME,
        "cam.example stands only in the CN",
        host="cam.example",
        common_name="Cam.Example",
        has_san=False,
        ip_addresses=(),
    ),
    row(
        "a CN that is no name",
        NOBODY,
        Reason.ADDRESS_NOT_IN_CERTIFICATE,
        "is for no name at all",
        common_name="Kaméra",
        has_san=False,
        ip_addresses=(),
    ),
    # ------------------------------------------------------------------ the path
    row("an intermediate", ALL, T, above=(BELOW, ROOT)),
    row(
        "an intermediate that may not sign",
        NOBODY,
        Reason.CA_NOT_A_CA,
        "O=below may not sign certificates.",
        above=(replace(BELOW, key_usage=frozenset({"digitalSignature"})), ROOT),
    ),
    row(
        "a leaf that plays the CA",
        NOBODY,
        Reason.CA_NOT_A_CA,
        "O=below may not sign certificates.",
        above=(replace(BELOW, is_ca=False), ROOT),
    ),
    row(
        "an intermediate that does not say what it is",
        NOBODY,
        Reason.CA_NOT_A_CA,
        "O=below does not say that it is a CA.",
        above=(replace(BELOW, is_ca=None), ROOT),
    ),
    row(
        "a root that allows nothing below",
        NOBODY,
        Reason.CA_NOT_A_CA,
        "O=root may not have 1 CAs below it (pathlen).",
        above=(BELOW, authority(path_length=0)),
    ),
    row(
        "an intermediate signed with SHA-1",
        NOBODY,
        Reason.WEAK_SIGNATURE,
        "O=below is signed with sha1",
        above=(replace(BELOW, signature_hash="sha1"), ROOT),
    ),
    # ------------------------------------------------------------------ pki-facts §2: name constraints
    row("inside an IP range", ALL, T, above=(authority(name_constraints=IPS),), common_name=None),
    row(
        "outside of it",
        NOBODY,
        Reason.NAME_CONSTRAINED,
        "CA O=root does not permit 11.0.0.1, and clients refuse the whole certificate for it.",
        above=(authority(name_constraints=IPS),),
        host="11.0.0.1",
        ip_addresses=("11.0.0.1",),
    ),
    row(
        "a further name outside",
        NOBODY,
        Reason.NAME_CONSTRAINED,
        "does not permit other.example",
        above=(authority(name_constraints=BOTH),),
        dns_names=("other.example",),
    ),
    row(
        "more names than can be checked",
        NOBODY,
        Reason.NAME_CONSTRAINED,
        "more names than can be checked",
        above=(authority(name_constraints=IPS),),
        names_cut=True,
    ),
    row(
        "the CN is the IP",
        {C, A},
        T,
        "OpenSSL takes the CN 10.0.0.1 for a DNS name, which CA O=root does not permit.",
        above=(authority(name_constraints=BOTH),),
    ),
    row(
        "the CN is permitted",
        ALL,
        T,
        above=(authority(name_constraints=BOTH),),
        common_name="gate.cams.example",
    ),
    row(
        "another subject than the directory name permitted",
        NOBODY,
        Reason.NAME_CONSTRAINED,
        "CA O=root does not permit the subject O=Example,CN=10.0.0.1.",
        above=(authority(name_constraints=NameConstraints(permitted_directory=("O=Other",))),),
        subject="O=Example,CN=10.0.0.1",
    ),
    row("the CN is a sentence", ALL, T, above=(authority(name_constraints=BOTH),), common_name="Gate no. 1"),
    # ------------------------------------------------------------------ pki-facts §3: the handshake
    *(
        row(
            f"{version} at most",
            {O},
            Reason.TLS_TOO_OLD,
            f"The device speaks {version} at most; browsers want TLS 1.2: update it.",
            handshake={"tls_version": version, "browser_grade": False},
        )
        for version in ("SSLv3", "TLSv1", "TLSv1.1")
    ),
    row("TLS 1.2", ALL, T, handshake={"tls_version": "TLSv1.2"}),
    row(
        "RSA key exchange with a key for encipherment",
        ALL,
        T,
        handshake={"tls_version": "TLSv1.2", "cipher": "AES128-GCM-SHA256"},
        key_usage=frozenset({"keyEncipherment"}),
        **rsa(2048),
    ),
    row(
        "RSA key exchange with a key for signatures",
        {O},
        Reason.KEY_USAGE_UNFIT,
        "keyUsage lacks keyEncipherment",
        handshake={"tls_version": "TLSv1.2", "cipher": "AES128-GCM-SHA256"},
        key_usage=frozenset({"digitalSignature"}),
        **rsa(2048),
    ),
    row(
        "DHE only",
        {O},
        Reason.TLS_TOO_OLD,
        "agrees only on DHE",
        handshake={"tls_version": "TLSv1.2", "browser_grade": False, "why_not": "The device agrees only on DHE."},
    ),
    row(
        "not browser-grade, nobody knows why",
        {O},
        Reason.TLS_TOO_OLD,
        "No browser makes this handshake.",
        handshake={"tls_version": "TLSv1.2", "browser_grade": False},
    ),
]


def verdict(one: Row) -> Verdict:
    path = (replace(one.leaf), *one.above)  # a value of its own, as when it was read twice
    chain = ChainFacts(path, anchored=True, intended=("O=root",))
    return judge(replace(served(**(one.handshake or {})), leaf=one.leaf), chain, one.host, NOW)


@pytest.mark.parametrize("one", ROWS, ids=lambda one: one.sentence)
def test_what_each_client_makes_of(one: Row) -> None:
    found = verdict(one)
    assert {client for client in Client if found.accepted_by(client)} == one.accepts
    assert found.secure is (C in one.accepts)
    assert found.reason is one.reason
    assert one.says in found.message


# --------------------------------------------------------------------------------------------- issuers

FOREIGN = facts(issuer="O=firmware")
SELF = facts(issuer="CN=10.0.0.1")


@pytest.mark.parametrize(
    ("sentence", "chain", "reason", "message"),
    [
        (
            "the firmware's CA",
            ChainFacts((FOREIGN,), False, ("O=root",)),
            Reason.ISSUER_MISMATCH,
            "The served certificate was issued by O=firmware; wanted is one of O=root.",
        ),
        (
            "the top of what was sent counts",
            ChainFacts((FOREIGN, authority("O=firmware", issuer="O=vendor")), False, ("O=root", "O=other")),
            Reason.ISSUER_MISMATCH,
            "The served certificate was issued by O=vendor; wanted is one of O=root or O=other.",
        ),
        (
            "self-signed",
            ChainFacts((SELF,), False, ("O=root",)),
            Reason.ISSUER_MISMATCH,
            "The served certificate is self-signed; wanted is one of O=root.",
        ),
        (
            "nobody is named",
            ChainFacts((facts(issuer=""),), False, ("O=root",)),
            Reason.ISSUER_MISMATCH,
            "The served certificate was issued by nobody named; wanted is one of O=root.",
        ),
        (
            "no CA is intended",
            ChainFacts((FOREIGN,), False),
            Reason.ISSUER_MISMATCH,
            "The served certificate was issued by O=firmware; wanted is one of no CA.",
        ),
        (
            "an intermediate is not sent",
            ChainFacts((facts(issuer="O=below"),), False, ("O=root",), missing="O=below"),
            Reason.CHAIN_INCOMPLETE,
            "The device does not send O=below, which links its certificate to the CA that clients trust.",
        ),
        (
            "a CA of the same name and another key",
            ChainFacts((facts(issuer="O=root"),), False, ("O=root",)),
            Reason.SIGNATURE_INVALID,
            "The chain names O=root as its issuer, but that CA's key did not sign it: another CA of the same name did, "
            "or it was altered.",
        ),
        (
            "a broken link",
            ChainFacts((FOREIGN,), False, ("O=root",), broken=True),
            Reason.SIGNATURE_INVALID,
            "The chain names O=firmware as its issuer, but that CA's key did not sign it: another CA of the same name "
            "did, or it was altered.",
        ),
    ],
)
def test_who_issued_it_and_who_should_have(sentence: str, chain: ChainFacts, reason: Reason, message: str) -> None:
    found = judge(replace(served(), leaf=chain.path[0]), chain, HOST, NOW)
    assert (found.reason, found.message) == (reason, message), sentence
    assert not any(found.accepted_by(client) for client in Client)


def test_a_leaf_that_is_its_own_anchor_is_judged_as_a_leaf() -> None:
    assert judge(replace(served(), leaf=SELF), ChainFacts((SELF,), True, ("CN=10.0.0.1",)), HOST, NOW).secure


def test_every_fault_is_found_and_the_issuer_comes_first() -> None:
    bad = facts(issuer="O=firmware", ip_addresses=("10.0.0.9",), not_after=OLD, signature_hash="sha1", **rsa(1024))
    handshake = replace(served(tls_version="TLSv1", browser_grade=False), leaf=bad)
    found = judge(handshake, ChainFacts((bad,), False, ("O=root",)), HOST, NOW)
    assert [fault.reason for fault in found.faults] == [
        Reason.ISSUER_MISMATCH,
        Reason.ADDRESS_NOT_IN_CERTIFICATE,
        Reason.CERTIFICATE_EXPIRED,
        Reason.TLS_TOO_OLD,
        Reason.WEAK_SIGNATURE,
        Reason.WEAK_KEY,
    ]
    assert found.reason is Reason.ISSUER_MISMATCH


def test_what_others_mind_is_told_where_browsers_accept() -> None:
    long = row("ten years under a v1 root", {C, O}, T, above=(V1,), not_after=NOW + timedelta(days=3650))
    found = verdict(long)
    assert [fault.reason for fault in found.faults] == [Reason.NOT_FOR_APPLE]
    assert [warning.reason for warning in found.warnings] == [Reason.AUTHORITY_LEGACY_FORM]
    assert found.message == (
        "Browsers that trust the intended CA accept this device. The certificate is valid for more than 825 days; "
        "Apple's platforms refuse it. The CA certificate is X.509 v1: browsers accept it, strict verifiers do not."
    )


def test_what_only_others_mind_is_not_the_reason() -> None:
    found = verdict(row("expired and long", NOBODY, T, not_before=NOW - timedelta(900), not_after=OLD))
    assert found.reason is Reason.CERTIFICATE_EXPIRED
    assert "Apple" not in found.message


def test_where_nobody_said_whom_to_trust_the_rest_is_judged() -> None:
    handshake, leaf = served(), facts(issuer="O=firmware", not_after=OLD)
    found = judge(replace(handshake, leaf=leaf), supposing_trust(ChainFacts((leaf,), False)), HOST, NOW)
    assert [fault.reason for fault in found.faults] == [Reason.CERTIFICATE_EXPIRED]
    chain = ChainFacts((replace(leaf, issuer="O=root"), ROOT), False)
    assert supposing_trust(chain).anchored
    broken = judge(handshake, supposing_trust(ChainFacts((leaf,), False, broken=True)), HOST, NOW)
    assert broken.reason is Reason.SIGNATURE_INVALID
