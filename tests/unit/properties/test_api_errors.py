"""Error bodies of the API, damaged: always one of the client's own errors, in a line that anyone may read."""

from __future__ import annotations

import copy
import math
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.quota.buckets import Bucket
from atlas.redaction import remember_secret
from maia.youtube import (
    BadRequest,
    KeyBlocked,
    KeyInvalid,
    Malformed,
    NotFound,
    PageTokenInvalid,
    QuotaExhausted,
    RateLimited,
    ServerError,
    YouTubeError,
    classify,
)
from maia.youtube.decoding import ErrorBody, retry_after_of

from ...support.api_captures import KEY, Corpus, Refusal, captured_errors, own_errors
from ...support.examples import examples
from ...support.json_damage import damaged, is_json, odd_values, places, put, take, written

OPAQUE = "plain-key-that-looks-like-nothing"
"""A key that only its value gives away."""

MEANINGS = {
    400: (KeyInvalid, KeyBlocked, BadRequest, PageTokenInvalid),
    401: (KeyInvalid, KeyBlocked, BadRequest, PageTokenInvalid, Malformed),
    403: (KeyInvalid, KeyBlocked, BadRequest, PageTokenInvalid, Malformed, QuotaExhausted, RateLimited),
    404: (NotFound, PageTokenInvalid, Malformed),
    429: (QuotaExhausted, RateLimited),
    500: (ServerError,),
    503: (ServerError,),
}
"""What each status may mean, whatever its body says."""

ODD = odd_values(
    KEY, f"https://x/?key={KEY}&a=b", OPAQUE, "k" * 290 + KEY, "perDay", "1/min/{p}", "projects/1234567",
    "RATE_LIMIT_EXCEEDED", "quotaExceeded", "API_KEY_INVALID", "API_KEY_X_BLOCKED", "youtube.quota",
    "<a href=x>" * 40 + "limit per day",
)  # fmt: skip
headers = st.dictionaries(
    st.sampled_from(("Retry-After", "retry-after", "X-Other")),
    st.sampled_from(
        ("0", "17", "17.5s", "-3", "999999999", "9999999999", "nan", "inf", "1e9", "soon", "", "Fri, 0 Jan")
    )
    | st.datetimes().map(format_datetime)
    | st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
    max_size=2,
)


@pytest.fixture(scope="module", params=["captured", "own"])
def refusals(request: pytest.FixtureRequest) -> Corpus[Refusal]:
    """The captured error bodies, where they are there, and those of our own."""
    remember_secret(OPAQUE)
    if request.param == "own":
        return own_errors()
    data: Path = request.getfixturevalue("shared_data")
    return captured_errors(data)


def check(error: YouTubeError) -> None:
    """The message is one bounded line without a key or half of one."""
    text = str(error)
    assert len(text) <= 1000
    assert text.isprintable()
    for secret in (KEY, OPAQUE):
        assert not any(secret[:end] in text for end in range(12, len(secret) + 1))
    for attribute in ("reason", "project"):
        value = getattr(error, attribute, None)
        assert value is None or (len(value) <= 80 and KEY not in value and value.isprintable())
    limit = getattr(error, "limit", None)
    assert limit is None or 0 <= limit < 2**63
    wait = getattr(error, "retry_after", None)
    assert wait is None or (wait >= 0 and math.isfinite(wait))


@examples(700)
@given(data=st.data(), status=st.sampled_from(sorted(MEANINGS)), bucket=st.sampled_from(Bucket), headers=headers)
def test_a_damaged_error_body_is_one_of_the_clients_errors(
    refusals: Corpus[Refusal], data: st.DataObject, status: int, bucket: Bucket, headers: dict[str, str]
) -> None:
    """Of any body and any status: an error that this status may mean, and never another exception.

    Seen to catch: `_dicts` that believes a list to hold objects; `_word` that takes any text; a pause that may be
    negative; a 429 that is judged by its reason first.
    """
    refusal = refusals[data.draw(st.sampled_from(refusals.names))]
    damage = data.draw(damaged(refusal.document, cut=True, odd=ODD))
    error = classify(status, damage.body, headers, bucket)
    assert isinstance(error, MEANINGS[status])
    check(error)


