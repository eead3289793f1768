"""The text of the report's page: self-contained, allowed by its own policy, and of unchanged parts of others."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import replace
from importlib.resources import files

import pytest

from maia.report.page import UPLOT_SHA256, render

from ..support.report_examples import AT, HOSTILE, make_head, make_payload

LINKS = ("https://www.youtube.com/", "https://policies.google.com/", "https://github.com/me/mine/actions/runs/")


@pytest.fixture(scope="module")
def page() -> str:
    return render(make_payload(len(HOSTILE)))


def test_the_policy_allows_the_pages_own_scripts_and_styles_alone(page: str) -> None:
    match = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', page)
    assert match
    rules = dict(rule.split(" ", 1) for rule in html.unescape(match[1]).split("; "))
    for name, inside in (
        ("script-src", re.findall(r"<script>(.*?)</script>", page, re.DOTALL)),
        ("style-src", re.findall(r"<style>(.*?)</style>", page, re.DOTALL)),
    ):
        hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inside)
        assert rules.pop(name).split() == [f"'sha256-{digest}'" for digest in hashes]
    assert rules == {
        "default-src": "'none'", "img-src": "data:", "base-uri": "'none'", "form-action": "'none'",
        "require-trusted-types-for": "'script'", "trusted-types": "'none'",
    }  # fmt: skip
    assert page.index("Content-Security-Policy") < page.index("<style>"), "it governs what follows it"


def test_nothing_is_loaded_and_each_link_is_safe(page: str) -> None:
    markup = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)
    assert not re.search(r"\s(?:src|srcset|style|on[a-z]+)\s*=\s*[\"'][^>]*>", re.sub(r"&[^;]+;[^<]*", "", markup))
    for tag in re.findall(r"<a [^>]+>", markup):
        (address,) = re.findall(r'href="([^"]*)"', tag)
        assert address.startswith((*LINKS, "#")), tag
        assert address.startswith("#") or 'rel="noopener noreferrer"' in tag
    assert '<link rel="icon" href="data:,">' in page
    assert page.count("<link") == 1


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "http://plain.example/", "https://", "https://[", "data:,x"]
)
def test_a_run_is_linked_by_https_alone(address: str) -> None:
    runs = [replace(run, url=address, outcome="failure") for run in make_head(1).runs[:2]]
    assert f'href="{address}"' not in render(make_payload(1, runs=runs))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_of_others_is_escaped_everywhere(hostile: str) -> None:
    head = make_head(1)
    changes = {
        "title": hostile or "x", "breakouts": [replace(head.breakouts[0], title=hostile, channel=hostile)],
        "queries": [replace(head.queries[0], query=hostile)],
        "runs": [replace(head.runs[0], agent=hostile, error=hostile, outcome="failure", url=None)],
        "search_gaps": [replace(head.search_gaps[0], query=hostile, reason=hostile)],
    }  # fmt: skip
    plain = render(make_payload(1, hostile=False))
    for sign in ("<script", "<img", "</script", "<!--", "\x00", "\u202e", "<b>"):
        assert render(make_payload(1, hostile=False, **changes)).count(sign) == plain.count(sign)


def test_a_late_or_partial_report_says_so() -> None:
    head = make_head(1)
    late = render(make_payload(1, newest=replace(head.newest, late=True), left_out=1_234))
    assert '<span class="state bad" id="updated-state">Late</span>' in late
    assert "1,234 slower videos are left out" in late
    assert "No reading yet" in render(make_payload(0))
    assert "no key" in render(make_payload(0, quota=[], quota_missing="no key is configured"))


def test_times_are_in_the_display_time_zone() -> None:
    text = render(make_payload(1, time_zone="America/St_Johns", generated_at=AT))
    assert "All times are in America/St_Johns." in text
    assert '<time class="nowrap" datetime="2026-11-30T08:00:00Z">2026-11-30T04:30-03:30</time>' in text


def test_uplot_is_unchanged_and_own_code_is_small() -> None:
    static = files("maia.report").joinpath("static")
    for name, digest in UPLOT_SHA256.items():
        assert hashlib.sha256(static.joinpath("uplot", name).read_bytes()).hexdigest() == digest, name
    assert static.joinpath("uplot", "LICENSE").read_text(encoding="utf-8") in render(make_payload(0))
    for name in ("page.js", "theme.js", "page.css"):
        text = static.joinpath(name).read_text(encoding="utf-8")
        assert len(text) < 40_000
        assert "</" not in text, "it could end its element"
        assert "innerHTML" not in text
