"""What the product is for: a camera becomes Secure, and heals."""

import time
from datetime import timedelta

import pytest

from device_cert_operator.reconcile import searches
from device_simulator import Fault
from tests.support.world import World


async def test_a_camera_in_yaml_becomes_secure(world: World) -> None:
    camera = await world.one_camera()
    assert await world.trusted(camera.address)
    assert camera.journal.overlaps == 0
    assert camera.guard.refused == 0


async def test_the_factory_certificate_stays_in_the_store(world: World) -> None:
    camera = await world.one_camera()
    aliases = {path.alias for path in camera.keystore.paths.values()}
    assert "factory" in aliases
    assert len(aliases) == 2


async def test_a_moved_camera_is_found_by_its_key_and_gets_a_certificate_for_its_new_address(world: World) -> None:
    camera = await world.one_camera()
    await camera.move(world.address(9))
    await world.holds(lambda: camera.journal.operations["ReplaceServerCertificateAssignment"] == 2)
    await world.ready("gate")
    assert await world.trusted(camera.address)
    status = (await world.get("dev", "gate"))["status"]
    assert status["address"]["current"] == camera.address
    assert status["served"]["ipAddresses"] == [camera.address], "the left address is dropped"


async def test_an_edited_host_is_followed(world: World) -> None:
    camera = await world.one_camera(address__locate=None)
    await camera.move(world.address(7))
    await world.apply(world.device("gate", 7, address__locate=None))
    await world.holds(lambda: camera.journal.operations["ReplaceServerCertificateAssignment"] == 2)
    await world.ready("gate")
    assert await world.trusted(camera.address)


async def test_a_search_that_takes_longer_than_a_pass_is_taken_up_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searches, "PATIENCE", timedelta(0))
    cameras = [await world.camera(name, number) for number, name in enumerate(("gate", "yard"), 1)]
    await world.credentials()
    await world.authority()
    for number, name in enumerate(("gate", "yard"), 1):
        await world.apply(world.device(name, number, checkInterval="1h"), world.certificate(name))
    await world.start_operator(locate_rate=10)
    await world.ready("gate", "yard")
    for number, camera in enumerate(cameras, 8):
        await camera.move(world.address(number))
    world.look_again()
    for camera in cameras:
        await world.becomes_trusted(camera, within=30)
    await world.ready("gate", "yard")


async def test_devices_that_are_lost_by_the_dozen_hold_nobody_up(world: World) -> None:
    """A dead switch: more are lost than there are workers, each may be anywhere in its own subnet."""
    camera = await world.one_camera(address__locate=None, operator={"workers": 3, "locate_rate": 20})
    lost = [f"lost-{number}" for number in range(12)]
    subnets = [f"127.{200 + number}.{world.subnet.split('.')[2]}" for number in range(len(lost))]
    await world.apply(
        *(
            world.device(
                name,
                address__host=f"{subnet}.9",
                address__locate={"subnets": [f"{subnet}.0/24"]},
                identity__publicKeySHA256="0" * 64,
            )
            for name, subnet in zip(lost, subnets, strict=True)
        )
    )
    for name in lost:
        await world.until("dev", name, "Reachable", "False", "DeviceUnreachable")
    camera.skew_clock(timedelta(days=365))
    await camera.move(world.address(7))
    await world.apply(world.device("gate", 7, address__locate=None))
    await world.holds(lambda: abs(camera.now() - world.clock.now()) < timedelta(seconds=5), within=20)
    await world.ready("gate")
    told = await world.condition("dev", lost[-1], "Reachable")
    assert "is not over yet" in told["message"], "nobody has looked for it"
    assert (await world.condition("dev", lost[-1], "AddressCurrent"))["reason"] == "NotChecked"


