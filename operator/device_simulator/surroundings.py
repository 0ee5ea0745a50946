"""What a device finds when it is made: time, chance, and the CAs that makers put into firmware."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from device_simulator.firmware_ca import FirmwareCA, make_firmware_ca


@dataclass
class FirmwareCAs:
    """The CA of each firmware: one key pair for every device that runs it."""

    _made: dict[str, FirmwareCA] = field(default_factory=dict)

    def named(self, name: str, now: datetime) -> FirmwareCA:
        """The CA of this name; made when first asked for."""
        if name not in self._made:
            self._made[name] = make_firmware_ca(name, now)
        return self._made[name]


@dataclass(frozen=True)
class Surroundings:
    """clock: aware UTC. hostility: rate of small troubles, 0 to 1. seed: for them."""

    clock: Callable[[], datetime]
    hostility: float = 0.0
    seed: int = 0
    firmware_cas: FirmwareCAs = field(default_factory=FirmwareCAs)
