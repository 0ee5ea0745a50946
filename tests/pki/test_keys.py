"""Private keys: made, read, written, never shown."""

import hashlib
import pickle
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from device_cert_operator.core.model import KeyType
from device_cert_operator.errors import ProtocolViolation
from device_cert_operator.pki.facts import read_facts
from device_cert_operator.pki.keys import PrivateKey, make_key, read_key
from tests.support import ca


@pytest.mark.parametrize("kind", KeyType)
def test_each_kind_is_made_as_asked(kind: KeyType) -> None:
    assert make_key(kind).kind == kind


@pytest.mark.parametrize("kind", [KeyType.ECDSA_P256, KeyType.RSA_2048])
def test_pkcs8_is_what_openssl_reads(tmp_path: Path, kind: KeyType) -> None:
    key = make_key(kind)
    assert key.pkcs8_pem().startswith(b"-----BEGIN PRIVATE KEY-----")
    assert ca.openssl(tmp_path, "pkey", "-outform", "DER", given=key.pkcs8_pem())
    public = ca.openssl(tmp_path, "pkey", "-inform", "DER", "-pubout", "-outform", "DER", given=key.pkcs8_der())
    assert key.public_key_sha256 == hashlib.sha256(public).hexdigest()


def test_a_key_that_is_read_is_the_key_that_was_written() -> None:
    key = make_key(KeyType.ECDSA_P384)
    assert read_key(key.pkcs8_pem()).public_key_sha256 == key.public_key_sha256


def test_key_and_certificate_are_known_as_a_pair() -> None:
    pair = ca.certificate()
    assert read_key(pair.key_pem).public_key_sha256 == read_facts(pair.der).public_key_sha256


@pytest.mark.parametrize("form", ["rsa", "ec"])
def test_the_old_openssl_forms_are_read(tmp_path: Path, form: str) -> None:
    key = ca.rsa_key() if form == "rsa" else ca.ec_key()
    old = ca.openssl(tmp_path, form, *(("-traditional",) if form == "rsa" else ()), given=ca.key_pem(key))
    assert b"BEGIN RSA PRIVATE KEY" in old or b"BEGIN EC PRIVATE KEY" in old
    assert read_key(old).pkcs8_der() == ca.key_der(key)


def test_a_key_shows_nothing_of_itself() -> None:
    key = make_key(KeyType.ECDSA_P256)
    assert (repr(key), str(key), f"{key}") == ("PrivateKey(ECDSA-P256, …)",) * 3
    with pytest.raises(TypeError):
        pickle.dumps(key)


@pytest.mark.parametrize(
    ("what", "pem"),
    [
        ("nothing", b""),
        ("no PEM", b"hunter2"),
        ("a certificate", ca.certificate().cert_pem),
        ("half a key", ca.key_pem(ca.ec_key())[:90]),
        (
            "an encrypted key",
            ca.ec_key().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(b"hunter2"),
            ),
        ),
        (
            "an Ed25519 key",
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # neighbours must name a test alike
)
def test_what_is_no_key_for_us_is_refused_without_a_word_of_it(what: str, pem: bytes) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        read_key(pem)
    told = "".join((caught.value.message, repr(caught.value)))
    assert "tls.key" in told, what
    assert not any(line.decode() in told for line in pem.splitlines() if len(line) > 8 and not line.startswith(b"-"))
    assert caught.value.__cause__ is None


def test_the_wrapper_holds_one_key_and_nothing_else() -> None:
    assert not hasattr(PrivateKey(ca.ec_key()), "__dict__")
