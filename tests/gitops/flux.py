"""Flux' side: its healthCheckExprs in cel-go, evaluated in the order of its RFC 0009."""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from local_control_plane.build import cache_root
from local_control_plane.toolchain import ENVIRONMENT, ensure_go
from tests.gitops.kstatus import CURRENT, FAILED, IN_PROGRESS

Object = dict[str, Any]
FOLDER = Path(__file__).parents[2] / "deploy" / "gitops" / "flux"
_SOURCE = Path(__file__).parents[1] / "data" / "cel"


def expressions() -> dict[str, Object]:
    """By kind, as the Kustomization of the devices has them."""
    manifests = yaml.safe_load_all((FOLDER / "flux.yaml").read_text())
    [site] = [one for one in manifests if one["kind"] == "Kustomization" and "healthCheckExprs" in one["spec"]]
    return {one["kind"]: one for one in site["spec"]["healthCheckExprs"]}


class Flux:
    """A running evaluator."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._expressions = expressions()

    def health(self, obj: Object) -> str:
        """observedGeneration, then inProgress, failed, current; else InProgress. AssertionError on an error."""
        status = obj.get("status") or {}
        if "observedGeneration" in status and status["observedGeneration"] != obj["metadata"].get("generation"):
            return IN_PROGRESS
        given = self._expressions[obj["kind"]]
        for name, outcome in (("inProgress", IN_PROGRESS), ("failed", FAILED), ("current", CURRENT)):
            if self.evaluate(given[name], obj):
                return outcome
        return IN_PROGRESS

    def evaluate(self, expression: str, obj: Object) -> bool:
        """One expression. AssertionError with what cel-go says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"expression": expression, "object": obj}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "value" in answer, answer
        return bool(answer["value"])


@contextmanager
def running() -> Iterator[Flux]:
    """Compiled once into the user's cache."""
    process = subprocess.Popen([str(_compiled())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Flux(process)
    finally:
        process.kill()
        process.communicate()


def _compiled() -> Path:
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(_SOURCE.iterdir()))).hexdigest()
    program = cache_root() / "verifiers" / f"cel-{digest[:16]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        scratch = program.with_name(f"{program.name}.{os.getpid()}")
        done = subprocess.run(
            [str(ensure_go(cache_root() / "go", print)), "build", "-trimpath", "-o", str(scratch), "."],
            cwd=_SOURCE,
            env=os.environ | ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        scratch.replace(program)
    return program
