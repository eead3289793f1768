"""`atlas notify`: who is notified of what, and whether each service takes a message; without a word of any URL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..support.fake_secrets import NOTIFY_TOKEN as SECRET
from ..support.fake_webhook import Service, service
from ..support.forked_commands import forked_commands

pytestmark = pytest.mark.integration

Notify = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def people() -> Iterator[Service]:
    with service() as state:
        yield state


@pytest.fixture(scope="module")
def notify() -> Iterator[Notify]:
    """Run the command, whose output shows no URL. It needs no database, and none is there."""
    with forked_commands() as commands:

        def run(arguments: str = "", *, urls: str) -> tuple[int, list[str]]:
            environment = os.environ | {"NOTIFY_URLS": urls, "DATABASE_URL": "postgresql://me@127.0.0.1:9/x"}
            code, printed = commands.run(f"atlas notify {arguments}", environment, Path.cwd())
            assert SECRET not in printed
            return code, printed.splitlines()

        yield run


def test_a_test_message_goes_to_every_entry_whatever_its_types(people: Service, notify: Notify) -> None:
    code, lines = notify("--test", urls=f"{people.url(SECRET)} breakout={people.url('two')}")
    assert (code, lines) == (0, ["entry 1 of 2 (JSON) took the message", "entry 2 of 2 (JSON) took the message"])
    assert sorted(path for path, _ in people.received) == [f"/{SECRET}", "/two"]
    assert set(people.titles) == {"Maia: a test message"}


def test_an_entry_that_did_not_take_it_is_named_and_the_code_is_1(people: Service, notify: Notify) -> None:
    code, lines = notify("--test", urls=f"{people.url()} nosuchscheme://{SECRET} json://127.0.0.1:9/{SECRET}")
    assert code == 1
    first, second, third = [line for line in lines if line.startswith("entry ")]
    assert first == "entry 1 of 3 (JSON) took the message"
    assert second.startswith("entry 2 of 3 is not a URL that Apprise can use")
    assert third.startswith("entry 3 of 3 (JSON) was not delivered: A Connection error occurred")
    assert "Connection refused" in third


@pytest.mark.parametrize("arguments", ["", "--test"])
@pytest.mark.parametrize(
    ("urls", "words"),
    [("", "NOTIFY_URLS required"), (f"churns=json://{SECRET}", "NOTIFY_URLS: entry 1 names an unknown type of event")],
)
def test_unset_or_wrong_it_ends_with_78(notify: Notify, arguments: str, urls: str, words: str) -> None:
    code, (line,) = notify(arguments, urls=urls)
    assert code == 78
    assert line.startswith(f"atlas: {words}")


def test_without_test_it_shows_the_events_of_each_entry_and_sends_nothing(people: Service, notify: Notify) -> None:
    urls = f"{people.url(SECRET)} churn,breakout={people.url(SECRET)} churn={people.url()}"
    assert notify(urls=urls) == (0, [
        "entry 1 of 3 is notified of run_finished, quota_spent, key_suspended, breakout, counts_frozen, archive_failed",
        "entry 2 of 3 is notified of breakout; below NOTIFY_LEVEL (warning), so never: churn",
        "entry 3 of 3 is notified of nothing; below NOTIFY_LEVEL (warning), so never: churn",
    ])  # fmt: skip
    assert people.received == []
