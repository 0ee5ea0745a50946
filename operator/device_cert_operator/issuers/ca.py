"""Solution 2: a CA whose certificate and key we hold signs; nothing leaves before it passed the gate."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from device_cert_operator.core.model import CertificateFacts, DesiredCertificate, KeyType, Names
from device_cert_operator.core.profile import LeafProfile, plan_leaf
from device_cert_operator.errors import IssuanceDenied, UnacceptableCertificate
from device_cert_operator.pki.authority import Authority
from device_cert_operator.pki.csr import csr_public_key, read_csr
from device_cert_operator.pki.facts import ders_to_pem, read_facts
from device_cert_operator.pki.gate import why_unacceptable
from device_cert_operator.pki.issue import sign_leaf
from device_cert_operator.pki.keys import PublicKey, make_key
from device_cert_operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate. tls_crt: leaf, intermediates and cross-certificates.

    ca_crt: the CA that clients have to trust; while it is being replaced, either of the two.
    tls_key: PKCS#8 PEM, empty where the key is not ours. warnings: the CA's, and those of this certificate.
    """

    facts: CertificateFacts
    tls_crt: bytes = field(repr=False)
    ca_crt: bytes = field(repr=False)
    tls_key: bytes = field(repr=False, default=b"")
    warnings: tuple[tuple[Reason, str], ...] = ()


def issue(authority: Authority, desired: DesiredCertificate, names: Names, kind: KeyType, now: datetime) -> Issued:
    """Make a key, sign for these names, and check the result as clients would. Slow for RSA: call it in a thread.

    Raises InvalidSpec, IssuanceDenied (a name the CA does not permit), UnacceptableCertificate (a bug of ours, or a CA
    that no client accepts for a reason that `read_authority` does not know).
    """
    profile = plan_leaf(desired, names, authority.limits, kind, now)
    key = make_key(kind)
    made = _sign(authority, key.public, profile, now)
    return replace(made, tls_key=key.pkcs8_pem())


def issue_for_csr(authority: Authority, desired: DesiredCertificate, names: Names, csr: bytes, now: datetime) -> Issued:
    """Sign for the key of a CSR: names and subject are ours, nothing but the key is taken from it. csr: DER or PEM.

    Raises as `issue`, and ProtocolViolation or IssuanceDenied (CSRUnacceptable, KeyTypeRefused) for the CSR.
    """
    if not read_csr(csr).signature_valid:
        raise IssuanceDenied(
            "The certificate request is not signed by its own key: have the device make a new one.",
            reason=Reason.CSR_UNACCEPTABLE,
        )
    key = csr_public_key(csr)
    if key.kind not in set(KeyType):
        raise IssuanceDenied(
            f"The certificate request is for a key that is not issued for ({key.kind}): let the device make one of "
            f"{', '.join(KeyType)}.",
            reason=Reason.KEY_TYPE_REFUSED,
        )
    return _sign(authority, key, plan_leaf(desired, names, authority.limits, KeyType(key.kind), now), now)


def _sign(authority: Authority, key: PublicKey, profile: LeafProfile, now: datetime) -> Issued:
    leaf = sign_leaf(authority, key, profile)
    sent = (leaf, *authority.sent_der, *authority.cross_der)
    if (why := why_unacceptable(sent, authority.chain_der[-1], profile.names, key, now)) is not None:
        raise UnacceptableCertificate(f"The certificate just made is not good enough to be used: {why}.")
    return Issued(
        read_facts(leaf),
        ders_to_pem(*sent),
        ders_to_pem(*authority.anchors_der),
        warnings=(*authority.warnings, *profile.warnings, *_not_for_all(authority, sent, profile.names, key, now)),
    )


def _not_for_all(
    authority: Authority, sent: tuple[bytes, ...], names: Names, key: PublicKey, now: datetime
) -> list[tuple[Reason, str]]:
    """Whose trust a cross-certificate does not win: the other root may forbid the name, or any CA below it."""
    refused = [
        (read_facts(anchor).subject, why)
        for anchor in authority.other_anchors_der
        if (why := why_unacceptable(sent, anchor, names, key, now)) is not None
    ]
    return [
        (Reason.AUTHORITY_CANNOT_CROSS_SIGN, f"Clients that trust {subject} only do not accept it: {why}.")
        for subject, why in refused
    ]
