"""`devicecert run`: what its options do, and what its log looks like where it goes."""

import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from click.testing import CliRunner

from device_cert_operator.cli import main
from device_cert_operator.handlers import lifecycle
from device_cert_operator.settings import Settings
from tests.support.operators import ROOT, Operator
from tests.support.world import World

LOGS = """
import logging, sys
from device_cert_operator.cli.logs import set_up
set_up(*sys.argv[1:])
log = logging.getLogger("device_cert_operator.reconcile")
log.debug("a look")
log.info("Install: ok", extra={"object": "Device cams/gate", "reason": "ok", "duration": 0.25})
logging.getLogger("httpx").info("with a header")
try:
    raise ValueError("torn")
except ValueError:
    log.exception("A bug")
"""
TEXT = re.compile(
    r"\d\d:\d\d:\d\d INFO Device cams/gate ok  Install: ok\n"
    r"\d\d:\d\d:\d\d ERRO  A bug\nTraceback .*ValueError: torn\n",
    re.DOTALL,
)


def logged(form: str, level: str, *, terminal: bool = False) -> str:
    """What those lines become."""
    command = [sys.executable, "-c", LOGS, form, level]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "operator")}
    if not terminal:
        return subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=True).stderr
    ours, its = pty.openpty()
    try:
        with subprocess.Popen(command, env=environment, stderr=its) as process:
            os.close(its)
            written = b""
            while chunk := _read(ours):
                written += chunk
        assert process.returncode == 0
        return written.decode().replace("\r\n", "\n")
    finally:
        os.close(ours)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux says so when nobody has its other end any more
        return b""


@pytest.mark.parametrize(("form", "terminal"), [("text", False), ("text", True), ("auto", True)])
def test_for_people_a_log_is_text(form: str, terminal: bool) -> None:
    assert TEXT.fullmatch(logged(form, "info", terminal=terminal))


@pytest.mark.parametrize(("form", "terminal"), [("json", False), ("json", True), ("auto", False)])
def test_for_machines_it_is_an_object_a_line(form: str, terminal: bool) -> None:
    step, bug = (json.loads(line) for line in logged(form, "info", terminal=terminal).splitlines())
    assert (step["level"], step["message"], step["object"], step["reason"], step["duration"]) == (
        *("info", "Install: ok", "Device cams/gate", "ok"),
        0.25,
    )
    assert (bug["level"], bug["message"]) == ("error", "A bug")
    assert bug["traceback"].endswith("ValueError: torn")


@pytest.mark.parametrize(
    ("level", "messages"),
    [("debug", ["a look", "Install: ok", "A bug"]), ("info", ["Install: ok", "A bug"]), ("error", ["A bug"])],
)
def test_the_level_decides_what_is_told_and_the_http_client_never_talks(level: str, messages: list[str]) -> None:
    assert [json.loads(line)["message"] for line in logged("json", level).splitlines()] == messages


@pytest.mark.parametrize(
    ("arguments", "changed"),
    [
        ((), {}),
        (("--dry-run",), {"dry_run": True}),
        (("--log-level", "debug"), {"log_level": "debug"}),
        (("--log-format", "text"), {"log_format": "text"}),
        (("-n", "north", "--namespace", "south"), {"namespaces": ("north", "south")}),
        (("--metrics-port", "0"), {"metrics_port": 0}),
    ],
)
def test_options_come_before_the_environment(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], changed: dict[str, object]
) -> None:
    told: list[tuple[Settings, str | None]] = []

    async def run(settings: Settings, kubeconfig: str | None) -> None:
        told.append((settings, kubeconfig))

    forms: list[tuple[str, str]] = []
    monkeypatch.setattr(lifecycle, "run", run)
    monkeypatch.setattr(
        sys.modules["device_cert_operator.cli.run"], "set_up", lambda form, level: forms.append((form, level))
    )
    environment = {"log_level": "warning", "log_format": "json", "metrics_port": "9000", "namespaces": "west"}
    for name, text in environment.items():
        monkeypatch.setenv(f"DEVICECERT_{name.upper()}", text)
    done = CliRunner().invoke(main, ["run", "--kubeconfig", "here", *arguments])
    assert done.exit_code == 0, done.output
    wanted = replace(Settings.from_environment(dict(os.environ)), **changed)  # type: ignore[arg-type]
    assert told == [(wanted, "here")]
    assert forms == [(wanted.log_format, wanted.log_level)]


async def test_a_dry_run_tells_each_look_and_changes_nothing(world: World) -> None:
    """The real process, with its options on the command line."""
    camera = await world.camera("gate")
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    operator = Operator(world, "a", options=("--dry-run", "--log-level", "debug"))
    try:
        await world.turn_given("gate")
        served = camera.served_fingerprint
        handshakes = camera.journal.handshakes
        await world.holds(lambda: camera.journal.handshakes >= handshakes + 3)
        assert camera.served_fingerprint == served
        assert [name for name in camera.journal.operations if not name.startswith("Get")] == []
        entries = [json.loads(line) for line in operator.log.read_text().splitlines()]
        assert {entry["step"] for entry in entries if entry["level"] == "debug" and "step" in entry} >= {"LogIn"}
    finally:
        operator.end()
