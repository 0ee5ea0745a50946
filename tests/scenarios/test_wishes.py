"""What people ask for, and how they get it wrong."""

import asyncio
import time
from datetime import timedelta

import pytest

from device_simulator import SimulatedDevice
from tests.support.world import World, make_root


async def test_two_certificates_for_one_device_the_older_one_keeps_it(world: World) -> None:
    await world.one_camera()
    await world.apply(world.certificate("second", "gate"))
    told = await world.until("dcert", "second", "Stalled", "True", "DeviceAlreadyClaimed")
    assert "DeviceCertificate gate" in told["message"]
    await world.ready("gate")


async def test_a_renewal_that_is_asked_for_happens_once(world: World) -> None:
    camera = await world.one_camera()
    first = camera.served_fingerprint
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=now")
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.ready("gate")
    status = (await world.get("dcert", "gate"))["status"]
    assert status["revision"] == 2
    assert status["handledRequests"]["renew"] == "now"


async def test_a_reboot_annotation_at_the_first_pass_is_only_remembered(world: World) -> None:
    camera = await world.one_camera(annotations={"devicecert.io/reboot": "kept in Git"})
    assert camera.journal.reboots == 0
    await world.kubectl("annotate", "dev", "gate", "--overwrite", "devicecert.io/reboot=again")
    await world.holds(lambda: camera.journal.reboots == 1)
    await world.ready("gate")
    assert camera.journal.reboots == 1


@pytest.mark.parametrize("why", ["paused", "observed", "locked out", "unreadable"])
async def test_a_reboot_annotation_is_only_remembered_where_nothing_may_be_done_at_the_first_pass(
    world: World, why: str
) -> None:
    camera = await world.camera("gate")
    await world.credentials(password="wrong" if why == "locked out" else "secret")
    await world.authority()
    blocked = {
        "observed": {"management": "Observe"},
        "unreadable": {"maintenanceWindows": [{"schedule": "0 0 30 2 *", "duration": "2h"}]},
    }
    gate = world.device("gate", annotations={"devicecert.io/reboot": "kept in Git"}, **blocked.get(why, {}))
    await world.apply(gate, world.certificate("gate"))
    await world.start_operator(paused=why == "paused")
    reason = {
        "paused": "Paused",
        "observed": "ObserveOnly",
        "locked out": "CredentialsRejected",
        "unreadable": "InvalidSpec",
    }[why]
    await world.until("dev", "gate", "Ready", "False", reason)
    await world.stop_operator()
    await world.credentials()
    await world.apply(world.device("gate", annotations={"devicecert.io/reboot": "kept in Git"}))
    await world.start_operator()
    await world.ready("gate")
    await world.more_passes("Device", 2)
    assert camera.journal.reboots == 0
    await world.kubectl("annotate", "dev", "gate", "--overwrite", "devicecert.io/reboot=again")
    await world.holds(lambda: camera.journal.reboots == 1)


async def test_a_paused_device_is_left_alone(world: World) -> None:
    camera = await world.camera("gate")
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate", annotations={"devicecert.io/paused": "true"}), world.certificate("gate"))
    await world.start_operator()
    await world.until("dev", "gate", "Ready", "False", "Paused")
    assert camera.guard.accepted == 0
    await world.kubectl("annotate", "dev", "gate", "devicecert.io/paused-")
    await world.ready("gate")


def changes(camera: SimulatedDevice) -> list[str]:
    """What was asked of it beside questions."""
    return [name for name in camera.journal.operations if not name.startswith("Get")]


async def its_turn_is_not_taken(world: World, camera: SimulatedDevice) -> None:
    """Everything is there for a change: it was logged in, the certificate is issued, and its turn is given."""
    await world.until("dev", "gate", "Authenticated", "True")
    await world.turn_given("gate")
    await world.more_passes("Device", 3)
    assert changes(camera) == []
    for kind in ("dev", "dcert"):  # what reads kstatus is not left to wait
        await world.until(kind, "gate", "Stalled", "True", "ObserveOnly")
        await world.until(kind, "gate", "Reconciling", "False", "ObserveOnly")


async def test_an_observed_device_is_never_changed(world: World) -> None:
    camera = await world.camera("gate")
    camera.skew_clock(timedelta(hours=5))
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate", management="Observe"), world.certificate("gate"))
    await world.start_operator()
    await world.until("dev", "gate", "ClockInSync", "False", "ClockOff")
    await its_turn_is_not_taken(world, camera)
    await world.apply(world.device("gate"))
    await world.ready("gate")
    assert "SetSystemDateAndTime" in changes(camera), "nothing else stood in its way"


async def test_the_dry_run_changes_no_device(world: World) -> None:
    camera = await world.camera("gate")
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator(dry_run=True)
    await its_turn_is_not_taken(world, camera)
    await world.stop_operator()
    await world.start_operator()
    await world.ready("gate")
    assert changes(camera) != [], "nothing else stood in its way"


async def test_a_new_ca_in_the_secret_makes_a_new_certificate(world: World) -> None:
    camera = await world.one_camera()
    first = camera.served_fingerprint
    await world.authority()
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.ready("gate")
    assert await world.trusted(camera.address)


