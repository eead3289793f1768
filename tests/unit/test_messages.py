"""Notifications are shortened to what a service takes, and say what they leave out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.notifier.messages import Message, MessageLimits, escape_markdown, fit, json_bytes, utf16_units

from ..support.examples import examples

ITEMS = tuple(f"item {n} " + "x" * 40 for n in range(30))
TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)


@pytest.mark.parametrize(
    ("message", "limits", "title", "body"),
    [
        (Message("t", ("a", "b")), MessageLimits(250, 1000), "t", "a\nb"),
        (Message("t", ("a", "b"), 3, ("end",)), MessageLimits(250, 1000), "t", "a\nb\nAnd 3 more.\nend"),
        (Message("t", ITEMS, 5, ("end",)), MessageLimits(250, 120), "t", f"{ITEMS[0]}\n{ITEMS[1]}\nAnd 33 more.\nend"),
        # the title counts
        (Message("t", ITEMS, 0, ("end",)), MessageLimits(250, 130, shared=True), "t", f"{ITEMS[0]}\nAnd 29 more.\nend"),
        (Message("t", ITEMS, 0, ("end",)), MessageLimits(0, 130), "t", f"{ITEMS[0]}\nAnd 29 more.\nend"),
        # one that is too long
        (Message("t", ("x" * 200,), 0, ("end",)), MessageLimits(9, 50), "t", "x" * 45 + "…\nend"),
        (Message("t", ("x" * 200, "y"), 0, ("e" * 40,)), MessageLimits(9, 50), "t", "x" * 37 + "…\nAnd 1 more."),
        # by lines
        (Message("t", ("a", "b", "c", "d"), 0, ("end",)), MessageLimits(9, 99, lines=3), "t", "a\nAnd 3 more.\nend"),
        (Message("t", ("a\nb\nc", "d"), 0, ("end",)), MessageLimits(9, 99, lines=3), "t", "a b c\nAnd 1 more.\nend"),
        # titles
        (Message("t" * 20, ("a",)), MessageLimits(10, 50), "t" * 9 + "…", "t" * 20 + "\na"),
        (Message("t" * 9 + " tt", ("a",)), MessageLimits(11, 50), "t" * 9 + "…", "t" * 9 + " tt\na"),
        # no empty text
        (Message("t", ("", " \n")), MessageLimits(9, 50), "t", "t"),
        (Message("t"), MessageLimits(0, 50), "", "t"),
        (Message(""), MessageLimits(9, 50), "", "Maia"),
        (Message("t", (), 3), MessageLimits(9, 50), "t", "And 3 more."),
        # by what the service counts
        (Message("t", ("🎸" * 10,)), MessageLimits(9, 10, measure=utf16_units), "t", "🎸🎸🎸🎸…"),
        (Message("t", ("🎸" * 10,)), MessageLimits(9, 30, measure=json_bytes), "t", "🎸🎸…"),
        (Message("t", ("_" * 10,)), MessageLimits(9, 10, escape=escape_markdown), "t", "\\_\\_\\_\\_…"),
        (Message("_", ("_",)), MessageLimits(9, 10, escape=escape_markdown), "_", "\\_"),
        (Message("_", ("_",)), MessageLimits(9, 50, shared=True, escape=escape_markdown), "\\_", "\\_"),
        # no cut inside what is drawn as one
        (Message("t", ("ab\u200dcdef",)), MessageLimits(9, 4), "t", "ab…"),
    ],
)
def test_a_message_is_shortened(message: Message, limits: MessageLimits, title: str, body: str) -> None:
    assert fit(message, limits) == (title, body)


@examples(300)
@given(
    st.builds(Message, TEXTS, st.lists(TEXTS, max_size=6).map(tuple), st.integers(0, 10**6), st.tuples(TEXTS)),
    st.builds(
        MessageLimits,
        st.sampled_from([0, 20, 250]),
        st.integers(100, 1000),
        st.sampled_from([0, 2, 5]),
        shared=st.booleans(),
        measure=st.sampled_from([utf16_units, json_bytes]),
        escape=st.sampled_from([str, escape_markdown]),
    ),
)
def test_whatever_the_message_and_the_service_it_fits(message: Message, limits: MessageLimits) -> None:
    title, body = fit(message.map(str), limits)
    assert body.strip("\n")
    assert limits.measure(title) <= (limits.title or limits.body)
    together = limits.measure(title) + 2 if limits.shared or not limits.title else 0
    assert limits.measure(body) + together <= limits.body
    if limits.lines:
        assert body.count("\n") + 1 <= limits.lines - (not limits.title)


@pytest.mark.parametrize("text", ["plain", "é", "漢", "🎸", '"\\\n', "\x7f"])
def test_a_measure_is_never_too_small(text: str) -> None:
    assert utf16_units(text) >= len(text)
    assert len(json.dumps({"message": text})) == len('{"message": ""}') + json_bytes(text)
    assert json_bytes(text) >= len(text.encode())


def test_markdown_is_escaped_outside_of_addresses() -> None:
    assert escape_markdown("a_b https://x.example/a_b*c\n# d\n> e #f") == (
        "a\\_b https://x.example/a_b*c\n\\# d\n\\> e #f"
    )
