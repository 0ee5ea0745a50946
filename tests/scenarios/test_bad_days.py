"""Bad days: each ends Secure later, or in a named condition with the next move; no device is worse off."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from device_simulator import Fault, Kind, SimulatedDevice
from device_simulator.onvif.device import OnvifDevice
from device_simulator.transport import dropped
from tests.support.world import HTTP, HTTPS, World

# ------------------------------------------------------------------------------------ credentials


async def test_a_wrong_password_costs_two_logins_and_no_more(world: World) -> None:
    camera = await world.camera("gate")
    await world.credentials(password="wrong")
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator()
    told = await world.until("dev", "gate", "Stalled", "True", "CredentialsRejected")
    assert "login" in told["message"]
    assert "wrong" not in told["message"]
    memory = world.app.tools.memory.of((await world.get("dev", "gate"))["metadata"]["uid"])
    passes = memory.passes
    await world.holds(lambda: memory.passes >= passes + 3)
    assert camera.guard.refused == 2
    await world.credentials()
    await world.ready("gate")
    assert camera.guard.refused == 2


async def test_a_restart_does_not_win_another_login(world: World) -> None:
    camera = await world.camera("gate")
    await world.credentials(password="wrong")
    await world.apply(world.device("gate"))
    for _ in range(3):
        await world.start_operator()
        await world.until("dev", "gate", "Authenticated", "False", "CredentialsRejected")
        await world.stop_operator()
    assert camera.guard.refused <= 2


async def test_an_account_that_locks_is_not_locked(world: World) -> None:
    camera = await world.camera("gate", faults={Fault.LOCKOUT: 1})
    camera.guard.locks = True
    await world.credentials(password="wrong")
    await world.apply(world.device("gate"))
    await world.start_operator()
    await world.until("dev", "gate", "Authenticated", "False", "CredentialsRejected")
    assert not camera.guard.locked


async def test_a_changed_password_is_told_and_healed_by_the_secret(world: World) -> None:
    camera = await world.one_camera()
    camera.change_password("another")
    await world.until("dev", "gate", "Authenticated", "False", "CredentialsRejected", within=40)
    await world.credentials(password="another")
    await world.ready("gate")
    assert camera.guard.refused <= 2


@pytest.mark.parametrize("trouble", ["lost", "busy"])
async def test_a_right_password_whose_first_tries_get_no_verdict_is_not_called_wrong(
    world: World, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    camera = await world.camera("gate")
    sent = no_verdicts(camera, monkeypatch, trouble)
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator()
    if trouble == "busy":  # known to be no refusal: it is tried on
        await world.holds(lambda: len(sent) >= 3)
        monkeypatch.undo()
        await world.ready("gate", within=40)
        return
    told = await world.until("dev", "gate", "Authenticated", "False", "LoginUnanswered")
    assert "2 times without an answer" in told["message"]
    assert (await world.condition("dev", "gate", "Stalled"))["status"] == "False"
    await world.stop_operator()
    await world.start_operator()
    await world.more_passes("Device", 2)
    assert len(sent) == 2, "neither a check nor a restart wins another one"
    monkeypatch.undo()
    world.clock.forward(timedelta(minutes=61))
    world.look_again()
    await world.ready("gate")
    assert camera.guard.refused == 0


async def test_whoever_asks_gets_another_login_with_the_line_of_the_message(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = await world.camera("gate")
    sent = no_verdicts(camera, monkeypatch, "lost")
    await world.credentials()
    await world.authority()
    kept = {"devicecert.io/retry-login": "kept in Git"}
    await world.apply(world.device("gate", annotations=kept), world.certificate("gate"))
    await world.start_operator()
    told = await world.until("dev", "gate", "Authenticated", "False", "LoginUnanswered")
    assert len(sent) == 2, "the value of the first pass is only remembered"
    line = told["message"].partition("kubectl -n ")[2].split()
    assert line[:6] == [world.namespace, "annotate", "dev", "gate", "--overwrite", '"devicecert.io/retry-login=$(date']
    await world.kubectl("annotate", "dev", "gate", "--overwrite", "devicecert.io/retry-login=1")
    await world.holds(lambda: len(sent) == 3)
    await world.more_passes("Device", 2)
    assert len(sent) == 3
    monkeypatch.undo()
    await world.kubectl("annotate", "dev", "gate", "--overwrite", "devicecert.io/retry-login=2")
    await world.ready("gate")
    assert (await world.get("dev", "gate"))["status"]["handledRequests"]["retryLogin"] == "2"


async def test_a_wrong_password_is_refused_twice_whatever_is_lost_and_killed_in_between(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device counts each; the operator hears of one, and is killed over the other."""
    camera = await world.camera("gate")
    sent = no_verdicts(camera, monkeypatch, "lost", judged=True)
    await world.credentials(password="wrong")
    await world.apply(world.device("gate"))
    await world.start_operator()
    await world.holds(lambda: len(sent) == 1)
    await world.kill_operator()
    monkeypatch.undo()
    for _ in range(2):
        await world.start_operator()
        told = await world.until("dev", "gate", "Stalled", "True", "CredentialsRejected")
        await world.more_passes("Device", 2)
        await world.stop_operator()
        world.clock.forward(timedelta(hours=30))
    assert camera.guard.refused == 2
    assert "once (1 more without an answer)" in told["message"]


