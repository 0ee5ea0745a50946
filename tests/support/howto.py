"""How-tos that are executed: their ```sh blocks in order, in one folder that holds the examples, against a world.

A block runs in bash with -euo pipefail; kubectl and devicecert are on its path, and the kubeconfig's context has the
world's namespace, so that a page needs no -n. Other blocks are only shown, and say as what: ```yaml, ```text.
"""

import asyncio
import os
import re
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.world import HTTPS, World

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "deploy" / "examples"
PAGES = ROOT / "docs" / "how-to"
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<kind>.*?)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+)$", re.MULTILINE)
LONGEST = 120
_VARIES = (  # what another day, or another certificate, prints differently
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"), "WHEN"),
    (re.compile(r"\d+ days left"), "N days left"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """The commands of one block, or what else is in it, and the heading that it stands under."""

    heading: str
    commands: str


def blocks(page: Path, kind: str = "sh") -> list[Block]:
    """The blocks of a page that are to be run, or others. AssertionError for one that does not say what it is."""
    text = page.read_text()
    headings = [(found.start(), found["text"]) for found in _HEADING.finditer(text)]
    made = []
    for found in _BLOCK.finditer(text):
        assert found["kind"] in {"sh", "yaml", "text"}, f"{page.name}: {found['body'][:60]}"
        if found["kind"] != kind:
            continue
        heading = next((name for start, name in reversed(headings) if start < found.start()), "")
        lines = [line.removeprefix(found["indent"]) for line in found["body"].splitlines()]
        made.append(Block(heading, "\n".join(lines)))
    return made


@dataclass(frozen=True, slots=True)
class Session:
    """A ```text block that begins with a command after `$ `, and what the page says that it prints; `…`: left out."""

    command: str
    lines: tuple[str, ...]


def sessions(page: Path) -> list[Session]:
    """Those of a page, in order."""
    bodies = [block.commands.splitlines() for block in blocks(page, "text")]
    return [Session(body[0][2:], tuple(body[1:])) for body in bodies if body[0].startswith("$ ")]


class Howto:
    """One page in one world.

    devices: addresses of the page, which become those of the world's cameras 1, 2, …, as 192.0.2.0/24 becomes its
    subnet. replacements: what else of the page stands for something in the world.
    """

    def __init__(self, world: World, page: Path, *devices: str, replacements: dict[str, str] | None = None) -> None:
        self.world = world
        self.page = page
        here = {old: world.address(number) for number, old in enumerate(devices, 1)}
        self.replacements = {
            **{f"{{host: {old}": f"{{httpsPort: {HTTPS}, host: {new}" for old, new in here.items()},
            **{f"    host: {old}": f"    httpsPort: {HTTPS}\n    host: {new}" for old, new in here.items()},
            **{f"{old}:443": f"{new}:{HTTPS}" for old, new in here.items()},
            **here,
            "192.0.2.0/24": f"{world.subnet}.0/24",
            "change-me": "secret",
            **(replacements or {}),
        }
        self.folder = world.folder / "howto"
        self.folder.mkdir()
        self._environment = self._prepare()

    async def follow(self, heading: str) -> str:
        """Run the blocks under this heading; what they printed. AssertionError with the block that failed."""
        wanted = [block for block in blocks(self.page) if block.heading == heading]
        assert wanted, f"{self.page.name} has no commands under '{heading}'"
        return "".join([await self._run(block) for block in wanted])

    def fragment(self, heading: str) -> dict[str, Any]:
        """What the YAML under this heading says."""
        [block] = [block for block in blocks(self.page, "yaml") if block.heading == heading]
        return dict(yaml.safe_load(self._as_here(block.commands)))

    async def compare(self, session: Session) -> None:
        """Run its command, whatever its exit code; the page's lines are printed, in this order."""
        text = await self.run(f"{session.command} 2>&1 || true")
        printed = iter(_steady(text).splitlines())
        for line in session.lines:
            wanted = _steady(self._as_here(line))
            assert wanted == "…" or wanted in printed, (
                f"{self.page.name}: '{session.command}' does not print '{wanted}' in its place:\n{text}"
            )

    async def run(self, commands: str) -> str:
        """Commands that are no part of the page, in its folder; what they printed."""
        return await self._run(Block("before it", commands))

    async def _run(self, block: Block) -> str:
        commands = self._as_here(block.commands)
        done = await asyncio.to_thread(
            subprocess.run,
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        told = f"{self.page.name}, '{block.heading}':\n{commands}\n{done.stdout}{done.stderr}"
        assert done.returncode == 0, told
        return done.stdout + done.stderr

    def _as_here(self, text: str) -> str:
        for old, new in self.replacements.items():
            text = text.replace(old, new)
        return text

    def _prepare(self) -> dict[str, str]:
        """The examples, a kubeconfig with the world's namespace, and the programs of the page."""
        for example in EXAMPLES.glob("*.yaml"):
            (self.folder / example.name).write_text(self._as_here(example.read_text()))
        config = yaml.safe_load(self.world.plane.kubeconfig.read_text())
        for context in config["contexts"]:
            context["context"]["namespace"] = self.world.namespace
        kubeconfig = self.folder / ".kubeconfig"
        kubeconfig.write_text(yaml.safe_dump(config))
        programs = self.folder / ".bin"
        programs.mkdir()
        devicecert = programs / "devicecert"
        devicecert.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m device_cert_operator "$@"\n')
        devicecert.chmod(devicecert.stat().st_mode | stat.S_IXUSR)
        path = (programs, self.world.plane.kubectl.parent, os.environ["PATH"])
        return os.environ | {
            "KUBECONFIG": str(kubeconfig),
            "HOME": str(self.folder),  # what a page puts there is not the tester's
            "PATH": os.pathsep.join(map(str, path)),
            "PYTHONPATH": str(ROOT / "operator"),
        }


def _steady(text: str) -> str:
    for varies, name in _VARIES:
        text = varies.sub(name, text)
    return text
