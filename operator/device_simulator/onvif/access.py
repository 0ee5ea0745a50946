"""Who may do what: ONVIF Core Specification 26.06, 5.9.4; each operation names its access class in its chapter."""

PRE_AUTH = frozenset(
    {"GetSystemDateAndTime", "GetEndpointReference", "GetServiceCapabilities", "GetServices", "GetCapabilities"}
)
READ_SYSTEM = frozenset(
    {
        "CreatePKCS10CSR",
        "GetDeviceInformation",
        "GetHostname",
        "GetNTP",
        "GetNetworkDefaultGateway",
        "GetNetworkInterfaces",
        "GetNetworkProtocols",
    }
)


def needs_administrator(operation: str) -> bool:
    """READ_SYSTEM_SECRET, WRITE_SYSTEM and UNRECOVERABLE: everything that is not named above."""
    return operation not in PRE_AUTH | READ_SYSTEM


def changes_something(operation: str) -> bool:
    """Whether two of them at a time would be an overlap."""
    return not operation.startswith("Get") and operation != "CreatePKCS10CSR"
