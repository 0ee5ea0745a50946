"""Who is at the other end: what a connection's key entitles us to send (design: "Who is at the other end").

A handshake proves the connection it was made on, not an address. Names and dates are not asked for here: a certificate
with a wrong name under our own key is what the product came to heal.
"""

from dataclasses import dataclass

from device_cert_operator.core.model import (
    DesiredDevice,
    DeviceIdentity,
    IdentityPins,
    OnKeyChange,
    Revision,
    Security,
    Served,
)
from device_cert_operator.core.status import DeviceStatus
from device_cert_operator.errors import OperatorError
from device_cert_operator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Recognition:
    """What the served key entitles to.

    proven_by: as in `IdentityStatus`; None = not recognised. learn: the served key becomes the Device's pinned key.
    """

    proven_by: str | None
    reason: Reason
    message: str
    may_log_in: bool = False
    may_send_key: bool = False
    learn: bool = False

    @property
    def may_show_password(self) -> bool:
        """Whether a log-in may show the password (Basic), rather than only prove that it is known (Digest)."""
        return self.proven_by != BY_DEVICE_CA


BY_DEVICE_CA = "DeviceCA"


def keys_of(desired: DesiredDevice, status: DeviceStatus, given: tuple[Revision, ...]) -> frozenset[str]:
    """The keys by which this one device is found again: pinned, learned, and those of revisions given to it alone."""
    keys = {revision.facts.public_key_sha256 for revision in given if revision.given_to == {desired.uid}}
    keys |= {key for key in (desired.pins.public_key_sha256, status.identity.public_key_sha256) if key}
    return frozenset(keys)


def recognise(
    desired: DesiredDevice,
    status: DeviceStatus,
    given: tuple[Revision, ...],
    served: Served,
    others: tuple[str, ...],
    chains_to_given_ca: bool,
    by_firmware: bool = False,
) -> Recognition:
    """Judge the key of one connection.

    given: kept revisions whose given-to names this Device. others: names of other existing Devices that this key
    belongs to. chains_to_given_ca: under Verified, the chain ends at the CA given and a name fits. by_firmware: the
    chain ends at the pinned CA of the firmware, and the certificate names what was dialled.
    """
    key = served.leaf.public_key_sha256
    ours = [revision for revision in given if revision.facts.public_key_sha256 == key]
    if ours and any(revision.given_to == {desired.uid} for revision in ours):
        return _known("Revision", "The device shows the key of the certificate it was given.")
    if ours:
        if served.address in {status.address.current, desired.host}:
            return _known("Revision", "The device shows a key that it shares with other devices, where it was proven.")
        return _unknown(
            Reason.IDENTITY_CONFLICT, "The key served here is shared by several devices and proves none of them."
        )
    if others:
        return _unknown(
            Reason.IDENTITY_CONFLICT,
            f"The key served at {served.address} is that of Device {', '.join(others[:3])}: nothing is sent. "
            "Correct spec.address.host of one of them, or delete the one that is a duplicate.",
        )
    if key == desired.pins.public_key_sha256:
        return _known("Pin", "The device shows the key pinned in spec.identity.publicKeySHA256.")
    if key == desired.accepted_key:
        return _known("Accepted", "The device shows the key accepted by devicecert.io/accept-key.", learn=True)
    if key == status.identity.public_key_sha256:
        if status.identity.proven_by == BY_DEVICE_CA:
            return _by_device_ca("The device shows the key that was accepted for its firmware's CA.")
        return _known("Learned", "The device shows the key learned from it.")
    if desired.security is Security.VERIFIED and chains_to_given_ca and not by_firmware:
        return _known("Verified", "The device's certificate chains to the CA given, and its name fits.")
    if _may_learn(desired, status, given):
        return _known("Learned", "The device's key was learned at first sight.", learn=True)
    if desired.on_key_change is OnKeyChange.ACCEPT and desired.security is not Security.VERIFIED:
        return _known("Accepted", "The device shows a new key, accepted by onKeyChange: Accept.", learn=True)
    accepts = desired.on_key_change is OnKeyChange.ACCEPT_DEVICE_CA or chains_to_given_ca
    if accepts and by_firmware and _can_be_checked(desired, status):
        return _by_device_ca("The device shows a new key, certified by the pinned CA of its firmware.", learn=True)
    hint = _HINT if by_firmware and desired.on_key_change is OnKeyChange.REFUSE else ""
    return _unknown(
        Reason.IDENTITY_UNCONFIRMED,
        f"{served.address} shows a key that is not known ({key[:16]}…): no log-in is sent. If the device was reset or "
        f"replaced, accept it: kubectl -n {desired.key.namespace} annotate dev {desired.key.name} --overwrite "
        f"devicecert.io/accept-key=sha256:{key}{hint}",
    )


