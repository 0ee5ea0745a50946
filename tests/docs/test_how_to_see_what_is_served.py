"""docs/how-to/see-what-is-served.md: what it shows is what is printed."""

import shutil
from datetime import timedelta

from tests.support.howto import PAGES, Howto, blocks, sessions
from tests.support.world import HTTPS, World

PAGE = PAGES / "see-what-is-served.md"


async def test_the_page_shows_what_is_printed_of_a_camera_that_moved_and_whose_clock_is_a_year_behind(
    world: World,
) -> None:
    camera = await world.camera("gate-cam", 1)
    moved_to = world.address(2)
    here = {
        f"show {moved_to} ": f"show {moved_to}:{HTTPS} ",
        f"{moved_to}, port 443": f"{moved_to}, port {HTTPS}",
        "CN=Example devices,O=Example": "CN=Test root,O=Test,C=JP",
        "cams/": f"{world.namespace}/",
    }
    howto = Howto(world, PAGE, "192.168.1.119", "192.168.1.120", replacements=here)
    await world.credentials()
    await world.authority()
    shutil.copy(world.root, howto.folder / "root.pem")
    await world.apply(world.device("gate-cam"), world.certificate("gate-cam"))
    await world.start_operator()
    await world.ready("gate-cam")
    await world.apply(world.device("gate-cam", 2, management="Observe", clock__policy="Report"))
    camera.skew_clock(timedelta(days=-365))
    await camera.move(moved_to)
    await world.until("dev", "gate-cam", "Secure", "False", "AddressNotInCertificate", within=40)
    await world.until("dev", "gate-cam", "ClockInSync", "False", "ClockOff", within=40)
    show, status = sessions(PAGE)
    await howto.compare(show)
    await howto.compare(status)
    told = await howto.follow("How to: see what a device serves")
    assert f'"fingerprint":"{camera.served_fingerprint}"' in told


def test_every_command_of_the_page_is_run() -> None:
    assert len(blocks(PAGE)) == 1
    assert [session.command for session in sessions(PAGE)] == [
        "devicecert show 192.168.1.120 --ca root.pem",
        "devicecert status gate-cam",
    ]
