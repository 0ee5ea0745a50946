"""Solution 1, the CA in the firmware; question 1, its address changed; its clock; question 2, another issuer's."""

import time
from pathlib import Path

from stage import Cameras, DemoFailed, Stage, say, wait_for


def tell(stage: Stage, cameras: Cameras) -> None:
    """Pinned and published; then the address, the clock and what is uploaded go wrong."""
    say(
        "\nSolution 1: the CA in the camera's firmware. Nothing is uploaded, its certificate is made at each start",
        "head",
    )
    stage.apply("firmware-ca.yaml")
    stage.until("dcert", "web-1", "Issued", "PinNeeded")
    told = stage.devicecert("trust", "pin", "web-1", "-n", stage.namespace)
    pin = told.rsplit("sha256:", 1)[1].strip()
    say(f"  nothing is trusted before a person pinned the CA: {pin[:16]}…")
    patch = f'{{"spec":{{"issuer":{{"deviceCA":{{"sha256":"{pin}"}}}}}}}}'
    stage.kubectl("patch", "dcert", "web-1", "--type=merge", "-p", patch)
    took = wait_for(lambda: stage.ready("web-1"), "web-1 with the CA of its firmware")
    root = _published(stage)
    if not stage.trusted("127.20.1.1", root):
        raise DemoFailed("openssl does not accept web-1")
    say(f"  pinned, published, and Secure after {took:.1f} s; openssl accepts it, trusting only that CA", "ok")

    say("Question 1: web-1 gets another address, and its certificate stays that of the old one …")
    restarts = cameras.camera("web-1")["reboots"]
    since = time.monotonic()
    cameras.do("move", "web-1", "127.20.1.9")
    took = wait_for(lambda: stage.trusted("127.20.1.9", root), "web-1 at its new address", since=since)
    if cameras.camera("web-1")["reboots"] == restarts:
        raise DemoFailed("web-1 is trusted at its new address without a restart")
    say(f"  healed after {took:.1f} s: found, restarted, and its firmware made a certificate for 127.20.1.9", "ok")
    wait_for(lambda: stage.ready("web-1"), "web-1 Ready again")

    say("Its clock falls ten years behind while it restarts, and so does its certificate …")
    since = time.monotonic()
    cameras.do("skew", "--", "web-1", str(-3650 * 86400))
    cameras.do("reboot", "web-1")
    took = wait_for(lambda: stage.trusted("127.20.1.9", root), "web-1 with the right dates", since=since)
    say(f"  healed after {took:.1f} s: the clock was set first, then it was restarted", "ok")

    say("Question 2: somebody uploads a certificate of another issuer …")
    cameras.do("replace-certificate", "web-1")
    message = stage.until("dev", "web-1", "Secure", "IssuerMismatch")
    say(f"  told, and left to its owner, as what is not ours is not taken off: {message}", "ok")


def _published(stage: Stage) -> Path:
    """The CA as it is: OpenSSL refuses its constrained form where the CN repeats the address, as it does here."""
    root = stage.folder / "web-1-ca.pem"
    root.write_text(stage.get("configmap", "web-1-ca")["data"]["firmware-ca.crt"])
    return root
