"""Builds the operator's image without a daemon and without an image registry: `make image`.

Debian's buildah builds deploy/Dockerfile. Unless `--base` names an image, the base is a Debian root that mmdebstrap
makes once. Base, wheels and layers are kept in the user's cache; what they are made of is checked, by hash or by
signature.
"""

import argparse
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.image import bill
from device_cert_operator import __version__
from local_control_plane.build import cache_root

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "deploy" / "image"
SUITE = "bookworm"
LOCAL_BASE = f"localhost/debian-{SUITE}-apt"
NAME = "localhost/device-cert-operator"
STAGE = f"{NAME}-build:latest"
LOCKS = (ROOT / "requirements.txt", HERE / "requirements-build.txt")
PROGRAMS = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
# What Debian bookworm's Python takes: glibc 2.36
PLATFORMS = ("manylinux_2_17_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64")


class BuildFailed(Exception):
    """The image could not be built; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Image:
    """A built image. reference: name and tag in the store. unpacked: bytes of its files."""

    reference: str
    unpacked: int

    def __str__(self) -> str:
        return f"{self.reference}: {self.unpacked / 1e6:.0f} MB"


class Store:
    """buildah's store of ours, in the user's cache: nobody else's images are seen or touched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.driver = "overlay"
        try:
            self.buildah("info")
        except BuildFailed:  # no overlay on this file system: whole copies then
            self.driver = "vfs"

    def buildah(self, *arguments: str | Path) -> str:
        """Run buildah on the store; what it said. Raises BuildFailed."""
        where = ("--root", self.folder / self.driver, "--runroot", self.folder / "run")
        return run("buildah", "--storage-driver", self.driver, *where, *arguments)

    def has(self, image: str) -> bool:
        """Whether this image is there."""
        names = self.buildah("images", "--format", "{{.Name}}:{{.Tag}}")
        return image in names.split()

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """The image's root as a folder, of which the caller changes nothing."""
        container = self.buildah("from", "--pull-never", image).strip()
        try:
            yield Path(self.buildah("mount", container).strip())
        finally:
            self.buildah("rm", container)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One builder at a time."""
        with (self.folder / "lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def run(*command: str | Path) -> str:
    """A command that has to succeed; its output. Raises BuildFailed with the end of its complaint."""
    words = [str(part) for part in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed(f"{words[0]} {words[1]} failed: {(done.stderr or done.stdout).strip()[-1500:]}")
    return done.stdout


def require(programs: dict[str, str] = PROGRAMS) -> None:
    """programs: name → Debian package. Raises BuildFailed, in one sentence, when any is missing."""
    if missing := sorted({package for name, package in programs.items() if shutil.which(name) is None}):
        raise BuildFailed(
            f"The image needs {', '.join(missing)}: apt-get install -y --no-install-recommends {' '.join(missing)}"
        )


def open_store() -> Store:
    """The store in the user's cache. Raises BuildFailed when a program is missing."""
    require()
    folder = cache_root() / "image"
    folder.mkdir(parents=True, exist_ok=True)
    return Store(folder)


def build(store: Store, *, base: str | None = None, tag: str = __version__, fresh: bool = False) -> Image:
    """Build this tree's image. base: an image to build in, else a Debian root of our own. fresh: use no kept layer or
    base, as a release does: with today's security updates. Raises BuildFailed.
    """
    with store.locked():
        if base is None:
            base = _local_base(store, fresh=fresh)
        wheels = _wheels(store.folder)
        reference = f"{NAME}:{tag}"
        common = (
            *(
                "build",
                "--isolation",
                "chroot",
                "--network",
                "host",
                "--layers",
                "--file",
                ROOT / "deploy" / "Dockerfile",
            ),
            *("--build-arg", f"BASE={base}", "--build-arg", "PIP_NO_INDEX=1", "--build-arg", "PIP_FIND_LINKS=/wheels"),
            *("--volume", f"{wheels}:/wheels:ro", "--label", f"org.opencontainers.image.version={tag}"),
        )
        # named, or the layers of this stage would go as nobody's: the image itself stands on none of them
        store.buildah(*common, *(["--no-cache"] if fresh else []), "--target", "build", "--tag", STAGE, ROOT)
        store.buildah(*common, "--tag", reference, ROOT)
        store.buildah("rmi", "--prune")
        return Image(reference, _size(store, reference))


def _local_base(store: Store, *, fresh: bool) -> str:
    """A Debian root with apt. Its packages are checked against Debian's keys by mmdebstrap."""
    if fresh or not store.has(f"{LOCAL_BASE}:latest"):
        root = store.folder / "base.tar"
        if fresh or not root.exists():
            made = root.with_suffix(".part.tar")
            run("mmdebstrap", "--quiet", "--variant=apt", SUITE, made)
            made.replace(root)
        container = store.buildah("from", "scratch").strip()
        store.buildah("add", "--quiet", container, root, "/")
        store.buildah("commit", "--quiet", "--rm", container, LOCAL_BASE)
    return LOCAL_BASE


def _wheels(folder: Path) -> Path:
    """A folder with the wheels of the lock files, so that the build itself asks no index."""
    mark = hashlib.sha256(b"".join(lock.read_bytes() for lock in LOCKS)).hexdigest()[:12]
    wheels = folder / f"wheels-{mark}"
    if not wheels.exists():
        part = wheels.with_suffix(".part")
        platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
        only = ("--require-hashes", "--only-binary", ":all:", "--implementation", "cp", "--python-version", "3.11")
        for lock in LOCKS:
            run(*pip, *only, *platforms, "--requirement", lock, "--dest", part)
        part.replace(wheels)
    return wheels


def _size(store: Store, reference: str) -> int:
    [found] = json.loads(store.buildah("images", "--json", reference))
    with store.mounted(found["id"]) as root:
        return sum(one.lstat().st_size for one in root.rglob("*") if one.is_symlink() or one.is_file())


def write_release(store: Store, image: Image, folder: Path) -> tuple[Path, Path]:
    """The image as an OCI archive, and its bill of materials. Raises BuildFailed."""
    folder.mkdir(parents=True, exist_ok=True)
    name, tag = image.reference.rsplit("/", 1)[-1].split(":")
    archive, bom = folder / f"{name}-{tag}.oci.tar", folder / f"{name}-{tag}.cdx.json"
    store.buildah("push", "--quiet", image.reference, f"oci-archive:{archive}:{name}:{tag}")
    with store.mounted(image.reference) as root:
        system = bill.read_system(root)
    bom.write_text(bill.build_bom(bill.read_packages(bill.lock_text()), system, bill.direct_needs()))
    return archive, bom


def main() -> int:
    """The command. Exit code 1: not built."""
    parser = argparse.ArgumentParser(description="Build the operator's image.")
    parser.add_argument("--base", help="image to build in, by digest; default: a Debian root of our own")
    parser.add_argument("--tag", default=__version__)
    parser.add_argument("--fresh", action="store_true", help="keep nothing of earlier builds: for a release")
    parser.add_argument("--output", type=Path, help="write an OCI archive and a bill of materials into this folder")
    given = parser.parse_args()
    try:
        store = open_store()
        image = build(store, base=given.base, tag=given.tag, fresh=given.fresh)
        written = write_release(store, image, given.output) if given.output else ()
    except (BuildFailed, bill.BillError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{image}\n")
    for path in written:
        sys.stdout.write(f"  {path}  {path.stat().st_size / 1e6:.1f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
