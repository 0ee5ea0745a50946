"""The image as the chart runs it: read-only, as nobody, under the chart's own ServiceAccount; it heals a device."""

import asyncio
import os
import stat
import time
from pathlib import Path

import httpx
import pytest
from packaging.utils import canonicalize_name

from deploy.image import bill
from device_cert_operator import __version__
from local_control_plane.plane import ControlPlane
from local_control_plane.processes import free_ports
from tests.image.conftest import Built
from tests.image.container import Pod, run_once, running
from tests.support.account import install
from tests.support.control_plane import kubectl
from tests.support.figures import Figure
from tests.support.helm import Helm, only
from tests.support.world import World

pytestmark = pytest.mark.timeout(1800)  # the first of them waits for the build; cold that takes minutes
LARGEST = 260e6
PYTHON = "/opt/devicecert/bin/python"


def pod(helm: Helm, built: Built, folder: Path, namespace: str = "devices", **values: object) -> Pod:
    """A pod of the Deployment that the chart renders with these values."""
    rendered = helm.objects(dict(values), namespace=namespace)
    spec = only(rendered, "Deployment")["spec"]["template"]["spec"]
    return Pod(built.root, built.configuration, spec, namespace, folder)


def python(pod: Pod, code: str) -> str:
    """What this code prints in the container, with errors."""
    (pod.folder / "token").mkdir(exist_ok=True)
    done = run_once(pod.bundle({}, [PYTHON, "-c", code]), f"once-{os.getpid()}-{time.monotonic_ns()}")
    return done.stdout + done.stderr


def test_it_is_small(built: Built, figure: Figure) -> None:
    figure(f"image: {built.image.unpacked / 1e6:.0f} MB unpacked; {LARGEST / 1e6:.0f} MB are allowed")
    assert built.image.unpacked < LARGEST


def test_it_has_no_shell_no_package_manager_no_compiler_and_nothing_setuid(built: Built) -> None:
    programs = {one.name for folder in ("usr/bin", "usr/sbin") for one in (built.root / folder).iterdir()}
    assert programs == {"python3.11"}
    ours = {one.name for one in (built.root / "opt/devicecert/bin").iterdir()}
    assert "devicecert" in ours
    assert not {one for one in ours if one.startswith("pip")}
    raised = [
        str(one)
        for one in built.root.rglob("*")
        if not one.is_symlink() and one.is_file() and one.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)
    ]
    assert raised == []


def test_its_configuration_fits_the_chart(built: Built, helm: Helm, tmp_path: Path) -> None:
    spec = pod(helm, built, tmp_path).spec
    security = spec["securityContext"]
    assert built.configuration["User"] == f"{security['runAsUser']}:{security['runAsGroup']}" == "65532:65532"
    assert built.configuration["Entrypoint"] == ["/opt/devicecert/bin/devicecert"]
    assert spec["containers"][0]["args"] == ["run"]
    assert spec["containers"][0]["image"] == f"device-cert-operator:{__version__}"


def test_nothing_in_it_can_be_written_but_tmp_and_it_has_no_rights(built: Built, helm: Helm, tmp_path: Path) -> None:
    here = pod(helm, built, tmp_path)
    assert "Read-only file system" in python(here, "open('/opt/mark', 'w')")
    assert "not permitted" in python(here, "import os; os.chown('/tmp', 0, 0)")
    assert python(here, "open('/tmp/mark', 'w'); import os; print(os.getuid(), os.getgid())") == "65532 65532\n"
    status = python(here, "print(open('/proc/self/status').read())")
    assert "CapEff:\t0000000000000000" in status
    assert "CapBnd:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_it_has_the_locked_packages_and_only_those(built: Built, helm: Helm, tmp_path: Path) -> None:
    code = "from importlib.metadata import distributions as d; print(*(f'{x.name}=={x.version}' for x in d()))"
    listed = python(pod(helm, built, tmp_path), code).split()
    found = {canonicalize_name(one.split("==")[0]): one.split("==")[1] for one in listed}
    assert found == {one.name: one.version for one in bill.parse_lock(bill.lock_text())} | {bill.US: __version__}


def test_each_system_library_that_is_asked_for_is_there(built: Built, helm: Helm, tmp_path: Path) -> None:
    """Modules of the standard library that the image leaves out are those for terminals and local databases."""
    code = (
        "import importlib, os, pathlib\n"
        "for one in sorted(pathlib.Path(os.__file__).with_name('lib-dynload').iterdir()):\n"
        "    name = one.name.split('.')[0]\n"
        "    try: importlib.import_module(name)\n"
        "    except ImportError as error: print(name)\n"
    )
    missing = set(python(pod(helm, built, tmp_path), code).split())
    assert missing <= {"_curses", "_curses_panel", "_dbm", "_sqlite3", "nis", "readline"}


def test_its_bill_of_materials_names_the_debian_packages_in_it(built: Built) -> None:
    wanted = set((bill.ROOT / "deploy/image/runtime-packages.txt").read_text().split())
    assert {one.name for one in bill.read_system(built.root)} == wanted
    for name in wanted:
        assert list((built.root / "usr/share/doc" / name).iterdir()), f"{name} came without its licence"


async def test_it_heals_a_device_read_only_as_nobody_and_with_the_charts_rights(
    built: Built, helm: Helm, control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    name = f"image-{namespace}"
    account = await asyncio.to_thread(install, helm, control_plane, tmp_path, name, (namespace,))
    [port] = free_ports(1)
    folder = tmp_path / "bundle"
    folder.mkdir()
    values = {"fullnameOverride": name, "watchNamespaces": [namespace], "metrics": {"port": port}}
    here = pod(helm, built, folder, name, **values)
    server = here.write_token(control_plane, kubectl(control_plane, "-n", name, "create", "token", name).strip())
    try:
        with running(here.bundle(server), name) as operator:
            await story(control_plane, namespace, f"http://127.0.0.1:{port}")
            assert operator.poll() is None
        log = (folder / "log").read_text()
        assert operator.returncode == 0, f"it did not end cleanly when told: {log}"
        assert "Traceback" not in log, log
    except AssertionError as error:
        error.add_note((folder / "log").read_text())
        raise
    finally:
        helm.run("uninstall", account.name, "--namespace", name, kubeconfig=control_plane.kubeconfig)


async def story(control_plane: ControlPlane, namespace: str, operator: str) -> None:
    """A camera becomes Secure; it moves, and is Secure again."""
    async with World(control_plane, namespace) as world, httpx.AsyncClient(trust_env=False) as web:
        camera = await world.camera("gate")
        await world.credentials()
        await world.authority()
        await world.apply(world.device("gate"), world.certificate("gate"))
        await world.ready("gate", within=60)
        assert await world.trusted(camera.address)
        await camera.move(world.address(9))
        await world.holds(lambda: camera.journal.operations["ReplaceServerCertificateAssignment"] == 2, within=60)
        await world.ready("gate")
        assert await world.trusted(camera.address)
        assert (await web.get(f"{operator}/readyz")).status_code == 200
        assert (await web.get(f"{operator}/healthz")).status_code == 200
        assert "devicecert_" in (await web.get(f"{operator}/metrics")).text
