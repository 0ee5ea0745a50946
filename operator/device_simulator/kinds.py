"""The kinds of device that there are. A new one is a folder and a line here."""

from device_simulator.camera_web.device import FirmwareCADevice
from device_simulator.device import SimulatedDevice
from device_simulator.onvif.device import OnvifDevice
from device_simulator.spec import DeviceSpec, Kind
from device_simulator.surroundings import Surroundings

KINDS: dict[Kind, type[SimulatedDevice]] = {Kind.ONVIF: OnvifDevice, Kind.FIRMWARE_CA: FirmwareCADevice}


def make_device(spec: DeviceSpec, surroundings: Surroundings, number: int) -> SimulatedDevice:
    """A device of the kind that the spec names; it does not listen yet."""
    return KINDS[spec.kind](spec, surroundings, number)
