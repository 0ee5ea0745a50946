"""Which drivers there are: one line each. A new driver is a folder and a line here."""

from collections.abc import Mapping
from types import MappingProxyType

from device_cert_operator.clock import Clock, SystemClock
from device_cert_operator.drivers.base import DeviceConnection, Driver, DriverFactory
from device_cert_operator.drivers.camera_web.driver import CameraWebDriver
from device_cert_operator.drivers.onvif.driver import OnvifDriver
from device_cert_operator.errors import UnknownDriver

DRIVERS: Mapping[str, DriverFactory] = MappingProxyType(
    {
        "camera-web": CameraWebDriver,
        "onvif": OnvifDriver,
    }
)


def driver_for(name: str, connection: DeviceConnection, clock: Clock | None = None) -> Driver:
    """A driver for one visit. name: `spec.driver`. clock: the operator's, the system's unless given.

    Raises UnknownDriver, naming those that there are.
    """
    factory = DRIVERS.get(name)
    if factory is None:
        known = ", ".join(sorted(DRIVERS))
        raise UnknownDriver(f"spec.driver {name!r} is not built in; there is: {known}")
    return factory(connection, clock or SystemClock())
