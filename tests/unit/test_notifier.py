"""The notifier, with a service of Apprise that lives in this process."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import apprise
import pytest
from apprise.manager_plugins import NotificationManager
from pydantic import SecretStr

from atlas import notifier
from atlas.config import settings
from atlas.errors import ConfigError
from atlas.event_types import EventType

# Apprise's mail service imports imghdr, which Python 3.11 calls deprecated
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

SECRET = "verySecretWord"


class Service:
    """What the scheme ``maiatest://`` received, and what it answers."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, str]] = []
        self.act: Callable[[], Any] = lambda: True

    def take(self, body: str, title: str, notify_type: str, *_: Any, **__: Any) -> Any:
        self.received.append((title, body, str(getattr(notify_type, "value", notify_type))))
        return self.act()


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(notifier, "_logged", set())
    state = Service()
    apprise.decorators.notify(on="maiatest", name="Test")(state.take)
    yield state
    NotificationManager().remove("maiatest")


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged, none of which shows a part of a URL."""
    caplog.set_level(logging.DEBUG)

    def messages() -> list[str]:
        assert SECRET not in caplog.text
        return [record.getMessage() for record in caplog.records if record.name != "asyncio"]

    return messages


async def notify(
    urls: str | None, title: str = "title", body: str = "body", level: Any = "info", event: EventType | None = None
) -> bool:
    with settings.override(notify_urls=SecretStr(urls) if urls is not None else None):
        return await notifier.notify(title, body, level, event=event)


@pytest.mark.parametrize("text", [None, "", "  "])
async def test_unset_is_silent(text: str | None, logged: Callable[[], list[str]]) -> None:
    assert await notify(text) is False
    assert logged() == []


@pytest.mark.parametrize(("level", "marked"), [("info", "info"), ("warning", "warning"), ("error", "failure")])
async def test_a_message_arrives_with_its_level(service: Service, level: str, marked: str) -> None:
    # a comma belongs to its URL
    assert await notify("maiatest://one?a=1,maiatest://two", "Churn", "3 shards\nended with 75", level) is True
    assert service.received == [("Churn", "3 shards\nended with 75", marked)]


async def test_an_entry_with_types_gets_only_events_of_those_types(service: Service) -> None:
    urls = "breakout,key_suspended=maiatest://some maiatest://all CHURN=maiatest://churn?a=b"
    for event in (EventType.BREAKOUT, EventType.CHURN, None):
        assert await notify(urls, str(event), event=event)
    assert sorted(title for title, _, _ in service.received) == ["None"] * 3 + ["breakout"] * 2 + ["churn"] * 2


async def test_each_service_gets_it_even_if_another_fails(service: Service, logged: Callable[[], list[str]]) -> None:
    assert await notify(f"maiatest://one nosuchscheme://{SECRET} maiatest://two") is False
    assert len(service.received) == 2
    (line,) = logged()
    assert "entry 2 of 3 in NOTIFY_URLS is not a URL that Apprise can use" in line


@pytest.mark.parametrize("text", [f"{SECRET}", f"tgram://{SECRET}", f"://{SECRET}", f"json://{SECRET}:notaport/x"])
async def test_a_malformed_url_is_logged_once_and_never_shown(
    text: str, logged: Callable[[], list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(3):
        assert await notify(text) is False
    assert len(logged()) == 1
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err


def _fail() -> Any:
    raise OSError(f"cannot reach {SECRET}")


@pytest.mark.parametrize("act", [lambda: False, _fail])
async def test_a_delivery_that_fails_is_logged_once(
    service: Service, act: Callable[[], Any], logged: Callable[[], list[str]]
) -> None:
    service.act = act
    for _ in range(2):
        assert await notify(f"maiatest://{SECRET}") is False
    assert len(service.received) == 2
    (line,) = [text for text in logged() if text.startswith("notifier: ")]
    assert "entry 1 of 1 in NOTIFY_URLS was not delivered" in line


async def test_a_service_that_hangs_does_not_delay_the_sender(
    service: Service, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr(notifier, "NOTIFY_SECONDS", 0.06)
    over = threading.Event()
    service.act = lambda: over.wait(30)
    async with asyncio.timeout(10):
        assert await notify("maiatest://one") is False
    over.set()
    assert "did not answer within 0.04 s" in "\n".join(logged())


async def test_texts_from_outside_stay_texts(service: Service) -> None:
    await notify("maiatest://one", "a\r\nBcc: x\x1b[31m \ud83d", "<b>&amp;\x00\\n</b>\tx\n@all")
    assert service.received == [("a Bcc: x[31m", "<b>&amp;\\n</b>\tx\n@\u200ball", "info")]


async def test_settings_that_cannot_be_read_do_not_raise(
    monkeypatch: pytest.MonkeyPatch, logged: Callable[[], list[str]]
) -> None:
    class Broken:
        @property
        def notify_urls(self) -> None:
            raise ConfigError(f"NOTIFY_URLS {SECRET}")

    monkeypatch.setattr(notifier, "settings", Broken())
    assert await notifier.notify("title", "body") is False
    assert "ConfigError" in "\n".join(logged())


async def test_foreign_loggers_are_silent_only_meanwhile(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("urllib3.connectionpool")
    service.act = lambda: log.warning("with a path") or True
    assert await notify("maiatest://one")
    assert caplog.records == []
    log.warning("of someone else")
    assert caplog.messages == ["of someone else"]


async def test_a_defect_inside_is_named_by_its_type_only(logged: Callable[[], list[str]]) -> None:
    assert await notify(f"maiatest://{SECRET}", level="no such level") is False
    assert "notifier: entry 1 of 1 in NOTIFY_URLS failed with KeyError" in logged()
