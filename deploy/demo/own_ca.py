"""Solution 2, an own CA: the root made by hand as people do, everything else by itself; then three troubles heal."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path

from stage import Cameras, DemoFailed, Stage, run, say, wait_for

NAMES = ("cam-1", "cam-2", "cam-3")


EXTENSIONS = "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign, cRLSign\n"


def make_root(stage: Stage) -> None:
    """The support page's own commands: key, request, self-signed root; then a labelled Secret.

    They make an X.509 v1 root, which clients take, up to OpenSSL 3.1; from 3.2 on a v3 one that does not say that it is
    a CA, which they do not: there it is said.
    """
    folder = stage.folder
    key, request, root = folder / "cakey.pem", folder / "careq.pem", folder / "cacert.pem"
    run("openssl", "genrsa", "-out", key, "2048")
    subject = "/C=JP/ST=Tokyo/L=Tokyo/O=Demo/OU=Cameras/CN=Demo root"
    run("openssl", "req", "-new", "-sha256", "-key", key, "-out", request, "-subj", subject)
    more: list[str | Path] = []
    if makes_v3(run("openssl", "version")):
        (folder / "ca.ext").write_text(EXTENSIONS)
        more = ["-extfile", folder / "ca.ext"]
    run("openssl", "x509", "-req", "-in", request, "-out", root, "-sha256", "-signkey", key, "-days", "3650", *more)
    stage.kubectl("create", "secret", "tls", "demo-root", f"--cert={root}", f"--key={key}")
    stage.kubectl("label", "secret", "demo-root", "devicecert.io/use=ca")


def makes_v3(version: str) -> bool:
    """Whether this OpenSSL gives a certificate extensions although nobody asked. version: as `openssl version` says."""
    major, minor = (int(part) for part in version.split()[1].split(".")[:2])
    return (major, minor) >= (3, 2)


def tell(stage: Stage, cameras: Cameras) -> None:
    """First issue, then the address, the clock and the certificate go wrong."""
    say("\nSolution 2: your own CA. A root made with openssl, three cameras in YAML", "head")
    make_root(stage)
    stage.apply("own-ca.yaml")
    took = wait_for(lambda: stage.ready(*NAMES), "every camera Secure")
    root = stage.folder / "cacert.pem"
    for number in (1, 2, 3):
        if not stage.trusted(f"127.20.0.{number}", root):
            raise DemoFailed(f"openssl does not accept cam-{number}")
    say(f"  all Secure after {took:.1f} s; openssl accepts each, trusting only the root", "ok")

    say("Camera cam-1 gets another address (127.20.0.1 → 127.20.0.21) …")
    since = time.monotonic()
    cameras.do("move", "cam-1", "127.20.0.21")
    took = wait_for(lambda: stage.trusted("127.20.0.21", root), "cam-1 at its new address", since=since)
    say(f"  healed after {took:.1f} s: found by its key, a new certificate names 127.20.0.21, openssl accepts it", "ok")

    say("Camera cam-2's clock runs away by a year …")
    since = time.monotonic()
    cameras.do("skew", "cam-2", str(365 * 86400))
    took = wait_for(lambda: in_time(cameras, "cam-2"), "cam-2's clock", since=since)
    if not stage.trusted("127.20.0.2", root):
        raise DemoFailed("cam-2 is not trusted after its clock was set")
    say(f"  healed after {took:.1f} s: its clock was set, openssl accepts it", "ok")

    say("Somebody puts another certificate on cam-3 …")
    before = cameras.camera("cam-3")["served"]
    since = time.monotonic()
    if json.loads(cameras.do("replace-certificate", "cam-3", "-o", "json"))["served"] == before:
        raise DemoFailed("cam-3 still serves our certificate: nothing was replaced")
    took = wait_for(lambda: stage.trusted("127.20.0.3", root), "cam-3 with our certificate again", since=since)
    say(f"  healed after {took:.1f} s: our certificate is back, openssl accepts it", "ok")
    wait_for(lambda: stage.ready(*NAMES), "every camera Ready again")


def in_time(cameras: Cameras, name: str) -> bool:
    """Whether the camera's clock is right."""
    told = datetime.fromisoformat(cameras.camera(name)["clock"])
    return abs((told - datetime.now(UTC)).total_seconds()) < 30  # noqa: TID251
