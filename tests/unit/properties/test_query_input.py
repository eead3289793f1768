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
from maia.agents.snowball import LONGEST, SHORTEST, normalise, snowball
from maia.commands.query_input import read_queries

from ...support.examples import examples

ODD = (
    "\0\x01\x07\x08\x1b\x7f\x85\xa0\xad\u0345\u061c\u115f\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202e\u2066"
    "\u2069\u3000\ufe0f\ufeff\ufffd\ufffe\ud800\udc00\udfff\U000e0001\U0010ffff\u0130ßﬁǆΐΣςａ＃#\t\n\r "
)
MEGABYTES = 5_000_000

texts = st.text(st.sampled_from(ODD) | st.characters() | st.characters(categories=["Cs"]), max_size=130)
terminal = st.sampled_from(["\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "::stop-commands::x", "\u202eevil", "<b>", "`x`"])
written = texts | terminal | st.builds(lambda a, b, n: a * n + b, texts, texts, st.integers(2, 40))
whole_files = st.lists(written, max_size=5).map(lambda lines: "\n".join(lines).encode(errors="replace"))
bytes_ = st.binary(max_size=200) | whole_files


def is_a_query(text: str) -> None:
    """What may go to the database, to YouTube and to a terminal: the form that is searched, and the spelling."""
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
@example(lines=["Ω" * MEGABYTES])
@example(lines=["\ud800" * 101])
def test_queries_are_read_whole_or_refused_and_what_was_read_reads_the_same(lines: list[str]) -> None:
    """Seen to catch: surrogates that are let pass; control characters that are kept; each query as often as written."""
    try:
        queries = list(read_queries(lines, None).wanted)
    except ValueError as error:
        assert len(str(error)) < 200
        str(error).encode()
        assert any(len(line) > LONGEST_QUERY or not line.isascii() for line in lines)
        return
    for query in queries:
        is_a_query(query)
    assert len({query_term(query) for query in queries}) == len(queries) <= len(lines)
    assert read_queries(queries, None).wanted == queries


@examples(500)
@given(content=bytes_, given_=st.lists(written, max_size=2), by_pipe=st.booleans())
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
            is_a_query(query)
        assert read_queries(found.wanted, None).wanted == found.wanted
        for problem in found.problems():
            problem.encode()
    finally:
        sys.stdin.close()
        sys.stdin = pipe


@examples(300)
@given(name=st.text(st.characters() | st.characters(categories=["Cs"]), min_size=1, max_size=300))
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
@given(tag=written)
@example(tag="\u202e" + "א" * 60)
@example(tag="a\u0390b")
@example(tag="é" * MEGABYTES)
@example(tag=" #" * (MEGABYTES // 2) + "tag")
@example(tag="\0" * MEGABYTES + "tag")
def test_a_tag_becomes_a_query_in_its_one_form_or_none(tag: str) -> None:
    """Seen to catch: no second NFKC after the folding (U+0390); marks that nobody sees left in; no longest length."""
    query = normalise(tag)
    if query is None:
        return
    is_a_query(query)
    assert SHORTEST <= len(query) <= LONGEST
    assert normalise(query) == query == unicodedata.normalize("NFKC", query)
    assert not {unicodedata.category(c) for c in query} & {"Zl", "Zp"}
    assert not [c for c in query if unicodedata.category(c) == "Cf" and c not in "\u200c\u200d"], ascii(query)
    # and people who write it by hand mean the same query
    assert query_term(query) == query
    assert read_queries([query], None).wanted == [query]


@examples(300)
@given(tags=st.lists(written, max_size=12), most=st.integers(0, 5))
def test_the_tags_of_a_video_are_at_most_so_many_queries_each_once(tags: list[str], most: int) -> None:
    """Seen to catch: tags that are counted before they are cleaned."""
    with configuration.override(hunter_tags_per_video=most):
        queries = snowball(tags)
        assert snowball(queries) == queries
    cleaned = dict.fromkeys(query for tag in tags if (query := normalise(tag)) is not None)
    assert queries == list(cleaned)[:most]
