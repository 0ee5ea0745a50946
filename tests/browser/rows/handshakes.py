"""Versions, key exchanges, ciphers and signatures of TLS."""

from ssl import TLSVersion

from cryptography.hazmat.primitives.asymmetric import ec

from tests.browser.offers import Offer, curve_key, good_root, leaf, rsa_key
from tests.browser.row import MISMATCH, USAGE, Row
from tests.support import ca


def spoken(
    newest: TLSVersion, ciphers: str | None = None, *, curve: str | None = None, key: ca.Key | None = None
) -> Offer:
    """A good RSA leaf, or one with this key, in this kind of handshake."""
    return Offer((leaf(key=key or rsa_key(2048)),), (good_root(),), newest=newest, ciphers=ciphers, curve=curve)


def over_groups(version: str, groups: str) -> Offer:
    """A good RSA leaf, and keys exchanged over the first of these groups that the client has."""
    sent = (leaf(key=rsa_key(2048)),)
    return Offer(sent, (good_root(),), arguments=(version, "-groups", groups, "-serverpref"))


TLS_1_2, TLS_1_3 = TLSVersion.TLSv1_2, TLSVersion.TLSv1_3
HANDSHAKES = [
    Row("TLS 1.0", MISMATCH, True, lambda _: spoken(TLSVersion.TLSv1)),
    Row("TLS 1.1", MISMATCH, True, lambda _: spoken(TLSVersion.TLSv1_1)),
    Row("TLS 1.2", "", True, lambda _: spoken(TLS_1_2)),
    Row("TLS 1.3", "", True, lambda _: spoken(TLS_1_3)),
    Row("DHE only", MISMATCH, True, lambda _: spoken(TLS_1_2, "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0")),
    Row("ECDHE with CBC and SHA-256 only", MISMATCH, True, lambda _: spoken(TLS_1_2, "ECDHE-RSA-AES128-SHA256")),
    Row("ECDHE with CBC and SHA-1 only", "", True, lambda _: spoken(TLS_1_2, "ECDHE-RSA-AES128-SHA")),
    Row("RSA key exchange with GCM only", "", True, lambda _: spoken(TLS_1_2, "AES128-GCM-SHA256")),
    Row("RSA key exchange with CBC only", "", True, lambda _: spoken(TLS_1_2, "AES256-SHA")),
    Row("RSA key exchange with CBC and SHA-256 only", MISMATCH, True, lambda _: spoken(TLS_1_2, "AES128-SHA256")),
    Row("CCM only", MISMATCH, True, lambda _: spoken(TLS_1_2, "ECDHE-ECDSA-AES128-CCM", key=ca.ec_key("leaf"))),
    Row("Camellia only", MISMATCH, True, lambda _: spoken(TLS_1_2, "ECDHE-RSA-CAMELLIA128-SHA256")),
    Row(
        "ECDSA with CBC only",
        MISMATCH,
        True,
        lambda _: spoken(TLS_1_2, "ECDHE-ECDSA-AES128-SHA", key=ca.ec_key("leaf")),
    ),
    Row("ChaCha20 only", "", True, lambda _: spoken(TLS_1_2, "ECDHE-RSA-CHACHA20-POLY1305")),
    Row("ECDHE over P-384 only", "", True, lambda _: spoken(TLS_1_2, curve="secp384r1")),
    Row(
        "ECDHE over P-521 only",
        MISMATCH,
        True,
        lambda _: spoken(TLS_1_2, "ECDHE-RSA-AES128-GCM-SHA256", curve="secp521r1"),
    ),
    Row(
        "TLS 1.3 over P-521 only",
        MISMATCH,
        True,
        lambda _: spoken(TLS_1_3, curve="secp521r1"),
    ),
    Row("TLS 1.3 over X448 only", MISMATCH, True, lambda _: over_groups("-tls1_3", "X448")),
    Row("TLS 1.3 over FFDHE only", MISMATCH, True, lambda _: over_groups("-tls1_3", "ffdhe2048")),
    Row("TLS 1.3 over P-521 rather than P-256", "", True, lambda _: over_groups("-tls1_3", "P-521:P-256")),
    Row("TLS 1.2 over P-521 rather than P-384", "", True, lambda _: over_groups("-tls1_2", "P-521:P-384")),
    Row(
        "a P-521 key over P-521 only",
        MISMATCH,
        True,
        lambda _: spoken(TLS_1_3, key=curve_key(ec.SECP521R1), curve="secp521r1"),
    ),
    Row(
        "SHA-1 signatures in the handshake only",
        MISMATCH,
        True,
        lambda _: Offer(
            (leaf(key=rsa_key(2048)),),
            (good_root(),),
            arguments=("-tls1_2", "-sigalgs", "RSA+SHA1", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0"),
        ),
    ),
    Row(
        "RSA key exchange with a key for encipherment only",
        "",
        True,
        lambda _: Offer(
            (leaf(key=rsa_key(2048), usage=ca.key_usage("key_encipherment")),),
            (good_root(),),
            newest=TLS_1_2,
            ciphers="AES128-GCM-SHA256",
        ),
    ),
    Row(
        "RSA key exchange with a key for signatures only",
        USAGE,
        True,
        lambda _: Offer(
            (leaf(key=rsa_key(2048), usage=ca.key_usage("digital_signature")),),
            (good_root(),),
            newest=TLS_1_2,
            ciphers="AES128-GCM-SHA256",
        ),
    ),
]