async def test_a_camera_that_is_taken_off_a_list_is_recognised_until_it_serves_another_certificate(
    world: World,
) -> None:
    """The revision whose key it serves stays as long, and is all by which it is known."""
    cameras = [await world.camera(f"c{number}", number) for number in (1, 2)]
    await world.credentials()
    await world.authority()
    await world.apply(*(world.device(f"c{number}", number) for number in (1, 2)), world.certificate("all", "c1", "c2"))
    await world.start_operator()
    await world.until("dcert", "all", "Ready", "True", within=30)
    shared = cameras[1].served_fingerprint
    await world.apply(world.certificate("all", "c1"))
    await world.shows("dcert", "all", lambda status: [one.get("installed") for one in status["devices"]] == [2])
    await world.shows("dev", "c1", lambda status: "previous" not in status["revision"])
    world.look_again()
    await world.more_passes("Device", 6)
    assert await world.get("secret", "all-r1")
    assert (await world.condition("dev", "c2", "Identified"))["status"] == "True"
    await world.apply(world.certificate("yard", "c2"))
    await world.until("dcert", "yard", "Ready", "True", within=30)
    assert cameras[1].served_fingerprint != shared
    until = time.monotonic() + 20
    while await world.get("secret", "all-r1"):
        assert time.monotonic() < until, "the revision that nobody serves stays"
        await asyncio.sleep(0.1)


async def test_an_edited_spec_makes_a_new_certificate(world: World) -> None:
    camera = await world.one_camera()
    await world.apply(world.certificate("gate", dnsNames=["gate.example.test"]))
    await world.holds(lambda: "gate.example.test" in str(camera.shown.chain[0].extensions))
    await world.ready("gate")


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("missing", "CAMissing"),
        ("unlabelled", "CANotShared"),
        ("mismatch", "CAKeyMismatch"),
        ("not a CA", "CANotACA"),
        ("expired", "CAExpired"),
    ],
)
async def test_a_ca_that_cannot_be_used_is_told(world: World, what: str, reason: str) -> None:
    await world.camera("gate")
    await world.credentials()
    if what != "missing":
        await world.authority(days=1 if what == "expired" else 3650)
    if what == "unlabelled":
        await world.kubectl("label", "secret", "root", "devicecert.io/use-")
    if what == "mismatch":
        certificate = world.root.read_text()
        make_root(world.folder)
        await _put(world, certificate, (world.folder / "root.key").read_text())
    if what == "not a CA":
        await asyncio.to_thread(_leaf_only, world)
        await _put(world, world.root.read_text(), (world.folder / "root.key").read_text())
    if what == "expired":
        world.clock.forward(timedelta(days=3))
    await world.apply(world.device("gate", clock__policy="Report"), world.certificate("gate"))
    await world.start_operator()
    told = await world.until("dcert", "gate", "Issued", "False", reason)
    assert f"{world.namespace}/root" in told["message"]


async def _put(world: World, certificate: str, key: str) -> None:
    await world.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "root", "labels": {"devicecert.io/use": "ca"}},
            "stringData": {"tls.crt": certificate, "tls.key": key},
        }
    )


def _leaf_only(world: World) -> None:
    import subprocess

    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-out", "root.pem"),
            *("-days", "30", "-subj", "/CN=leaf", "-addext", "basicConstraints=critical,CA:FALSE"),
        ],
        cwd=world.folder,
        check=True,
        capture_output=True,
    )


async def test_a_copy_never_overwrites_a_foreign_secret(world: World) -> None:
    await world.camera("gate")
    await world.credentials()
    await world.authority()
    await world.kubectl("create", "secret", "generic", "mine", "--from-literal=a=b")
    await world.apply(world.device("gate"), world.certificate("gate", secretName="mine"))
    await world.start_operator()
    await world.ready("gate")
    told = await world.until("dcert", "gate", "Issued", "False", "SecretNotOurs")
    assert "spec.secretName" in told["message"]
    assert set((await world.get("secret", "mine"))["data"]) == {"a"}


async def test_a_device_deleted_while_it_is_worked_on_is_let_go(world: World) -> None:
    camera = await world.one_camera()
    await world.kubectl("delete", "dev", "gate")
    await world.until("dcert", "gate", "Secure", "False", "DeviceMissing")
    assert await world.trusted(camera.address), "deleting a Device changes nothing on the device"
    await world.apply(world.device("gate"))
    await world.ready("gate", within=30)


@pytest.mark.parametrize("kind", ["dev", "dcert"])
async def test_nothing_is_done_for_an_object_on_its_way_out(world: World, kind: str) -> None:
    """Somebody else's finalizer keeps it."""
    camera = await world.one_camera()
    keep = ("--type=merge", "-p", '{"metadata":{"finalizers":["example.org/keep"]}}')
    await world.kubectl("patch", kind, "gate", *keep)
    await world.kubectl("delete", kind, "gate", "--wait=false")
    await world.until(kind, "gate", "Ready", "False", "Paused")
    served = camera.served_fingerprint
    await camera.move(world.address(9))
    await world.more_passes("Device", 3)
    assert camera.served_fingerprint == served
    await world.kubectl("patch", kind, "gate", "--type=merge", "-p", '{"metadata":{"finalizers":[]}}')
    if kind == "dev":
        await world.until("dcert", "gate", "Secure", "False", "DeviceMissing")


async def test_an_unknown_driver_names_those_that_there_are(world: World) -> None:
    await world.camera("gate")
    await world.credentials()
    await world.apply(world.device("gate", driver="telnet"))
    await world.start_operator()
    told = await world.until("dev", "gate", "Stalled", "True", "UnknownDriver")
    assert "onvif" in told["message"]
    await world.until("dev", "gate", "Authenticated", "False", "UnknownDriver")
    await world.until("dev", "gate", "Reachable", "True", "Answers")
