"""The API server: the only place that knows how to talk to it."""
