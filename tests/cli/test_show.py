"""`devicecert show`: what a host serves, in whose eyes, and what the exit code says."""

import asyncio
import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from device_cert_operator.cli import main
from device_cert_operator.cli.look import parse_target
from device_cert_operator.errors import InvalidSpec
from tests.browser.offers import DAY, HOST, Offer, authority, below, good_root, leaf, plain
from tests.browser.serving import serving
from tests.net.servers import http_reply, listen
from tests.support import ca


async def show(*arguments: str) -> Result:
    return await asyncio.to_thread(CliRunner().invoke, main, ["show", *arguments])


async def show_offer(offer: Offer, *arguments: str, address: str = HOST) -> Result:
    async with serving(offer, address) as port:
        return await show(f"[{address}]:{port}" if ":" in address else f"{address}:{port}", *arguments)


def told(result: Result) -> dict[str, str]:
    """The lines of the answer by their heads."""
    parts = (line.partition(":") for line in result.stdout.splitlines() if not line.startswith(" "))
    return {head: rest.strip() for head, _, rest in parts}


@pytest.fixture
def root(tmp_path: Path) -> str:
    path = tmp_path / "root.pem"
    path.write_bytes(good_root().cert_pem)
    return str(path)


# ------------------------------------------------------------------------------------------------ verdicts


async def test_what_browsers_accept_is_secure(root: str) -> None:
    made = leaf()
    result = await show_offer(plain(made), "--ca", root)
    assert result.exit_code == 0, result.output
    lines = told(result)
    subject = good_root().certificate.subject.rfc4514_string()
    assert lines["Secure"] == "yes"
    assert lines["Names"] == HOST
    assert lines["Issuer"] == subject
    assert lines["Trust"] == f"judged for clients that trust {subject}"
    assert lines["Valid"].endswith("89 days left")
    assert lines["TLS"].startswith("TLSv1.3")
    assert [lines[client] for client in ("Chromium", "OpenSSL", "Apple")] == ["accepts"] * 3
    assert "\x1b" not in result.stdout


async def test_each_client_is_told_with_its_reason(root: str) -> None:
    result = await show_offer(plain(leaf(until=900 * DAY)), "--ca", root)
    lines = told(result)
    assert (result.exit_code, lines["Secure"], lines["Chromium"], lines["OpenSSL"]) == (0, "yes", "accepts", "accepts")
    assert lines["Apple"].startswith("refuses: The certificate is valid for more than 825 days")


async def test_another_issuer_is_named_with_the_one_that_was_wanted(root: str) -> None:
    stranger = authority("Stranger")
    result = await show_offer(Offer((leaf(stranger),), (good_root(),)), "--ca", root)
    assert result.exit_code == 1
    assert told(result)["Secure"] == "no: IssuerMismatch"
    for one in (stranger, good_root()):
        assert one.certificate.subject.rfc4514_string() in told(result)["Chromium"]


async def test_a_certificate_for_another_address_and_time_has_both_faults(root: str) -> None:
    result = await show_offer(plain(leaf(None, "127.8.0.2", since=-9 * DAY, until=-3 * DAY)), "--ca", root)
    assert result.exit_code == 1
    assert "expired 3 days ago" in told(result)["Valid"]
    assert told(result)["Chromium"] == f"refuses: The certificate is for 127.8.0.2, not for {HOST}."
    assert "and: The certificate expired on" in result.stdout


async def test_a_certificate_of_tomorrow_is_not_valid_yet(root: str) -> None:
    assert "not yet: in 2 days" in told(await show_offer(plain(leaf(since=3 * DAY)), "--ca", root))["Valid"]


async def test_an_incomplete_chain_is_not_secure_and_a_complete_one_is(root: str) -> None:
    middle = authority("Middle", issuer=good_root())
    assert (await show_offer(below(middle, good_root(), sends=[]), "--ca", root)).exit_code == 1
    result = await show_offer(below(middle, good_root()), "--ca", root)
    assert result.exit_code == 0
    assert told(result)["Sent along"].startswith(middle.certificate.subject.rfc4514_string())


# ------------------------------------------------------------------------------------- without a trust anchor


async def test_without_a_ca_nothing_is_proven_and_the_certificate_is_judged_all_the_same() -> None:
    result = await show_offer(plain(leaf()))
    assert result.exit_code == 1
    lines, subject = told(result), good_root().certificate.subject.rfc4514_string()
    assert lines["Secure"] == "not proven: no trust anchor was given"
    assert lines["Trust"] == f"no trust anchor was given (--ca): judged as if clients trusted {subject}"
    assert lines["Chromium"] == "would accept"


async def test_without_a_ca_a_wrong_name_is_a_fault_all_the_same() -> None:
    result = await show_offer(plain(leaf(None, "127.8.0.2")))
    assert result.exit_code == 1
    assert told(result)["Secure"] == "no: AddressNotInCertificate"


async def test_a_self_signed_certificate_is_called_so() -> None:
    own = authority("Own", extensions=[(ca.san(HOST), False), (ca.server_auth(), False)])
    result = await show_offer(plain(own))
    assert result.exit_code == 1
    assert told(result)["Issuer"] == "itself"
    assert "the certificate is self-signed" in told(result)["Trust"]


async def test_without_a_ca_a_chain_that_does_not_hold_is_a_fault() -> None:
    name = good_root().certificate.subject.get_attributes_for_oid(ca.NameOID.ORGANIZATION_NAME)[0].value
    thief = authority(name=str(name), key=ca.ec_key("thief"))
    result = await show_offer(Offer((leaf(), thief), ()))
    assert told(result)["Secure"] == "no: SignatureInvalid"


