"""`python -m device_simulator run|list|move|…`."""

from device_simulator.cli import simulate

simulate()
