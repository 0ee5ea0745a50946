"""The ONVIF services of a simulated device."""
