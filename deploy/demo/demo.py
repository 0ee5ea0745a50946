"""The demo: a cluster, simulated cameras and the operator, each a process; the three ways to a trusted device.

Everything is on loopback and in one folder. Each heal is timed from the moment the trouble is made, and proven by
`openssl s_client`, which trusts only the root that is meant. An existing cluster is used when DEVICECERT_KUBECONFIG
names it: in a namespace of its own, which is deleted at the end; the definitions stay.
"""

import argparse
import contextlib
import signal
import sys
import time
from pathlib import Path

import firmware_ca
import outside_ca
import own_ca
import stage
from stage import Cameras, DemoFailed, Stage, say

from local_control_plane.build import BuildError
from local_control_plane.plane import PlaneError


def story(keep: bool) -> None:
    """From nothing to trusted devices, in all three ways."""
    started = time.monotonic()
    say("Control plane: kube-apiserver, etcd, controller manager (built once, some minutes) …")
    with Stage() as here:
        say("Cameras at 127.20.0.1 to .6, speaking ONVIF over HTTP and HTTPS …")
        cameras = here.cameras("cam", 6, "127.20.0.0/24")
        say("… and one at 127.20.1.1 with a CA in its firmware and a web interface")
        web = here.cameras("web", 1, "127.20.1.0/24", "--kind", "firmware-ca")
        here.start_operator()
        here.apply("login.yaml")
        firmware_ca.tell(here, web)
        own_ca.tell(here, cameras)
        outside_ca.tell(here, cameras)
        say("\nQuestion 5: what does a device serve, and does it fit?", "head")
        say(here.devicecert("status", "cam-4", "-n", here.namespace))
        say(here.kubectl("get", "dev,dcert"))
        say(f"Done in {time.monotonic() - started:.0f} s.", "ok")
        if keep:
            _stay(here, cameras)


def _stay(here: Stage, cameras: Cameras) -> None:
    devicecert = Path(sys.executable).parent / "devicecert"
    say(
        f"""
Left running until you press Ctrl-C. In another terminal:
  export KUBECONFIG={here.cluster.kubeconfig} PATH={here.cluster.kubectl.parent}:$PATH
  kubectl -n {here.namespace} get dev,dcert -w
  {devicecert} status -n {here.namespace}
  {devicecert} simulate move cam-2 127.20.0.30 --control {cameras.control}
  {devicecert} simulate factory-reset cam-3 --control {cameras.control}
Logs: {here.folder}"""
    )
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


def main() -> None:
    """Exit code 1: something did not heal; the logs' ends are shown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="leave everything running and say what to try")
    parser.add_argument("--within", type=float, default=stage.patience, help="seconds that a heal may take")
    if not sys.platform.startswith("linux"):
        sys.exit("The demo needs Linux: its cameras have addresses of their own in 127.0.0.0/8.")
    given = parser.parse_args()
    stage.patience = given.within
    try:
        story(given.keep)
    except (DemoFailed, PlaneError, BuildError) as error:
        say(f"\nThe demo failed: {error}", "no")
        sys.exit(1)


if __name__ == "__main__":
    main()