def no_verdicts(
    camera: SimulatedDevice, monkeypatch: pytest.MonkeyPatch, trouble: str, *, judged: bool = False
) -> list[str]:
    """What becomes of log-ins until it is undone: the reply is lost, or it is "later". judged: the device counts it."""
    sent: list[str] = []
    answer = camera.answer

    async def troubled(request: web.BaseRequest) -> web.StreamResponse:
        if "Authorization" not in request.headers:
            return await answer(request)
        sent.append(request.path)
        if judged:
            await answer(request)
        return dropped(request) if trouble == "lost" else web.Response(status=503, text="busy")

    monkeypatch.setattr(camera, "answer", troubled)
    return sent


@pytest.mark.parametrize("known", [True, False])
async def test_a_locked_account_is_left_alone_and_heals_when_the_lock_ends(world: World, known: bool) -> None:
    camera = await world.one_camera() if known else await world.camera("gate")
    if known:
        await world.stop_operator()
    camera.guard.lock(3600)
    if not known:
        await world.credentials()
        await world.authority()
        await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator()
    told = await world.until("dev", "gate", "Authenticated", "False", "LoginLocked")
    assert "none is sent before" in told["message"]
    assert (await world.condition("dev", "gate", "Ready"))["reason"] == "LoginLocked"
    assert (await world.condition("dev", "gate", "Stalled"))["status"] == "False"
    await world.more_passes("Device", 3)
    await world.stop_operator()
    await world.start_operator()
    await world.more_passes("Device", 3)
    assert camera.guard.unseen == 1, "neither a check nor a restart sends another one"
    assert (await world.condition("dev", "gate", "Authenticated"))["message"] == told["message"]
    camera.guard.unlock()
    world.clock.forward(timedelta(minutes=61))
    world.look_again()
    await world.ready("gate")
    assert (camera.guard.unseen, camera.guard.refused) == (1, 0)


async def test_an_account_unlocked_by_hand_is_tried_when_somebody_asks(world: World) -> None:
    camera = await world.one_camera()
    await world.stop_operator()
    camera.guard.lock(3600)
    await world.start_operator()
    await world.until("dev", "gate", "Authenticated", "False", "LoginLocked")
    camera.guard.unlock()
    await world.kubectl("annotate", "dev", "gate", "devicecert.io/retry-login=now")
    await world.ready("gate")
    assert camera.guard.unseen == 1


@pytest.mark.parametrize(
    ("prepare", "reason", "next_move"),
    [
        ("nothing", "SecretMissing", "create it"),
        ("unlabelled", "SecretNotShared", "kubectl -n"),
        ("incomplete", "SecretIncomplete", "password"),
    ],
)
async def test_a_secret_that_cannot_be_used_is_told_with_the_next_move(
    world: World, prepare: str, reason: str, next_move: str
) -> None:
    await world.camera("gate")
    if prepare == "unlabelled":
        await world.credentials(label=False)
    if prepare == "incomplete":
        labels = {"devicecert.io/use": "credentials"}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "labels": labels}}
        await world.apply({**secret, "stringData": {"username": "admin"}})
    await world.apply(world.device("gate"))
    await world.start_operator()
    told = await world.until("dev", "gate", "Authenticated", "False", reason)
    assert next_move in told["message"]
    await world.credentials()
    await world.until("dev", "gate", "Authenticated", "True")


