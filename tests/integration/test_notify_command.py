"""`atlas notify`: who is notified of what, and whether each service takes a message; without a word of any URL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..support.commands import Done, atlas
from ..support.fake_secrets import NOTIFY_TOKEN
from ..support.fake_webhook import Service, service

pytestmark = pytest.mark.integration

SECRET = NOTIFY_TOKEN


@pytest.fixture
def people() -> Iterator[Service]:
    with service() as state:
        yield state


async def notify(*arguments: str, urls: str) -> Done:
    # no database is needed, and none is there
    done = await atlas("notify", *arguments, NOTIFY_URLS=urls, DATABASE_URL="postgresql://nobody@127.0.0.1:9/x")
    assert SECRET not in done.out + done.stderr
    return done


async def test_a_test_message_goes_to_every_entry_whatever_its_types(people: Service) -> None:
    done = await notify("--test", urls=f"{people.url(SECRET)} breakout={people.url('two')}")
    assert (done.code, done.stderr) == (0, "")
    assert done.out == "entry 1 of 2 (JSON) took the message\nentry 2 of 2 (JSON) took the message\n"
    assert sorted(path for path, _ in people.received) == [f"/{SECRET}", "/two"]
    assert set(people.titles) == {"Maia: a test message"}


async def test_an_entry_that_did_not_take_it_is_named_and_the_code_is_1(people: Service) -> None:
    done = await notify("--test", urls=f"{people.url()} nosuchscheme://{SECRET} json://127.0.0.1:9/{SECRET}")
    assert done.code == 1
    first, second, third = done.out.splitlines()
    assert first == "entry 1 of 3 (JSON) took the message"
    assert second.startswith("entry 2 of 3 is not a URL that Apprise can use")
    assert third.startswith("entry 3 of 3 (JSON) was not delivered: A Connection error occurred")
    assert "Connection refused" in third


@pytest.mark.parametrize("arguments", [(), ("--test",)])
@pytest.mark.parametrize(
    ("urls", "words"),
    [("", "NOTIFY_URLS required"), (f"churns=json://{SECRET}", "NOTIFY_URLS: entry 1 names an unknown type of event")],
)
async def test_unset_or_wrong_it_ends_with_78(arguments: tuple[str, ...], urls: str, words: str) -> None:
    done = await notify(*arguments, urls=urls)
    assert (done.code, done.out) == (78, "")
    assert done.stderr.startswith(f"atlas: {words}")


async def test_without_test_it_shows_the_events_of_each_entry_and_sends_nothing(people: Service) -> None:
    done = await notify(urls=f"{people.url(SECRET)} churn,breakout={people.url(SECRET)} churn={people.url()}")
    assert (done.code, done.stderr) == (0, "")
    assert done.out.splitlines() == [
        "entry 1 of 3 is notified of run_finished, quota_spent, key_suspended, breakout, counts_frozen, archive_failed",
        "entry 2 of 3 is notified of breakout; below NOTIFY_LEVEL (warning), so never: churn",
        "entry 3 of 3 is notified of nothing; below NOTIFY_LEVEL (warning), so never: churn",
    ]
    assert people.received == []
