"""pkilint's RFC 5280 linter over one of our leaves, with what we allow named here and nowhere else."""

from collections import Counter
from collections.abc import Callable

from pkilint import loader
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity

from device_cert_operator.core.naming import why_unusable
from device_cert_operator.pki.facts import read_facts

# Code: which names of the SAN may be found fault with, once each. pkilint guesses at what public DNS looks like: it
# knows no wildcards, no hosts without a domain, no one-letter domains, all in use where devices are. Our own rule is
# `core.naming`, and `openssl verify` proves it. The lints for public CAs (internal addresses, revocation, AIA,
# policies) are not asked at all.
ALLOWED: dict[str, Callable[[str], bool]] = {
    "pkix.invalid_domain_name_syntax": lambda dns_name: why_unusable(dns_name) is None,
}


def lint(der: bytes) -> list[str]:
    """What `lint_pkix_cert` finds, from NOTICE up, and we do not allow: `SEVERITY code`."""
    validator = certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )
    found = Counter(
        (one.finding.severity.name, one.finding.code)
        for result in validator.validate(loader.load_certificate(der, "leaf").root)
        for one in result.finding_descriptions
        if one.finding.severity <= ValidationFindingSeverity.NOTICE  # FATAL is 0
    )
    dns_names = read_facts(der).dns_names
    for severity, code in list(found):
        if code in ALLOWED:
            found[severity, code] -= sum(map(ALLOWED[code], dns_names))
    return [f"{severity} {code}" for (severity, code), times in found.items() if times > 0]
