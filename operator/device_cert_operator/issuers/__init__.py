"""Where certificates come from."""
