"""The demo, as a person runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.cluster
@pytest.mark.timeout(240)
def test_the_demo_tells_every_way_to_a_trusted_device() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "deploy" / "demo" / "demo.py")],
        env={"PATH": "/usr/bin:/bin:/usr/local/go/bin", "HOME": str(Path.home()), "PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert done.stdout.count("healed after") == 5
    assert done.stdout.count("Solution") == 3