# ------------------------------------------------------------------------------------ who answers


async def test_a_device_that_shows_an_unknown_key_gets_nothing_until_the_key_is_accepted(world: World) -> None:
    camera = await world.one_camera()
    await camera.replace_certificate()
    accepted = camera.guard.accepted
    told = await world.until("dev", "gate", "Identified", "False", "IdentityUnconfirmed")
    assert "devicecert.io/accept-key=sha256:" in told["message"]
    assert camera.guard.accepted == accepted
    assert camera.guard.refused == 0
    key = camera.shown.public_key_sha256
    await world.kubectl("annotate", "dev", "gate", f"devicecert.io/accept-key=sha256:{key}")
    await world.ready("gate")
    assert await world.trusted(camera.address)


async def test_a_stranger_at_the_old_address_gets_no_credentials(world: World) -> None:
    camera = await world.one_camera()
    old = camera.address
    await camera.move(world.address(9))
    stranger = await world.simulator.stranger_at(old, HTTPS, http_port=80)
    await world.holds(lambda: camera.journal.operations["ReplaceServerCertificateAssignment"] == 2)
    await world.ready("gate")
    assert stranger.connections > 0
    assert not stranger.saw_a_login


@pytest.mark.parametrize(
    ("http_port", "connection"),
    [(80, {}), (HTTP, {"connection__security": "Plaintext", "connection__port": HTTP})],
    ids=["FirstUse", "Plaintext"],
)
async def test_a_relay_at_the_old_address_learns_nothing(
    world: World, http_port: int, connection: dict[str, Any]
) -> None:
    """It shows the camera's own key on the HTTPS port, and would collect a log-in on the other."""
    camera = await world.one_camera(address__locate=None, operator={"full_check_every": 1}, **connection)
    old = camera.address
    await camera.move(world.address(9))
    relay = await world.simulator.relay_at(old, HTTPS, to=camera, http_port=http_port)
    logins = camera.guard.accepted
    await world.holds(lambda: relay.connections > 3)
    await world.more_passes("Device", 3)
    assert not relay.saw_a_login
    assert camera.guard.accepted > logins, "it logs in through it, on the connection that it proved"


async def test_another_device_of_ours_at_the_old_address_gets_no_credentials(world: World) -> None:
    gate = await world.one_camera(address__locate=None)
    yard = await world.camera("yard", 2)
    await world.apply(world.device("yard", 2, address__locate=None), world.certificate("yard"))
    await world.ready("yard")
    await gate.power_off()
    await yard.move(gate.address)
    accepted = yard.guard.accepted
    told = await world.until("dev", "gate", "Identified", "False", "IdentityConflict")
    assert "yard" in told["message"]
    assert yard.guard.accepted == accepted


async def test_a_factory_reset_device_waits_for_a_person(world: World) -> None:
    camera = await world.one_camera()
    await camera.factory_reset()
    await world.until("dev", "gate", "Identified", "False", "IdentityUnconfirmed")
    await world.kubectl("annotate", "dev", "gate", f"devicecert.io/accept-key=sha256:{camera.shown.public_key_sha256}")
    await world.ready("gate")


async def test_a_device_with_another_serial_number_is_not_touched(world: World) -> None:
    camera = await world.camera("gate")
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate", identity__serialNumber="ANOTHER"), world.certificate("gate"))
    await world.start_operator()
    await world.until("dev", "gate", "Stalled", "True", "IdentityMismatch")
    assert camera.journal.operations["UploadCertificateWithPrivateKeyInPKCS12"] == 0


# ----------------------------------------------------------------------------------- how it answers


