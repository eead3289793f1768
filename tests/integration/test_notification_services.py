"""Notifications through Apprise's own plugins, to services that refuse what the real ones refuse."""

from __future__ import annotations

import email
import email.policy
import re
from collections.abc import Iterator

import pytest
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.pushover import NotifyPushover
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram
from pydantic import SecretStr

from atlas import notifier
from atlas.config import settings
from atlas.event_types import EventType
from atlas.notifier.messages import Message
from atlas.notifier.templates import event_message, render

from ..support.fake_chat_services import ChatServices, chat_services, mail_server
from ..support.fake_secrets import NOTIFY_TOKEN as TOKEN

pytestmark = [
    pytest.mark.integration,
    # Apprise's mail service imports imghdr, which Python 3.11 calls deprecated
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

CHAT = f"tgram://123456789:{TOKEN}00000"
DISCORD = f"discord://4815162342/{TOKEN}"
SLACK = f"slack://T1JJ3T3L2/A1BRTD4JD/{TOKEN[-24:]}/"
URLS = {
    "discord": DISCORD,
    "discord, Markdown": f"{DISCORD}?format=markdown",
    "discord, split": f"{DISCORD}?overflow=split",
    "telegram": f"{CHAT}/77777",
    "telegram, Markdown": f"{CHAT}/77777?format=markdown&mdv=v1",
    "telegram, Markdown 2": f"{CHAT}/77777?format=markdown&mdv=v2",
    "telegram, text": f"{CHAT}/77777?format=text",
    "pushover": f"pover://{'u' * 30}@{'a' * 30}",
    "slack": SLACK,
    "slack, blocks": f"{SLACK}?blocks=yes",
    "ntfy": "ntfy://127.0.0.1:PORT/topic",
    "json": f"json://127.0.0.1:PORT/json/{TOKEN}",
    "json, HTML": f"json://127.0.0.1:PORT/json/{TOKEN}?format=html",
}
"""Each service, as NOTIFY_URLS names it."""
each_service = pytest.mark.parametrize("url", URLS.values(), ids=URLS)


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServices]:
    monkeypatch.setattr(notifier, "_logged", set())
    with chat_services() as state:
        base = f"http://127.0.0.1:{state.port}"
        monkeypatch.setattr(NotifyDiscord, "notify_url", f"{base}/discord")
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"{base}/telegram")
        monkeypatch.setattr(NotifyPushover, "notify_url", f"{base}/pushover")
        monkeypatch.setattr(NotifySlack, "webhook_url", f"{base}/slack")
        yield state


async def deliver(people: ChatServices, text: Message, *urls: str) -> list[notifier.Delivery]:
    written = " ".join(urls).replace("PORT", str(people.port))
    with settings.override(notify_urls=SecretStr(written)):
        return await notifier.send(text, "warning")


async def shown(people: ChatServices, text: Message, url: str) -> str:
    """Return the message as people see it."""
    people.shown.clear()
    (delivery,) = await deliver(people, text, url)
    assert not delivery.problem
    ((arrived,),) = people.shown.values()
    return arrived


def breakouts(number: int) -> Message:
    payloads = [{"video_id": f"v{n:010}", "views_per_hour": 12345.6, "views": 123_456_789} for n in range(number)]
    return event_message(
        EventType.BREAKOUT, [(*render(EventType.BREAKOUT, each), 3) for each in payloads], sender="maia t 0/4"
    )


@each_service
async def test_many_things_are_one_message_that_counts_the_rest(people: ChatServices, url: str) -> None:
    for number in (25, 1000):
        text = await shown(people, breakouts(number), url)
        named = text.count("gains 12,346")
        assert named >= 5
        (more,) = re.findall(r"And ([\d,]+) more\.", text)
        assert named + int(more.replace(",", "")) == number
        assert f"{number:,} events: breakout" in text
        assert "Sent by maia t 0/4." in text


@each_service
async def test_one_long_text_is_cut(people: ChatServices, url: str) -> None:
    for letter in ("x", "é", "ж", "漢", "🎸", "&", "<", "_", '"', "\n", " x"):
        payload = {
            "agent": "hunter", "shard": "0/4", "outcome": "failure", "exit_code": 1,
            "error": f"it begins {letter * 40_000} it ends",
        }  # fmt: skip
        event = EventType.RUN_FINISHED
        text = await shown(people, event_message(event, [(*render(event, payload), 5)], sender="maia hunter 0/4"), url)
        assert "maia hunter 0/4: failure (1)" in text, letter
        assert "it begins" in text, letter
        assert "it ends" not in text, letter


