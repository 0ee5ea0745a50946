"""What a device says is shown to people, and is not trusted to keep what it was sent."""

import time

import pytest

from device_cert_operator.net.words import without_secrets


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("the key store is full", "the key store is full"),
        ("MaximumNumberOfCertificatesReached", "MaximumNumberOfCertificatesReached"),
        ("no /onvif/device_service here", "no /onvif/device_service here"),
        ("certificate-path-is-in-use", "certificate-path-is-in-use"),
        ("serial SIM000001, firmware 5.1.14", "serial SIM000001, firmware 5.1.14"),
        ('bad response="6629fae49393a05397450978507c4ef1"', 'bad response="…"'),
        ("Basic YWRtaW46c2VjcmV0IQ==", "Basic …"),
        ("wrong pass-phrase kZtQwLmXrPbNvCyHsJdFgAeUiOoTqWzR", "wrong pass-phrase …"),
        ("MIIKZQIBAzCCChsGCSqGSIb3DQEHAaCC/+A= is no PKCS#12", "… is no PKCS#12"),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA", "-----BEGIN PRIVATE KEY-----\n…"),
    ],
)
def test_secrets_are_cut_out_of_what_is_said(said: str, shown: str) -> None:
    assert without_secrets(said) == shown


@pytest.mark.parametrize("said", ["a" * 5_000_000, "aA" * 500 + "1", "ab-" * 400 + "+1", "A" * 5000])
def test_nothing_that_is_said_takes_long(said: str) -> None:
    started = time.process_time()
    assert len(without_secrets(said)) <= 1000
    assert time.process_time() - started < 0.1
