"""The edge in: kopf's events become keys in our queue. Nothing is decided here."""
