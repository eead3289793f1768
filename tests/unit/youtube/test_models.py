"""Which answers prove that a video that they leave out is gone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from maia.youtube import VideoList


def answer(*ids: str, **members: Any) -> VideoList:
    return VideoList.read(
        json.dumps({"kind": VideoList.kind, "items": [{"id": id_} for id_ in ids], **members}).encode()
    )


MANY = [f"v{number}" for number in range(10)]


@pytest.mark.parametrize(
    ("given", "asked", "controls", "proves"),
    [
        (answer("a"), ["a", "b"], [], True),
        (answer("a", pageInfo={"totalResults": 1}), ["a", "b"], [], True),
        (answer(), ["a", "b"], [], True),
        (answer(), ["a", "b"], ["w"], False),
        (answer("w"), ["a", "b"], ["w"], True),
        (answer(), MANY, [], False),
        # more results are counted than are there
        (answer(pageInfo={"totalResults": 2}), ["a", "b"], [], False),
        (answer("a", pageInfo={"totalResults": 2}), ["a", "b"], [], False),
        # a member that is not known may speak of the ids that are missing
        (answer("a", notFoundIds=["b"]), ["a", "b"], [], False),
        (answer("a", errors=[{"id": "b"}]), ["a", "b"], [], False),
        # an item that cannot be read, one twice, one that was not asked for
        (answer("a", "?"), ["a", "b"], [], False),
        (answer("a", "a"), ["a", "b"], [], False),
        (answer("a", "z"), ["a", "b"], [], False),
    ],
)
def test_an_odd_answer_proves_nothing(given: VideoList, asked: list[str], controls: list[str], proves: bool) -> None:
    assert given.proves_absence(asked, controls) is proves


def test_an_unknown_member_stays_in_the_answer_and_is_named() -> None:
    odd = answer("a", notFoundIds=["b"], prevPageToken="x", regionCode="US")
    assert odd.extra == ("'notFoundIds'",)
    assert odd.raw["notFoundIds"] == ["b"]
    assert [video.id for video in odd.items] == ["a"]
