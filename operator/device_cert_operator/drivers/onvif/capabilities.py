"""What an ONVIF device can do, out of what it says about itself. Pure."""

from datetime import timedelta

from device_cert_operator.core.model import Capabilities
from device_cert_operator.drivers.onvif.device_messages import NetworkProtocol, ProtocolName
from device_cert_operator.drivers.onvif.security_messages import KeystoreFeatures

LOGIN_BUDGET = 2
_RESTART_FOR = timedelta(seconds=60)  # Reolink needs as long (devices.md 13, slow-reboot)
_LONGEST_CHAIN = 4


def capabilities_of(
    features: KeystoreFeatures | None, protocols: tuple[NetworkProtocol, ...], *, has_ntp: bool
) -> Capabilities:
    """features: None where the device has no security service."""
    names = {protocol.name for protocol in protocols}
    base = Capabilities(
        can_set_clock=True,
        can_use_ntp=has_ntp,
        can_reboot=True,
        can_enable_https=ProtocolName.HTTPS in names or (features is not None and features.serves_tls),
        restart_for=_RESTART_FOR,
        login_budget=LOGIN_BUDGET,
    )
    if features is None:
        return base
    return Capabilities(
        can_install_key_pair=features.pkcs12 and features.serves_tls and bool(features.encryptions),
        can_make_key=features.makes_rsa or features.makes_ecc,
        can_set_clock=base.can_set_clock,
        can_use_ntp=base.can_use_ntp,
        can_reboot=base.can_reboot,
        can_enable_https=base.can_enable_https,
        key_types=features.key_types if features.pkcs12 else frozenset(),
        pkcs12_encryptions=features.encryptions,
        chain_length=chain_length_of(features),
        restart_for=max(_RESTART_FOR, features.setup_for or timedelta()),
        login_budget=LOGIN_BUDGET,
    )


def chain_length_of(features: KeystoreFeatures) -> int:
    """Certificates of a chain, leaf included: half the store, so that an old and a new chain fit side by side."""
    most = features.most_certificates
    return _LONGEST_CHAIN if most is None else min(_LONGEST_CHAIN, max(1, most // 2))
