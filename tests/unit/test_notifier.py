"""The notifier, with a service of Apprise that lives in this process."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import apprise
import pytest
from apprise.manager_plugins import NotificationManager
from pydantic import SecretStr

from atlas import notifier
from atlas.config import settings
from atlas.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Apprise's mail service imports imghdr, which Python 3.11 calls deprecated
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

SECRET = "verySecretWord"


@pytest.fixture(autouse=True)
def nothing_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifier, "_logged", set())


class Service:
    """What the scheme ``maiatest://`` received, and what it answers."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, str]] = []
        self.act: Callable[[], Any] = lambda: True

    def take(self, body: str, title: str, notify_type: str, *_: Any, **__: Any) -> Any:
        self.received.append((title, body, str(getattr(notify_type, "value", notify_type))))
        return self.act()


@pytest.fixture
def service() -> Iterator[Service]:
    state = Service()
    apprise.decorators.notify(on="maiatest", name="Test")(state.take)
    yield state
    NotificationManager().remove("maiatest")


def urls(text: str | None) -> Any:
    return settings.override(notify_urls=SecretStr(text) if text is not None else None)


@pytest.mark.parametrize("text", [None, "", "  "])
async def test_unset_is_silent(text: str | None, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with urls(text):
        assert await notifier.notify("title", "body", "error") is False
    assert [record for record in caplog.records if record.name != "asyncio"] == []


@pytest.mark.parametrize(("level", "marked"), [("info", "info"), ("warning", "warning"), ("error", "failure")])
async def test_a_message_arrives_with_its_level(service: Service, level: notifier.Level, marked: str) -> None:
    with urls("maiatest://one"):
        assert await notifier.notify("Churn", "3 shards\nended with 75", level) is True
    assert service.received == [("Churn", "3 shards\nended with 75", marked)]


async def test_every_service_gets_it_whatever_becomes_of_the_others(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    with urls(f"maiatest://one nosuchscheme://{SECRET} maiatest://two"):
        assert await notifier.notify("title", "body") is False
    assert len(service.received) == 2
    (logged,) = caplog.records
    assert "entry 2 of 3 in NOTIFY_URLS is not a URL that Apprise can use" in logged.getMessage()
    assert SECRET not in caplog.text


@pytest.mark.parametrize("text", [f"{SECRET}", f"tgram://{SECRET}", f"://{SECRET}", f"json://{SECRET}:notaport/x"])
async def test_a_malformed_url_is_logged_once_and_never_shown(
    text: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with urls(text):
        for _ in range(3):
            assert await notifier.notify("title", "body") is False
    ours = [record for record in caplog.records if record.name.startswith("atlas")]
    assert [record.levelno for record in ours] == [logging.WARNING]
    printed = capsys.readouterr()
    assert SECRET not in caplog.text + printed.out + printed.err


def _fail() -> Any:
    raise OSError(f"cannot reach {SECRET}")


@pytest.mark.parametrize("act", [lambda: False, _fail])
async def test_a_delivery_that_fails_is_logged_once(
    service: Service, act: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    service.act = act
    with urls(f"maiatest://{SECRET}"):
        assert await notifier.notify("title", "body") is False
        assert await notifier.notify("title", "body") is False
    assert len(service.received) == 2
    (logged,) = [record for record in caplog.records if record.name.startswith("atlas")]
    assert "entry 1 of 1 in NOTIFY_URLS was not delivered" in logged.getMessage()
    assert SECRET not in caplog.text


async def test_a_service_that_hangs_does_not_hold_up_the_sender(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notifier, "NOTIFY_SECONDS", 0.06)
    over = threading.Event()
    service.act = lambda: over.wait(30)
    with urls("maiatest://one"):
        async with asyncio.timeout(10):
            assert await notifier.notify("title", "body") is False
    over.set()
    assert "did not answer within 0.04 s" in caplog.text


async def test_texts_from_outside_stay_texts(service: Service) -> None:
    with urls("maiatest://one"):
        await notifier.notify("a\r\nBcc: x\x1b[31m \ud83d", "<b>&amp;\x00\\n</b>\tx\n@all")
    assert service.received == [("a Bcc: x[31m", "<b>&amp;\\n</b>\tx\n@\u200ball", "info")]


async def test_a_comma_belongs_to_its_url(service: Service) -> None:
    with urls("maiatest://one?a=1,maiatest://two"):
        assert await notifier.notify("title", "body")
    assert len(service.received) == 1


async def test_settings_that_cannot_be_read_do_not_raise(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        @property
        def notify_urls(self) -> None:
            raise ConfigError(f"NOTIFY_URLS {SECRET}")

    monkeypatch.setattr(notifier, "settings", Broken())
    assert await notifier.notify("title", "body") is False
    assert "ConfigError" in caplog.text
    assert SECRET not in caplog.text


async def test_foreign_loggers_speak_again_afterwards(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("urllib3.connectionpool")
    service.act = lambda: log.warning("with a path") or True
    with urls("maiatest://one"):
        assert await notifier.notify("title", "body")
    assert caplog.records == []
    log.warning("of someone else")
    assert caplog.messages == ["of someone else"]


async def test_what_goes_wrong_inside_is_named_by_its_type_only(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    level: Any = "no such level"
    with urls(f"maiatest://{SECRET}"):
        assert await notifier.notify("title", "body", level) is False
    assert caplog.messages == ["notifier: entry 1 of 1 in NOTIFY_URLS failed with KeyError"]
