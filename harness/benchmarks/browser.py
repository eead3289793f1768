"""``python -m harness.benchmarks.browser FILE...``: how soon a page of `maia report` can be used, in a real browser.

Opens each file several times in a headless Chromium, each time in a fresh window, and prints medians. ``usable``: the
table of videos is unpacked and answers. ``blocked``: the longest time in which the page answered nothing. Exit 1 if a
page of up to 10,000 videos takes 1 s, or a larger one 2 s.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

__all__ = ["Opening", "limit", "measure"]

_OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
_LISTEN = """
    window.blocked = 0;
    new PerformanceObserver((list) => {
        for (const task of list.getEntries()) blocked = Math.max(blocked, task.duration);
    }).observe({ type: "longtask", buffered: true });
"""
_READ = """() => ({
    videos: JSON.parse(document.getElementById("head").textContent).videos,
    painted: (performance.getEntriesByName("first-contentful-paint")[0] ?? { startTime: 0 }).startTime,
    usable: performance.getEntriesByName("maia-usable")[0].startTime,
    blocked,
})"""


@dataclass(frozen=True)
class Opening:
    """The median of several openings, in milliseconds from the start of the navigation."""

    videos: int
    bytes: int
    painted: float
    usable: float
    blocked: float
    """The longest task of the page."""

    @property
    def met(self) -> bool:
        """Return whether it was usable in time."""
        return self.usable < limit(self.videos)


def limit(videos: int) -> float:
    """Return the milliseconds within which a page of that many videos has to be usable."""
    return 1_000 if videos <= 10_000 else 2_000


def measure(browser: Browser, file: Path, runs: int) -> Opening:
    """Open a page several times."""
    found = []
    for _ in range(runs):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.add_init_script(_LISTEN)
        page.goto(file.resolve().as_uri())
        page.wait_for_selector("html[data-usable]")
        found.append(page.evaluate(_READ))
        context.close()
    medians = {name: statistics.median(one[name] for one in found) for name in ("painted", "usable", "blocked")}
    return Opening(found[0]["videos"], file.stat().st_size, **medians)


def main() -> int:
    """Measure the files, and print a line for each."""
    parser = argparse.ArgumentParser(prog="python -m harness.benchmarks.browser", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--runs", type=int, default=5, help="of which the median counts (default 5)")
    given = parser.parse_args()
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        parser.error("no Chromium is installed (Debian: apt install chromium)")
    all_met = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(_OPTIONS))
        print(f"Chromium {browser.version}; medians of {given.runs} openings")
        for file in given.files:
            opening = measure(browser, file, given.runs)
            all_met &= opening.met
            print(
                f"{opening.videos:>7,} videos  {opening.bytes / 1e6:5.2f} MB  painted {opening.painted:5.0f} ms  "
                f"usable {opening.usable:5.0f} ms (limit {limit(opening.videos):,.0f}, "
                f"{'met' if opening.met else 'MISSED'})  longest block {opening.blocked:4.0f} ms"
            )
        browser.close()
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
