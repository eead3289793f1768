"""A real headless browser for tests of pages: Debian's Chromium, or the Chrome of GitHub's runners."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

__all__ = ["PHONE", "WIDE", "Opened", "chromium", "opened"]

PHONE, WIDE = (390, 844), (1280, 900)
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip
_LISTEN = """
    window.violations = [];
    addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective + event.blockedURI));
"""


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Run a browser until the block ends; skip the test if this machine has none."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium is installed (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_OPTIONS))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Opened:
    """A page of a file, and what it did that it must not."""

    page: Page
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """Return requests, errors of the console and violations of the Content-Security-Policy."""
        return [*self.requests, *self.errors, *self.page.evaluate("window.violations ?? []")]


@contextlib.contextmanager
def opened(
    browser: Browser, file: Path, size: tuple[int, int] = WIDE, *, ready: str = "html[data-usable]", before: str = "",
    **options: Any,
) -> Iterator[Opened]:  # fmt: skip
    """Open a file in a window of its own, without a network, and wait until it is ready: until its table can be used.

    ``before``: a script to run before the page's own. ``options``: of ``browser.new_context``.
    """
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", **options
    )  # fmt: skip
    try:
        found = Opened(context.new_page())

        def hold(route: Route) -> None:
            if route.request.url == file.as_uri():
                route.continue_()
                return
            found.requests.append(route.request.url)
            route.abort()

        found.page.route("**/*", hold)
        found.page.on("console", lambda said: found.errors.append(f"{said.type}: {said.text}"))
        found.page.on("pageerror", lambda error: found.errors.append(str(error)))
        found.page.add_init_script(_LISTEN + before)
        found.page.goto(file.as_uri())
        if options.get("java_script_enabled", True):
            found.page.wait_for_selector(ready)
        yield found
    finally:
        context.close()
