"""The page of `maia report` in a real browser: safe, usable by keyboard and without a mouse, and right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from maia.report.page import render
from maia.report.payload import FIRST

from ...support.browser import PHONE, WIDE, chromium, opened
from ...support.report_examples import AT, HOSTILE, make_payload, make_videos

pytestmark = pytest.mark.integration

MANY = 3_000
NUMBERS = {"empty": 0, "one": 1, "hostile": len(HOSTILE), "many": MANY}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A page of each kind."""
    folder = tmp_path_factory.mktemp("pages")
    found = {name: folder / f"{name}.html" for name in NUMBERS}
    for name, number in NUMBERS.items():
        payload = make_payload(number, hostile=name == "hostile", time_zone="Asia/Kolkata")
        found[name].write_text(render(payload), encoding="utf-8")
    return found


def titles(page: Page) -> list[str]:
    return page.locator("#rising-table .title").all_inner_texts()


def rates(page: Page) -> list[float]:
    units = {"k": 1e3, "M": 1e6, "B": 1e9}
    texts = page.locator("#rising-table tbody .c-rate").all_inner_texts()
    return [float(text.rstrip("kMB")) * units.get(text[-1], 1) for text in texts]


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.textContent"))


@pytest.mark.parametrize("name", NUMBERS)
def test_the_page_requests_nothing_keeps_its_policy_and_fits_a_phone(
    name: str, browser: Browser, files: dict[str, Path]
) -> None:
    with opened(browser, files[name], PHONE) as found:
        page = found.page
        page.click("#theme")
        if NUMBERS[name]:
            page.locator("#rising-table .title").first.click()
            expect(page.locator("#video")).to_be_visible()
            page.keyboard.press("Escape")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE[0]
        assert found.faults() == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
@pytest.mark.parametrize("name", ["empty", "hostile", "many"])
def test_axe_finds_nothing(
    name: str, size: tuple[int, int], theme: str, browser: Browser, files: dict[str, Path]
) -> None:
    with opened(browser, files[name], size, color_scheme=theme) as found:
        reports = [Axe().run(found.page)]
        if NUMBERS[name]:
            found.page.locator("#rising-table .title").nth(1).click()
            reports.append(Axe().run(found.page))
        for report in reports:
            assert report.violations_count == 0, report.generate_report()


def test_the_keyboard_reaches_each_video_and_comes_back_to_it(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["many"]) as found:
        page = found.page
        page.keyboard.press("Tab")
        assert focused(page) == "Skip to the fastest videos"
        page.keyboard.press("Enter")
        reached: list[str] = []
        while "rising-window" not in reached:
            page.keyboard.press("Tab")
            reached.append(focused(page))
        assert reached == ["find", "kind", "period", "breaking", "clear", "rising-window"]
        for header in ("Video", "Views", "Views/h", "\u00d7 usual", "Score", "Forecast", "Age"):
            page.keyboard.press("Tab")
            assert focused(page) == header
        page.keyboard.press("Tab")
        first = focused(page)
        for key, place in (("ArrowDown", 1), ("PageDown", None), ("End", MANY - 1), ("ArrowUp", MANY - 2)):
            page.keyboard.press(key)
            row = page.locator("#rising-table tr:focus-within")
            expect(row).to_be_in_viewport()
            if place is not None:
                assert row.get_attribute("aria-rowindex") == str(place + 2)
        title = focused(page)
        page.keyboard.press("Enter")
        expect(page.locator("#video")).to_be_visible()
        assert page.locator("#video-title").inner_text() == title
        assert focused(page) == "video-close"
        page.keyboard.press("Shift+Tab")
        assert focused(page) == "video-after", "the focus stays in the dialog"
        page.keyboard.press("Escape")
        expect(page.locator("#video")).not_to_be_visible()
        assert focused(page) == title
        page.keyboard.press("Home")
        assert focused(page) == first


