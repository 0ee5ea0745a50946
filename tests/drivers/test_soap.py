"""Answers of devices, well-formed and hostile: values or `OperatorError`s come out, in bounded time, nothing else."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_cert_operator.core.failures import failure
from device_cert_operator.core.steps import LogIn
from device_cert_operator.drivers.onvif import device_messages as tds
from device_cert_operator.drivers.onvif import security_messages as tas
from device_cert_operator.drivers.onvif.soap import MOST_BYTES, OnvifFault, parse_body
from device_cert_operator.errors import OperatorError, ProtocolViolation, Retry, Unsupported
from device_cert_operator.reasons import Reason

OPEN = '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>'
CLOSE = "</s:Body></s:Envelope>"


def soap(inner: str) -> bytes:
    return f"{OPEN}{inner}{CLOSE}".encode()


def fault(*codes: str, words: str = "no") -> bytes:
    inner = ""
    for code in reversed(codes[1:]):
        inner = f"<s:Subcode><s:Value>ter:{code}</s:Value>{inner}</s:Subcode>"
    reason = f"<s:Reason><s:Text xml:lang='en'>{words}</s:Text></s:Reason>"
    return soap(f"<s:Fault><s:Code><s:Value>s:{codes[0]}</s:Value>{inner}</s:Code>{reason}</s:Fault>")


@pytest.mark.parametrize(
    ("codes", "kind", "reason", "retry"),
    [
        (("Receiver", "ActionNotSupported"), Unsupported, Reason.UNSUPPORTED, Retry.ON_CHANGE),
        (("Receiver", "Action", "MaximumNumberOfKeysReached"), OnvifFault, Reason.STORE_FULL, Retry.SLOW),
        (
            ("Receiver", "Action", "MaximumNumberOfTLSCertificationPathsReached"),
            OnvifFault,
            Reason.STORE_FULL,
            Retry.SLOW,
        ),
        (("Sender", "InvalidArgVal", "KeyLength"), OnvifFault, Reason.KEY_TYPE_REFUSED, Retry.SLOW),
        (
            ("Sender", "InvalidArgVal", "UnsupportedPublicKeyAlgorithm"),
            OnvifFault,
            Reason.KEY_TYPE_REFUSED,
            Retry.SLOW,
        ),
        (("Sender", "InvalidArgVal", "DecryptionFailed"), OnvifFault, Reason.DEVICE_REFUSED, Retry.SLOW),
        (("Sender", "TagMismatch"), OnvifFault, Reason.DEVICE_REFUSED, Retry.SLOW),
        (("Receiver",), OnvifFault, Reason.DEVICE_REFUSED, Retry.BACKOFF),
    ],
)
def test_a_fault_says_who_can_help(
    codes: tuple[str, ...], kind: type[OperatorError], reason: Reason, retry: Retry
) -> None:
    with pytest.raises(kind) as caught:
        parse_body(fault(*codes), "UploadCertificate")
    assert type(caught.value) is kind
    assert (caught.value.reason, caught.value.retry) == (reason, retry)
    assert caught.value.message.startswith("UploadCertificate: the device says ")


def test_a_kind_of_key_that_is_refused_comes_with_the_next_move() -> None:
    with pytest.raises(OnvifFault) as refused:
        parse_body(fault("Sender", "InvalidArgVal", "UnsupportedEllipticCurve"), "CreateECCKeyPair")
    assert "spec.privateKey.algorithm of the DeviceCertificate" in failure(refused.value, LogIn()).message


def test_what_is_in_use_and_what_is_gone_are_known() -> None:
    with pytest.raises(OnvifFault) as in_use:
        parse_body(fault("Sender", "InvalidArgVal", "ReferenceExists"), "DeleteKey")
    assert in_use.value.in_use
    for code in ("KeyID", "InvalidKeyID", "CertificateID", "CertificationPathID"):
        with pytest.raises(OnvifFault) as gone:
            parse_body(fault("Sender", "InvalidArgVal", code), "DeleteKey")
        assert gone.value.gone and not gone.value.in_use


def test_words_of_a_device_are_cut_and_made_printable() -> None:
    with pytest.raises(OnvifFault) as caught:
        parse_body(fault("Sender", words="a&#10;b\u202e" + "x" * 10_000), "GetNTP")
    assert "a b" in caught.value.message
    assert "\u202e" not in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html><body>Not Found</body></html>",
        b'{"code": 1}',
        b"<a>",
        soap(""),
        soap("<GetOther/>"),
        b"<Envelope><Header/></Envelope>",
        b'<!DOCTYPE s:Envelope [<!ENTITY a "b">]>' + soap("<GetNTPResponse>&a;</GetNTPResponse>"),
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">' + soap("<GetNTPResponse/>"),
        soap("<a>" * 1000 + "</a>" * 1000),
        b" " * (MOST_BYTES + 1),
        "\ufeff<!DOCTYPE x []><x/>".encode("utf-16"),
    ],
    ids=lambda answer: repr(answer[:30]),
)
def test_what_is_no_answer_is_a_violation_with_a_safe_excerpt(answer: bytes) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        parse_body(answer, "GetNTP")
    assert len(caught.value.message) < 300


def test_entities_are_never_expanded() -> None:
    levels = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE x [<!ENTITY e0 "boom">{levels}]>{OPEN}<GetNTPResponse>&e9;</GetNTPResponse>{CLOSE}'
    started = time.process_time()
    with pytest.raises(ProtocolViolation):
        parse_body(bomb.encode(), "GetNTP")
    assert time.process_time() - started < 0.5


READERS = {
    "GetServices": tds.read_services,
    "GetSystemDateAndTime": tds.read_clock,
    "GetDeviceInformation": tds.read_identity,
    "GetNetworkInterfaces": tds.read_interfaces,
    "GetNetworkProtocols": tds.read_protocols,
    "GetNTP": tds.read_ntp_servers,
    "GetServiceCapabilities": tas.read_features,
    "GetAllCertificates": tas.read_certificates,
    "GetAllKeys": tas.read_keys,
    "GetAllPassphrases": tas.read_passphrases,
    "GetAllCertificationPaths": lambda answer: tas.read_ids(answer, "CertificationPathID"),
    "GetCertificationPath": lambda answer: tas.read_path(answer, "p"),
}
WORDS = sorted(
    {
        *[
            "Service",
            "Namespace",
            "XAddr",
            "SystemDateAndTime",
            "DateTimeType",
            "UTCDateTime",
            "LocalDateTime",
            "TimeZone",
            "TZ",
            "Date",
            "Time",
            "Year",
        ],
        *[
            "Month",
            "Day",
            "Hour",
            "Minute",
            "Second",
            "NetworkInterfaces",
            "Info",
            "HwAddress",
            "IPv4",
            "IPv6",
            "Config",
            "Manual",
            "FromDHCP",
            "Address",
        ],
        *[
            "NetworkProtocols",
            "Name",
            "Enabled",
            "Port",
            "NTPInformation",
            "NTPManual",
            "IPv4Address",
            "DNSname",
            "Capabilities",
        ],
        *[
            "KeystoreCapabilities",
            "TLSServerCapabilities",
            "Certificate",
            "CertificateID",
            "KeyID",
            "Alias",
            "CertificateContent",
        ],
        *[
            "KeyAttribute",
            "KeyStatus",
            "CertificationPath",
            "CertificationPathID",
            "PassphraseAttribute",
            "PassphraseID",
        ],
        *["Fault", "Code", "Value", "Subcode", "Reason", "Text"],
    }
)
TEXTS = st.one_of(
    st.sampled_from(["", "true", "1", "-1", "99999999999999999999", "Manual", "NTP", "CET-1CEST", "192.0.2.1", "AAAA"]),
    st.text(st.characters(exclude_characters="<>&", exclude_categories=["Cs", "Cc"]), max_size=30),
)
TREES = st.recursive(
    TEXTS,
    lambda inner: st.builds(
        lambda name, attribute, parts: f'<{name} {attribute}="2048 secp256r1 P9D">{"".join(parts)}</{name}>',
        st.sampled_from(WORDS),
        st.sampled_from(["RSAKeyLengths", "EllipticCurves", "SetupDuration", "PKCS12", "MaximumNumberOfKeys"]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=30,
)


@settings(max_examples=400, deadline=500)
@given(operation=st.sampled_from(sorted(READERS)), inner=TREES)
def test_any_tree_gives_values_or_an_operator_error(operation: str, inner: str) -> None:
    try:
        READERS[operation](parse_body(soap(f"<{operation}Response>{inner}</{operation}Response>"), operation))
    except OperatorError as error:
        assert len(error.message) < 600  # noqa: PT017


@settings(max_examples=300, deadline=500)
@given(st.one_of(st.binary(max_size=400), TREES.map(soap), TREES.map(str.encode)))
def test_any_bytes_give_an_operator_error_or_an_answer(data: bytes) -> None:
    try:
        parse_body(data, "GetNTP")
    except OperatorError as error:
        assert len(error.message) < 600  # noqa: PT017
