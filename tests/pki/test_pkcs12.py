"""PKCS#12 files, judged by openssl and by cryptography, which did not write them."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12
from hypothesis import given, settings
from hypothesis import strategies as st

from device_cert_operator.core.model import CertificateBundle, Pkcs12Encryption
from device_cert_operator.pki.pkcs12 import ITERATIONS, WRITABLE, build_pkcs12
from tests.support import ca

ALIAS = "dc-0a1b2c3d-r7"
BELOW = ca.root("Example below", issuer=ca.root())
SHOWN = {
    Pkcs12Encryption.PBES2_AES128_CBC: f"PBES2, PBKDF2, AES-128-CBC, Iteration {ITERATIONS}, PRF hmacWithSHA256",
    Pkcs12Encryption.PBES2_AES256_CBC: f"PBES2, PBKDF2, AES-256-CBC, Iteration {ITERATIONS}, PRF hmacWithSHA256",
    Pkcs12Encryption.PBE_SHA1_3DES: f"pbeWithSHA1And3-KeyTripleDES-CBC, Iteration {ITERATIONS}",
}
MACS = {
    Pkcs12Encryption.PBES2_AES128_CBC: "MAC: sha256",
    Pkcs12Encryption.PBES2_AES256_CBC: "MAC: sha256",
    Pkcs12Encryption.PBE_SHA1_3DES: "MAC: sha1",
}


def bundle(*, rsa: bool = False, chain: bool = True) -> CertificateBundle:
    key = ca.rsa_key() if rsa else ca.ec_key("leaf")
    leaf = ca.certificate("gate", issuer=BELOW, key=key)
    return CertificateBundle(ALIAS, "f" * 64, leaf.der, (BELOW.der,) if chain else (), ca.key_der(key))


def shown_by_openssl(folder: Path, pfx: bytes, *options: str) -> tuple[str, str]:
    """(what it prints, what it tells)."""
    (folder / "bundle.p12").write_bytes(pfx)
    done = ca.try_openssl(folder, "pkcs12", "-in", "bundle.p12", "-passin", "pass:secret", "-info", *options)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("encryption", WRITABLE)
@pytest.mark.parametrize("rsa", [False, True], ids=["EC", "RSA"])
def test_openssl_reads_key_and_certificates(tmp_path: Path, encryption: Pkcs12Encryption, rsa: bool) -> None:
    given = bundle(rsa=rsa)
    printed, told = shown_by_openssl(tmp_path, build_pkcs12(given, "secret", encryption), "-nodes")
    assert told.count(SHOWN[encryption]) == 2, "the key and the certificates are both encrypted so"
    assert MACS[encryption] in told
    assert f"Iteration {ITERATIONS}" in told
    key = serialization.load_pem_private_key(printed[printed.index("-----BEGIN PRIVATE") :].encode(), None)
    assert (
        key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        == given.key_der
    )
    assert printed.count("BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize("encryption", WRITABLE)
def test_leaf_and_key_share_alias_and_id_and_the_chain_has_none(tmp_path: Path, encryption: Pkcs12Encryption) -> None:
    printed, _ = shown_by_openssl(tmp_path, build_pkcs12(bundle(), "secret", encryption), "-nodes")
    ids = [line.strip() for line in printed.splitlines() if "localKeyID" in line]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert printed.count(f"friendlyName: {ALIAS}") == 2


@pytest.mark.parametrize("encryption", WRITABLE)
def test_openssl_refuses_another_passphrase(tmp_path: Path, encryption: Pkcs12Encryption) -> None:
    (tmp_path / "bundle.p12").write_bytes(build_pkcs12(bundle(), "other", encryption))
    done = ca.try_openssl(tmp_path, "pkcs12", "-in", "bundle.p12", "-passin", "pass:secret", "-nokeys")
    assert b"Mac verify error" in done.stderr


def test_a_changed_byte_fails_the_mac(tmp_path: Path) -> None:
    made = bytearray(build_pkcs12(bundle(), "secret", Pkcs12Encryption.PBES2_AES128_CBC))
    made[len(made) // 2] ^= 1
    (tmp_path / "bundle.p12").write_bytes(made)
    done = ca.try_openssl(tmp_path, "pkcs12", "-in", "bundle.p12", "-passin", "pass:secret", "-nokeys")
    assert done.returncode != 0


@settings(max_examples=25, deadline=None)
@given(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=60),
    st.sampled_from(WRITABLE),
    st.booleans(),
)
def test_cryptography_reads_it_back_whatever_the_passphrase(
    passphrase: str, encryption: Pkcs12Encryption, chain: bool
) -> None:
    given = bundle(chain=chain)
    loaded = pkcs12.load_pkcs12(build_pkcs12(given, passphrase, encryption), passphrase.encode())
    assert loaded.key is not None
    assert loaded.cert is not None
    assert loaded.cert.friendly_name == ALIAS.encode()
    assert loaded.cert.certificate.public_bytes(serialization.Encoding.DER) == given.leaf_der
    assert [one.certificate for one in loaded.additional_certs] == ([BELOW.certificate] if chain else [])


@settings(max_examples=10, deadline=None)
@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40))
def test_openssl_reads_what_onvif_allows_as_passphrase(
    tmp_path_factory: pytest.TempPathFactory, passphrase: str
) -> None:
    folder = tmp_path_factory.mktemp("pkcs12")
    (folder / "bundle.p12").write_bytes(build_pkcs12(bundle(), passphrase, Pkcs12Encryption.PBES2_AES128_CBC))
    (folder / "passphrase").write_text(passphrase)
    printed = ca.openssl(folder, "pkcs12", "-in", "bundle.p12", "-passin", "file:passphrase", "-nodes")
    assert b"BEGIN PRIVATE KEY" in printed


def test_two_files_of_one_bundle_share_no_salt() -> None:
    made = {build_pkcs12(bundle(), "secret", Pkcs12Encryption.PBES2_AES128_CBC) for _ in range(3)}
    assert len(made) == 3


def test_a_bundle_does_not_show_its_key() -> None:
    assert "key_der" not in repr(bundle())
    assert "leaf_der" not in repr(bundle())
