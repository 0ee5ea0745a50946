"""`python -m local_control_plane up|down|status|kubeconfig`."""

from local_control_plane.cli import local

local()
