"""Would the clients people use accept what is served? Pure rules over certificate facts, one function a rule.

The rules follow what Chromium and OpenSSL were seen to do, and Apple's platforms documented (`tests/browser/rows/`
is the table, and asks both again). Signatures are checked elsewhere; here they arrive as `ChainFacts`.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from device_cert_operator.core.clients import (
    ALL,
    BROWSERS,
    STRICT,
    ChainFacts,
    Client,
    Evidence,
    Fault,
    Verdict,
    supposing_trust,
)
from device_cert_operator.core.model import CertificateFacts, Served, canonical_host
from device_cert_operator.core.naming import covers, not_permitted, partly_matches, subject_permitted
from device_cert_operator.reasons import Reason

__all__ = ["ALL", "RULES", "ChainFacts", "Client", "Evidence", "Fault", "Verdict", "judge", "supposing_trust"]

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
ANY_PURPOSE = "2.5.29.37.0"
APPLE_MOST_DAYS = timedelta(days=825)
BROWSER_CURVES = frozenset({"secp256r1", "secp384r1"})  # of a leaf
CA_CURVES = BROWSER_CURVES | {"secp521r1"}
LEAST_RSA_BITS = 1024  # below that Chromium refuses as well
TLS_USAGES = frozenset({"digitalSignature", "keyEncipherment", "keyAgreement"})  # OpenSSL's KU_TLS
WEAK_HASHES = frozenset({"sha1", "md5", "md4", "md2"})


def judge(served: Served, chain: ChainFacts, host: str, now: datetime) -> Verdict:
    """Every rule is asked; nothing stops at the first fault. host: what was dialled, address or DNS name."""
    evidence = Evidence(served.leaf, chain, canonical_host(host), now, served)
    found = [fault for rule in RULES if (fault := rule(evidence)) is not None]
    return Verdict(
        tuple(fault for fault in found if fault.clients), tuple(fault for fault in found if not fault.clients)
    )


# ------------------------------------------------------------------------------------------------ rules


def issuer_is_another(e: Evidence) -> Fault | None:
    """The chain does not end at the intended CA: both are named."""
    if e.chain.anchored or (e.chain.supposed and not e.chain.broken):
        return None
    if e.chain.missing is not None:
        return Fault(
            Reason.CHAIN_INCOMPLETE,
            f"The device does not send {e.chain.missing}, which links its certificate to the CA that clients trust.",
            ALL,
        )
    top, intended = e.chain.path[-1], " or ".join(e.chain.intended) or "no CA"
    if e.chain.broken or top.issuer in e.chain.intended:
        return Fault(
            Reason.SIGNATURE_INVALID,
            f"The chain names {top.issuer or 'nobody'} as its issuer, but that CA's key did not sign it: another CA of "
            "the same name did, or it was altered.",
            ALL,
        )
    told = "is self-signed" if e.leaf.self_issued else f"was issued by {top.issuer or 'nobody named'}"
    return Fault(Reason.ISSUER_MISMATCH, f"The served certificate {told}; wanted is one of {intended}.", ALL)


def address_is_not_named(e: Evidence) -> Fault | None:
    """The SAN does not hold what was dialled (RFC 9525): an address as iPAddress, a name as dNSName."""
    leaf = e.leaf
    if covers(leaf.dns_names, leaf.ip_addresses, e.host):
        return None
    if not leaf.has_san and leaf.common_name and leaf.common_name.rstrip(".").lower() == e.host:
        return Fault(
            Reason.NAME_ONLY_IN_COMMON_NAME, f"{e.host} stands only in the CN; clients read only the SAN.", ALL
        )
    if covers(tuple(name.removesuffix(".") for name in leaf.dns_names), (), e.host):
        return Fault(
            Reason.ADDRESS_NOT_IN_CERTIFICATE,
            f"The certificate names {e.host} with a dot at its end, which OpenSSL takes for another name.",
            frozenset({Client.OPENSSL, Client.APPLE}),
        )
    if e.host in leaf.dns_names:
        message = f"The certificate names {e.host} as a DNS name; clients look for it as an IP address."
    else:
        names = ", ".join((*leaf.dns_names, *leaf.ip_addresses)[:4]) or "no name at all"
        message = f"The certificate is for {names}{', …' if leaf.names_cut else ''}, not for {e.host}."
    half_wild = any(partly_matches(name, e.host) for name in leaf.dns_names)
    return Fault(Reason.ADDRESS_NOT_IN_CERTIFICATE, message, BROWSERS if half_wild else ALL)


def certificate_is_out_of_time(e: Evidence) -> Fault | None:
    """The leaf."""
    return _out_of_time(e.leaf, "certificate", e.now)


def authority_is_out_of_time(e: Evidence) -> Fault | None:
    """A CA of the path."""
    found = (_out_of_time(facts, f"CA certificate {facts.subject}", e.now) for facts in e.chain.authorities)
    return next((fault for fault in found if fault is not None), None)


def _out_of_time(facts: CertificateFacts, whose: str, now: datetime) -> Fault | None:
    """Both ends belong to the validity (RFC 5280, section 4.1.2.5)."""
    if now > facts.not_after:
        return Fault(Reason.CERTIFICATE_EXPIRED, f"The {whose} expired on {facts.not_after:%Y-%m-%d %H:%M} UTC.", ALL)
    if now < facts.not_before:
        return Fault(
            Reason.CERTIFICATE_NOT_YET_VALID, f"The {whose} is valid from {facts.not_before:%Y-%m-%d %H:%M} UTC.", ALL
        )
    return None


def extensions_are_refused(e: Evidence) -> Fault | None:
    """Broken, or critical and unknown (RFC 5280, section 4.2)."""
    odd = next((facts for facts in e.chain.path if facts.extensions_problem is not None), None)
    if odd is None:
        return None
    return Fault(
        Reason.CERTIFICATE_UNREADABLE,
        f"Clients refuse {odd.subject or 'the certificate'}: {odd.extensions_problem}.",
        ALL,
    )


def tls_is_too_old(e: Evidence) -> Fault | None:
    """What the handshake itself lacks."""
    if e.served.tls_version in {"SSLv3", "TLSv1", "TLSv1.1"}:
        return Fault(
            Reason.TLS_TOO_OLD,
            f"The device speaks {e.served.tls_version} at most; browsers want TLS 1.2: update it.",
            BROWSERS,
        )
    if not e.served.browser_grade:
        return Fault(Reason.TLS_TOO_OLD, e.served.why_not or "No browser makes this handshake.", BROWSERS)
    return None


def key_is_not_for_browsers(e: Evidence) -> Fault | None:
    """RSA, P-256 and P-384 are what browsers take in a leaf, in a CA also P-521."""
    for height, facts in enumerate(e.chain.path):
        curves = CA_CURVES if height else BROWSER_CURVES
        if facts.key_type != "RSA" and not (facts.key_type == "EC" and facts.curve in curves):
            whose = f"CA {facts.subject}" if height else "the certificate"
            return Fault(
                Reason.KEY_TYPE_NOT_IN_BROWSERS,
                f"Browsers take no {facts.curve or facts.key_type} keys, as that of {whose}.",
                BROWSERS,
            )
    return None


def key_is_weak(e: Evidence) -> Fault | None:
    """Chromium takes RSA-1024 under a local root, Apple does not, and nobody should."""
    weak = min((facts for facts in e.chain.path if facts.key_type == "RSA"), key=lambda one: one.key_bits, default=None)
    if weak is None or weak.key_bits >= 2048:
        return None
    return Fault(
        Reason.WEAK_KEY,
        f"{weak.subject or 'The certificate'} has an RSA key of {weak.key_bits} bits; 2048 are wanted.",
        ALL if weak.key_bits < LEAST_RSA_BITS else frozenset({Client.APPLE}),
    )


def signature_is_weak(e: Evidence) -> Fault | None:
    """SHA-1 and MD5 below the trust anchor, whose own signature nobody checks."""
    path = e.chain.path[:-1] if e.chain.anchored and len(e.chain.path) > 1 else e.chain.path
    weak = next((facts for facts in path if facts.signature_hash in WEAK_HASHES), None)
    if weak is None:
        return None
    return Fault(
        Reason.WEAK_SIGNATURE, f"{weak.subject or 'The certificate'} is signed with {weak.signature_hash}.", ALL
    )


def purpose_is_another(e: Evidence) -> Fault | None:
    """extendedKeyUsage of the leaf (RFC 5280, 4.2.1.12)."""
    purposes = e.leaf.extended_key_usage
    if purposes is not None and SERVER_AUTH not in purposes:
        if ANY_PURPOSE in purposes:
            return Fault(
                Reason.NOT_FOR_SERVERS,
                "The certificate is for any purpose, not expressly for servers.",
                frozenset({Client.OPENSSL, Client.APPLE}),
            )
        return Fault(Reason.NOT_FOR_SERVERS, "The certificate is not for TLS servers (extendedKeyUsage).", ALL)
    if purposes is None:
        return Fault(
            Reason.NOT_FOR_APPLE, "Apple's platforms want extendedKeyUsage serverAuth.", frozenset({Client.APPLE})
        )
    return None


def authority_purpose_is_another(e: Evidence) -> Fault | None:
    """extendedKeyUsage of the CAs, which all tested verifiers read as a bound on what is below."""
    limited = [
        facts for facts in e.chain.authorities if SERVER_AUTH not in (facts.extended_key_usage or (SERVER_AUTH,))
    ]
    for facts in limited:
        if ANY_PURPOSE not in (facts.extended_key_usage or ()):
            return Fault(Reason.NOT_FOR_SERVERS, f"CA {facts.subject} is not for TLS servers (extendedKeyUsage).", ALL)
    if limited:
        return Fault(
            Reason.NOT_FOR_SERVERS,
            f"CA {limited[0].subject} is for any purpose, not expressly for servers: OpenSSL refuses it.",
            STRICT,
        )
    return None


def key_usage_is_unfit(e: Evidence) -> Fault | None:
    """Browsers hold the leaf's key to what the handshake did with it; OpenSSL wants any use that TLS has."""
    usage = e.leaf.key_usage
    needed = "digitalSignature" if e.signs else "keyEncipherment"
    if usage is None or needed in usage:
        return None
    clients = BROWSERS if usage & TLS_USAGES else ALL
    return Fault(Reason.KEY_USAGE_UNFIT, f"The certificate's keyUsage lacks {needed}.", clients)


