# ruff: noqa: RUF001  the odd characters are what is tested
"""Queries as people write them and tags as strangers do: any text becomes a query, is left out, or is refused."""

from __future__ import annotations

import io
import sys
import unicodedata
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from atlas.config import settings as configuration
from atlas.search_terms import LONGEST_QUERY, query_term, spelling
from maia.agents.enrichment import LONGEST, SHORTEST, normalise, snowball
from maia.commands.query_input import read_queries

from ...support.examples import examples

ODD = (
    "\0\x01\x07\x08\x1b\x7f\x85\xa0\xad\u0345\u061c\u115f\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202e\u2066"
    "\u2069\u3000\ufe0f\ufeff\ufffd\ufffe\ud800\udc00\udfff\U000e0001\U0010ffff\u0130ßﬁǆΐΣςａ＃#\t\n\r "
)
LONG = 500_000

characters = st.characters() | st.characters(categories=["Cs"])
texts = st.text(st.sampled_from(ODD) | characters, max_size=130)
terminal = st.sampled_from(["\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "::stop-commands::x", "\u202eevil", "<b>", "`x`"])
written = texts | terminal | st.builds(lambda a, b, n: a * n + b, texts, texts, st.integers(2, 40))
whole_files = st.lists(written, max_size=5).map(lambda lines: "\n".join(lines).encode(errors="replace"))


def check_query(text: str) -> None:
    """Check what may go to the database, to YouTube and to a terminal: the form that is searched, and the spelling."""
    for form in (text, query_term(text)):
        form.encode()
        assert form == " ".join(form.split())
        assert not [c for c in form if unicodedata.category(c) in {"Cc", "Cs"}], ascii(form)
    assert 0 < len(query_term(text)) <= LONGEST_QUERY
    assert query_term(query_term(text)) == query_term(text)
    assert spelling(text) == text


@examples(700)
@given(lines=st.lists(written, max_size=6))
@example(lines=["\x1b[2J\x1b[31mred"])
@example(lines=["x" * 500, "x" * 501])
@example(lines=["Ω" * LONG])
@example(lines=["\ud800" * 101])
def test_queries_are_read_whole_or_refused_and_read_again_are_the_same(lines: list[str]) -> None:
    """Seen to catch: surrogates and control characters that are kept; each query as often as it is written."""
    try:
        queries = list(read_queries(lines, None).wanted)
    except ValueError as error:
        assert len(str(error)) < 200
        str(error).encode()
        assert any(len(line) > LONGEST_QUERY or not line.isascii() for line in lines)
        return
    for query in queries:
        check_query(query)
    assert len({query_term(query) for query in queries}) == len(queries) <= len(lines)
    assert read_queries(queries, None).wanted == queries


@examples(500)
@given(content=st.binary(max_size=200) | whole_files, given_=st.lists(written, max_size=2), by_pipe=st.booleans())
def test_any_file_is_read_as_queries_or_refused_by_its_name(content: bytes, given_: list[str], by_pipe: bool) -> None:
    """Seen to catch: an error of the codec that is let through; control characters that are kept."""
    file = Path("queries.txt")
    file.write_bytes(content)
    pipe, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(content), encoding="ascii")
    try:
        found = read_queries(given_, Path("-") if by_pipe else file)
    except ValueError as error:
        assert str(error).startswith("a query ") or "cannot be read: it is " in str(error)
        if "cannot be read" in str(error):
            assert str(error).startswith("standard input" if by_pipe else "queries.txt")
    else:
        for query in found.wanted:
            check_query(query)
        assert read_queries(found.wanted, None).wanted == found.wanted
        for problem in found.problems():
            problem.encode()
    finally:
        sys.stdin.close()
        sys.stdin = pipe


@examples(300)
@given(name=st.text(characters, min_size=1, max_size=300))
@example(name="a\0b")
@example(name="x" * 300)
@example(name="\ud800")
@example(name=".")
def test_a_file_that_cannot_be_read_is_refused_whatever_its_name(name: str) -> None:
    """Seen to catch: only OSError is caught, so that a name with NUL ends in an error of Python's own."""
    path = Path("nowhere") / name if name not in {"-", "."} else Path()
    try:
        read_queries(None, path)
    except ValueError as error:
        assert "cannot be read" in str(error), ascii(error)
    else:
        raise AssertionError


@examples(900)
@given(tags=st.lists(written, max_size=6), most=st.integers(0, 5))
@example(tags=["\u202e" + "א" * 60, "a\u0390b"], most=5)
@example(tags=["é" * LONG, " #" * (LONG // 2) + "tag", "\0" * LONG + "tag"], most=5)
def test_each_tag_becomes_a_query_in_its_one_form_or_none_and_few_of_a_video_do(tags: list[str], most: int) -> None:
    """Seen to catch: no second NFKC after the folding (U+0390); invisible marks left in; no longest length.

    Tags must not be counted before they are cleaned.
    """
    queries = dict.fromkeys(query for tag in tags if (query := normalise(tag)) is not None)
    for query in queries:
        check_query(query)
        assert SHORTEST <= len(query) <= LONGEST
        assert normalise(query) == query == unicodedata.normalize("NFKC", query)
        categories = {c: unicodedata.category(c) for c in query if c not in "\u200c\u200d"}
        assert not {"Zl", "Zp", "Cf"} & set(categories.values()), ascii(query)
        # written by hand it is the same query
        assert query_term(query) == query
        assert read_queries([query], None).wanted == [query]
    with configuration.override(hunter_tags_per_video=most):
        assert snowball(tags) == list(queries)[:most]
        assert snowball(snowball(tags)) == snowball(tags)
