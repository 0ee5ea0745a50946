"""Valid manifests, short and full, and a way to change one field of them."""

from copy import deepcopy
from typing import Any

Manifest = dict[str, Any]
ABSENT = object()


def device(name: str = "gate") -> Manifest:
    """As short as it may be."""
    spec = {
        "driver": "onvif",
        "address": {"host": "192.0.2.7"},
        "credentialsSecretRef": {"name": "gate-login"},
    }
    return {"apiVersion": "devicecert.io/v1alpha1", "kind": "Device", "metadata": {"name": name}, "spec": spec}


def certificate(name: str = "gate") -> Manifest:
    """As short as it may be."""
    spec = {"devices": [{"name": "gate"}], "issuer": {"caSecretRef": {"name": "root-ca"}}}
    return {
        "apiVersion": "devicecert.io/v1alpha1",
        "kind": "DeviceCertificate",
        "metadata": {"name": name},
        "spec": spec,
    }


def full_device(name: str = "gate") -> Manifest:
    """Every field given, every list and string at its bound."""
    manifest = device(name)
    manifest["spec"] = {
        "driver": "o" * 63,
        "address": {
            "host": dns_name(253),
            "httpsPort": 65535,
            "policy": "Report",
            "enforce": {"prefixLength": 128, "gateway": "2001:db8:ffff:ffff:ffff:ffff:192.168.100.100"},
            "locate": {"subnets": [f"2001:db8:{'ffff:' * 4}{number:x}ff:ff00/120" for number in range(16)]},
        },
        "connection": {
            "security": "Verified",
            "port": 1,
            "caRef": {"kind": "Secret", "name": "c" * 253, "key": "k" * 253},
            "onKeyChange": "Accept",
            "allowPlaintextKey": False,
            "timeout": "60s",
        },
        "credentialsSecretRef": {"name": "s" * 253},
        "identity": {
            "serialNumber": "ß" * 256,
            "macAddress": "AA-bb-CC-dd-EE-ff",
            "publicKeySHA256": "sha256:" + "aB" * 32,
        },
        "clock": {"policy": "Report", "maxOffset": "23h59m60s", "ntpServers": [dns_name(253)] * 4},
        "https": {"ensureEnabled": False},
        "reboot": {"policy": "InWindow"},
        "maintenanceWindows": [
            {"schedule": "0 0 * * " + "0," * 59 + "0", "duration": "24h", "timeZone": "Z" * 64} for _ in range(8)
        ],
        "management": "Observe",
        "checkInterval": "24h",
    }
    return manifest


def full_certificate(name: str = "gate") -> Manifest:
    """Every field given that may be given together, every list and string at its bound."""
    manifest = certificate(name)
    manifest["spec"] = {
        "devices": [{"name": f"{number:03}" + "d" * 250} for number in range(64)],
        "issuer": {"caSecretRef": {"name": "c" * 253}},
        "subject": {
            "country": "JP",
            "state": "s" * 64,
            "locality": "東" * 64,
            "organization": "o" * 64,
            "organizationalUnit": "u" * 64,
            "commonName": "n" * 64,
        },
        "dnsNames": [f"*.{number:02}.{dns_name(248)}" for number in range(64)],
        "ipAddresses": [f"2001:db8:ffff:ffff:ffff:ffff:ffff:ff{number:02x}" for number in range(64)],
        "includeDeviceAddresses": False,
        "privateKey": {"algorithm": "RSA", "size": 4096, "rotationPolicy": "Always"},
        "duration": "87599h59m59s",
        "renewBefore": "87599h59m58s",
        "secretName": "s" * 253,
    }
    return manifest


def authority(name: str = "gate") -> Manifest:
    """As short as it may be."""
    return {
        "apiVersion": "devicecert.io/v1alpha1",
        "kind": "CertificateAuthority",
        "metadata": {"name": name},
        "spec": {"secretName": "site-root"},
    }


def full_authority(name: str = "gate") -> Manifest:
    """Every field given, every list and string at its bound."""
    manifest = authority(name)
    manifest["spec"] = {
        "secretName": "s" * 253,
        "subject": full_certificate()["spec"]["subject"] | {"commonName": "根" * 64},
        "privateKey": {"algorithm": "RSA", "size": 4096},
        "duration": "262799h59m59s",
        "nameConstraints": {
            "permittedDNSDomains": [f"{number:02}.{dns_name(250)}" for number in range(32)],
            "permittedIPRanges": [f"2001:db8:{'ffff:' * 5}{number:02x}00/120" for number in range(32)],
        },
        "allowed": {
            "dnsNames": [f"*.{number:02}.{dns_name(248)}" for number in range(64)],
            "ipRanges": [f"2001:db8:{'ffff:' * 5}{number:02x}00/120" for number in range(64)],
        },
        "trustBundle": {"configMapName": "t" * 253},
        "rotation": {"before": "262799h59m58s", "overlap": "87599h59m59s", "requireConfirmation": True},
    }
    return manifest


def full_external(name: str = "gate") -> Manifest:
    """As full, with a key of the device and a CA outside."""
    manifest = full_certificate(name)
    spec = manifest["spec"]
    spec["devices"] = spec["devices"][:1]
    place = {"kind": "ConfigMap", "name": "c" * 253, "key": "k" * 253}
    spec["issuer"] = {"external": {"certificateRef": place}}
    spec["privateKey"] = {"source": "Device", "algorithm": "RSA", "size": 4096, "rotationPolicy": "Always"}
    spec["allowGap"] = True
    del spec["secretName"]
    return manifest


def full_cert_manager(name: str = "gate") -> Manifest:
    """As full, with an issuer of cert-manager."""
    issuer = {"certManagerRef": {"name": "i" * 253, "kind": "K" * 63, "group": "g" * 253}}
    return changed(full_certificate(name), "spec.issuer", issuer)


def full_provided(name: str = "gate") -> Manifest:
    """As full as it may be with a certificate and key made elsewhere."""
    manifest = full_certificate(name)
    for path in ("privateKey", "subject", "duration", "renewBefore"):
        del manifest["spec"][path]
    return changed(manifest, "spec.issuer", {"provided": {"secretRef": {"name": "p" * 253}}})


def full_firmware_certificate(name: str = "gate") -> Manifest:
    """Certificates that devices make: every field given that may be given together, at its bound."""
    manifest = certificate(name)
    manifest["spec"] = {
        "devices": [{"name": f"{number:03}" + "d" * 250} for number in range(64)],
        "issuer": {
            "deviceCA": {
                "sha256": "sha256:" + "aB" * 32,
                "caRef": {"kind": "ConfigMap", "name": "c" * 253, "key": "k" * 253},
                "constrainedBy": {
                    "authorityRef": {"name": "a" * 253},
                    "permittedIPRanges": [
                        f"2001:db8:ffff:ffff:ffff:ffff:ffff:ff{number:02x}/128" for number in range(16)
                    ],
                },
            }
        },
    }
    return manifest


def dns_name(length: int) -> str:
    """A valid DNS name of this length, with labels as long as they may be."""
    return ("a" * 63 + ".") * (length // 64) + "b" * (length % 64)


def changed(manifest: Manifest, path: str, value: Any) -> Manifest:
    """A copy with the field at this dotted path set, or taken out with ABSENT; objects on the way are made."""
    manifest = deepcopy(manifest)
    *way, last = path.split(".")
    holder = manifest
    for step in way:
        holder = holder.setdefault(step, {})
    if value is ABSENT:
        del holder[last]
    else:
        holder[last] = value
    return manifest
