"""Where a host is, and what that adds to messages and warnings."""

from __future__ import annotations

import pytest

from atlas.config import settings
from atlas.containers import network_advice, network_advice_for_url
from atlas.db.errors import _unavailable
from atlas.errors import DatabaseUnavailable
from atlas.hosts import is_near, is_this_machine


@pytest.mark.parametrize(
    ("host", "this", "near"),
    [
        ("localhost", True, True),
        ("LOCALHOST.", True, True),
        ("db.localhost", True, True),
        ("127.0.0.1", True, True),
        ("127.8.9.10", True, True),
        ("::1", True, True),
        ("[::1]", True, True),
        ("::ffff:127.0.0.1", True, True),
        ("10.0.0.5", False, True),
        ("fe80::1%eth0", False, True),
        ("postgres", False, True),
        ("db.internal", False, True),
        ("", False, True),
        ("/var/run/postgresql", False, True),
        ("8.8.8.8", False, False),
        ("example.com", False, False),
        ("localhost.example.com", False, False),
    ],
)
def test_a_host_is_this_machine_near_or_far(host: str, this: bool, near: bool) -> None:
    assert (is_this_machine(host), is_near(host)) == (this, near)


@pytest.fixture
def image(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Maia's image."""
    monkeypatch.setenv("ATLAS_VAULT_DEFAULT", "off")


INSIDE = (
    " In a container without its host's network, {} is the container itself: set the input `network: host` "
    "(action, workflow), or give `docker run` the option --network host."
)


@pytest.mark.parametrize(
    ("place", "host"),
    [
        ("127.0.0.1:5432", "127.0.0.1"),
        ("localhost:5432", "localhost"),
        ("[::1]:5432", "[::1]"),
        ("db:5432, 127.0.0.1:5433", "127.0.0.1"),
        ("db:5432", None),
        ("10.0.0.5:5432", None),
        ("/var/run/postgresql/.s.PGSQL.5432", None),
        ("", None),
    ],
)
def test_in_the_image_a_local_database_is_the_container_itself(image: None, place: str, host: str | None) -> None:
    expected = INSIDE.format(host) if host else ""
    assert network_advice(place) == expected
    error = _unavailable(ConnectionRefusedError("refused"), place)
    assert isinstance(error, DatabaseUnavailable)
    assert str(error).endswith(f"DATABASE_URL names its host and port.{expected}")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://localhost:4200/api", "localhost"),
        ("http://127.0.0.1:8080/youtube/v3", "127.0.0.1"),
        ("http://[::1]:8080/youtube/v3", "[::1]"),
        ("http://sandbox:8080/youtube/v3", None),
        ("https://www.googleapis.com/youtube/v3", None),
        ("http://[", None),
        ("http://", None),
    ],
)
def test_in_the_image_a_local_api_is_the_container_itself(image: None, url: str, host: str | None) -> None:
    assert network_advice_for_url(url) == (INSIDE.format(host) if host else "")


def test_elsewhere_nothing_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATLAS_VAULT_DEFAULT", raising=False)
    assert network_advice("127.0.0.1:5432") == network_advice_for_url("http://localhost:4200") == ""


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ({}, []),
        ({"YOUTUBE_API_BASE_URL": "https://example.com/youtube/v3"}, []),
        ({"YOUTUBE_API_BASE_URL": "http://127.0.0.1:8080/youtube/v3"}, []),
        ({"YOUTUBE_API_BASE_URL": "http://sandbox:8080/youtube/v3"}, []),
        ({"YOUTUBE_API_BASE_URL": "http://example.com/youtube/v3"}, ["YOUTUBE_API_BASE_URL"]),
        ({"YOUTUBE_API_BASE_URL": "http://8.8.8.8/youtube/v3"}, ["YOUTUBE_API_BASE_URL"]),
        ({"PREFECT_API_URL": "http://example.com/api"}, []),
        ({"PREFECT_API_URL": "http://example.com/api", "PREFECT_API_KEY": "pnu_a-key"}, ["PREFECT_API_URL"]),
        ({"PREFECT_API_URL": "http://prefect:4200/api", "PREFECT_API_KEY": "pnu_a-key"}, []),
    ],
)
def test_keys_that_go_unencrypted_over_the_open_network_are_a_warning(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], warned: list[str]
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings.reload()
    found = [line for line in settings.warnings if "unencrypted" in line]
    assert [line.split()[0] for line in found] == warned
    assert not any("example.com" in line or "pnu_" in line for line in found)