async def test_a_device_that_is_off_is_told_and_comes_back(world: World) -> None:
    camera = await world.one_camera(address__locate=None)
    await camera.power_off()
    told = await world.until("dev", "gate", "Reachable", "False", "DeviceUnreachable")
    assert camera.address in told["message"]
    await camera.power_on()
    await world.ready("gate")


@pytest.mark.parametrize(
    "fault",
    [
        Fault.ANSWERS_GARBAGE,
        Fault.ANSWERS_HTML,
        Fault.HALF_REPLY,
        Fault.HUGE_REPLY,
        Fault.REDIRECTS,
        Fault.ENDLESS_HEADERS,
        Fault.DRIPS,
    ],
)
async def test_nonsense_answers_are_a_named_condition_and_do_no_harm(world: World, fault: Fault) -> None:
    camera = await world.camera("gate", faults={fault})
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate", connection__timeout="2s"), world.certificate("gate"))
    await world.start_operator()
    told = await world.until("dev", "gate", "Ready", "False")
    while told["reason"] in {"NotLoggedIn", "NotChecked"}:
        await asyncio.sleep(0.1)
        told = await world.condition("dev", "gate", "Ready")
    assert told["reason"] in {"ProtocolViolation", "DeviceUnreachable"}
    if told["reason"] == "ProtocolViolation":
        await world.until("dev", "gate", "Authenticated", "False", "ProtocolViolation")
        await world.until("dev", "gate", "Reachable", "True", "Answers")
    camera.faults.clear(fault)
    await world.ready("gate", within=30)


async def test_a_device_that_speaks_tls_1_0_only_is_told(world: World) -> None:
    camera = await world.one_camera()
    camera.faults.set(Fault.TLS_1_0_ONLY)
    await camera.restart_listeners()
    await world.until("dev", "gate", "Secure", "False", "TLSTooOld")


async def test_https_off_is_told_where_http_is_not_allowed(world: World) -> None:
    await world.camera("gate", https_enabled=False, http_port=80)
    await world.credentials()
    await world.apply(world.device("gate"))
    await world.start_operator()
    told = await world.until("dev", "gate", "Stalled", "True", "HTTPSOff")
    assert "Plaintext" in told["message"]


# --------------------------------------------------------------------------- what it does with a certificate


@pytest.mark.parametrize(
    "faults",
    [
        {Fault.IMPORT_IGNORED: 1},
        {Fault.STORED_NOT_SERVED: 1},
        {Fault.WEB_DAEMON_RESTARTS: 2},
        {Fault.STORE_FULL: 1},
        {Fault.WRONG_XADDR},
        {Fault.CLOCK_READ_NEEDS_AUTH},
        {Fault.UTC_MISSING},
    ],
    ids=lambda faults: str(next(iter(faults))),
)
async def test_a_device_that_misbehaves_becomes_secure_all_the_same(world: World, faults: set[Fault]) -> None:
    camera = await world.camera("gate", faults=faults)
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator()
    await world.ready("gate", within=45)
    await world.becomes_trusted(camera)
    assert camera.journal.overlaps == 0


async def test_a_device_that_needs_a_reboot_gets_one_and_its_clock_back(world: World) -> None:
    camera = await world.camera("gate", faults={Fault.NEEDS_REBOOT: 99, Fault.CLOCK_RESETS_ON_REBOOT: 99})
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator()
    await world.ready("gate", within=45)
    assert camera.journal.reboots == 1
    await world.holds(lambda: abs(camera.now() - world.clock.now()) < timedelta(seconds=10), within=30)


async def test_a_device_that_cannot_serve_the_new_certificate_gets_its_old_one_back(world: World) -> None:
    camera = await world.camera("gate")
    factory = camera.served_fingerprint
    camera.faults.set(Fault.CANNOT_SERVE)
    _ = camera._good_path
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator()
    await world.until("dev", "gate", "Secure", "False", "RolledBack", within=45)
    assert camera.served_fingerprint == factory
    camera.faults.clear(Fault.CANNOT_SERVE)
    await world.ready("gate", within=60)


