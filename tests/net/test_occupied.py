"""Whether somebody has an address: what answers, what refuses, and what cannot be seen."""

import asyncio
import errno
import socket
from datetime import timedelta

import pytest

from device_cert_operator.net import occupied
from device_cert_operator.net.occupied import USUAL_PORTS, probe_occupied

SHORT = timedelta(seconds=0.2)
ELSEWHERE = "192.0.2.9"  # never reached: what connecting comes to is made up


async def test_an_open_port_shows_that_the_address_is_taken() -> None:
    with socket.create_server(("127.77.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        told = await probe_occupied("127.77.0.1", (port,), timeout=SHORT)
    assert told == f"something answers at 127.77.0.1:{port}"


async def test_on_loopback_a_refusal_shows_nothing_for_the_machine_refuses_for_every_address() -> None:
    assert await probe_occupied("127.77.0.2", (8443,), timeout=SHORT) is None


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "something refuses connections at 192.0.2.9:22"),
        (OSError(errno.EHOSTUNREACH, "no route to host"), None),
        (OSError(errno.ETIMEDOUT, "timed out"), None),
        (OSError(errno.ENETUNREACH, "x"), "whether 192.0.2.9:22 is free (network is unreachable)"),
        (PermissionError(errno.EACCES, "x"), "whether 192.0.2.9:22 is free (permission denied)"),
        (ConnectionResetError(errno.ECONNRESET, "x"), "whether 192.0.2.9:22 is free (connection reset by peer)"),
        (None, None),
    ],
    ids=["refused", "nobody answers ARP", "timed out", "no way there", "not allowed", "reset", "silence"],
)
async def test_only_silence_and_no_answer_to_arp_show_that_it_is_free(
    monkeypatch: pytest.MonkeyPatch, error: OSError | None, told: str | None
) -> None:
    asked: list[int] = []

    async def connect(address: str, port: int) -> socket.socket:
        asked.append(port)
        if error is not None:
            raise error
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(occupied, "connect", connect)
    found = await probe_occupied(ELSEWHERE, (8443,), timeout=SHORT)
    assert (found is None) == (told is None)
    assert told is None or told in str(found)
    assert set(asked) == {8443, *USUAL_PORTS}


async def test_one_port_that_answers_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(address: str, port: int) -> socket.socket:
        if port == 554:
            return socket.socket()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(occupied, "connect", connect)
    assert await probe_occupied("2001:db8::1", (), timeout=SHORT) == "something answers at [2001:db8::1]:554"
