"""What clients have to trust, in the forms in which a ConfigMap and people take it."""

import base64

from device_cert_operator.pki.facts import ders_to_pem

PEM_KEY, DER_KEY = "ca.crt", "cacert.crt"


def trust_content(roots_der: tuple[bytes, ...]) -> dict[str, dict[str, str]]:
    """`data` and `binaryData` of a trust ConfigMap: every root as PEM, the first one alone as DER."""
    return {
        "data": {PEM_KEY: ders_to_pem(*roots_der).decode("ascii")},
        "binaryData": {DER_KEY: base64.b64encode(roots_der[0]).decode("ascii")},
    }
