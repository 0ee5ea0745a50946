"""What clients have to trust, in the forms in which a ConfigMap and people take it."""

import base64

from device_cert_operator.pki.facts import ders_to_pem

PEM_KEY, DER_KEY = "ca.crt", "cacert.crt"
RAW_KEY, RAW_DER_KEY = "firmware-ca.crt", "firmware-cacert.crt"
CONSTRAINED_KEY, WARNING_KEY = "constrained.crt", "WARNING"
_WARNING = (
    "The private key of this CA is in every copy of the firmware image. Whoever takes one apart can sign a\n"
    f"certificate for any address and any name, and everybody who trusts {RAW_KEY} accepts it.\n"
)
_LIMIT_IT = "deviceCA.constrainedBy limits it to the addresses of the devices.\n"
_TAKE_THE_OTHER = (
    f"{PEM_KEY} does not have this danger: import it instead (as DER: {DER_KEY} as a root, {CONSTRAINED_KEY}\n"
    "as an intermediate CA).\n"
)


def trust_content(roots_der: tuple[bytes, ...]) -> dict[str, dict[str, str]]:
    """`data` and `binaryData` of a trust ConfigMap: every root as PEM, the first one alone as DER."""
    return {
        "data": {PEM_KEY: ders_to_pem(*roots_der).decode("ascii")},
        "binaryData": {DER_KEY: base64.b64encode(roots_der[0]).decode("ascii")},
    }


def firmware_content(ca_der: bytes) -> dict[str, dict[str, str]]:
    """The CA of a firmware as it is, with a warning: never under the keys that people import without a thought."""
    return {
        "data": {RAW_KEY: ders_to_pem(ca_der).decode("ascii"), WARNING_KEY: _WARNING + _LIMIT_IT},
        "binaryData": {RAW_DER_KEY: base64.b64encode(ca_der).decode("ascii")},
    }


def constrained_content(
    ca_der: bytes, roots_der: tuple[bytes, ...], path_der: tuple[bytes, ...]
) -> dict[str, dict[str, str]]:
    """The same below a root of ours. path_der: the constrained certificate, then those above it.

    ca.crt: roots and path, to be imported together. The CA as it is stands beside it.
    """
    content, raw = trust_content(roots_der), firmware_content(ca_der)
    content["data"][PEM_KEY] += ders_to_pem(*path_der).decode("ascii")
    content["binaryData"][CONSTRAINED_KEY] = base64.b64encode(path_der[0]).decode("ascii")
    warning = {WARNING_KEY: _WARNING + _TAKE_THE_OTHER}
    return {
        "data": content["data"] | raw["data"] | warning,
        "binaryData": content["binaryData"] | raw["binaryData"],
    }
