"""How a simulated device is made."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import ip_address

from device_simulator.faults import Fault


def on_this_machine(address: str) -> str:
    """The address. Raises ValueError for one that is not of the loopback: nothing simulated is seen from outside."""
    if not ip_address(address).is_loopback:
        raise ValueError(f"{address} is not in 127.0.0.0/8: simulated devices stay on this machine.")
    return address


class Kind(StrEnum):
    """What a device speaks, and where its certificate comes from."""

    ONVIF = "onvif"  # ONVIF; a self-signed certificate until another is assigned
    FIRMWARE_CA = "firmware-ca"  # a web interface; at each boot a new certificate of the CA in its firmware


@dataclass(frozen=True)
class DeviceSpec:
    """How a device is made. *_for: seconds that it takes. hostility: rate of small troubles, 0 to 1;
    None: the simulator's. administrator: what the one account may do (False: only READ_SYSTEM).
    encryptions: of PKCS#12 files, names of `pfx.CIPHERS`. advanced_security: whether an ONVIF device has the Security
    Service (False: the legacy certificate operations alone). firmware_ca: the firmware's CA by name, the same in all
    devices that name it; firmware_certificate_lasts: how long what it signs at boot is valid."""

    name: str
    address: str
    kind: Kind = Kind.ONVIF
    http_port: int = 8080
    https_port: int = 8443
    username: str = "admin"
    password: str = "secret"  # noqa: S105  # a simulated device's factory password
    manufacturer: str = "Simulated"
    model: str = "SIM-1"
    serial_number: str | None = None
    mac_address: str | None = None
    faults: Iterable[Fault] | Mapping[Fault, int] = ()
    hostility: float | None = None
    seed: int = 0
    https_enabled: bool = True
    key_types: tuple[str, ...] = ("RSA-2048", "RSA-3072", "ECDSA-P256")
    digest_algorithms: tuple[str, ...] = ("SHA-256", "MD5")
    username_token: bool = True
    administrator: bool = True
    reboot_for: float = 0.3
    web_restart_for: float = 0.5
    key_generation_for: float = 1.0
    most_keys: int = 8
    most_certificates: int = 8
    most_paths: int = 4
    encryptions: tuple[str, ...] = ("PBES2",)
    time_zone: str = "CET-1CEST,M3.5.0,M10.5.0/3"
    on_ntp: bool = False
    advanced_security: bool = True
    firmware_ca: str = "Simulated Device CA"
    firmware_certificate_lasts: timedelta = timedelta(days=365)

    def __post_init__(self) -> None:
        on_this_machine(self.address)