def authority_is_unfit(e: Evidence) -> Fault | None:
    """A CA of the path that may not sign certificates, or not at that height."""
    for height, facts in enumerate(e.chain.authorities):
        if facts.is_ca is False or (facts.key_usage is not None and "keyCertSign" not in facts.key_usage):
            return Fault(Reason.CA_NOT_A_CA, f"{facts.subject} may not sign certificates.", ALL)
        if facts.path_length is not None and facts.path_length < height:
            return Fault(Reason.CA_NOT_A_CA, f"{facts.subject} may not have {height} CAs below it (pathlen).", ALL)
    unsaid = next((facts for facts in e.chain.intermediates if facts.is_ca is None), None)
    return Fault(Reason.CA_NOT_A_CA, f"{unsaid.subject} does not say that it is a CA.", ALL) if unsaid else None


def anchor_says_too_little(e: Evidence) -> Fault | None:
    """A v3 root with neither basicConstraints nor keyUsage: Chromium takes it, OpenSSL does not."""
    if not e.chain.anchored or len(e.chain.path) == 1:
        return None
    anchor = e.chain.path[-1]
    if anchor.version < 3 or anchor.is_ca is not None or anchor.key_usage is not None:
        return None
    return Fault(Reason.CA_NOT_A_CA, f"{anchor.subject} does not say that it is a CA: OpenSSL refuses it.", STRICT)