async def test_a_device_that_refuses_to_assign_the_new_certificate_takes_the_next_one(world: World) -> None:
    camera = await world.one_camera()
    first = camera.served_fingerprint
    camera.faults.set(Fault.ASSIGNMENT_REFUSED)
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=now")
    await world.until("dcert", "gate", "Installed", "False", "DeviceRefused")
    revision = (await world.get("dev", "gate"))["status"]["revision"]
    assert revision["failed"]["number"] == 2 and "activating" not in revision
    assert camera.served_fingerprint == first
    await world.kubectl("annotate", "dcert", "gate", "--overwrite", "devicecert.io/renew=again")
    await world.shows("dcert", "gate", lambda status: status["revision"] == 3)
    camera.faults.clear(Fault.ASSIGNMENT_REFUSED)
    await world.shows("dev", "gate", lambda status: status["revision"]["installed"]["number"] == 3, within=40)
    await world.ready("gate")


async def test_a_device_that_refuses_the_previous_certificate_as_well_takes_the_next_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    camera = await world.one_camera()
    assert isinstance(camera, OnvifDevice)
    before, assign = camera.keystore.assigned, camera.assign
    assert before is not None

    def assign_once(path_id: str) -> None:
        assign(path_id)
        camera.faults.set(Fault.ASSIGNMENT_REFUSED)

    monkeypatch.setattr(camera, "assign", assign_once)
    camera.faults.set(Fault.CANNOT_SERVE, 1)
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=now")
    status = await world.shows("dev", "gate", lambda status: "failed" in status["revision"], within=40)
    status = await world.shows("dev", "gate", lambda status: "activating" not in status["revision"], within=40)
    assert status["revision"]["failed"]["number"] == 2
    camera.faults.clear(Fault.ASSIGNMENT_REFUSED)
    assign(before)  # by a person
    await world.ready("gate", within=60)
    await world.becomes_trusted(camera)


async def test_a_full_store_is_told(world: World) -> None:
    await world.camera("gate", faults={Fault.STORE_FULL})
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator()
    await world.until("dev", "gate", "Stalled", "True", "StoreFull")


async def test_a_device_with_rsa_only_gets_an_rsa_key(world: World) -> None:
    camera = await world.camera("gate", key_types=("RSA-2048",))
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate"))
    await world.start_operator()
    await world.ready("gate")
    assert camera.shown.key.key_size == 2048


@pytest.mark.parametrize("driver", ["onvif", "camera-web"])
async def test_a_device_that_lists_ecdsa_and_refuses_it_gets_an_rsa_key(world: World, driver: str) -> None:
    kind = {"kind": Kind.FIRMWARE_CA} if driver == "camera-web" else {}
    camera = await world.camera("gate", faults={Fault.KEY_TYPE_REFUSED}, **kind)
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate", driver=driver), world.certificate("gate"))
    await world.start_operator()
    await world.ready("gate", within=40)
    await world.becomes_trusted(camera)
    assert camera.shown is not None and camera.shown.key.key_size == 2048
    status = (await world.get("dcert", "gate"))["status"]
    assert (status["revision"], status["effective"]["algorithm"]) == (2, "RSA-2048"), "one try was enough"


async def test_a_kind_of_key_that_was_asked_for_and_is_refused_is_told_with_the_next_move(world: World) -> None:
    camera = await world.camera("gate", faults={Fault.KEY_TYPE_REFUSED})
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate", privateKey={"algorithm": "ECDSA"}))
    await world.start_operator()
    await world.until("dcert", "gate", "Stalled", "True", "KeyTypeRefused")
    told = await world.condition("dev", "gate", "Stalled")
    assert "spec.privateKey.algorithm of the DeviceCertificate" in told["message"]
    own = camera.served_fingerprint
    await world.more_passes("Device", 3)
    told = await world.until("dev", "gate", "Stalled", "True", "KeyTypeRefused")
    assert "spec.privateKey.algorithm of the DeviceCertificate" in told["message"], "between two tries as well"
    assert camera.served_fingerprint == own
    await world.apply(world.certificate("gate", privateKey={"algorithm": "RSA"}))
    await world.ready("gate")
    assert await world.trusted(camera.address)


