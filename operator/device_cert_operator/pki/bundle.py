"""What clients have to trust, in the forms in which a ConfigMap and people take it."""

import base64

from device_cert_operator.pki.facts import ders_to_pem

PEM_KEY, DER_KEY = "ca.crt", "cacert.crt"
RAW_KEY, CONSTRAINED_KEY, WARNING_KEY = "firmware-ca.crt", "constrained.crt", "WARNING"
_WARNING = (
    "The private key of this CA is in every copy of the firmware image. Whoever takes one apart can sign a\n"
    "certificate for any address and any name, and everybody who trusts {file} accepts it.\n"
)


def trust_content(roots_der: tuple[bytes, ...]) -> dict[str, dict[str, str]]:
    """`data` and `binaryData` of a trust ConfigMap: every root as PEM, the first one alone as DER."""
    return {
        "data": {PEM_KEY: ders_to_pem(*roots_der).decode("ascii")},
        "binaryData": {DER_KEY: base64.b64encode(roots_der[0]).decode("ascii")},
    }


def firmware_content(ca_der: bytes) -> dict[str, dict[str, str]]:
    """The same for the CA of a firmware as it is, with a warning."""
    content = trust_content((ca_der,))
    advice = "deviceCA.constrainedBy limits it to the addresses of the devices.\n"
    content["data"][WARNING_KEY] = _WARNING.format(file=PEM_KEY) + advice
    return content


def constrained_content(
    ca_der: bytes, roots_der: tuple[bytes, ...], path_der: tuple[bytes, ...]
) -> dict[str, dict[str, str]]:
    """The same for a firmware's CA below a root of ours. path_der: the constrained certificate, then those above it.

    ca.crt: roots and path, to be imported together. The CA as it is stands beside it, with a warning.
    """
    content = trust_content(roots_der)
    content["data"][PEM_KEY] += ders_to_pem(*path_der).decode("ascii")
    content["data"][RAW_KEY] = ders_to_pem(ca_der).decode("ascii")
    content["data"][WARNING_KEY] = _WARNING.format(file=RAW_KEY) + (
        f"{PEM_KEY} does not have this danger: import it instead (as DER: {DER_KEY} as a root, {CONSTRAINED_KEY}\n"
        "as an intermediate CA).\n"
    )
    content["binaryData"][CONSTRAINED_KEY] = base64.b64encode(path_der[0]).decode("ascii")
    return content
