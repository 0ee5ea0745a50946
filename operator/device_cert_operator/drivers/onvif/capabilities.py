"""What an ONVIF device can do, out of what it says about itself. Pure."""

from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from device_cert_operator.core.model import Capabilities, KeyType
from device_cert_operator.drivers.onvif.device_messages import NetworkProtocol, ProtocolName
from device_cert_operator.drivers.onvif.legacy_messages import LegacyFeatures
from device_cert_operator.drivers.onvif.security_messages import KeystoreFeatures

LOGIN_BUDGET = 2
_RESTART_FOR = timedelta(seconds=60)  # Reolink needs as long (devices.md 13, slow-reboot)
_LONGEST_CHAIN = 4
_RSA_ONLY = frozenset({KeyType.RSA_2048})  # legacy devices do not tell; all of them take this


def capabilities_of(
    features: KeystoreFeatures | LegacyFeatures | None,
    protocols: tuple[NetworkProtocol, ...],
    *,
    has_ntp: bool,
    has_interfaces: bool = False,
) -> Capabilities:
    """features: of the security service, else of the certificate operations before it; None without either.

    has_interfaces: whether it tells of an interface that can be set.
    """
    names = {protocol.name for protocol in protocols}
    base = Capabilities(
        can_set_clock=True,
        can_use_ntp=has_ntp,
        can_reboot=True,
        can_enable_https=ProtocolName.HTTPS in names or (features is not None and features.serves_tls),
        can_set_address=has_interfaces,
        restart_for=_RESTART_FOR,
        login_budget=LOGIN_BUDGET,
    )
    match features:
        case None:
            return base
        case LegacyFeatures():
            return replace(
                base,
                can_install_key_pair=features.serves_tls,
                can_make_key=features.serves_tls and features.makes_keys,
                csr_takes_san=False,
                key_types=_RSA_ONLY,
                makes_key_types=_RSA_ONLY if features.makes_keys else frozenset(),
            )
        case KeystoreFeatures():
            return _of_keystore(base, features)
        case _:
            assert_never(features)


def _of_keystore(base: Capabilities, features: KeystoreFeatures) -> Capabilities:
    return replace(
        base,
        can_install_key_pair=features.pkcs12 and features.serves_tls and bool(features.encryptions),
        can_make_key=features.signs_requests and features.serves_tls and bool(features.makes_key_types),
        makes_key_types=features.makes_key_types,
        key_types=features.key_types if features.pkcs12 else frozenset(),
        pkcs12_encryptions=features.encryptions,
        chain_length=chain_length_of(features),
        restart_for=max(_RESTART_FOR, features.setup_for or timedelta()),
    )


def chain_length_of(features: KeystoreFeatures) -> int:
    """Certificates of a chain, leaf included: half the store, so that an old and a new chain fit side by side."""
    most = features.most_certificates
    return _LONGEST_CHAIN if most is None else min(_LONGEST_CHAIN, max(1, most // 2))
