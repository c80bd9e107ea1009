"""Settings of all tests, and the browser of those that need one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

# No deadline: a test measures what is computed, not how busy the machine is.
settings.register_profile("fcos-edu", deadline=None, print_blob=True)
settings.load_profile("fcos-edu")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE = 180_000  # ms; a limit for what never comes, and no measure of a busy machine


def absent(what: str) -> None:
    """Skip on a machine of one's own; fail in continuous integration, where a skip would go unseen."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{what} Continuous integration must not leave these tests out.", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser of the machine (CHROMIUM names another one), driven by playwright, with a fresh profile."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        absent("No Chromium or Chrome on this machine (Debian and Ubuntu: sudo apt install chromium).")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent('playwright is missing: pip install "fcos-edu[test]".')
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(SWITCHES), timeout=PATIENCE)
        yield browser
        browser.close()
