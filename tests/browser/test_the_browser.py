"""The harness itself: it trusts what it is given, forgets between visits, leaves nothing behind, says what it lacks."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.browser.offers import HOST, Offer, authority, leaf
from tests.browser.serving import serving
from tests.support import browser as harness
from tests.support.browser import ADVICE, Browser


async def visit(browser: Browser, offer: Offer, *, port: int | None = None) -> str:
    async with serving(offer, HOST) as served_at:
        page = await browser.visit(f"https://{HOST}:{port or served_at}/")
    assert page.secure is (page.error == "")
    return page.error


def processes_of(browser: Browser) -> set[str]:
    """Whatever runs in its process group, or with its folder among the arguments; a zombie runs no more."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, _, group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
            arguments = (process / "cmdline").read_text(errors="replace")
        except OSError:
            continue
        if state != "Z" and (int(group) == browser.pid or str(browser.home) in arguments):
            found.add(process.name)
    return found


def wait_until_gone(browser: Browser) -> None:
    """What was killed, or follows what was, is gone in a moment."""
    deadline = time.monotonic() + 5
    while left := processes_of(browser):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


async def test_it_trusts_the_given_roots_and_no_others() -> None:
    first, second = authority("First"), authority("Second")
    offers = [Offer((leaf(root),), (root,)) for root in (first, second)]
    async with (
        Browser([first.cert_pem]) as one,
        Browser([first.cert_pem, second.cert_pem]) as both,
        Browser([]) as none,
    ):
        assert [await visit(one, offer) for offer in offers] == ["", "ERR_CERT_AUTHORITY_INVALID"]
        assert [await visit(both, offer) for offer in offers] == ["", ""]
        assert await visit(none, offers[0]) == "ERR_CERT_AUTHORITY_INVALID"


async def test_a_visit_remembers_nothing_of_the_one_before() -> None:
    root = authority()
    good, bad = Offer((leaf(root),), (root,)), Offer((leaf(root, "127.8.0.2"),), (root,))
    async with Browser([root.cert_pem]) as browser:
        assert [await visit(browser, offer) for offer in (good, bad, good)] == ["", "ERR_CERT_COMMON_NAME_INVALID", ""]


async def test_nobody_there_is_told_apart_from_a_bad_certificate() -> None:
    async with Browser([]) as browser:
        assert (await browser.visit("https://127.8.0.3:8443/")).error == "ERR_CONNECTION_REFUSED"


async def test_nothing_of_it_stays() -> None:
    browser = Browser([])
    async with browser:
        await browser.visit("https://127.8.0.3:8443/")
        assert len(processes_of(browser)) > 2
    await asyncio.to_thread(wait_until_gone, browser)
    assert not browser.home.exists()


async def test_a_root_that_is_none_is_told_and_leaves_nothing() -> None:
    browser = Browser([b"no certificate"])
    with pytest.raises(RuntimeError, match="certutil -A"):
        await browser.__aenter__()
    assert not browser.home.exists()


async def test_a_machine_without_the_programs_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness.shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError) as caught:
        await Browser([]).__aenter__()
    assert str(caught.value) == ADVICE
