"""How the objects that we make on a device are named there."""

import hashlib

from device_cert_operator.core.model import ObjectKey


def alias_prefix(key: ObjectKey) -> str:
    """How every object that we make on this device is named: `dc-<8 hex digits>-`."""
    digest = hashlib.sha256(f"{key.namespace}/{key.name}".encode()).hexdigest()
    return f"dc-{digest[:8]}-"


def alias_of(key: ObjectKey, number: int) -> str:
    """What belongs to the revision of this number, its key included: `dc-<8 hex digits>-r<N>`."""
    return f"{alias_prefix(key)}r{number}"
