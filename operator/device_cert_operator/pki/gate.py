"""The last look at what we issued: what a strict verifier and our own verdict say, before a device sees it."""

import ipaddress
from datetime import datetime

from cryptography.x509 import BasicConstraints, DNSName, IPAddress
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from device_cert_operator.core.model import Names, Served, is_ip
from device_cert_operator.core.verdict import judge
from device_cert_operator.pki.facts import load, read_facts
from device_cert_operator.pki.keys import PrivateKey
from device_cert_operator.pki.verify import links


def why_unacceptable(
    chain_der: tuple[bytes, ...], authority_der: tuple[bytes, ...], names: Names, key: PrivateKey, now: datetime
) -> str | None:
    """Why this chain must not be used, if so.

    chain_der: leaf first, without the root. authority_der: the signing CA first, the root last. Under a root that a
    strict verifier refuses by itself (X.509 v1) only the verdict decides.
    """
    leaf = read_facts(chain_der[0])
    if leaf.public_key_sha256 != key.public_key_sha256:
        return "its key is not the one that was made"
    root = read_facts(authority_der[-1])
    served = Served("", 0, leaf, chain_der[0], (leaf,), chain_der, "TLSv1.3", "", browser_grade=True)
    chain = links(chain_der, (authority_der[-1],))
    for name in names.all:
        verdict = judge(served, chain, name.replace("*", "any", 1), now)
        if not verdict.secure:
            return verdict.message
    return _strictly_refused(chain_der, authority_der[-1], names, now) if root.version == 3 and root.is_ca else None


def _strictly_refused(chain_der: tuple[bytes, ...], root_der: bytes, names: Names, now: datetime) -> str | None:
    """What `cryptography`'s verifier says under its default policy, for the first name."""
    name = next((one for one in names.all if not one.startswith("*")), None)
    if name is None:
        return None
    subject = IPAddress(ipaddress.ip_address(name)) if is_ip(name) else DNSName(name)
    policy = PolicyBuilder().store(Store([load(root_der)])).time(now)
    if (
        read_facts(root_der).key_usage is None
    ):  # as `openssl req -x509` makes roots: the leaf is still held to the rules
        lenient = ExtensionPolicy.permit_all().require_present(BasicConstraints, Criticality.AGNOSTIC, None)
        policy = policy.extension_policies(ca_policy=lenient, ee_policy=ExtensionPolicy.webpki_defaults_ee())
    verifier = policy.build_server_verifier(subject)
    try:
        verifier.verify(load(chain_der[0]), [load(der) for der in chain_der[1:]])
    except VerificationError as error:
        return str(error)[:200]
    return None