def test_only_rows_near_the_window_are_in_the_document_and_the_focused_one_stays(
    browser: Browser, files: dict[str, Path]
) -> None:
    with opened(browser, files["many"]) as found:
        page = found.page
        assert page.locator("#rising-table").get_attribute("aria-rowcount") == str(MANY + 1)
        page.locator("#rising-table .title").nth(3).focus()
        title = focused(page)
        page.evaluate("document.querySelector('#rising-window').scrollTop = 52 * 2000")
        shown = page.locator("#rising-table tr[aria-rowindex='2004']")
        expect(shown).to_be_in_viewport()
        assert page.locator("#rising-table tbody tr[data-place]").count() < 60
        assert focused(page) == title


def test_headers_sort_and_filters_narrow(browser: Browser, files: dict[str, Path]) -> None:
    videos = list(make_videos(MANY, hostile=False))
    with opened(browser, files["many"]) as found:
        page = found.page
        header = page.locator("th[data-sort=rate]")
        assert header.get_attribute("aria-sort") == "descending"
        assert rates(page) == sorted(rates(page), reverse=True)
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == "ascending"
        assert rates(page) == sorted(rates(page))
        page.locator("th[data-sort=title] button").click()
        assert titles(page)[:5] == sorted(video.title for video in videos)[:5]
        assert header.get_attribute("aria-sort") is None
        page.select_option("#kind", "short")
        page.check("#breaking")
        wanted = [video for video in videos if video.kind == "short" and video.breakout_at]
        assert sorted(titles(page)) == sorted(video.title for video in wanted)
        expect(page.locator("#count")).to_contain_text(f"{len(wanted)} of {MANY:,} videos, by title")
        page.fill("#find", wanted[0].title.upper())
        expect(page.locator("#count")).to_have_text(f"1 of {MANY:,} videos, by title")
        assert titles(page) == [wanted[0].title]
        page.fill("#find", "no such words")
        expect(page.locator("#none")).to_be_visible()
        page.click("#clear")
        expect(page.locator("#count")).to_contain_text(f"{MANY:,} videos")
        page.select_option("#period", "rate_24h")
        page.locator("th[data-sort=rate] button").click()
        known = sorted(
            (video.views_per_hour_24h for video in videos if video.views_per_hour_24h is not None), reverse=True
        )
        assert rates(page)[:9] == [pytest.approx(rate, rel=0.03) for rate in known[:9]]


def test_an_opened_video_shows_its_curve_and_the_same_numbers(browser: Browser, files: dict[str, Path]) -> None:
    videos = list(make_videos(MANY, hostile=False))
    with opened(browser, files["many"]) as found:
        page = found.page
        page.locator("#rising-table .title").nth(2).click()
        video = videos[2]
        assert page.locator("#plot canvas").count() == 1
        link = page.locator("#video-link")
        assert link.get_attribute("href") == f"https://www.youtube.com/watch?v={video.video_id}"
        lines = page.locator("#video-points tr")
        assert lines.count() == len(video.curve)
        assert [
            int(text.replace(",", "")) for text in page.locator("#video-points td:nth-child(2)").all_inner_texts()
        ] == [point.views for point in reversed(video.curve)]
        newest = video.curve[-1].observed_at + timedelta(hours=5.5)  # Asia/Kolkata
        assert lines.first.locator("th").inner_text() == str(newest)[:16]
        page.click("#video-after")
        assert page.locator("#video-title").inner_text() == videos[3].title
        page.click("#video-close")
        # a slow one has no curve in the page: its sparkline takes the place
        page.locator("th[data-sort=rate] button").click()
        place = next(place for place, slow in enumerate(reversed(videos)) if slow.sparkline_from)
        page.locator("#rising-table .title").nth(place).click()
        assert lines.count() == 24
        assert found.faults() == []


