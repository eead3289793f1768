"""Single values of an answer: read exactly where a column can hold them, None where none can."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atlas.models.parsing import (
    MAX_COUNT,
    clean_text,
    clean_texts,
    parse_category,
    parse_count,
    parse_duration,
    parse_millis,
    parse_time,
    usable_id,
)

from ...support.examples import examples
from ...support.json_damage import odd_values

ANYTHING = odd_values()
numbers = st.integers() | st.sampled_from([edge + n for edge in (0, 2**31, 2**63, 2**64) for n in (-2, -1, 0, 1, 2)])
texts = st.text(max_size=40) | st.text(
    st.sampled_from("abÄß#ﬁ \0\x1f\u200b\u200d\u202e\ud83d\ude00\ud800\udfff"), max_size=40
)
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
parts = st.integers(0, 10**9 - 1) | st.sampled_from((0, 1, 90, 10**6, 10**9 - 1))


@examples(300)
@given(number=numbers, before=st.sampled_from(("", "0", "+", "-", " ")), after=st.sampled_from(("", " ", "\n", ".0")))
def test_a_count_is_read_exactly_or_not_at_all(number: int, before: str, after: str) -> None:
    """Seen to catch: a count and a category beyond their columns; `int()` of a text as it comes."""
    for parse, most in ((parse_count, MAX_COUNT), (parse_category, 2**31 - 1)):
        expected = number if 0 <= number <= most else None
        assert parse(number) == expected
        assert parse(str(number)) == expected
        text = f"{before}{number}{after}"
        if text != str(number) and not (before == "0" and not after):
            assert parse(text) is None
    millis = parse_millis(str(number))
    assert millis is None or millis == timedelta(milliseconds=number)


@examples(300)
@given(moment=st.datetimes(timezones=st.none() | offsets))
def test_a_time_is_read_exactly_where_it_has_an_offset(moment: datetime) -> None:
    """Seen to catch: a naive time that is taken as UTC; a time that overflows in UTC."""
    found = parse_time(moment.isoformat())
    if moment.tzinfo is None:
        assert found is None
    elif found is None:
        assert moment.year in {1, 9999}
    else:
        assert (found, found.tzinfo) == (moment, UTC)


@examples(200)
@given(weeks=parts, days=parts, hours=parts, minutes=parts, seconds=parts)
def test_a_duration_is_the_sum_of_its_parts(weeks: int, days: int, hours: int, minutes: int, seconds: int) -> None:
    """Seen to catch: a duration that overflows; minutes that are read as months."""
    try:
        expected = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        expected = None
    assert parse_duration(f"P{weeks}W{days}DT{hours}H{minutes}M{seconds}S") == expected
    assert parse_duration(f"PT{minutes}M") == timedelta(minutes=minutes)
    assert parse_duration(f"{seconds}.5s") == timedelta(seconds=seconds, milliseconds=500)


@examples(400)
@given(text=texts)
def test_a_text_is_kept_but_for_what_no_database_takes(text: str) -> None:
    """Seen to catch: NUL and half surrogate pairs left in texts; a text that is stripped."""
    found = clean_text(text)
    assert found is not None
    assert "\0" not in found
    found.encode()
    rest = text.replace("\0", "")
    if not any("\ud800" <= char <= "\udfff" for char in rest):
        assert found == rest
    assert clean_texts([text, None, text]) == [found] * 2 if found else clean_texts([text]) == []


@examples(400)
@given(value=ANYTHING)
def test_whatever_stands_for_a_value_is_one_or_none(value: Any) -> None:
    """Seen to catch: a reader that takes any object for a text; one that takes any object for an id."""
    for parse, kind in (
        (parse_count, int), (parse_category, int), (parse_time, datetime), (parse_duration, timedelta),
        (parse_millis, timedelta), (clean_text, str), (usable_id, str),
    ):  # fmt: skip
        found = parse(value)
        assert found is None or type(found) is kind
    if not isinstance(value, str):
        assert clean_text(value) is parse_time(value) is parse_duration(value) is usable_id(value) is None
    assert isinstance(clean_texts(value), list)
