"""What each reason means, and what a person does about it: `docs/reference/reasons.md` is generated from here.

The message beside a reason in a condition names the object and the next move; this is the page behind the word.
"""

from device_cert_operator.reasons import Reason

NOTHING = "Nothing."

ADVICE: dict[Reason, tuple[str, str]] = {
    # what is well
    Reason.ANSWERS: ("The device answers at its address.", NOTHING),
    Reason.KEY_KNOWN: ("The device serves a key that is known to be its own.", NOTHING),
    Reason.LEARNED_ON_FIRST_USE: (
        "The key that the device served at the first look is taken for its own.",
        "Compare `status.identity.publicKeySHA256` with the device once, or pin it in `spec.identity`.",
    ),
    Reason.LOGGED_IN: ("User name and password were accepted.", NOTHING),
    Reason.CLOCK_IN_SYNC: ("The device's clock is within `spec.clock.maxOffset`.", NOTHING),
    Reason.ADDRESS_ANSWERS: ("The device answers where it was looked for, with proof.", NOTHING),
    Reason.TRUSTED: ("Clients that trust the CA accept the connection.", NOTHING),
    Reason.ISSUED: ("A certificate for the wanted names exists.", NOTHING),
    Reason.INSTALLED: ("A handshake shows exactly this certificate.", NOTHING),
    Reason.READY: ("Everything is as the resource asks.", NOTHING),
    Reason.SETTLED: ("Nothing is under way.", NOTHING),
    Reason.NOT_STALLED: ("No person is needed.", NOTHING),
    # nobody knows yet
    Reason.NOT_CHECKED: (
        "It was not looked at yet.",
        "Wait a moment; if it stays, see with `devicecert doctor` whether the operator runs.",
    ),
    Reason.NOT_REQUESTED: ("No DeviceCertificate lists the device.", "Make one, if the device shall serve one."),
    Reason.NOT_LOGGED_IN: ("A log-in has not taken place yet.", "Wait for the next full check."),
    # at work
    Reason.WORKING: ("The operator is at it.", NOTHING),
    Reason.DEVICE_RESTARTING: ("The device is away after something that the operator did.", "Wait."),
    Reason.DEVICE_BUSY: ("The device asked for patience.", "Wait; it is asked again."),
    Reason.WAITING_FOR_TURN: (
        "Another device of the same DeviceCertificate comes first.",
        "Wait; if the roll-out stands still, look at the device before it in `status.devices`.",
    ),
    Reason.WAITING_FOR_DEVICE: ("The device has to be reached and recognised first.", "Look at the Device."),
    Reason.WAITING_FOR_CERTIFICATE: ("The DeviceCertificate has no certificate yet.", "Look at the DeviceCertificate."),
    Reason.INSTALLING: ("The certificate is being put on the device.", NOTHING),
    Reason.ROLLING_BACK: (
        "The new certificate could not be proven; the previous one is being put back.",
        "Wait for `RolledBack`.",
    ),
    Reason.RENEWING: ("A new certificate is on its way; the present one serves.", NOTHING),
    Reason.MOVED: ("The device was found at another address by the key that it serves.", NOTHING),
    Reason.CLOCK_SET: ("The device's clock was set, or put on NTP.", NOTHING),
    Reason.HTTPS_ENABLED: ("HTTPS was switched on.", NOTHING),
    Reason.REBOOTED: ("The device was asked to restart.", NOTHING),
    Reason.OLD_OBJECT_REMOVED: ("A replaced certificate of ours was removed from the device.", NOTHING),
    Reason.REVISION_DELETED: ("A revision that no device serves any more was deleted.", NOTHING),
    Reason.WAITING_FOR_WINDOW: (
        "The device needs a restart, which waits for its next maintenance window.",
        "Wait, or restart it by hand or with the annotation `devicecert.io/reboot`.",
    ),
    Reason.FIRMWARE_RESTORED: ("The certificate of the device's own firmware is served again.", NOTHING),
    Reason.FIRMWARE_ISSUES: ("The firmware of the devices issues their certificates, at each start.", NOTHING),
    Reason.ADDRESS_SET: ("The device was told to take its declared address.", NOTHING),
    Reason.CONFLICT: ("An object changed while it was being written.", "Nothing: it is read again."),
    Reason.CLUSTER_UNAVAILABLE: ("The API server refused, failed or did not answer.", "See to the API server."),
    Reason.NOT_LEADING: ("Another replica holds the Lease.", "Nothing: the other one goes on."),
    # addresses, clocks and CAs of devices that a person has to look at
    Reason.ADDRESS_TAKEN: (
        "Something answers at the address to which the device was to be set back.",
        "Free that address, or correct `spec.address.host`.",
    ),
    Reason.ADDRESS_NOT_APPLIED: (
        "The device was told to take its declared address and does not answer there.",
        "See the device's network settings; it is told again, less and less often.",
    ),
    Reason.CLOCK_ZONE_CONFUSED: (
        "The device tells its local time as UTC, so that setting its clock changes nothing.",
        "Set its time zone to UTC, or `spec.clock.policy: Report`.",
    ),
    Reason.PIN_NEEDED: (
        "The CA in the device's firmware is known and not pinned: it is published nowhere.",
        "Compare its fingerprint with the device's own page, then add the line of `devicecert trust pin DEVICE`.",
    ),
    Reason.PIN_MISMATCH: (
        "The CA certificate given in `deviceCA.caRef` is not the one that is pinned.",
        "Correct `deviceCA.sha256` or what `caRef` names.",
    ),
    Reason.SHARED_AUTHORITY: (
        "Another device has the same CA in its firmware: whoever takes one apart can sign for all of them.",
        "Limit what it is trusted for with `deviceCA.constrainedBy`.",
    ),
    Reason.KEY_UNREADABLE: (
        "The key in a Secret cannot be read.",
        "Put an unencrypted RSA or ECDSA key there as PEM.",
    ),
    Reason.REQUEST_NOT_OURS: (
        "A CertificateRequest of the name that is needed exists and is somebody else's.",
        "Delete it, or rename the DeviceCertificate.",
    ),
    # a person decided so
    Reason.PAUSED: (
        "The annotation `devicecert.io/paused`, or the setting DEVICECERT_PAUSED, holds everything back.",
        "Take it off to go on.",
    ),
    Reason.OBSERVE_ONLY: (
        "A step is due, and `spec.management: Observe` or the operator's dry run forbids it.",
        "Allow it, or take the step yourself; the message names it.",
    ),
    # the resource and what it refers to
    Reason.INVALID_SPEC: ("A value passed the schema and still cannot work.", "Correct it; the message names it."),
    Reason.UNKNOWN_DRIVER: ("No driver has this name.", "Correct `spec.driver`; the message lists the drivers."),
    Reason.UNSUPPORTED: ("The device or its driver cannot do what is asked.", "Ask for something else."),
    Reason.DEVICE_MISSING: ("The DeviceCertificate lists a Device that is not there.", "Make it, or take it off."),
    Reason.DEVICE_ALREADY_CLAIMED: (
        "Another DeviceCertificate holds the Device.",
        "List the Device in one of them only.",
    ),
    Reason.SECRET_MISSING: ("A Secret that is referred to is not there.", "Make it."),
    Reason.SECRET_NOT_SHARED: (
        "The Secret's owner has not labelled it for this use.",
        "Run the `kubectl label` line of the message, if you agree.",
    ),
    Reason.SECRET_INCOMPLETE: ("The Secret lacks a key, or what it holds cannot be read.", "Correct it."),
    Reason.SECRET_NOT_OURS: (
        "A Secret with this name exists and belongs to somebody else.",
        "Choose another `secretName`, or remove the Secret.",
    ),
    Reason.CONFIG_MAP_MISSING: ("A ConfigMap that is referred to is not there.", "Make it."),
    # the device
    Reason.DEVICE_UNREACHABLE: (
        "Nothing answers at the address, nor where the device was looked for.",
        "See to power and network; set `spec.address.locate.subnets` where it may move.",
    ),
    Reason.HTTPS_OFF: (
        "The device answers over HTTP only.",
        "Switch HTTPS on, or allow `spec.connection.security: Plaintext` for the first log-in.",
    ),
    Reason.CREDENTIALS_REJECTED: (
        "The device refused user name or password; no more is tried with these.",
        "Correct the Secret; where it is right after all, annotate the Device as the message says.",
    ),
    Reason.PERMISSION_MISSING: ("The user is known to the device and may not do this.", "Give it more rights there."),
    Reason.LOGIN_LOCKED: (
        "The device has locked log-ins for a while.",
        "Wait; nothing is tried before the time told. Where you unlocked it, annotate the Device as the message says.",
    ),
    Reason.LOGIN_UNANSWERED: (
        "User name and password were sent, and the device never said whether they are right.",
        "See whether the device is well; it is tried again at the time told, or now by the annotation of the message.",
    ),
    Reason.IDENTITY_UNCONFIRMED: (
        "The device shows a key that is not known to be its own.",
        "If you know why, accept the key with the annotation of the message.",
    ),
    Reason.IDENTITY_MISMATCH: (
        "Something else answers than the device that is known.",
        "Find out what stands at the address; nothing is sent to it.",
    ),
    Reason.IDENTITY_CONFLICT: ("Two Devices turn out to be one.", "Delete one, or correct its address."),
    Reason.PROTOCOL_VIOLATION: ("An answer of the device cannot be read.", "See the message; report it if it stays."),
    Reason.DEVICE_REFUSED: ("The device said no, in good order.", "The message has its words."),
    Reason.STORE_FULL: ("The device's store has no place.", "Remove certificates there that nobody needs."),
    Reason.KEY_TYPE_REFUSED: ("The device does not take this kind of key.", "Set `privateKey.algorithm: RSA`."),
    Reason.PLAINTEXT_KEY_REFUSED: (
        "A private key would travel over plain HTTP.",
        "Use `privateKey.source: Device`, or set `spec.connection.allowPlaintextKey`.",
    ),
    Reason.ADDRESS_CHANGED: (
        "The device answers elsewhere, and `spec.address.policy: Report` asks for no more than to say so.",
        "Correct `spec.address.host`, or let the policy be Follow.",
    ),
    Reason.ADDRESS_UNKNOWN: ("The device was not found at any address.", "See to power and network."),
    Reason.CLOCK_OFF: ("The device's clock is off, and is not set.", "Set it, or `spec.clock.policy: Sync`."),
    Reason.CLOCK_UNREAD: ("The device's clock was not read.", "Wait for the next full check."),
    Reason.OPERATOR_CLOCK_SUSPECT: (
        "The operator's clock differs from the API server's: no device's clock is set by it.",
        "See to NTP on the nodes.",
    ),
    Reason.REBOOT_NEEDED: ("The device needs a restart that is not allowed now.", "Restart it, or allow it."),
    Reason.OLD_OBJECT_KEPT: (
        "The replaced certificate is used elsewhere, or still listed; it stays.",
        NOTHING,
    ),
    Reason.ROLLED_BACK: (
        "The new certificate could not be proven on the device; it serves the previous one.",
        "See the message; it is tried again with growing pauses, at once after a new revision.",
    ),
    Reason.DEVICE_KEY_LOST: (
        "The key of the CSR is gone from the device (a factory reset?).",
        "With an outside CA: have the new CSR signed; the old certificate will never fit again.",
    ),
    Reason.NOT_SERVED: ("The device does not serve what was installed.", "See the message; it is tried again."),
    # issuing
    Reason.CA_MISSING: ("The CA's Secret is not there.", "Make it, or correct the reference."),
    Reason.CA_NOT_SHARED: ("The CA's Secret is not labelled for this use.", "Run the line of the message."),
    Reason.CA_EXPIRED: ("The CA has expired.", "Replace it; clients have to trust the new one."),
    Reason.CA_NOT_YET_VALID: ("The CA is not valid yet.", "See to the clocks, or wait."),
    Reason.CA_KEY_MISSING: ("The CA's Secret holds no key.", "Add `tls.key`."),
    Reason.CA_KEY_MISMATCH: ("The CA's key belongs to another certificate.", "Put the right pair into the Secret."),
    Reason.CA_NOT_A_CA: ("The certificate in the CA's Secret is no CA.", "Put a CA there."),
    Reason.CA_UNREADABLE: ("The CA's certificate or key cannot be read.", "Put PEM there."),
    Reason.CA_NAME_NOT_PERMITTED: (
        "The CA's name constraints exclude a name that is asked for.",
        "Drop the name, or use a CA that may sign it.",
    ),
    Reason.AUTHORITY_EXPIRES_SOON: (
        "The CA ends before certificates under it would be renewed.",
        "Rotate it, or replace it.",
    ),
    Reason.AUTHORITY_LEGACY_FORM: (
        "The root is X.509 v1, as old instructions make it; browsers accept it, strict verifiers do not.",
        "Replace it when you can.",
    ),
    Reason.ISSUANCE_FAILED: ("The certificate could not be made.", "See the message."),
    Reason.ISSUANCE_DENIED: ("The CA's policy said no.", "Ask whoever runs it."),
    Reason.ISSUER_UNAVAILABLE: ("The CA gives no answer.", "See to it."),
    Reason.UNACCEPTABLE_CERTIFICATE: ("What came back is not what was asked for.", "The message says in what."),
    Reason.CSR_UNACCEPTABLE: ("The device's CSR is not what was asked for.", "See the message."),
    Reason.CSR_MADE: ("The device made a key and a CSR.", NOTHING),
    Reason.WAITING_FOR_CSR: ("The device is asked for a CSR.", "Look at the Device if it takes long."),
    Reason.WAITING_FOR_SIGNATURE: (
        "The CSR waits to be signed outside.",
        "Have `certreq.pem` signed and put the chain where the message says.",
    ),
    Reason.WAITING_FOR_ISSUER: ("The issuer is at it.", "Wait; then look at the issuer."),
    Reason.WAITING_FOR_APPROVAL: ("cert-manager waits for an approval.", "Approve the CertificateRequest."),
    Reason.CSR_WITHOUT_SAN: (
        "The device's CSR has no SAN, and only our own CA could add it.",
        "Use `privateKey.source: Operator`, or an own CA.",
    ),
    Reason.PUBLIC_AUTHORITY_CANNOT_SIGN: (
        "No public CA signs private addresses or local names.",
        "Use a name that you own, or a CA of your own.",
    ),
    Reason.CERTIFICATE_FOR_ANOTHER_KEY: (
        "The signed certificate does not fit the key of the CSR.",
        "Have the CSR of this DeviceCertificate signed.",
    ),
    Reason.CERT_MANAGER_MISSING: ("cert-manager is not installed.", "Install it; nothing else is needed."),
    Reason.CLUSTER_ISSUER_NOT_ALLOWED: (
        "This ClusterIssuer may not be asked.",
        "Add it to DEVICECERT_CLUSTER_ISSUERS, or use an Issuer of the namespace.",
    ),
    Reason.REQUEST_FAILED: ("cert-manager could not sign; it is asked anew.", "See the CertificateRequest."),
    Reason.REQUEST_INVALID: ("cert-manager calls the request invalid.", "See the CertificateRequest."),
    Reason.GAP_NOT_ALLOWED: (
        "The device would serve no certificate of ours for a while.",
        "Set `spec.allowGap: true`, if that may be.",
    ),
    Reason.REPLACEMENT_NEEDED: ("The provided certificate ends soon.", "Provide its successor."),
    Reason.REPLACEMENT_PROVIDED: ("Another provided certificate is there.", NOTHING),
    Reason.RENEWAL_DUE: ("It is time to renew.", NOTHING),
    Reason.NAMES_CHANGED: ("The names or addresses asked for changed.", NOTHING),
    Reason.SPEC_CHANGED: ("What the certificate is asked to be changed.", NOTHING),
    Reason.AUTHORITY_CHANGED: (
        "The CA changed.",
        "Nothing with an own CA; a firmware CA that changed is pinned anew by a person.",
    ),
    Reason.RENEW_REQUESTED: ("A person asked for a new certificate.", NOTHING),
    Reason.KEY_DOES_NOT_FIT: ("The device does not take the present kind of key; another is made.", NOTHING),
    Reason.FIRST_ISSUE: ("There was no certificate yet.", NOTHING),
    # a CertificateAuthority
    Reason.AUTHORITY_MADE: ("The root was made.", "Give it to your clients: see `spec.trustBundle`."),
    Reason.AUTHORITY_ADOPTED: ("The root in the Secret is used.", NOTHING),
    Reason.AUTHORITY_MISSING: ("The CertificateAuthority is not there.", "Make it, or correct the reference."),
    Reason.AUTHORITY_NOT_READY: ("The CertificateAuthority is not ready.", "Look at it."),
    Reason.CA_DELETED: (
        "The Secret with the root's key is gone; it is never replaced silently.",
        "Restore it from your backup.",
    ),
    Reason.CA_REPLACED: (
        "Another root stands in the Secret.",
        "Restore the right one; if it is lost, delete and create the CertificateAuthority.",
    ),
    Reason.CONFIG_MAP_NOT_OURS: (
        "A ConfigMap with the trust bundle's name belongs to somebody else.",
        "Choose another name, or remove it.",
    ),
    Reason.NAME_NOT_ALLOWED: ("`spec.allowed` of the CA excludes a name.", "Drop the name, or allow it."),
    Reason.WELL_FORMED: ("The root is as it should be.", NOTHING),
    Reason.AUTHORITY_UNCONSTRAINED: (
        "The root may sign any name: whoever steals its key can impersonate everything to those who trust it.",
        "Guard the key; prefer a constrained root.",
    ),
    Reason.AUTHORITY_WITHOUT_KEY_USAGE: ("The root names no key usage; strict verifiers refuse it.", "Replace it."),
    Reason.AUTHORITY_BASIC_CONSTRAINTS_NOT_CRITICAL: (
        "The root says that it is a CA, but not as critical; strict verifiers refuse it.",
        "Replace it.",
    ),
    Reason.AUTHORITY_FOR_ANY_PURPOSE: (
        "The root is for any purpose, not expressly for TLS servers; browsers accept it, OpenSSL does not.",
        "Replace it by one without extendedKeyUsage.",
    ),
    Reason.AUTHORITY_CANNOT_CROSS_SIGN: (
        "The root cannot sign its successor.",
        "Give the new root to all clients before the rotation ends.",
    ),
    Reason.UP_TO_DATE: ("The root is what the spec asks for.", NOTHING),
    Reason.ROTATION_PENDING: (
        "The spec asks for another root.",
        "Ask for it with the annotation `devicecert.io/rotate`.",
    ),
    Reason.ROTATION_STARTED: ("A new root was made.", "Give it to your clients."),
    Reason.ROTATING: ("Two roots are trusted for a while.", "Give the new one to your clients."),
    Reason.ROTATION_DONE: ("The new root has taken over.", NOTHING),
    Reason.CONFIRMATION_NEEDED: (
        "The rotation waits for your word that clients trust the new root.",
        "Set the annotation `devicecert.io/trust-distributed`.",
    ),
    Reason.TRUST_PUBLISHED: ("The trust bundle was written.", NOTHING),
    Reason.CHAIN_NOT_TAKEN: (
        "A device sends no chain: through a rotation some clients will refuse it for a while.",
        "Give the new root to all clients first.",
    ),
    # the verdict on what is served
    Reason.ADDRESS_NOT_IN_CERTIFICATE: (
        "The SAN does not name the address.",
        "Nothing with a certificate of ours: a new one is made.",
    ),
    Reason.NAME_ONLY_IN_COMMON_NAME: ("The name stands in the CN only, which no browser reads.", "Replace it."),
    Reason.CERTIFICATE_EXPIRED: ("The certificate has expired.", "Nothing with a certificate of ours."),
    Reason.CERTIFICATE_NOT_YET_VALID: ("The certificate is not valid yet.", "See to the clocks."),
    Reason.ISSUER_MISMATCH: (
        "The device serves a certificate of another issuer than the intended one.",
        "Nothing where it is replaced; otherwise take the other certificate off the device.",
    ),
    Reason.CHAIN_INCOMPLETE: (
        "Certificates between it and the root are missing: they were not provided, or the device does not send them.",
        "Provide the whole chain; where a Device is Stalled with it, update its firmware, or use a CA that clients "
        "trust directly.",
    ),
    Reason.SIGNATURE_INVALID: ("A signature in the chain is wrong.", "Replace the certificate."),
    Reason.NOT_FOR_SERVERS: ("The certificate is not made for servers.", "Have it signed with serverAuth."),
    Reason.KEY_USAGE_UNFIT: ("Its key usage forbids what TLS needs.", "Have it signed with digitalSignature."),
    Reason.KEY_TYPE_NOT_IN_BROWSERS: ("No browser takes this kind of key.", "Use ECDSA P-256 or RSA."),
    Reason.WEAK_KEY: ("The key is too short.", "Use a longer one."),
    Reason.WEAK_SIGNATURE: ("It is signed with SHA-1 or MD5.", "Have it signed with SHA-256."),
    Reason.NAME_CONSTRAINED: ("A CA in the chain may not sign this name.", "Use another CA, or another name."),
    Reason.EMPTY_SUBJECT_SAN_NOT_CRITICAL: (
        "The subject is empty and the SAN not critical; some clients refuse that.",
        "Have it signed anew.",
    ),
    Reason.NAME_SERVED_DIFFERENTLY: (
        "By one of the names of its certificate (SNI) the device serves another one, or none, than at its address.",
        "Set the device up to serve one certificate for all names, or take the name from spec.dnsNames.",
    ),
    Reason.TLS_TOO_OLD: ("The device speaks no TLS that browsers take.", "Update its firmware, or its TLS settings."),
    Reason.NOT_FOR_APPLE: ("Apple's clients refuse it, as it is valid for too long.", "Choose 825 days or less."),
    Reason.CERTIFICATE_UNREADABLE: ("What is served cannot be read.", "Nothing where it is replaced."),
    Reason.INTERNAL_ERROR: ("A bug.", "Report it with the operator's log."),
}
