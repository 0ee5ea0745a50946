"""The demo, as a person runs it."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.cluster
Demo = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def demo(tmp_path: Path) -> Demo:
    """Start it with these arguments, its output in a file."""

    def start(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
        home = {
            "PATH": "/usr/bin:/bin:/usr/local/go/bin",
            "HOME": str(Path.home()),
            "PYTHONPATH": str(ROOT / "operator"),
        }
        with (tmp_path / "out").open("w") as out:
            return subprocess.Popen(
                [sys.executable, str(ROOT / "deploy" / "demo" / "demo.py"), *arguments],
                env=home | {"TMPDIR": str(tmp_path)} | environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )

    return start


def said(tmp_path: Path) -> str:
    return (tmp_path / "out").read_text()


def leftovers(tmp_path: Path) -> list[str]:
    """Its folders, and what still runs out of them."""
    look = ["pgrep", "-f", str(tmp_path / "devicecert-demo")]
    running = subprocess.run(look, capture_output=True, text=True, check=False)
    return running.stdout.split() + [path.name for path in tmp_path.glob("devicecert-demo*")]


@pytest.mark.timeout(240)
def test_the_demo_tells_every_way_to_a_trusted_device_and_stays_until_it_is_told_to_go(
    demo: Demo, tmp_path: Path
) -> None:
    running = demo("--keep")
    while "Logs: " not in said(tmp_path):
        assert running.poll() is None, said(tmp_path)[-3000:]
        time.sleep(0.2)
    told = said(tmp_path)
    assert told.count("Solution") == 3
    assert [number for number in "12345" if f"Question {number}" not in told] == []
    assert "IssuerMismatch" not in told and "is self-signed" in told and "Simulated Device CA" in told, "names both"
    assert "will never fit again" in told, "Question 3: the old file is there, and refused"
    [seconds] = re.findall(r"Done in (\d+) s", told)
    assert int(seconds) < 180
    heals = [float(took) for took in re.findall(r"healed after ([0-9.]+) s", told)]
    assert len(heals) == 5
    assert all(0 < took < 45 for took in heals), heals
    [export] = re.findall(r"export KUBECONFIG=(\S+) PATH=(\S+):", told)
    [look] = re.findall(r"kubectl (-n \S+) get dev,dcert -w", told)
    rows = subprocess.run(
        [f"{export[1]}/kubectl", *look.split(), "get", "dev", "cam-1", "-o", "wide"],
        env=os.environ | {"KUBECONFIG": export[0]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "127.20.0.21" in rows, "what it says to try works"
    running.send_signal(signal.SIGINT)
    assert running.wait(30) == 0, said(tmp_path)[-2000:]
    assert leftovers(tmp_path) == []


def test_a_demo_in_which_something_does_not_heal_fails_and_says_what(demo: Demo, tmp_path: Path) -> None:
    running = demo("--within", "2", DEVICECERT_PAUSED="true")
    assert running.wait(90) == 1, said(tmp_path)[-2000:]
    assert "The demo failed: dcert/web-1: Issued PinNeeded did not come about within 2 s" in said(tmp_path)
    assert "The end of operator.log" in said(tmp_path)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("version", "v3"),
    [
        ("OpenSSL 3.0.17 1 Jul 2025 (Library: OpenSSL 3.0.17 1 Jul 2025)", False),
        ("OpenSSL 3.1.4 24 Oct 2023", False),
        ("OpenSSL 3.2.0 23 Nov 2023", True),
        ("OpenSSL 3.5.1 1 Jul 2025", True),
        ("OpenSSL 1.1.1w  11 Sep 2023", False),
    ],
)
def test_the_root_says_that_it_is_a_ca_where_openssl_makes_a_v3_one(
    version: str, v3: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "deploy" / "demo"))
    import own_ca

    assert own_ca.makes_v3(version) is v3


def test_a_program_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "deploy" / "demo"))
    monkeypatch.setenv("PATH", "/nowhere")
    import stage

    with pytest.raises(stage.DemoFailed, match="openssl is not here: install it"):
        stage.run("openssl", "version")
