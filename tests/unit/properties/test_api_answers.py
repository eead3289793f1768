"""Answers of the API, damaged in every way that JSON allows: one odd field costs itself, one odd item itself.

Each property names the fault, put into the code by hand, that it was seen to catch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.models.parsing import MAX_COUNT
from atlas.models.youtube import Video
from atlas.vault.records import EncodingError, decode, encode, mark
from maia.agents.enrichment import normalise
from maia.youtube import Answer, Malformed

from ...support.api_captures import KEY, READ, SOURCES, Capture, Corpus, captured_answers, own_answers
from ...support.examples import examples
from ...support.json_damage import LONG, Damaged, Place, damaged, odd_values, places, said, same, take, written

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
OWN = own_answers()
ODD = odd_values(KEY, "x" * 36 + KEY)
TOP = {("kind",), ("items",), ("items", 0), ("nextPageToken",)}


@pytest.fixture(scope="module", params=["captured", "own"])
def captures(request: pytest.FixtureRequest) -> Corpus[Capture]:
    """The captured answers, where they are there, and those of our own."""
    if request.param == "own":
        return OWN
    data: Path = request.getfixturevalue("shared_data")
    return captured_answers(data)


def understood(capture: Capture, body: bytes) -> Answer[Any]:
    """What the client makes of an answer of status 200."""
    return capture.of.read(body)


def is_harmless(text: str, longest: int = 700) -> bool:
    """Whether a message is one bounded line that can be written anywhere, and holds no key."""
    return len(text) <= longest and text.isprintable() and KEY not in text and KEY[:20] not in text


def check(item: Any) -> None:
    """Everything about an item can be stored as it is."""
    for attribute in SOURCES[type(item)]:
        value = getattr(item, attribute)
        texts: Iterable[object] = value if attribute == "tags" else [value]
        for text in texts:
            if isinstance(text, str):
                assert "\0" not in text, attribute
                text.encode()  # no half of a surrogate pair
        if attribute == "id" or (attribute.endswith("_id") and attribute != "category_id"):
            assert value is None or ID.fullmatch(value), attribute
        elif attribute == "tags":
            assert isinstance(value, list)
            assert all(isinstance(tag, str) and tag for tag in value)
        elif attribute.endswith("_at"):
            assert value is None or value.tzinfo is UTC, attribute
        elif attribute == "duration":
            assert value is None or isinstance(value, timedelta)
        elif attribute in {"views", "likes", "comments", "category_id"}:
            most = 2**31 - 1 if attribute == "category_id" else MAX_COUNT
            assert value is None or (type(value) is int and 0 <= value <= most), attribute
        else:
            assert value is None or isinstance(value, str), attribute
    if isinstance(item, Video):
        for query in filter(None, map(normalise, item.tags)):
            assert 2 <= len(query) <= 100
            assert "\0" not in query
            query.encode()


def check_archived(raw: dict[str, Any]) -> None:
    """The archive gives back what came, or refuses it in a line: what a double cannot hold, and what is too deep."""
    try:
        body = encode(mark(raw, NOW))
    except EncodingError as error:
        assert is_harmless(str(error))
        assert "Infinity" in repr_of(raw) or b"[" * 200 in written_or_deep(raw)
        return
    kept = decode(body)
    assert same({**raw, "_maia": kept["_maia"]}, kept)


def repr_of(raw: object) -> str:
    try:
        return json.dumps(raw)
    except RecursionError:
        return "Infinity"


def written_or_deep(raw: object) -> bytes:
    try:
        return json.dumps(raw).encode()
    except RecursionError:
        return b"[" * 200


def usable(of: type[Answer[Any]], resource: object) -> str | None:
    """The id that an item has to have to be kept."""
    place = SOURCES[of.resource]["id"][0]
    try:
        found = take(resource, place)
    except (TypeError, KeyError, IndexError):
        return None
    return found if isinstance(found, str) and ID.fullmatch(found) else None


@examples(500)
@given(data=st.data())
def test_an_answer_is_read_as_far_as_it_goes_or_is_malformed(captures: Corpus[Capture], data: st.DataObject) -> None:
    """Whatever came: an answer with every item that has an id, as it came, or Malformed, and nothing else.

    Seen to catch: `Answer.read` without its `except ValueError`; `_raw` that keeps only what is read; a reader
    without `parse_constant`, and without `parse_int`, as it was; `encode` that writes an infinite number as null.
    """
    capture = captures[data.draw(st.sampled_from(captures.names))]
    damage = data.draw(damaged(capture.document, cut=True, odd=ODD, often=TOP))
    try:
        answer = understood(capture, damage.body)
    except Malformed as error:
        assert is_harmless(str(error))
        answer = None
    try:
        whole = said(damage.body)
    except RecursionError:
        whole = None if answer is None else answer.raw
    except ValueError:
        whole = None
    kind = whole.get("kind", capture.of.kind) if isinstance(whole, dict) else None
    items = whole.get("items", []) if isinstance(whole, dict) else None
    if kind != capture.of.kind or not isinstance(items, list) or not whole.keys() & {"kind", "items"}:
        assert answer is None
        return
    assert answer is not None
    assert same(answer.raw, whole)
    assert [item.id for item in answer.items] == [id_ for item in items if (id_ := usable(capture.of, item))]
    assert answer.dropped == len(items) - len(answer.items)
    assert answer.next_page_token is None or answer.next_page_token.encode()
    kept = (item for item in items if usable(capture.of, item))
    for item, resource in zip(answer.items, kept, strict=True):
        check(item)
        if hasattr(item, "raw"):
            assert same(item.raw, resource)
            check_archived(item.raw)


@examples(100)
@given(
    before=st.integers(0, 70) | st.integers(900, 5000),
    name=st.sampled_from(("kind", "items")),
    of=st.sampled_from(list(SOURCES)),
)
def test_a_key_in_a_foreign_answer_does_not_come_out_of_it(before: int, name: str, of: type) -> None:
    """What was answered instead is named in a few words, and never with a key or what a cut left of one.

    Seen to catch: a kind that is quoted whole; one that is cut before it is scrubbed, as it was.
    """
    (capture,) = [capture for capture in map(OWN.__getitem__, OWN.names) if capture.of.resource is of]
    with pytest.raises(Malformed) as error:
        understood(capture, written({**capture.document, name: "x" * before + KEY}))
    assert is_harmless(str(error.value), 200)


@examples(500)
@given(data=st.data())
def test_one_odd_item_costs_only_itself(captures: Corpus[Capture], data: st.DataObject) -> None:
    """Items beside a damaged, doubled, foreign or missing one are read as they are without it, in their order.

    Seen to catch: a reader that gives up a page at its first broken item; one that reads a page into a dict by id.
    """
    capture = captures[data.draw(st.sampled_from(captures.names))]
    whole = understood(capture, written(capture.document)).items
    fates = data.draw(st.lists(st.sampled_from(("kept", "kept", "damaged", "odd", "gone", "doubled")), max_size=8))
    items: list[Any] = []
    kept: list[Any] = []
    foreign = odd_values().filter(lambda value: usable(capture.of, value) is None)
    for number, (item, resource) in enumerate(zip(whole, capture.document["items"], strict=True)):
        fate = fates[number] if number < len(fates) else "kept"
        if fate in {"kept", "doubled"}:
            items += [resource] * (1 + (fate == "doubled"))
            kept += [item] * (1 + (fate == "doubled"))
        elif fate == "damaged":
            broken = data.draw(damaged(resource, most=2)).document
            items.append(broken)
            if usable(capture.of, broken):
                kept.append(None)
        elif fate == "odd":
            items.append(data.draw(foreign))
    body = written({**capture.document, "items": items})
    try:
        said(body)
    except (ValueError, RecursionError):
        return  # no JSON any more, or nearly: the property above has these
    answer = understood(capture, body)
    assert len(answer.items) == len(kept)
    assert [(item if known else None) for item, known in zip(answer.items, kept, strict=True)] == kept
    assert answer.dropped == len(items) - len(kept)


@examples(700)
@given(data=st.data())
def test_one_odd_field_costs_only_itself(captures: Corpus[Capture], data: st.DataObject) -> None:
    """With one place of an item damaged, all that is not read from that place is as it was; the rest can be stored.

    Seen to catch: a section that is given up as a whole where one of its fields is odd; NUL and half surrogate
    pairs left in texts.
    """
    capture = captures[data.draw(st.sampled_from(captures.names))]
    number = data.draw(st.integers(0, len(capture.document["items"]) - 1))
    resource = capture.document["items"][number]
    before = capture.of.resource.from_resource(resource)
    damage: Damaged = data.draw(damaged(resource, most=1, often=READ[capture.of.resource]))
    ((_, place),) = damage.damage
    try:
        broken = said(damage.body)
    except (ValueError, RecursionError):
        broken = damage.document
    try:
        item = capture.of.resource.from_resource(broken)
    except ValueError:
        assert usable(capture.of, broken) is None
        return
    check(item)
    for attribute, sources in SOURCES[type(item)].items():
        if not any(_touches(place, source) for source in sources):
            assert getattr(item, attribute) == getattr(before, attribute), attribute


def _touches(place: Place, source: Place) -> bool:
    shorter = min(len(place), len(source))
    return place[:shorter] == source[:shorter]


@examples(10)
@given(data=st.data())
def test_texts_of_five_megabytes_are_kept_whole(captures: Corpus[Capture], data: st.DataObject) -> None:
    """A text of 5 MB in any place costs nothing but its size: the item is kept, and so is its record.

    Seen to catch: a reader that cuts texts.
    """
    capture = captures[data.draw(st.sampled_from(captures.names))]
    resource = capture.document["items"][0]
    texts = [place for place in places(resource) if isinstance(take(resource, place), str) and place[-1] in _TEXTS]
    place = data.draw(st.sampled_from(texts or [("etag",)]))
    unit = data.draw(st.sampled_from(("dd", "é", "\0é", "😀")))
    long = unit * (LONG // (len(written(unit)) - 2))
    document = json.loads(json.dumps(capture.document))
    take(document["items"][0], place[:-1])[place[-1]] = long
    answer = understood(capture, written(document))
    assert (len(answer.items), answer.dropped) == (len(document["items"]), 0)
    item = answer.items[0]
    check(item)
    if place == ("snippet", "channelTitle"):
        assert item.channel_title == long.replace("\0", "")
    if hasattr(item, "raw"):
        assert decode(encode(item.raw)) == document["items"][0]


_TEXTS = {"title", "description", "channelTitle", "etag"}
