"""What the person at the browser sees of a simulated camera."""

from device_simulator import SimulatedDevice
from tests.support.browser import Browser
from tests.support.world import HTTPS


async def seen(browser: Browser, camera: SimulatedDevice) -> str:
    """Chromium's error, or "" where it shows the camera's page as secure."""
    page = await browser.visit(f"https://{camera.address}:{HTTPS}/")
    assert page.error or page.secure, page
    return page.error
