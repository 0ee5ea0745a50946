"""What `make test` does about programs of the system that are not there."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "programs.sh"
EVERYONE = ("openssl", "chromium", "certutil", "promtool")
ROOT_ALONE = ("buildah", "mmdebstrap", "runc")


def machine(folder: Path, uid: int, *there: str) -> str:
    """A PATH with these programs alone; apt-get writes down what it is asked for."""
    fakes = {
        "id": f"echo {uid}",
        "apt-get": f'echo "$@" >> {folder}/asked',
        "systemctl": f'echo "$@" >> {folder}/asked',
    }
    for name in (*there, *fakes):
        path = folder / name
        path.write_text(f"#!/bin/bash\n{fakes.get(name, '')}\n")
        path.chmod(0o755)
    (folder / "bash").symlink_to(shutil.which("bash") or "/bin/bash")
    return str(folder)


def run(path: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["bash", SCRIPT], capture_output=True, text=True, check=False, env={"PATH": path})


@pytest.mark.parametrize(("uid", "there"), [(1000, EVERYONE), (0, EVERYONE + ROOT_ALONE)])
def test_with_all_there_it_says_nothing(tmp_path: Path, uid: int, there: tuple[str, ...]) -> None:
    done = run(machine(tmp_path, uid, *there))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (tmp_path / "asked").exists()


def test_a_user_is_told_the_command(tmp_path: Path) -> None:
    done = run(machine(tmp_path, 1000, "openssl", "promtool"))
    assert done.returncode == 1
    assert "sudo apt-get install -y --no-install-recommends chromium libnss3-tools\n" in done.stderr
    assert not (tmp_path / "asked").exists()


def test_root_gets_them_installed_and_no_service_is_left_running(tmp_path: Path) -> None:
    done = run(machine(tmp_path, 0, *EVERYONE[:3], "runc"))
    assert (done.returncode, done.stdout) == (0, "Installing prometheus buildah mmdebstrap …\n")
    update, install, stop = (tmp_path / "asked").read_text().splitlines()
    assert update.startswith("update")
    assert install.endswith("--no-install-recommends prometheus buildah mmdebstrap")
    assert stop == "disable --now prometheus"
