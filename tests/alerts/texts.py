"""What each alert says, summary and description, when it first fires in the first of its cases."""

TEXTS: dict[str, tuple[str, str]] = {
    "DeviceNotSecure": (
        "Device cams/gate is not secure",
        "Clients refuse what it serves, and the operator has not been able to change that: "
        "kubectl -n cams describe dev gate says why.",
    ),
    "DeviceUnreachable": (
        "Device cams/gate does not answer",
        "No HTTPS was found at its address, nor where it may have moved to. Until it answers its certificate cannot be "
        "renewed.",
    ),
    "DeviceClockDrift": (
        "The clock of device cams/gate is off",
        "It is further off than spec.clock.maxOffset allows and stays so: log-ins and certificates that the device "
        "dates itself may fail.",
    ),
    "DeviceCredentialsRejected": (
        "The operator cannot log in to device cams/gate",
        "The device refuses the credentials or has locked the account, they lack a permission, or their Secret is "
        "missing or not shared; or the driver does not fit what answers, or that answers nonsense; or the CA that is "
        "to vouch for the device cannot be read. So as not to lock the account, credentials that never worked are not "
        "tried again before the Secret changes or somebody asks, and those that had worked only after an hour, then "
        "ever more rarely.",
    ),
    "DeviceIdentityConflict": (
        "What answers as device cams/gate is not the device that is known",
        "It shows a key that is not known, or another device's identity. Nothing is sent to it: it was replaced, "
        "reset to factory settings, or somebody stands in between.",
    ),
    "ChecksLate": (
        "Devices in cams are not looked at in time: 1",
        "Nobody would notice if they moved, expired or were replaced. Either no replica acts, or there are more "
        "devices than its workers manage.",
    ),
    "SpecUnreadable": (
        "The spec of Device cams/gate cannot be read",
        "Nothing is done for it, it is not even looked at, and the other alerts see nothing of it before that is "
        "corrected: kubectl -n cams describe Device gate names the field.",
    ),
    "CertificateExpiringSoon": (
        "The certificate of DeviceCertificate cams/gate should have been renewed",
        "It ends in 2h 13m 0s, and most of the time that was set aside for its renewal is over.",
    ),
    "CertificateExpired": (
        "The certificate of Device cams/gate has expired",
        "It ended 7m 0s ago. Every client refuses it.",
    ),
    "CertificateIssuanceFailing": (
        "No certificate can be issued for DeviceCertificate cams/gate",
        "kubectl -n cams describe dcert gate says why (condition Issued). What the devices serve now stays until it "
        "ends.",
    ),
    "AuthorityNotReady": (
        "CertificateAuthority cams/gate cannot be used",
        "Its root is missing, damaged, replaced or expired, and nothing is put in its place by itself; or its spec "
        "cannot be read: kubectl -n cams describe dca gate says why. What the devices serve now stays until it ends.",
    ),
    "AuthorityExpiring": (
        "The CA of CertificateAuthority cams/gate ends soon",
        "In 80d 23h 25m 40s it ends, and no rotation is planned or under way. Clients have to learn to trust its "
        "successor before.",
    ),
    "AuthorityRotationStuck": (
        "The rotation of CertificateAuthority cams/gate is stuck (Switching)",
        "This phase should have been over 1d 1h 10m 0s ago. It waits for devices that are away, or for somebody's "
        "word that clients trust both roots.",
    ),
    "OperatorAbsent": (
        "No device-cert-operator acts",
        "None is scraped, or all replicas stand by. Nothing is checked, renewed or healed, and what the other alerts "
        "see is old.",
    ),
    "QueueStuck": (
        "Work of device-cert-operator waits",
        "An object has been due for 17m 0s without a worker that takes it up: workers hang, or there are too few.",
    ),
}