# ------------------------------------------------------------------------------------------------- outputs


async def test_json_and_yaml_say_the_same(root: str) -> None:
    async with serving(plain(leaf(until=900 * DAY)), HOST) as port:
        as_json, as_yaml = [await show(f"{HOST}:{port}", "--ca", root, "-o", form) for form in ("json", "yaml")]
    data, other = json.loads(as_json.stdout), yaml.safe_load(as_yaml.stdout)
    assert {**data, "time": ""} == {**other, "time": ""}
    assert (data["secure"], data["reason"], data["port"]) == (True, "Trusted", port)
    assert [one["verdict"] for one in data["clients"]] == ["Accepts", "Accepts", "Refuses"]
    assert [fault["reason"] for fault in data["clients"][2]["faults"]] == ["NotForApple"]
    assert data["served"]["ipAddresses"] == [HOST]


async def test_json_without_a_ca_promises_nothing() -> None:
    data = json.loads((await show_offer(plain(leaf()), "-o", "json")).stdout)
    assert (data["secure"], data["reason"], data["trustAnchors"]) == (False, None, None)
    assert {one["verdict"] for one in data["clients"]} == {"AcceptsIfTrusted"}


async def test_pem_is_the_chain_as_sent() -> None:
    offer = below(authority("Middle", issuer=good_root()), good_root())
    assert (await show_offer(offer, "-o", "pem")).stdout.encode() == offer.sent_pem


async def test_what_a_device_wrote_steers_no_terminal() -> None:
    result = await show_offer(plain(leaf(subject="a\x1b[2Jb\nSecure: yes\u202e")))
    assert "\x1b" not in result.stdout
    assert told(result)["Subject"] == r"O=a\x1b[2Jb\nSecure: yes\u202e"


# ------------------------------------------------------------------------------------------------- targets


async def test_an_ipv6_address_in_brackets(root: str) -> None:
    result = await show_offer(plain(leaf(None, "::1"), host="::1"), "--ca", root, address="::1")
    assert result.exit_code == 0, result.output


async def test_a_name_is_asked_for_and_judged_instead_of_the_address(root: str) -> None:
    offer = plain(leaf(None, "gate.cams.example"))
    async with serving(offer, HOST) as port:
        named, unnamed = [
            await show(f"{HOST}:{port}", "--ca", root, *name) for name in (("--name", "Gate.cams.example."), ())
        ]
    assert (named.exit_code, unnamed.exit_code) == (0, 1)
    assert told(named)["Host"] == f"{HOST}, port {port}, asked for as gate.cams.example"


async def test_a_ca_may_be_der_or_one_of_several(root: str, tmp_path: Path) -> None:
    der, several = tmp_path / "root.crt", tmp_path / "several.pem"
    der.write_bytes(good_root().der)
    several.write_bytes(authority("Other").cert_pem + good_root().cert_pem)
    for path in (der, several):
        assert (await show_offer(plain(leaf()), "--ca", str(path))).exit_code == 0


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("192.168.1.120", ("192.168.1.120", 443)),
        ("192.168.1.120:8443", ("192.168.1.120", 8443)),
        ("Gate.Cams.example.", ("gate.cams.example", 443)),
        ("türe.example:1", ("xn--tre-hoa.example", 1)),
        ("FD00:0::5", ("fd00::5", 443)),
        ("[fd00::5]", ("fd00::5", 443)),
        ("[fd00::5]:65535", ("fd00::5", 65535)),
        ("https://192.168.1.120:8443/index.html", ("192.168.1.120", 8443)),
        ("HTTPS://[fd00::5]/", ("fd00::5", 443)),
    ],
)
def test_a_target_may_be_written(text: str, target: tuple[str, int]) -> None:
    assert parse_target(text) == target


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no host"),
        ("cam:", "no port"),
        ("cam:0", "no port"),
        ("cam:65536", "no port"),
        ("cam:99999999999999999999", "no port"),
        ("cam:https", "no port"),
        ("[fd00::5", "within brackets"),
        ("[fd00::5]8443", "within brackets"),
        ("[cam]:443", "within brackets"),
        ("fe80::1%eth0", "zone"),
        ("[fe80::1%eth0]:443", "within brackets"),
        ("fd00::5::443", "[fd00::5]:443"),
        ("http://192.168.1.120", "no https"),
        ("admin@cam", "neither an address nor a DNS name"),
        ("*.cams.example", "many hosts"),
        ("192.168.1.300", "IPv4"),
    ],
)
def test_what_is_no_target_is_told(text: str, says: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse_target(text)
    assert says in caught.value.message


# -------------------------------------------------------------------------------------- nothing was seen: 2


async def test_nobody_there_is_told() -> None:
    result = await show("127.8.0.3:8443", "--timeout", "5")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: 127.8.0.3:8443: connection refused.\n"


async def test_a_host_that_speaks_no_tls_is_told() -> None:
    async def answer_in_clear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(http_reply(400))
        await writer.drain()

    async with listen(answer_in_clear) as plain_http:
        result = await show(f"{plain_http.host}:{plain_http.port}", "--timeout", "5")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "it does not speak TLS here" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("fe80::1%eth0",), "zone"),
        ((HOST, "--name", "*.cams.example"), "many hosts"),
        ((HOST, "--ca", "/nowhere/root.pem"), "does not exist"),
        ((HOST, "--ca", __file__), "holds no certificate that can be read"),
        ((HOST, "-o", "xml"), "xml"),
        ((), "Missing argument"),
    ],
)
async def test_what_cannot_be_asked_for_is_told(arguments: tuple[str, ...], says: str) -> None:
    result = await show(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
