"""The notifier through Apprise's own json:// service to a real local HTTP server."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from atlas import notifier
from atlas.config import settings
from atlas.event_types import EventType

from ..support.fake_secrets import NOTIFY_TOKEN
from ..support.fake_webhook import Service, service

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.integration,
    # Apprise's mail service imports imghdr, which Python 3.11 calls deprecated
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]

PATH_TOKEN = NOTIFY_TOKEN


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(notifier, "_logged", set())
    with service() as state:
        yield state


@pytest.mark.parametrize(("status", "taken"), [(200, True), (500, False)])
async def test_a_message_is_delivered_or_its_failure_logged_without_the_url(
    server: Service, status: int, taken: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.status = status
    url = f"json://user:password@127.0.0.1:{server.port}/{PATH_TOKEN}"
    with settings.override(notify_urls=SecretStr(url)):
        assert await notifier.notify("Key suspended", "a1b2c3 <script>", "warning") is taken

    ((path, body),) = server.received
    assert path == f"/{PATH_TOKEN}"
    assert (body["title"], body["message"], body["type"]) == ("Key suspended", "a1b2c3 <script>", "warning")
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("atlas")]
    assert len(ours) == (0 if taken else 1)
    assert PATH_TOKEN not in caplog.text
    assert "password" not in caplog.text


async def test_a_service_that_shows_html_gets_texts_from_outside_escaped(server: Service) -> None:
    with settings.override(notify_urls=SecretStr(f"json://127.0.0.1:{server.port}/?format=html")):
        assert await notifier.notify("title", "<script>alert(1)</script>")
    ((_, body),) = server.received
    assert "<script>" not in body["message"]
    assert "&lt;script&gt;" in body["message"]


async def test_an_entry_with_types_gets_only_events_of_those_types(server: Service) -> None:
    urls = f"breakout,key_suspended={server.url('some')} {server.url('all')} CHURN={server.url('churn')}?a=b"
    with settings.override(notify_urls=SecretStr(urls)):
        assert await notifier.notify("a breakout", "", event=EventType.BREAKOUT)
        assert await notifier.notify("a churn", "", event=EventType.CHURN)
        assert await notifier.notify("a test", "")
    taken = {path: {body["title"] for p, body in server.received if p == path} for path, _ in server.received}
    assert taken == {
        "/some": {"a breakout", "a test"},
        "/all": {"a breakout", "a churn", "a test"},
        "/churn": {"a churn", "a test"},
    }
