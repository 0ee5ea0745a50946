"""Sockets: handshakes, HTTP conversations with one pinned key, and looking for a device that moved.

Alone in importing ssl, socket and httpx. Foreign exceptions end here: as values or as `errors.DeviceError`s.
"""
