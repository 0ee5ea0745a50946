"""Solution 2: a CA whose certificate and key we hold signs; nothing leaves before it passed the gate."""

from dataclasses import dataclass, field
from datetime import datetime

from device_cert_operator.core.model import CertificateFacts, DesiredCertificate, KeyType, Names
from device_cert_operator.core.profile import plan_leaf
from device_cert_operator.errors import UnacceptableCertificate
from device_cert_operator.pki.authority import Authority
from device_cert_operator.pki.facts import ders_to_pem, read_facts
from device_cert_operator.pki.gate import why_unacceptable
from device_cert_operator.pki.issue import sign_leaf
from device_cert_operator.pki.keys import make_key
from device_cert_operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate with its key. tls_crt: leaf and intermediates; ca_crt: the CA that clients have to trust.

    warnings: the CA's, and those of this certificate.
    """

    facts: CertificateFacts
    tls_crt: bytes = field(repr=False)
    ca_crt: bytes = field(repr=False)
    tls_key: bytes = field(repr=False)
    warnings: tuple[tuple[Reason, str], ...] = ()


def issue(authority: Authority, desired: DesiredCertificate, names: Names, kind: KeyType, now: datetime) -> Issued:
    """Make a key, sign for these names, and check the result as clients would. Slow for RSA: call it in a thread.

    Raises InvalidSpec, IssuanceDenied (a name the CA does not permit), UnacceptableCertificate (a bug of ours, or a CA
    that no client accepts for a reason that `read_authority` does not know).
    """
    profile = plan_leaf(desired, names, authority.limits, kind, now)
    key = make_key(kind)
    leaf = sign_leaf(authority, key, profile)
    anchor = authority.chain_der[-1]
    sent = (leaf, *(der for der in authority.chain_der if not read_facts(der).self_issued))
    if (why := why_unacceptable(sent, anchor, names, key, now)) is not None:
        raise UnacceptableCertificate(f"The certificate just made is not good enough to be used: {why}.")
    return Issued(
        read_facts(leaf),
        ders_to_pem(*sent),
        ders_to_pem(anchor),
        key.pkcs8_pem(),
        authority.warnings + profile.warnings,
    )
