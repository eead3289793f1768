"""How a record is named and written."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest

from atlas.vault.records import EncodingError, decode, encode, mark, observed_at, record_path


def test_the_path_holds_the_date_and_the_id() -> None:
    assert record_path("dQw4w9WgXcQ", date(2026, 11, 2)) == "metadata/2026-11-02/dQw4w9WgXcQ.json"
    assert record_path("-_", datetime(2026, 11, 2, 23, tzinfo=UTC)) == "metadata/2026-11-02/-_.json"


@pytest.mark.parametrize(
    "video_id", ["", ".", "..", "../x", "a/b", "a\\b", "a.json", "a b", "a\n", "a\0", "ä", "x" * 65, None, 7]
)
def test_an_id_that_is_no_file_name_is_refused(video_id: Any) -> None:
    with pytest.raises(ValueError, match="not a video id"):
        record_path(video_id, date(2026, 11, 2))


def test_keys_keep_their_order_and_unknown_ones_are_kept() -> None:
    body = encode({"kind": "youtube#video", "etag": "x", "brandNew": {"b": [1, None], "a": True}, "id": "ü"})
    assert body == '{"kind":"youtube#video","etag":"x","brandNew":{"b":[1,null],"a":true},"id":"ü"}\n'.encode()


@pytest.mark.parametrize(
    "record",
    [
        {"title": "half an emoji \ud83d", "emoji": "😀"},
        {"\udc00": 1},
        {"views": 2**70},
        {"nested": MappingProxyType({"a": "\ud83d"})},
        {"nested": MappingProxyType({"a": 1})},
        MappingProxyType({"a": 1}),
        {},
    ],
)
def test_what_can_be_json_is_written_without_loss(record: Any) -> None:
    body = encode(record)
    assert body.endswith(b"\n")
    assert body.count(b"\n") == 1
    plain = json.loads(json.dumps(record, default=dict)) if not isinstance(record, MappingProxyType) else dict(record)
    assert decode(body) == plain


def _circle() -> dict[str, Any]:
    circle: dict[str, Any] = {}
    circle["again"] = circle
    return circle


@pytest.mark.parametrize("record", [{"a": object()}, {"a": {1, 2}}, _circle(), [], "text", None])
def test_what_cannot_be_json_is_an_encoding_error(record: Any) -> None:
    with pytest.raises(EncodingError):
        encode(record)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff"])
def test_a_stored_record_that_is_no_object_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):
        decode(body)


AT = datetime(2026, 11, 22, 8, 30, 0, 7, tzinfo=UTC)


OBSERVED = {"observed_at": "2026-11-22T08:30:00.000007Z"}


@pytest.mark.parametrize(
    ("answer", "refetched", "marked"),
    [
        ({"id": "x", "observed_at": "YouTube's"}, None, {"id": "x", "observed_at": "YouTube's", "_maia": OBSERVED}),
        ({}, AT, {"_maia": {**OBSERVED, "refetched_at": "2026-11-22T08:30:00Z"}}),
        (
            {"_maia": {"note": 1, "observed_at": "before"}, "id": "x"},
            None,
            {"id": "x", "_maia": {"note": 1, **OBSERVED}},
        ),
    ],
    ids=["new", "refetched", "marked before"],
)
def test_a_record_says_when_it_was_observed_under_one_key_of_ours_which_is_the_last(
    answer: dict[str, Any], refetched: datetime | None, marked: dict[str, Any]
) -> None:
    before = dict(answer)
    assert list(mark(answer, AT, refetched).items()) == list(marked.items())
    assert answer == before


def test_the_time_of_the_observation_comes_back_to_the_microsecond() -> None:
    abroad = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert observed_at(decode(encode(mark({}, abroad)))) == AT


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"_maia": 1},
        {"_maia": {}},
        *({"_maia": {"observed_at": at}} for at in (None, 7, "lately", "2026-11-22T08:30:00")),
    ],
)
def test_a_record_that_does_not_say_when_has_no_time(record: dict[str, Any]) -> None:
    assert observed_at(record) is None