async def test_a_name_under_which_another_certificate_is_shown_is_told(world: World) -> None:
    """SNI: what a browser asks for by name."""
    camera = await world.camera("gate")
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate", dnsNames=["gate.example.test", "*.example.test"]))
    await world.start_operator(full_check_every=2)
    await world.ready("gate")
    camera.faults.set(Fault.OTHER_BY_NAME)
    told = await world.until("dev", "gate", "Secure", "False", "NameServedDifferently")
    assert "gate.example.test" in told["message"] and "*" not in told["message"]
    await world.until("dcert", "gate", "Secure", "False", "NameServedDifferently")
    assert camera.journal.operations["UploadCertificateWithPrivateKeyInPKCS12"] == 1
    camera.faults.clear(Fault.OTHER_BY_NAME)
    await world.ready("gate")


async def test_cameras_on_ordinary_days_become_secure_all_the_same(world: World) -> None:
    """Dropped answers, busy or restarting web servers, imports that are ignored, clocks that are reset, and so on."""
    world.simulator.hostility = 0.06
    names = [f"c{number}" for number in range(1, 11)]
    cameras = [await world.camera(name, number, web_restart_for=0.2) for number, name in enumerate(names, 1)]
    await world.credentials()
    await world.authority()
    for number, name in enumerate(names, 1):
        await world.apply(world.device(name, number), world.certificate(name))
    await world.start_operator()
    await world.ready(*names, within=90)
    for camera in cameras:
        await world.becomes_trusted(camera)
        assert camera.guard.refused == 0
        assert camera.journal.overlaps == 0
    assert sum(camera.faults.chances for camera in cameras) > 5, "it was no ordinary day"


async def looked_at_often(world: World, count: int) -> None:
    """So many passes over every Device, however long the checkInterval."""
    for _ in range(count):
        world.look_again()
        await world.more_passes("Device", 1)


async def test_an_edited_serial_number_counts_at_once_and_stays_told(world: World) -> None:
    camera = await world.one_camera(checkInterval="24h")
    await looked_at_often(world, 2)
    wrong = world.device("gate", checkInterval="24h", identity__serialNumber="ANOTHER")
    await world.apply(wrong)
    mismatch = await world.until("dev", "gate", "Identified", "False", "IdentityMismatch", within=10)
    await world.until("dev", "gate", "Ready", "False", "IdentityMismatch")
    for _ in range(8):
        await looked_at_often(world, 1)
        assert await world.condition("dev", "gate", "Identified") == mismatch
    [event] = await world.told("IdentityMismatch")
    assert event.get("count", 1) == 1
    await world.apply(world.device("gate", checkInterval="24h", identity__serialNumber=camera.serial_number))
    await world.until("dev", "gate", "Ready", "True", within=10)


async def test_of_devices_with_one_key_that_were_swapped_is_told_at_once_and_it_stays_told(world: World) -> None:
    for number in (1, 2):
        await world.camera(f"c{number}", number)
    await world.credentials()
    await world.authority()
    long = {"checkInterval": "24h"}
    right = [world.device(f"c{number}", number, **long) for number in (1, 2)]
    await world.apply(*right, world.certificate("all", "c1", "c2"))
    await world.start_operator()
    await world.until("dcert", "all", "Ready", "True", within=30)
    await world.apply(world.device("c1", 2, **long), world.device("c2", 1, **long))
    told = [await world.until("dev", name, "Identified", "False", "IdentityMismatch") for name in ("c1", "c2")]
    await looked_at_often(world, 8)
    assert [await world.condition("dev", name, "Identified") for name in ("c1", "c2")] == told
    await world.apply(*right)
    await world.until("dev", "c1", "Ready", "True", within=10)
    await world.until("dev", "c2", "Ready", "True", within=10)


async def test_an_edit_that_only_a_login_can_carry_out_is_carried_out_at_once(world: World) -> None:
    camera = await world.one_camera(checkInterval="24h")
    await looked_at_often(world, 2)
    await world.apply(world.device("gate", checkInterval="24h", clock__ntpServers=["192.0.2.1"]))
    await world.holds(lambda: camera.ntp_servers == ("192.0.2.1",))
    await world.ready("gate")
