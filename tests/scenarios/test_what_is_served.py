"""What people see of a device with kubectl alone: what it serves, beside the address and the clock that it has."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.world import World


@pytest.mark.parametrize("fits", [True, False])
async def test_kubectl_describe_shows_what_is_served_beside_address_and_clock(world: World, fits: bool) -> None:
    camera = await world.one_camera()
    home = camera.address
    if not fits:
        await world.apply(world.device("gate", number=9, management="Observe"))
        camera.skew_clock(timedelta(days=-400))
        await camera.move(world.address(9))
        await world.until("dev", "gate", "Secure", "False", "AddressNotInCertificate", within=40)
        await world.until("dev", "gate", "ClockInSync", "False", "ClockOff", within=40)
    told = fields(await world.kubectl("describe", "dev", "gate"))
    assert camera.shown is not None
    leaf = camera.shown.chain[0]
    assert told["Served/Fingerprint"] == camera.served_fingerprint
    assert told["Served/Issuer"] == "CN=Test root,O=Test,C=JP"
    assert told["Served/Ip Addresses"] == home
    assert moment(told["Served/Not Before"]) == leaf.not_valid_before_utc
    assert moment(told["Served/Not After"]) == leaf.not_valid_after_utc
    assert (told["Address/Current"], told["Clock/Source"]) == (camera.address, "Manual")
    assert told.get("Clock/Offset") == (None if fits else "-9600h"), "it is written where it is more than is allowed"


def fields(described: str) -> dict[str, str]:
    """The status as `kubectl describe` prints it, such as `Served/Issuer`; of a list, what it holds."""
    made: dict[str, str] = {}
    above: list[str] = []
    for line in described[described.index("\nStatus:") + 1 :].splitlines()[1:]:
        depth = (len(line) - len(line.lstrip())) // 2
        if depth == 0:
            break
        name, colon, value = (part.strip() for part in line.partition(": " if ": " in line else ":"))
        if not colon or ":" in name:
            made["/".join(above[: depth - 1])] = line.strip()
        else:
            above[depth - 1 :] = [name]
            made["/".join(above)] = value
    return made


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
