"""X.509 bytes to values and back. Alone in knowing `cryptography` and ASN.1."""
