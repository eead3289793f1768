"""NOTIFY_URLS: entries, their types, and the error of a wrong one."""

from __future__ import annotations

import pytest

from atlas.config import notify_urls, settings
from atlas.errors import ConfigError
from atlas.event_types import EventType
from atlas.redaction import scrub

SECRET = "verySecretWord"


def parsed(text: str) -> list[tuple[int, set[str], str]]:
    return [(entry.place, {str(each) for each in entry.types}, entry.url) for entry in notify_urls.parse(text)]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("", []),
        ("json://a", [(1, set(), "json://a")]),
        ("churn=json://a", [(1, {"churn"}, "json://a")]),
        ("Churn,BREAKOUT=json://a/?x=y", [(1, {"churn", "breakout"}, "json://a/?x=y")]),
        (" json://a?to=b,c=d \n\t churn=json://b", [(1, set(), "json://a?to=b,c=d"), (2, {"churn"}, "json://b")]),
        ("no-url-at-all", [(1, set(), "no-url-at-all")]),
    ],
)
def test_entries_are_read_in_their_order(text: str, entries: list[tuple[int, set[str], str]]) -> None:
    assert parsed(text) == entries


def test_an_entry_without_types_takes_every_event_and_any_takes_what_is_about_none() -> None:
    everything, some = notify_urls.parse("json://a churn=json://b")
    assert all(everything.takes(event) for event in [*EventType, None])
    assert [event for event in EventType if some.takes(event)] == [EventType.CHURN]
    assert some.takes(None)


@pytest.mark.parametrize(
    "text", [f"json://a {SECRET}=json://b", f"json://a churn,{SECRET}=json://b", f"json://a ,=json://{SECRET}"]
)
def test_a_word_that_is_no_type_is_an_error_that_names_the_place_and_the_types(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_URLS", text)
    settings.reload()
    for use in (settings.check, lambda: settings.notify_urls):
        with pytest.raises(ConfigError) as caught:
            use()
        message = str(caught.value)
        assert message.startswith("NOTIFY_URLS: entry 2 names an unknown type of event")
        assert "key_suspended" in message
        assert SECRET not in message


def test_types_without_a_url_are_an_error() -> None:
    with pytest.raises(ValueError, match="entry 2 has no URL after its types"):
        notify_urls.parse("json://a churn=")


def test_no_text_of_an_entry_shows_its_url() -> None:
    assert SECRET not in repr(notify_urls.parse(f"churn=json://{SECRET}"))


def test_the_url_of_an_entry_with_types_is_scrubbed_from_foreign_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_URLS", f"churn=json://{SECRET}/x")
    settings.reload()
    assert settings.notify_level == "warning"
    assert SECRET not in scrub(f"a library says json://{SECRET}/x!")
