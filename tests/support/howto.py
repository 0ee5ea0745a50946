"""How-tos that are executed: their ```sh blocks in order, in one folder that holds the examples, against a world.

A block runs in bash with -euo pipefail; kubectl and devicecert are on its path, and the kubeconfig's context has the
world's namespace, so that a page needs no -n. A block introduced as ```sh skip is only shown.
"""

import asyncio
import os
import re
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.world import World

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "deploy" / "examples"
_BLOCK = re.compile(r"^(?P<indent> *)```sh *(?P<note>\w*)\n(?P<body>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+)$", re.MULTILINE)
LONGEST = 120


@dataclass(frozen=True, slots=True)
class Block:
    """The commands of one block, and the heading that it stands under."""

    heading: str
    commands: str


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that are to be run."""
    text = page.read_text()
    headings = [(found.start(), found["text"]) for found in _HEADING.finditer(text)]
    made = []
    for found in _BLOCK.finditer(text):
        if found["note"] == "skip":
            continue
        heading = next((name for start, name in reversed(headings) if start < found.start()), "")
        lines = [line.removeprefix(found["indent"]) for line in found["body"].splitlines()]
        made.append(Block(heading, "\n".join(lines)))
    return made


class Howto:
    """One page in one world. replacements: what of the page stands for something in the world."""

    def __init__(self, world: World, page: str, replacements: dict[str, str]) -> None:
        self.world = world
        self.page = ROOT / "docs" / page
        self.replacements = replacements
        self.folder = world.folder / "howto"
        self.folder.mkdir()
        self._environment = self._prepare()

    async def follow(self, heading: str) -> str:
        """Run the blocks under this heading; what they printed. AssertionError with the block that failed."""
        wanted = [block for block in blocks(self.page) if block.heading == heading]
        assert wanted, f"{self.page.name} has no commands under '{heading}'"
        return "".join([await self._run(block) for block in wanted])

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
            "PATH": os.pathsep.join(map(str, path)),
            "PYTHONPATH": str(ROOT / "operator"),
        }
