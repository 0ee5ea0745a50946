"""What tests measured reaches whoever runs them."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = """
def test_a(figure): figure("a: 1 s")
def test_b(figure): figure("b: 2 MB"); assert False
def test_c(): pass
"""


@pytest.mark.parametrize("workers", ["0", "2"])
def test_figures_are_shown_once_however_a_run_goes(tmp_path: Path, workers: str) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-n", workers, "-p", "tests.support.figures", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    _, told = done.stdout.split(" measured ")
    assert told.splitlines()[1:3] == ["a: 1 s", "b: 2 MB"]
    assert told.count("2 MB") == 1
