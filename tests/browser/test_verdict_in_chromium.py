"""Pins `core/verdict.py` to Chromium and OpenSSL: every row of the table is served, and all three are asked."""

import asyncio
from pathlib import Path

import pytest

from device_cert_operator.core.verdict import Client
from tests.browser.offers import Offer, good_root
from tests.browser.row import Row
from tests.browser.rows import ROWS
from tests.browser.serving import Opinions, ask_about
from tests.support.browser import Browser

AT_A_TIME = 4
pytestmark = pytest.mark.timeout(600)  # whichever test is first waits for all rows; a minute on two idle cores


@pytest.fixture(scope="module")
def opinions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Opinions | BaseException]:
    """Of every row by its sentence, from one browser that trusts all of the rows' anchors; or what went wrong."""
    return asyncio.run(_ask(tmp_path_factory.mktemp("offers")))


async def _ask(folder: Path) -> dict[str, Opinions | BaseException]:
    folders = [folder / str(number) for number in range(len(ROWS))]
    offers = {row.sentence: row.make(_made(its)) for row, its in zip(ROWS, folders, strict=True)}
    anchors = {pair.cert_pem: None for offer in offers.values() for pair in offer.anchors}
    turns = asyncio.Semaphore(AT_A_TIME)
    async with Browser([good_root().cert_pem, *anchors]) as browser:

        async def ask(offer: Offer, its: Path) -> Opinions:
            async with turns:
                return await ask_about(offer, browser, its)

        asked = await asyncio.gather(*map(ask, offers.values(), folders), return_exceptions=True)
    return dict(zip(offers, asked, strict=True))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_no_two_rows_say_the_same() -> None:
    assert len({row.sentence for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.sentence)
def test_the_verdict_is_chromiums_and_openssls(row: Row, opinions: dict[str, Opinions | BaseException]) -> None:
    found = opinions[row.sentence]
    if isinstance(found, BaseException):
        raise found
    seen = (found.chromium.error, found.openssl == "OK")
    assert seen == (row.chromium, row.openssl), (found.chromium, found.openssl)
    assert found.chromium.secure is (row.chromium == ""), found.chromium
    ours = (found.verdict.accepted_by(Client.CHROMIUM), found.verdict.accepted_by(Client.OPENSSL))
    assert ours == (row.chromium == "", row.openssl), found.verdict
