"""Simulated network devices over real sockets and TLS, which misbehave as devices do."""

from device_simulator.device import SimulatedDevice
from device_simulator.faults import Fault
from device_simulator.fleet import Simulator
from device_simulator.spec import DeviceSpec, Kind
from device_simulator.strangers import Listener

__all__ = ["DeviceSpec", "Fault", "Kind", "Listener", "SimulatedDevice", "Simulator"]