_HINT = (
    " - it may have made this key at its start, as such firmware does; spec.connection.onKeyChange: AcceptDeviceCA "
    "accepts that each time."
)


def _by_device_ca(message: str, *, learn: bool = False) -> Recognition:
    """A log-in, and never a private key: whoever takes the firmware apart can sign such a certificate."""
    return Recognition(BY_DEVICE_CA, Reason.KEY_KNOWN, message, may_log_in=True, learn=learn)


def _can_be_checked(desired: DesiredDevice, status: DeviceStatus) -> bool:
    """Chaining alone is no identity: something must be known by which the log-in tells the device; no key is pinned."""
    pins = desired.pins
    told = pins.serial_number or pins.mac_address or status.identity.device.serial_number
    return bool(told) and pins.public_key_sha256 is None


def _may_learn(desired: DesiredDevice, status: DeviceStatus, given: tuple[Revision, ...]) -> bool:
    """First use is first use: nothing learned, nothing pinned, and no revision ever given to this Device.

    Under Plaintext the first HTTPS key comes after HTTPS was switched on over HTTP, when a turn may be given already.
    """
    if status.identity.public_key_sha256 is not None or desired.pins.public_key_sha256 is not None:
        return False
    if desired.security is Security.PLAINTEXT:
        return status.revision.installed is None
    return desired.security is Security.FIRST_USE and not given


def _known(proven_by: str, message: str, *, learn: bool = False) -> Recognition:
    reason = Reason.LEARNED_ON_FIRST_USE if proven_by == "Learned" and learn else Reason.KEY_KNOWN
    return Recognition(proven_by, reason, message, may_log_in=True, may_send_key=True, learn=learn)


def _unknown(reason: Reason, message: str) -> Recognition:
    return Recognition(None, reason, message)


def not_vouched_for(error: OperatorError) -> Recognition:
    """Under Verified, when the CA that would vouch for a device cannot be read."""
    return _unknown(error.reason, f"The device is not recognised without the CA given: {error.message}")


def plain_http(desired: DesiredDevice) -> Recognition:
    """What an unencrypted conversation entitles to (security Plaintext): a log-in, and a key only if allowed."""
    return Recognition(
        "Plaintext",
        Reason.KEY_KNOWN,
        "The conversation is unencrypted (connection.security: Plaintext): who answers is not proven.",
        may_log_in=True,
        may_send_key=desired.allow_plaintext_key,
    )


def why_another(proven_by: str | None, pins: IdentityPins, known: DeviceIdentity, seen: DeviceIdentity) -> str | None:
    """Why the device that let us in is not the one meant. Accepted for its firmware's CA, it has to say that it is."""
    if (why := pins_broken(pins, known, seen)) is not None or proven_by != BY_DEVICE_CA:
        return why
    serial = pins.serial_number or known.serial_number
    if serial and seen.serial_number != serial:
        return f"it does not say that its serial number is {serial}"
    if pins.mac_address and pins.mac_address.lower() not in seen.mac_addresses:
        return f"it does not say that it has the MAC address {pins.mac_address}"
    return None if serial or pins.mac_address else "nothing is known by which it could be told"


def pins_broken(pins: IdentityPins, known: DeviceIdentity, seen: DeviceIdentity) -> str | None:
    """Why the device that let us in is not the one meant, by its own word: pins first, then what it said before."""
    serial = pins.serial_number or known.serial_number
    if serial and seen.serial_number and seen.serial_number != serial:
        return f"serial number {seen.serial_number} is not {serial}"
    if pins.mac_address and seen.mac_addresses and pins.mac_address.lower() not in seen.mac_addresses:
        return f"none of its MAC addresses ({', '.join(seen.mac_addresses[:4])}) is {pins.mac_address}"
    return None