async def test_under_policy_report_a_move_is_told_and_not_followed(world: World) -> None:
    camera = await world.one_camera(address__policy="Report")
    await camera.move(world.address(5))
    told = await world.until("dev", "gate", "AddressCurrent", "False", "AddressChanged")
    assert camera.address in told["message"]
    assert not await world.trusted(camera.address)
    assert world.app is not None
    memory = next(iter(world.app.tools.memory.devices.values()))
    passes, seen = memory.passes, []
    while memory.passes < passes + 4:
        seen.append(await world.condition("dev", "gate", "AddressCurrent"))
    assert all(one == told for one in seen), "it is told between searches as well"
    await camera.move(world.address(1))
    await world.until("dev", "gate", "AddressCurrent", "True")
    await world.ready("gate")


async def test_a_clock_that_ran_away_is_set_and_the_time_zone_kept(world: World) -> None:
    camera = await world.one_camera()
    zone = camera.time_zone
    camera.skew_clock(timedelta(days=365))
    await world.holds(lambda: abs(camera.now() - world.clock.now()) < timedelta(seconds=5))
    assert camera.time_zone == zone
    await world.until("dev", "gate", "ClockInSync", "True")


async def test_a_camera_that_tells_local_time_as_utc_is_set_once_and_told(world: World) -> None:
    camera = await world.camera("gate", faults={Fault.UTC_IS_LOCAL_TIME: 999}, time_zone="JST-9")
    await world.credentials()
    await world.apply(world.device("gate"))
    await world.start_operator(full_check_every=1)
    told = await world.until("dev", "gate", "ClockInSync", "False", "ClockZoneConfused")
    assert "9 h ahead" in told["message"] and "JST-9" in told["message"]
    memory = world.app.tools.memory.of((await world.get("dev", "gate"))["metadata"]["uid"])
    passes = memory.passes
    await world.holds(lambda: memory.passes >= passes + 2)
    await world.stop_operator()
    await world.start_operator(full_check_every=1)
    memory = world.app.tools.memory.of((await world.get("dev", "gate"))["metadata"]["uid"])
    await world.holds(lambda: memory.passes >= 2)
    assert camera.journal.operations["SetSystemDateAndTime"] == 1
    camera.faults.clear(Fault.UTC_IS_LOCAL_TIME)
    await world.until("dev", "gate", "ClockInSync", "True")


async def test_a_camera_that_lets_nobody_set_its_clock_is_renewed_all_the_same(world: World) -> None:
    camera = await world.one_camera(operator={"full_check_every": 3})
    first = camera.served_fingerprint
    camera.faults.set(Fault.CLOCK_SET_REFUSED)
    camera.skew_clock(timedelta(hours=3))
    told = await world.until("dev", "gate", "ClockInSync", "False", "DeviceRefused")
    assert "OperationProhibited" in told["message"]
    await world.until("dev", "gate", "Stalled", "True", "DeviceRefused")
    world.clock.forward(timedelta(days=75))
    world.look_again()
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.until("dcert", "gate", "Installed", "True")
    await world.until("dev", "gate", "Secure", "True")
    asked = camera.journal.operations["SetSystemDateAndTime"]
    await world.holds(lambda: camera.journal.operations["SetSystemDateAndTime"] > asked)
    await world.until("dev", "gate", "ClockInSync", "False", "DeviceRefused")
    camera.faults.clear(Fault.CLOCK_SET_REFUSED)
    await world.ready("gate")
    assert abs(camera.now() - world.clock.now()) < timedelta(seconds=5)


async def test_under_policy_report_the_clock_is_left_alone(world: World) -> None:
    camera = await world.one_camera(clock__policy="Report")
    camera.skew_clock(timedelta(hours=3))
    told = await world.until("dev", "gate", "ClockInSync", "False", "ClockOff")
    assert "3 h ahead" in told["message"]
    assert camera.journal.operations["SetSystemDateAndTime"] == 0


async def test_a_camera_is_put_on_ntp(world: World) -> None:
    camera = await world.one_camera(clock__ntpServers=["127.0.0.1"])
    assert camera.on_ntp
    assert camera.ntp_servers == ("127.0.0.1",)


