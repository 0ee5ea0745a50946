"""A configuration profile with CA certificates for Apple's platforms.

Apple, Configuration Profile Reference: "Configuration Profile Keys", and the payloads `com.apple.security.root` and
`com.apple.security.pkcs1`, which is known and not trusted by itself.
"""

import plistlib
import uuid

from device_cert_operator.pki.facts import fingerprint, read_facts

NAMESPACE = uuid.UUID("5b6b4f3e-7a0f-5d0e-9a37-0d9f6c1f6c52")  # of our payloads, drawn once


def build_profile(name: str, roots_der: tuple[bytes, ...], intermediates_der: tuple[bytes, ...] = ()) -> bytes:
    """An unsigned `.mobileconfig`. name: tells profiles apart; a newer one of the same name replaces the older.

    Where people install it by hand they also have to switch full trust on (iOS: Settings, General, About).
    """
    identifier = f"io.devicecert.trust.{uuid.uuid5(NAMESPACE, name)}"
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": _uuid(name, *roots_der, *intermediates_der),
        "PayloadDisplayName": f"Root certificates for devices ({name})",
        "PayloadDescription": "Lets this machine recognise the devices whose certificates come from these roots.",
        "PayloadContent": [
            *(_payload(identifier, "com.apple.security.root", der) for der in roots_der),
            *(_payload(identifier, "com.apple.security.pkcs1", der) for der in intermediates_der),
        ],
    }
    return plistlib.dumps(profile)


def _payload(identifier: str, kind: str, der: bytes) -> dict[str, object]:
    facts = read_facts(der)
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": f"{identifier}.{fingerprint(der)[:16]}",
        "PayloadUUID": _uuid(identifier, der),
        "PayloadDisplayName": facts.common_name or facts.subject,
        "PayloadCertificateFileName": f"{fingerprint(der)[:16]}.cer",
        "PayloadContent": der,
    }


def _uuid(name: str, *ders: bytes) -> str:
    """The same for the same content: exporting twice makes the same file."""
    return str(uuid.uuid5(NAMESPACE, " ".join((name, *map(fingerprint, ders))))).upper()