@each_service
async def test_a_long_title_is_cut_and_stands_in_full_below(people: ChatServices, url: str) -> None:
    for length in (200, 300, 3_000):
        text = await shown(people, Message("T" * length + "E", ("the body",)), url)
        assert text.startswith(("T" * 100, "# " + "T" * 100, "**" + "T" * 100, "<b>TTT")), length
        assert "the body" in text or length == 3_000
        assert "T" * length + "E" in text or length == 3_000


@each_service
async def test_a_message_without_a_body_arrives(people: ChatServices, url: str) -> None:
    for body in ("", "  \n ", "\x00"):
        assert "a title" in await shown(people, Message("a title", (body,)), url), repr(body)


MARKUP = r"a_b *c* `d` [e](f) <b>g</b> &amp; # h ~i~ ||j|| \_ - . ! {k} https://www.youtube.com/watch?v=a_b_c__d"


@pytest.mark.parametrize("name", URLS)
async def test_markup_in_a_text_is_shown_as_it_is(people: ChatServices, name: str) -> None:
    arrived = await shown(people, Message("_title* <i>", (MARKUP, "> y", "# z")), URLS[name])
    text = arrived.replace("\u200b", "").replace("\r", "")
    if "HTML" in name:
        assert "<b>" not in text
        assert "&lt;b&gt;" in text
    else:
        assert f"{MARKUP}\n> y\n# z" in text
        assert "_title* <i>" in text


async def test_a_mail_has_its_subject_and_text(people: ChatServices) -> None:
    received: list[str] = []
    async with mail_server(received) as port:
        url = f"mailto://127.0.0.1:{port}?smtp=127.0.0.1&mode=insecure&from=a@b.example&to=c@d.example"
        (delivery,) = await deliver(people, Message("ü " * 200, tuple(breakouts(25).items)), url)
    assert not delivery.problem
    (mail,) = [email.message_from_string(text, policy=email.policy.default) for text in received]
    assert mail["Subject"].startswith("ü ü")
    body = mail.get_body(("html",))
    assert body is not None
    assert body.get_content().count("youtube.com") == 20


@pytest.mark.parametrize(
    ("service", "status", "answer", "reason"),
    [
        ("discord", 400, '{"content": ["Must be 2000 or fewer in length."]}', "Must be 2000 or fewer in length."),
        ("discord", 404, '{"message": "Unknown Webhook", "code": 10015}', "Unknown Webhook"),
        ("telegram", 400, '{"description": "Bad Request: chat not found"}', "chat not found"),
        ("telegram", 401, f'{{"description": "token {TOKEN} is wrong"}}', "token *** is wrong"),
        ("pushover", 400, '{"errors": ["application token is invalid"]}', "token is invalid"),
        ("slack", 403, "action_prohibited", "action_prohibited"),
        ("json", 500, f"<p>no {TOKEN.lower()} here\r\n::error::x</p>", "<p>no *** here ::error::x</p>"),
    ],
)
async def test_the_log_says_why_a_service_refused(
    people: ChatServices, service: str, status: int, answer: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    people.refusing[service] = status, answer
    (delivery,) = await deliver(people, Message("title", ("body",)), URLS[service])
    assert not delivery.accepted
    assert delivery.problem.startswith(f"was refused with {status} (")
    assert reason in delivery.problem
    (logged,) = caplog.messages
    assert logged == f"notifier: entry 1 of 1 in NOTIFY_URLS {delivery.problem}"
    for secret in (TOKEN, TOKEN.lower(), "4815162342", "77777", "u" * 30, "a" * 30, "T1JJ3T3L2"):
        assert secret not in caplog.text + repr(delivery)


async def test_a_server_that_is_absent_is_named_by_what_went_wrong(
    people: ChatServices, caplog: pytest.LogCaptureFixture
) -> None:
    (delivery,) = await deliver(people, Message("title", ("body",)), f"json://user:password@127.0.0.1:9/{TOKEN}")
    assert "was not delivered: A Connection error occurred" in delivery.problem
    assert "Connection refused" in delivery.problem
    for secret in (TOKEN, "password", "127.0.0.1"):
        assert secret not in caplog.text


async def test_an_entry_with_two_chats_of_which_one_refuses_has_reached_people(people: ChatServices) -> None:
    one_of_two, none = await deliver(people, Message("title", ("body",)), f"{CHAT}/77777/666", f"{CHAT}/666")
    assert (bool(one_of_two.problem), one_of_two.accepted) == (True, True)
    assert (bool(none.problem), none.accepted) == (True, False)
    assert "chat not found" in one_of_two.problem