async def test_a_replaced_certificate_is_put_back_where_key_changes_are_accepted(world: World) -> None:
    camera = await world.one_camera(connection__onKeyChange="Accept")
    ours = camera.served_fingerprint
    await camera.replace_certificate()
    await world.holds(lambda: camera.served_fingerprint == ours)
    await world.ready("gate")


async def test_at_rest_nothing_is_written_and_nobody_logs_in_between_full_checks(world: World) -> None:
    camera = await world.one_camera(operator={"full_check_every": 100})
    await world.more_passes("Device", 2)
    before = [(await world.get(kind, "gate"))["metadata"]["resourceVersion"] for kind in ("dev", "dcert")]
    handshakes, logins = camera.journal.handshakes, camera.guard.accepted
    await world.more_passes("Device", 3)
    after = [(await world.get(kind, "gate"))["metadata"]["resourceVersion"] for kind in ("dev", "dcert")]
    assert before == after
    assert camera.journal.handshakes > handshakes
    assert camera.guard.accepted == logins > 0


async def test_each_full_check_logs_in(world: World) -> None:
    camera = await world.one_camera(operator={"full_check_every": 2})
    logins = camera.guard.accepted
    await world.more_passes("Device", 5)
    assert camera.guard.accepted > logins


async def test_a_certificate_is_renewed_in_time_without_anybody_noticing(world: World) -> None:
    camera = await world.one_camera()
    first = camera.served_fingerprint
    world.clock.forward(timedelta(days=75))
    for view in world.app.cache.all_certificates():
        world.app.queue.add(view.key)
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.ready("gate")
    assert await world.until("dcert", "gate", "Installed", "True")
    secrets = await world.kubectl("get", "secrets", "-l", "devicecert.io/use=revision", "-o", "name")
    assert secrets.split() == ["secret/gate-r2"], "the old revision goes when nobody needs it"


async def test_a_certificate_that_was_made_while_the_clock_ran_ahead_is_replaced_once(world: World) -> None:
    world.clock.forward(timedelta(days=30))
    camera = await world.one_camera()
    first = camera.served_fingerprint
    assert not await world.trusted(camera.address)
    world.clock.forward(-timedelta(days=30))
    world.look_again()
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.becomes_trusted(camera)
    await world.ready("gate")
    world.look_again()
    await world.more_passes("Device", 3)
    assert (await world.get("dcert", "gate"))["status"]["revision"] == 2


@pytest.mark.parametrize(
    ("days", "begins", "then", "wish"),
    [
        (1, timedelta(hours=23, minutes=35), timedelta(minutes=20), {}),
        (20, timedelta(0), timedelta(days=15), {"renewBefore": "720h"}),
    ],
    ids=["25 minutes are left", "renewBefore is longer than it lasts"],
)
async def test_under_a_ca_that_ends_as_well_a_certificate_is_issued_once(
    world: World, days: int, begins: timedelta, then: timedelta, wish: dict[str, str]
) -> None:
    world.clock.forward(begins)
    camera = await world.camera("gate")
    await world.credentials()
    await world.authority(days=days)
    await world.apply(world.device("gate"), world.certificate("gate", **wish))
    await world.start_operator()
    await world.ready("gate")
    first = camera.served_fingerprint
    world.clock.forward(then)
    for _ in range(3):
        world.look_again()
        await world.more_passes("DeviceCertificate", 1)
    told = await world.until("dcert", "gate", "Issued", "True", "AuthorityExpiresSoon")
    assert "make a new CA" in told["message"]
    await world.ready("gate")
    assert camera.served_fingerprint == first
    secrets = await world.kubectl("get", "secrets", "-l", "devicecert.io/use=revision", "-o", "name")
    assert secrets.split() == ["secret/gate-r1"]
    await world.authority()
    await world.holds(lambda: camera.served_fingerprint != first)
    await world.ready("gate")


async def test_https_is_switched_on_over_http_where_that_is_allowed(world: World) -> None:
    camera = await world.camera("gate", https_enabled=False)
    await world.credentials()
    await world.authority()
    await world.apply(
        world.device("gate", connection__security="Plaintext", connection__port=8080), world.certificate("gate")
    )
    await world.start_operator()
    await world.ready("gate")
    assert await world.trusted(camera.address)


