"""A real Kubernetes control plane for trying and testing: etcd, API server, controller manager, on loopback only."""

from local_control_plane.plane import ControlPlane, PlaneError, start

__all__ = ["ControlPlane", "PlaneError", "start"]
