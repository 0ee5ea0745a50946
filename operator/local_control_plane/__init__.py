"""A real Kubernetes control plane for trying and testing: etcd, API server, controller manager, on loopback only."""

from local_control_plane.build import BuildError
from local_control_plane.existing import ExistingCluster, use_or_start
from local_control_plane.plane import AUDIT_METADATA, ControlPlane, PlaneError, load, start

__all__ = [
    "AUDIT_METADATA",
    "BuildError",
    "ControlPlane",
    "ExistingCluster",
    "PlaneError",
    "load",
    "start",
    "use_or_start",
]