async def test_one_certificate_serves_several_cameras_one_after_another(world: World) -> None:
    cameras = [await world.camera(f"c{number}", number) for number in (1, 2, 3)]
    await world.credentials()
    await world.authority()
    devices = [world.device(camera.spec.name, number) for number, camera in enumerate(cameras, 1)]
    await world.apply(*devices, world.certificate("all", "c1", "c2", "c3"))
    await world.start_operator()
    await world.until("dcert", "all", "Ready", "True", within=30)
    assert len({camera.served_fingerprint for camera in cameras}) == 1
    for camera in cameras:
        assert await world.trusted(camera.address)


async def test_a_proven_pair_is_copied_for_others(world: World) -> None:
    await world.camera("gate")
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate"), world.certificate("gate", secretName="gate-tls"))
    await world.start_operator()
    await world.ready("gate")
    until = time.monotonic() + 10
    while not (copy := await world.get("secret", "gate-tls")):
        assert time.monotonic() < until
    assert copy["type"] == "kubernetes.io/tls"
    assert set(copy["data"]) == {"tls.crt", "tls.key", "ca.crt"}


# ------------------------------------------------------------------ firmware that dates or names by what it had then


async def test_a_camera_whose_own_certificate_names_its_last_address_is_given_one_for_the_present_one(
    world: World,
) -> None:
    """It moved after its start: what its firmware made is for nobody's address any more."""
    camera = await world.camera("gate", number=9, faults={Fault.STALE_ADDRESS_CERTIFICATE})
    await camera.move(world.address(1))
    await world.credentials()
    await world.authority()
    await world.apply(world.device("gate", management="Observe"), world.certificate("gate"))
    await world.start_operator()
    told = await world.until("dev", "gate", "Secure", "False", "IssuerMismatch")
    assert "is self-signed" in told["message"]
    await world.until("dev", "gate", "Stalled", "True", "ObserveOnly")
    served = (await world.get("dev", "gate"))["status"]["served"]
    assert served["ipAddresses"] == [world.address(9)]
    await world.apply(world.device("gate"))
    await world.ready("gate")
    assert await world.trusted(camera.address)
    await camera.reboot()
    await world.becomes_trusted(camera)
    await camera.move(world.address(5))
    await world.becomes_trusted(camera, within=30)
    await world.ready("gate")


async def test_a_clock_that_a_power_loss_put_back_to_1970_is_set_and_nothing_else_is_touched(world: World) -> None:
    camera = await world.one_camera()
    camera.faults.set(Fault.CLOCK_RESETS_ON_POWER_LOSS)
    served, reboots = camera.served_fingerprint, camera.counters.reboots
    await camera.power_cycle()
    assert world.clock.now() - camera.now() > timedelta(days=365 * 50)
    await world.holds(lambda: abs(camera.now() - world.clock.now()) < timedelta(seconds=30))
    await world.until("dev", "gate", "ClockInSync", "True")
    await world.ready("gate")
    assert await world.trusted(camera.address)
    assert (camera.served_fingerprint, camera.counters.reboots) == (served, reboots)


async def test_what_a_device_says_is_deleted_and_still_lists_is_asked_for_once_and_not_called_removed(
    world: World,
) -> None:
    camera = await world.one_camera()
    camera.faults.set(Fault.DELETION_IGNORED)
    before = camera.served_fingerprint
    await world.kubectl("annotate", "dcert", "gate", "devicecert.io/renew=now")
    await world.holds(lambda: camera.served_fingerprint != before)
    await world.holds(lambda: camera.journal.operations["DeleteCertificationPath"] >= 1)
    await world.more_passes("Device", 3)
    await world.ready("gate")
    assert camera.journal.operations["DeleteCertificationPath"] == 1
    assert not await world.events("OldObjectRemoved")
    (told,) = await world.events("OldObjectKept")
    assert "restart" in told["message"]
