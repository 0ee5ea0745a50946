"""The last look at what we issued: what a strict verifier and our own verdict say, before a device sees it."""

import ipaddress
from datetime import datetime

from cryptography.x509 import BasicConstraints, Certificate, DNSName, IPAddress
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from device_cert_operator.core.model import Names, Served, is_ip
from device_cert_operator.core.verdict import judge
from device_cert_operator.pki.facts import load, read_facts
from device_cert_operator.pki.keys import PublicKey
from device_cert_operator.pki.verify import links


def why_unacceptable(
    chain_der: tuple[bytes, ...], anchor_der: bytes, names: Names, key: PublicKey, now: datetime
) -> str | None:
    """Why this chain must not be used, if so: a sentence without its end.

    chain_der: leaf first, without the anchor. Under an anchor that the strict verifier refuses under any policy
    (X.509 v1) only the verdict decides.
    """
    leaf = read_facts(chain_der[0])
    if leaf.public_key_sha256 != key.public_key_sha256:
        return "its key is not the one that it was made for"
    if missing := names.missing_from(leaf):
        return f"it does not hold {', '.join(missing[:4])}"
    served = Served("", 0, leaf, chain_der[0], (leaf,), chain_der, "TLSv1.3", "", browser_grade=True)
    chain = links(chain_der, (anchor_der,))
    for name in names.all:
        verdict = judge(served, chain, _example_of(name), now)
        if not verdict.secure:
            return verdict.message.removesuffix(".")
    return _strictly_refused(chain_der, anchor_der, names, now) if read_facts(anchor_der).version == 3 else None


def _strictly_refused(chain_der: tuple[bytes, ...], anchor_der: bytes, names: Names, now: datetime) -> str | None:
    """What `cryptography`'s verifier says, for each name that it can be asked about (an underscore it cannot)."""
    leaf, others, anchor = load(chain_der[0]), [load(der) for der in chain_der[1:]], load(anchor_der)
    policy = PolicyBuilder().store(Store([anchor])).time(now)
    # An adopted root may lack keyUsage, or criticality: the leaf is held to the strict rules all the same.
    lenient = ExtensionPolicy.permit_all().require_present(BasicConstraints, Criticality.AGNOSTIC, None)
    adopted = policy.extension_policies(ca_policy=lenient, ee_policy=ExtensionPolicy.webpki_defaults_ee())
    for name in names.all:
        if "_" in name or _refused(policy, name, leaf, others) is None:
            continue
        if (why := _refused(adopted, name, leaf, others)) is not None:
            return why
    return None


def _refused(policy: PolicyBuilder, name: str, leaf: Certificate, others: list[Certificate]) -> str | None:
    subject = IPAddress(ipaddress.ip_address(name)) if is_ip(name) else DNSName(_example_of(name))
    try:
        policy.build_server_verifier(subject).verify(leaf, others)
    except VerificationError as error:
        return str(error)[:200]
    return None


def _example_of(name: str) -> str:
    """A host that a wildcard stands for."""
    return name.replace("*", "any", 1)
