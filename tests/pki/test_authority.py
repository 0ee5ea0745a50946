"""CA Secrets as people make them: what can sign, and what the others lack."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from device_cert_operator.errors import MissingReference, Retry
from device_cert_operator.pki.authority import read_authority
from device_cert_operator.reasons import Reason
from tests.support import ca
from tests.support.ca import NOW, Pair

ROOT = ca.root()
BELOW = ca.root("Example below", issuer=ROOT)
SECRET = "cams/root-ca"


def soon(pair: Pair) -> datetime:
    """A moment at which a certificate made just now by openssl is valid."""
    return pair.certificate.not_valid_before_utc + timedelta(seconds=1)


def refused(cert: bytes | None, key: bytes | None, now: datetime = NOW) -> MissingReference:
    with pytest.raises(MissingReference) as caught:
        read_authority(SECRET, cert, key, now)
    assert SECRET in caught.value.message
    assert "PRIVATE" not in caught.value.message
    assert caught.value.__cause__ is None
    return caught.value


def test_a_conforming_root_is_taken_without_a_word() -> None:
    authority = read_authority(SECRET, ROOT.cert_pem, ROOT.key_pem, NOW)
    assert authority.facts.subject == "O=Example root"
    assert authority.chain_der == (ROOT.der,)
    assert authority.warnings == ()
    assert authority.state.fingerprint == authority.facts.fingerprint
    assert authority.state.problem is None


def test_an_authority_shows_no_key() -> None:
    shown = repr(read_authority(SECRET, ROOT.cert_pem, ROOT.key_pem, NOW))
    assert "PrivateKey(ECDSA-P256, …)" in shown
    assert "BEGIN" not in shown


@pytest.mark.parametrize("key", ["rsa:2048", "EC:P-256", "EC:P-384", "EC:P-521"])
def test_what_openssl_req_makes_is_taken(tmp_path: Path, key: str) -> None:
    pair = ca.openssl_root(tmp_path, key=key)
    assert read_authority(SECRET, pair.cert_pem, pair.key_pem, soon(pair)).warnings == ()


@pytest.mark.parametrize("key", ["rsa:2048", "EC:P-256"])
def test_where_openssl_makes_v3_its_older_form_is_made_of_that(tmp_path: Path, key: str) -> None:
    newer = ca.openssl_root(tmp_path, extensions=["subjectKeyIdentifier=hash"], key=key)
    v1 = ca.as_v1(newer)
    assert (newer.certificate.version.name, v1.certificate.version.name) == ("v3", "v1")
    v1.certificate.verify_directly_issued_by(v1.certificate)
    (tmp_path / "root.pem").write_bytes(v1.cert_pem)
    assert b"OK" in ca.openssl(tmp_path, "verify", "-CAfile", "root.pem", "root.pem")


def test_a_v1_root_is_taken_with_a_warning(tmp_path: Path) -> None:
    pair = ca.openssl_v1_root(tmp_path)
    authority = read_authority(SECRET, pair.cert_pem, pair.key_pem, soon(pair))
    assert [reason for reason, _ in authority.warnings] == [Reason.AUTHORITY_LEGACY_FORM]
    assert authority.state.warnings == authority.warnings


def test_a_root_of_a_newer_openssl_without_an_extensions_file_is_told_what_it_lacks(tmp_path: Path) -> None:
    pair = ca.openssl_root(tmp_path, extensions=["subjectKeyIdentifier=hash", "authorityKeyIdentifier=keyid"])
    error = refused(pair.cert_pem, pair.key_pem, soon(pair))
    assert error.reason is Reason.CA_NOT_A_CA
    assert "v3 without basicConstraints; make a root with CA:TRUE, as `openssl req -x509` does" in error.message


def test_a_chain_is_read_upwards() -> None:
    authority = read_authority(SECRET, BELOW.cert_pem + ROOT.cert_pem, BELOW.key_pem, NOW)
    assert authority.chain_der == (BELOW.der, ROOT.der)
    assert [facts.subject for facts in authority.path] == ["O=Example below", "O=Example root"]
    assert authority.warnings == ()


def test_what_does_not_belong_to_the_chain_is_left_aside() -> None:
    stranger = ca.root("Stranger")
    pem = BELOW.cert_pem + stranger.cert_pem + ROOT.cert_pem
    assert read_authority(SECRET, pem, BELOW.key_pem, NOW).chain_der == (BELOW.der, ROOT.der)


def test_a_ca_without_its_root_is_taken_with_a_warning() -> None:
    authority = read_authority(SECRET, BELOW.cert_pem, BELOW.key_pem, NOW)
    assert authority.warnings == (
        (
            Reason.CHAIN_INCOMPLETE,
            "CA Secret cams/root-ca does not hold O=Example root, which issued O=Example below: clients have to trust "
            "the latter itself, or add the root below it in tls.crt.",
        ),
    )


def test_a_chain_is_valid_while_all_of_it_is() -> None:
    short = ca.root("Short root", until=NOW + timedelta(days=10))
    below = ca.root("Long below", issuer=short)
    authority = read_authority(SECRET, below.cert_pem + short.cert_pem, below.key_pem, NOW)
    assert authority.state.not_after == NOW + timedelta(days=10)
    error = refused(below.cert_pem + short.cert_pem, below.key_pem, NOW + timedelta(days=11))
    assert (error.reason, "O=Short root" in error.message) == (Reason.CA_EXPIRED, True)


@pytest.mark.parametrize(
    ("what", "cert", "key", "reason", "sentence"),
    [
        ("no tls.crt", None, ROOT.key_pem, Reason.CA_UNREADABLE, "has no tls.crt: put the CA certificate there"),
        ("an empty tls.crt", b"", ROOT.key_pem, Reason.CA_UNREADABLE, "has no tls.crt"),
        ("garbage", b"hello", ROOT.key_pem, Reason.CA_UNREADABLE, "is no PEM certificate: put"),
        ("no tls.key", ROOT.cert_pem, None, Reason.CA_KEY_MISSING, "has no tls.key: put the CA's private key"),
        ("no key in it", ROOT.cert_pem, b"hunter2", Reason.CA_UNREADABLE, "holds no unencrypted PEM private key"),
        ("another key", ROOT.cert_pem, BELOW.key_pem, Reason.CA_KEY_MISMATCH, "put the pair there"),
        (
            "the root first",
            ROOT.cert_pem + BELOW.cert_pem,
            BELOW.key_pem,
            Reason.CA_KEY_MISMATCH,
            "belong to the first certificate in tls.crt, but to a later one: put the certificate of the CA that signs",
        ),
    ],
)
def test_what_the_secret_lacks_is_told(
    what: str, cert: bytes | None, key: bytes | None, reason: Reason, sentence: str
) -> None:
    error = refused(cert, key)
    assert (error.reason, error.retry) == (reason, Retry.ON_CHANGE), what
    assert sentence in error.message


def test_an_expired_ca_is_told() -> None:
    error = refused(ROOT.cert_pem, ROOT.key_pem, NOW + timedelta(days=3650))
    assert error.reason is Reason.CA_EXPIRED
    assert "expired on 2036-11-21: put a new CA there, and have the clients trust it." in error.message


def test_a_ca_of_tomorrow_is_waited_for() -> None:
    error = refused(ROOT.cert_pem, ROOT.key_pem, datetime(2020, 1, 1, tzinfo=UTC))
    assert (error.reason, error.retry) == (Reason.CA_NOT_YET_VALID, Retry.BACKOFF)


def bad(
    *extensions: tuple[x509.ExtensionType, bool], key: ca.Key | None = None, subject: str = "Bad"
) -> Callable[[], Pair]:
    return lambda: ca.certificate(subject, key=key, extensions=extensions)


BASIC = (x509.BasicConstraints(ca=True, path_length=None), True)
CLIENTS = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)


@pytest.mark.parametrize(
    ("what", "make", "sentence"),
    [
        ("a leaf", bad((x509.BasicConstraints(ca=False, path_length=None), True)), "basicConstraints say CA:FALSE"),
        ("no keyCertSign", bad(BASIC, (ca.key_usage("digital_signature"), True)), "keyUsage lacks keyCertSign"),
        ("keyUsage alone", bad((ca.key_usage("key_cert_sign"), True)), "X.509 v3 without basicConstraints"),
        ("RSA-1024", bad(BASIC, key=ca.rsa_key(1024)), "its RSA key has 1024 bits, verifiers want 2048"),
        ("for clients", bad(BASIC, CLIENTS), "its extendedKeyUsage leaves out TLS servers"),
        ("no subject", bad(BASIC, subject=""), "its subject is empty"),
        ("Bitcoin's curve", bad(BASIC, key=ec.generate_private_key(ec.SECP256K1())), "browsers take no secp256k1 keys"),
        (
            "a critical stranger",
            bad(BASIC, (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"x"), True)),
            "clients do not know its critical extension 1.2.3.4",
        ),
    ],
)
def test_a_certificate_that_cannot_sign_others_says_why(what: str, make: Callable[[], Pair], sentence: str) -> None:
    pair = make()
    error = refused(pair.cert_pem, pair.key_pem)
    assert error.reason is Reason.CA_NOT_A_CA, what
    assert sentence in error.message


def test_an_ed25519_root_is_refused(tmp_path: Path) -> None:
    ca.openssl(tmp_path, "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "k", "-out", "c", "-subj", "/O=Ed")
    cert, key = (tmp_path / "c").read_bytes(), (tmp_path / "k").read_bytes()
    later = x509.load_pem_x509_certificate(cert).not_valid_before_utc + timedelta(seconds=1)
    assert refused(cert, key, later).reason is Reason.CA_NOT_A_CA


def test_an_extended_key_usage_for_any_purpose_is_enough() -> None:
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
    pair = ca.certificate("Any", extensions=[*ca.ca_extensions(ca.ec_key()), (purposes, False)])
    assert read_authority(SECRET, pair.cert_pem, pair.key_pem, NOW).warnings == ()


def test_a_root_that_leaves_no_room_below_is_told() -> None:
    tight = ca.root("Tight", path_length=0)
    below = ca.root("Below tight", issuer=tight)
    error = refused(below.cert_pem + tight.cert_pem, below.key_pem)
    assert (error.reason, "pathlen 0 leaves no room" in error.message) == (Reason.CA_NOT_A_CA, True)


def test_a_v1_certificate_below_a_root_is_no_ca(tmp_path: Path) -> None:
    below = ca.openssl_below(tmp_path, ROOT, extensions=())
    error = refused(below.cert_pem + ROOT.cert_pem, below.key_pem, soon(below))
    assert (error.reason, "X.509 v1 below another CA" in error.message) == (Reason.CA_NOT_A_CA, True)
