"""Go's and Java's verifiers as processes that answer case after case: `tests/data/verifiers`."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from device_cert_operator.pki.facts import pem_to_ders
from local_control_plane.build import cache_root
from local_control_plane.toolchain import ENVIRONMENT, ensure_go

_SOURCES = Path(__file__).parents[1] / "data" / "verifiers"


class Verifier:
    """A running verifier. ask: `OK`, or its refusal."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, *, anchors: bytes, sent: bytes, host: str, at: datetime) -> str:
        """anchors, sent: PEM, the leaf first. host: address without brackets, or DNS name."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        fields = (host, str(int(at.timestamp())), _listed(anchors), _listed(sent))
        self._process.stdin.write("\t".join(fields) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer, f"the verifier ended with {self._process.wait(10)}"
        return answer


@contextmanager
def go_verifier() -> Iterator[Verifier]:
    """Go's crypto/x509; compiled once into the user's cache."""
    with _running(str(_compiled())) as verifier:
        yield verifier


def java() -> str | None:
    """The path of a `java` that can run a source file, which takes a JDK."""
    return shutil.which("java") if shutil.which("javac") else None


@contextmanager
def java_verifier(program: str) -> Iterator[Verifier]:
    """Java's TLS client: PKIX trust manager and host name check."""
    internals = "--add-exports=java.base/sun.security.util=ALL-UNNAMED"
    with _running(program, "-XX:TieredStopAtLevel=1", internals, str(_SOURCES / "Verify.java")) as verifier:
        yield verifier


def _listed(pem: bytes) -> str:
    return ",".join(b64encode(der).decode() for der in pem_to_ders(pem))


@contextmanager
def _running(*command: str) -> Iterator[Verifier]:
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True, encoding="utf-8"
        )
        try:
            yield Verifier(process)
        finally:
            process.kill()
            process.communicate()


def _compiled() -> Path:
    """The Go program, made anew when its source changes."""
    folder = _SOURCES / "go"
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.iterdir()))).hexdigest()
    program = cache_root() / "verifiers" / digest[:16]
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        go = ensure_go(cache_root() / "go", print)
        scratch = program.with_name(f"{program.name}.{os.getpid()}")
        done = subprocess.run(
            [str(go), "build", "-trimpath", "-o", str(scratch), "."],
            cwd=folder,
            env=os.environ | ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        scratch.replace(program)
    return program
