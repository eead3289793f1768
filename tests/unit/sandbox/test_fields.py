"""Partial responses."""

from typing import Any

import pytest

from youtube_sandbox.errors import ApiError
from youtube_sandbox.fields import KNOWN_FIELDS, parse_fields, select

DOCUMENT: dict[str, Any] = {
    "kind": "list",
    "nextPageToken": "next",
    "items": [
        {
            "id": "1",
            "snippet": {"title": "One", "tags": ["a", "b"], "thumbnails": {"default": {"url": "u", "width": 1}}},
        },
        {"id": "2", "statistics": {"viewCount": "5"}},
    ],
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("*", DOCUMENT),
        ("kind", {"kind": "list"}),
        (
            "items(id,snippet/title),nextPageToken",
            {"items": [{"id": "1", "snippet": {"title": "One"}}, {"id": "2"}], "nextPageToken": "next"},
        ),
        ("items/id", {"items": [{"id": "1"}, {"id": "2"}]}),
        ("items/snippet(title,tags)", {"items": [{"snippet": {"title": "One", "tags": ["a", "b"]}}, {}]}),
        ("items/snippet/thumbnails/*/url", {"items": [{"snippet": {"thumbnails": {"default": {"url": "u"}}}}, {}]}),
        ("items(*)", {"items": DOCUMENT["items"]}),
        (
            "items(id,snippet/title,snippet/tags)",
            {"items": [{"id": "1", "snippet": {"title": "One", "tags": ["a", "b"]}}, {"id": "2"}]},
        ),
        ("items,items/id", {"items": DOCUMENT["items"]}),
        ("items/id,items", {"items": DOCUMENT["items"]}),
        (
            "items/snippet(title),items/snippet(tags)",
            {"items": [{"snippet": {"title": "One", "tags": ["a", "b"]}}, {}]},
        ),
        ("kind/inside", {"kind": "list"}),
    ],
)
def test_a_selection_takes_what_it_names(fields: str, expected: Any) -> None:
    assert select(DOCUMENT, parse_fields(fields, {})) == expected


@pytest.mark.parametrize("fields", ["items(", "items(id", "items)", "a,,b", "/a", "a/", "(a)", "items()", "x" * 3_000])
def test_what_cannot_be_read_is_refused(fields: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_fields(fields, {})
    assert (caught.value.status, caught.value.reason) == (400, "invalidParameter")


@pytest.mark.parametrize("fields", ["item", "items/snippets", "items(id,snippet(tagz))", "kind/x"])
def test_a_field_that_no_answer_has_is_refused(fields: str) -> None:
    with pytest.raises(ApiError):
        parse_fields(fields, KNOWN_FIELDS["videos"])


@pytest.mark.parametrize("endpoint", KNOWN_FIELDS)
def test_known_fields_pass(endpoint: str) -> None:
    parse_fields("items(id,snippet,*),items/*/anything/below,etag,kind", KNOWN_FIELDS[endpoint])
