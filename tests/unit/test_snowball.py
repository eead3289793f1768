# ruff: noqa: RUF001  the odd characters are what is tested
"""Which tags become queries, and how they are written."""

from __future__ import annotations

import sys
import unicodedata

import pytest

from atlas.config import settings
from maia.agents.enrichment import normalise, snowball


@pytest.mark.parametrize(
    ("tag", "query"),
    [
        ("Music", "music"), ("  two \t words\n", "two words"), ("ｆｕｌｌ　ｗｉｄｔｈ", "full width"), ("ﬁlm", "film"),
        ("Straße", "strasse"), ("ΜΟΥΣΙΚΉ", "μουσική"), ("e\u0301te\u0301", "été"), ("#shorts", "shorts"),
        ("# # tag #", "tag"), ("＃タグ", "タグ"), ("c#", None), ("a\x00b\x1fc\x7fd\x85e", "a b c d e"),
        ("line\u2028break\u2029", "line break"), ("\u200bzero\u2060 width\ufeff", "zero width"),
        ("\u202emusic\u202c", "music"), ("half \ud83d", "half"), ("می\u200cخواهم", "می\u200cخواهم"),
        ("👩\u200d🚀", "👩\u200d🚀"), ("lo\u200dfi\u200c", "lofi"), ("caf\u00e9\u200d\u00e9", "café\u00e9"),
        ("\u2764\ufe0f\u200d\U0001f525", "\u2764\u200d\U0001f525"), ("music\u3164\u034f", "music"), ("", None),
        ("   ", None), ("##", None), ("\u200b\u200b\u200b", None), ("a", None), ("ab", "ab"), ("x" * 100, "x" * 100),
        ("x" * 101, None), ("ß" * 51, None), ("  " + "x" * 100 + "  ", "x" * 100),
    ],
)  # fmt: skip
def test_a_tag_is_written_as_a_query_in_one_way(tag: str, query: str | None) -> None:
    assert normalise(tag) == query


def test_a_query_is_its_own_normal_form_whatever_the_character() -> None:
    wrong = []
    # all of the scripts in use, and a sample of the rest
    for code in [*range(0x3100), *range(0xA000, 0x10000, 3), *range(0x3100, sys.maxunicode + 1, 41)]:
        for text in (f"a{chr(code)}b", f"# {chr(code)}\u0345a #"):
            query = normalise(text)
            if query is None:
                continue
            clean = not any(unicodedata.category(char) in {"Cc", "Cs"} for char in query)
            if normalise(query) != query or not clean or query != query.strip():
                wrong.append(hex(code))
    assert wrong == []


def test_tags_that_are_written_alike_are_one_query_in_the_order_of_the_first() -> None:
    assert snowball(["B side", "Music", "ＭＵＳＩＣ", "b  SIDE", "#music"]) == ["b side", "music"]


def test_a_video_gives_at_most_so_many_and_those_not_taken_do_not_count() -> None:
    for most, queries in ((2, ["one", "two"]), (0, [])):
        with settings.override(hunter_tags_per_video=most):
            assert snowball(["x", "one", "ONE", "two", "three"]) == queries


def test_allow_and_deny_are_searched_in_the_query_in_any_case() -> None:
    with settings.override(hunter_tag_allow="music|film", hunter_tag_deny="^OLD", hunter_tags_per_video=5):
        assert snowball(["Old Music", "NEW MUSIC", "Ｆｉｌｍ", "sport"]) == ["new music", "film"]


def test_without_settings_ten_tags_of_a_video_are_taken() -> None:
    assert len(snowball([f"tag {n}" for n in range(30)])) == 10