def anchor_is_no_root(e: Evidence) -> Fault | None:
    """A trust anchor below another CA: browsers stop there, OpenSSL goes on (without X509_V_FLAG_PARTIAL_CHAIN)."""
    anchor = e.chain.path[-1]
    if not e.chain.anchored or anchor.self_issued or anchor.issuer in e.chain.intended:
        return None
    return Fault(
        Reason.CHAIN_INCOMPLETE,
        f"{anchor.subject} is trusted without {anchor.issuer} above it: OpenSSL accepts that only as a partial chain.",
        STRICT,
    )


def authority_has_legacy_form(e: Evidence) -> Fault | None:
    """An X.509 v1 root, as `openssl req` and `openssl x509 -req -signkey` make it: browsers take it, others do not."""
    if any(facts.version < 3 for facts in e.chain.authorities):
        return Fault(
            Reason.AUTHORITY_LEGACY_FORM,
            "The CA certificate is X.509 v1: browsers accept it, strict verifiers do not.",
            frozenset(),
        )
    return None


def subject_is_missing(e: Evidence) -> Fault | None:
    """An empty subject wants a critical SAN (RFC 5280, 4.2.1.6)."""
    if e.leaf.subject_is_empty and e.leaf.has_san and not e.leaf.san_critical:
        return Fault(
            Reason.EMPTY_SUBJECT_SAN_NOT_CRITICAL,
            "The subject is empty and the SAN is not critical.",
            BROWSERS,
        )
    return None


