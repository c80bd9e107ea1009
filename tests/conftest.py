"""Settings of all tests, and the browser of those that need one."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable, Iterator
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

# What a reader does to a page.
ACTS = (
    "check", "click", "dispatch_event", "fill", "focus", "hover", "press", "select_option", "set_input_files", "tap",
    "uncheck",
)  # fmt: skip
OF_HANDS = ("click", "down", "move", "press", "tap", "up", "wheel")
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in a process beside this one: on several threads a sum may round otherwise."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def absent(what: str) -> None:
    """Skip on a machine of one's own; fail in continuous integration, where a skip would go unseen."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(f"{what} Continuous integration must not leave these tests out.", pytrace=False)
    pytest.skip(what)


def drawn_after(act: Callable[..., Any], page_of: Callable[[Any], Any]) -> Callable[..., Any]:
    """An act, and then a wait until what it asked for is drawn, which happens at the next frame.

    A test that looks at once mostly sees what it should, and on a busy machine it does not.
    """

    @functools.wraps(act)
    def acted(*args: Any, **kwargs: Any) -> Any:
        done = act(*args, **kwargs)
        page_of(*args).evaluate(DRAWN)
        return done

    return acted


def with_calm_hands(page: Any) -> None:
    """Keyboard, mouse and fingers of a page wait as well; they do not tell which page they are of."""
    for means in (page.keyboard, page.mouse, page.touchscreen):
        for name in filter(functools.partial(hasattr, means), OF_HANDS):
            setattr(means, name, drawn_after(getattr(means, name), lambda *_: page))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser of the machine (CHROMIUM names another one), driven by playwright, with a fresh profile.

    Whatever is done to one of its pages is drawn before the test goes on (see :func:`drawn_after`).
    """
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        absent("No Chromium or Chrome on this machine (Debian and Ubuntu: sudo apt install chromium).")
    try:
        from playwright.sync_api import Locator, sync_playwright
    except ImportError:
        absent('playwright is missing: pip install "fcos-edu[test]".')
    with sync_playwright() as driver, pytest.MonkeyPatch.context() as patch:
        for name in ACTS:
            patch.setattr(Locator, name, drawn_after(getattr(Locator, name), lambda locator, *_: locator.page))
        browser = driver.chromium.launch(executable_path=path, args=list(SWITCHES), timeout=PATIENCE)
        new_context, new_page = browser.new_context, browser.new_page

        def calm_page(**options: Any) -> Any:
            page = new_page(**options)
            with_calm_hands(page)
            return page

        def calm_context(**options: Any) -> Any:
            context = new_context(**options)
            context.on("page", with_calm_hands)
            return context

        patch.setattr(browser, "new_page", calm_page)
        patch.setattr(browser, "new_context", calm_context)
        yield browser
        browser.close()
