"""A client that takes any certificate."""

import ssl


def blind() -> ssl.SSLContext:
    """Nothing is checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
