"""Runs keys when they are due. Knows nothing of devices."""
