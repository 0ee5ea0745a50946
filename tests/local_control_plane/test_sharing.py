"""The fixture `control_plane`: one plane for all workers, none afterwards."""

import os
import subprocess
import sys
from pathlib import Path

from local_control_plane.processes import Process
from tests.local_control_plane.commands import ROOT, listens

TESTS = """
import os, pathlib, pytest

@pytest.mark.cluster
@pytest.mark.parametrize("number", range(4))
def test_it_answers(control_plane, number):
    assert control_plane.healthy()
    told = [f"{control_plane.state.port} {os.getpid()}"]
    told += [f"{part.pid}:{part.started}" for part in control_plane.parts.values()]
    pathlib.Path(os.environ["TOLD"], str(number)).write_text("\\n".join(told))
"""


def test_two_workers_share_one_plane_which_ends_with_the_last(tmp_path: Path) -> None:
    (tmp_path / "test_shared.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = cluster\n")
    told = tmp_path / "told"
    told.mkdir()
    plugins = ["-p", "tests.support.control_plane", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-n2", *plugins, f"--basetemp={tmp_path / 'base'}", str(tmp_path)],
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        | {"PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}", "TOLD": str(told)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = [path.read_text().splitlines() for path in told.iterdir()]
    assert len(said) == 4
    assert len({lines[0].split()[1] for lines in said}) == 2, "both workers ran some"
    (port,) = {lines[0].split()[0] for lines in said}
    (parts,) = {tuple(lines[1:]) for lines in said}
    assert not any(Process(*map(int, part.split(":"))).alive for part in parts)
    assert not listens(int(port))
    assert not (tmp_path / "base" / "plane").exists()
