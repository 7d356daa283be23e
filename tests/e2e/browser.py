"""A real browser on the App of a session that a command has opened."""

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
SLOW_MS = 60_000
ID = re.compile(r"[?&]id=([0-9a-f]{24})")
NEEDED = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: make browser"),
    pytest.mark.skipif(importlib.util.find_spec("playwright") is None, reason="playwright is not installed"),
]
"""Marks of tests that open the App."""


@contextmanager
def new_page() -> Iterator["Page"]:
    """Give a tab of a real browser, which has seen FiftyOne's advertisement before."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        tab = browser.new_page(viewport={"width": 1400, "height": 800})
        tab.add_init_script("localStorage.setItem('fiftyone-enterprise-tooltip-seen', 'true')")
        tab.set_default_timeout(SLOW_MS)
        yield tab
        browser.close()


def photograph(page: "Page", name: str, folder: Path) -> None:
    """Keep what the tab shows, in CURATE_SCREENSHOTS where that is set."""
    page.wait_for_timeout(1500)  # for pictures to be drawn and notices to go
    page.screenshot(path=Path(os.environ.get("CURATE_SCREENSHOTS", folder)) / f"{name}.png")


def open_first(page: "Page") -> str:
    """Open the first sample of the grid, and give its id."""
    page.locator("canvas").first.wait_for()
    page.locator("[data-cy=looker]").or_(page.locator("canvas")).first.click(position={"x": 90, "y": 60})
    return opened(page)


def opened(page: "Page", before: str = "") -> str:
    """Wait until another sample than the one before is open, and give its id."""
    page.wait_for_url(lambda url: (found := ID.search(url)) is not None and found[1] != before)
    page.get_by_test_id("modal").or_(page.locator("[data-cy=modal]")).first.wait_for()
    found = ID.search(page.url)
    assert found is not None
    return found[1]


def address_of(sitting: "subprocess.Popen[str]") -> str:
    """Read the address that the command prints once the App answers."""
    assert sitting.stdout is not None
    for line in sitting.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\S+", line):
            return found[0]
    raise AssertionError("no address was printed")