@examples(300)
@given(data=st.data())
def test_what_is_beside_the_meaning_does_not_change_it(refusals: Corpus[Refusal], data: st.DataObject) -> None:
    """Unknown fields, a longer message and odd help links leave an error what it was.

    Seen to catch: a reader that gives up at a detail that is no object; `_dicts` that gives up its list at one.
    """
    refusal = refusals[data.draw(st.sampled_from(refusals.names))]
    before = classify(refusal.status, written(refusal.document), {}, Bucket.SEARCH)
    document = damaged_beside(data, refusal)
    after = classify(refusal.status, written(document), {}, Bucket.SEARCH)
    check(after)
    assert type(after) is type(before)
    for attribute in ("reason", "project", "limit"):
        assert getattr(after, attribute, None) == getattr(before, attribute, None)


def damaged_beside(data: st.DataObject, refusal: Refusal) -> dict[str, Any]:
    """The body with odd values where nothing of its meaning stands."""
    document = copy.deepcopy(refusal.document)
    odd = odd_values().filter(is_json)
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.sampled_from(("top", "error", "entries", "details")))
        value = copy.deepcopy(data.draw(odd))
        error = document["error"]
        if where == "top":
            document["unknown"] = value
        elif where == "error":
            error["unknown"] = value
        else:
            listed = error.setdefault("errors" if where == "entries" else "details", [])
            if not isinstance(value, dict):
                listed.append(value)
    return document


@examples(300)
@given(
    data=st.data(),
    # near where a message is cut, more often than by chance
    before=st.integers(2950, 3000) | st.integers(240, 300) | st.integers(0, 3100),
    key=st.sampled_from((KEY, OPAQUE)),
    after=st.text(max_size=20),
)
def test_a_key_anywhere_in_a_message_never_comes_out_of_it(
    refusals: Corpus[Refusal], data: st.DataObject, before: int, key: str, after: str
) -> None:
    """Not whole, and not as what is left of it where a text is cut.

    Seen to catch: a message that is cut before it is scrubbed, as it was at 3,000 characters; one that is not scrubbed.
    """
    refusal = refusals[data.draw(st.sampled_from(refusals.names))]
    document = copy.deepcopy(refusal.document)
    filler = data.draw(st.sampled_from(("x", " ", "ab ", "<b>", "\n", "é")))
    text = (filler * before)[:before] + data.draw(st.sampled_from(("", " ", "key="))) + key + after
    texts = [place for place in places(document) if isinstance(take(document, place), str)]
    messages = [place for place in texts if place[-1] == "message"]
    for place in messages if data.draw(st.booleans()) else [data.draw(st.sampled_from(texts))]:
        put(document, place, text)
    check(classify(refusal.status, written(document), {}, Bucket.UNITS))


@examples(300)
@given(
    body=st.binary(max_size=200),
    status=st.sampled_from(sorted(MEANINGS)) | st.integers(100, 599).filter(lambda code: not 200 <= code < 300),
)
def test_any_bytes_with_any_status_are_an_error(body: bytes, status: int) -> None:
    """HTML, nonsense and nothing are errors too; only the API's own envelope says anything about a key or an item.

    Seen to catch: a reader that decodes leniently; a 404 of a proxy that is read as "there is no such thing".
    """
    error = classify(status, body, {}, Bucket.SEARCH)
    check(error)
    if not ErrorBody.read(body).understood:
        assert not isinstance(error, KeyInvalid | KeyBlocked | QuotaExhausted | NotFound)


@examples(300)
@given(headers=headers)
def test_a_pause_is_a_number_of_seconds_or_nothing(headers: dict[str, str]) -> None:
    """Whatever Retry-After says: nothing, or seconds that can be waited for.

    Seen to catch: a Retry-After in the past that is negative; `float()` of the header, which takes "nan" and "inf".
    """
    wait = retry_after_of(headers, ErrorBody())
    assert wait is None or (wait >= 0 and math.isfinite(wait))