def name_is_constrained(e: Evidence) -> Fault | None:
    """A CA of the path does not permit a name of the leaf (RFC 5280, 4.2.1.10)."""
    for facts in e.chain.authorities:
        if facts.name_constraints is None:
            continue
        if e.leaf.names_cut:
            return Fault(
                Reason.NAME_CONSTRAINED,
                f"CA {facts.subject} has name constraints, and the certificate more names than can be checked.",
                ALL,
            )
        if refused := not_permitted(facts.name_constraints, e.leaf.dns_names, e.leaf.ip_addresses):
            return Fault(
                Reason.NAME_CONSTRAINED,
                f"CA {facts.subject} does not permit {', '.join(refused[:4])}, and clients refuse the whole "
                "certificate for it.",
                ALL,
            )
    return None


def subject_is_constrained(e: Evidence) -> Fault | None:
    """A CA of the path does not permit the leaf's subject as a directory name."""
    for facts in e.chain.authorities:
        if facts.name_constraints is not None and not subject_permitted(facts.name_constraints, e.leaf.subject):
            return Fault(
                Reason.NAME_CONSTRAINED, f"CA {facts.subject} does not permit the subject {e.leaf.subject}.", ALL
            )
    return None


def common_name_is_constrained(e: Evidence) -> Fault | None:
    """Where no dNSName is there, OpenSSL reads a CN with a dot as one, an address included."""
    common = e.leaf.common_name
    if common is None or "." not in common or " " in common or e.leaf.dns_names:
        return None
    for facts in e.chain.authorities:
        if facts.name_constraints is not None and not_permitted(facts.name_constraints, (common.lower(),), ()):
            return Fault(
                Reason.NAME_CONSTRAINED,
                f"OpenSSL takes the CN {common} for a DNS name, which CA {facts.subject} does not permit.",
                STRICT,
            )
    return None


def lifetime_is_long_for_apple(e: Evidence) -> Fault | None:
    """At most 825 days under a root that the user added (Apple, HT210176)."""
    if e.leaf.not_after - e.leaf.not_before <= APPLE_MOST_DAYS:
        return None
    return Fault(
        Reason.NOT_FOR_APPLE,
        "The certificate is valid for more than 825 days; Apple's platforms refuse it.",
        frozenset({Client.APPLE}),
    )


RULES: tuple[Callable[[Evidence], Fault | None], ...] = (
    issuer_is_another,
    address_is_not_named,
    certificate_is_out_of_time,
    authority_is_out_of_time,
    extensions_are_refused,
    tls_is_too_old,
    key_is_not_for_browsers,
    purpose_is_another,
    authority_purpose_is_another,
    key_usage_is_unfit,
    authority_is_unfit,
    anchor_says_too_little,
    anchor_is_no_root,
    name_is_constrained,
    subject_is_constrained,
    common_name_is_constrained,
    subject_is_missing,
    signature_is_weak,
    key_is_weak,
    lifetime_is_long_for_apple,
    authority_has_legacy_form,
)