def test_hostile_titles_are_text(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["hostile"], PHONE) as found:
        page = found.page
        shown = page.locator("#rising-table .title")
        texts = [text or "" for text in shown.all_text_contents()]
        assert HOSTILE[0] in texts
        assert max(map(len, texts)) <= 120
        heights = {row.bounding_box()["height"] for row in page.locator("#rising-table tbody tr[data-place]").all()}  # type: ignore[index]
        assert heights == {52}
        for number in range(len(HOSTILE)):
            shown.nth(number).click()
            assert page.locator("#video-title").text_content() == texts[number]
            assert page.evaluate(
                "document.querySelector('#video').scrollWidth <= document.querySelector('#video').clientWidth"
            )
            page.keyboard.press("Escape")
        assert page.evaluate("document.querySelectorAll('img, iframe, object').length") == 0
        assert found.faults() == []


def test_without_javascript_the_page_shows_the_fastest_videos_and_all_else(
    browser: Browser, files: dict[str, Path]
) -> None:
    with opened(browser, files["many"], java_script_enabled=False) as found:
        page = found.page
        assert titles(page) == [
            video.title for video, _ in zip(make_videos(MANY, hostile=False), range(FIRST), strict=False)
        ]
        expect(page.locator("noscript p")).to_contain_text(f"the first {FIRST} of {MANY:,} videos")
        expect(page.locator("noscript p")).to_be_visible()
        expect(page.locator("#theme")).to_be_hidden()
        expect(page.locator("#filters")).to_be_hidden()
        assert found.requests == []


@pytest.mark.parametrize(
    ("before", "damage"),
    [("delete window.DecompressionStream;", ""), ("", "AAAA")],
    ids=["an old browser", "a damaged file"],
)
def test_a_page_that_cannot_be_unpacked_says_so_and_keeps_the_first_videos(
    before: str, damage: str, browser: Browser, files: dict[str, Path], tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    text = files["many"].read_text(encoding="utf-8")
    file.write_text(text.replace('id="block">', f'id="block">{damage}'), encoding="utf-8")
    with opened(browser, file, ready="[role=alert]", before=before) as found:
        assert len(titles(found.page)) == FIRST
        expect(found.page.get_by_role("alert")).to_contain_text("cannot be unpacked")
        assert found.faults() == []


def test_a_time_zone_that_the_browser_does_not_know_becomes_utc(
    browser: Browser, files: dict[str, Path], tmp_path: Path
) -> None:
    file = tmp_path / "page.html"
    text = files["one"].read_text(encoding="utf-8")
    file.write_text(text.replace('"time_zone":"Asia/Kolkata"', '"time_zone":"Mars/Base"'), encoding="utf-8")
    with opened(browser, file) as found:
        found.page.locator("#rising-table .title").click()
        expect(found.page.locator("#video-columns")).to_contain_text("Time (UTC)")
        assert found.faults() == []


def test_the_theme_is_remembered(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["one"], color_scheme="light") as found:
        page = found.page
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.click("#theme")
        page.reload()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != paper
        assert page.locator("#theme").inner_text() == "Light theme"


def test_paper_shows_all_sections_and_no_controls(browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["many"]) as found:
        page = found.page
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("#rising-table tbody tr[data-place]").count() == 100
        for hidden in ("#filters", ".contents", "#theme"):
            expect(page.locator(hidden)).to_be_hidden()
        for section in ("rising", "breakouts", "discovery", "freshness", "quota", "runs", "gaps", "retention"):
            expect(page.locator(f"#{section} h2")).to_be_visible()
        page.emulate_media(media="screen")
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("#rising-table tbody tr[data-place]").count() < 60


@pytest.mark.parametrize(
    ("passed", "words"),
    [(timedelta(minutes=1), "On time"), (timedelta(hours=1), "On time"), (timedelta(days=1), "This page is old")],
)
def test_an_old_page_says_so(passed: timedelta, words: str, browser: Browser, files: dict[str, Path]) -> None:
    with opened(browser, files["one"]) as found:
        page = found.page
        page.clock.set_fixed_time(AT + passed)
        page.reload()
        assert page.locator("#updated-state").inner_text() == words
        expect(page.locator(".masthead")).to_contain_text("2026-11-30T13:30+05:30")
        assert found.faults() == []
