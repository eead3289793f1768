"""Where a host is, and what that adds to messages and warnings."""

from __future__ import annotations

import pytest

from atlas.config import settings
from atlas.containers import network_advice, network_advice_for_url
from atlas.db.errors import _unavailable
from atlas.errors import DatabaseUnavailable
from atlas.hosts import is_near, is_this_machine

THIS = ["localhost", "LOCALHOST.", "db.localhost", "127.0.0.1", "127.8.9.10", "::1", "[::1]", "::ffff:127.0.0.1"]
NEAR = ["10.0.0.5", "fe80::1%eth0", "postgres", "db.internal", "", "/var/run/postgresql"]
FAR = ["8.8.8.8", "example.com", "localhost.example.com"]


@pytest.mark.parametrize("host", [*THIS, *NEAR, *FAR])
def test_a_host_is_this_machine_near_or_far(host: str) -> None:
    assert (is_this_machine(host), is_near(host)) == (host in THIS, host not in FAR)


@pytest.mark.parametrize(
    ("place", "host"),
    [
        ("127.0.0.1:5432", "127.0.0.1"), ("localhost:5432", "localhost"), ("[::1]:5432", "[::1]"),
        ("db:5432, 127.0.0.1:5433", "127.0.0.1"), ("db:5432", None), ("10.0.0.5:5432", None),
        ("/var/run/postgresql/.s.PGSQL.5432", None), ("", None), ("http://localhost:4200/api", "localhost"),
        ("http://127.0.0.1:8080/youtube/v3", "127.0.0.1"), ("http://[::1]:8080/youtube/v3", "[::1]"),
        ("http://sandbox:8080/youtube/v3", None), ("https://www.googleapis.com/youtube/v3", None), ("http://[", None),
        ("http://", None),
    ],
)  # fmt: skip
def test_in_the_image_a_local_server_is_the_container_itself(
    monkeypatch: pytest.MonkeyPatch, place: str, host: str | None
) -> None:
    advice = network_advice_for_url if place.startswith("http") else network_advice
    monkeypatch.delenv("ATLAS_VAULT_DEFAULT", raising=False)
    assert advice(place) == "", "outside of the image"
    monkeypatch.setenv("ATLAS_VAULT_DEFAULT", "off")
    expected = "" if host is None else (
        f" In a container without its host's network, {host} is the container itself: set the input `network: host` "
        "(action, workflow), or give `docker run` the option --network host."
    )  # fmt: skip
    assert advice(place) == expected
    if advice is network_advice:
        error = _unavailable(ConnectionRefusedError("refused"), place)
        assert isinstance(error, DatabaseUnavailable)
        assert str(error).endswith(f"DATABASE_URL names its host and port.{expected}")


API, PREFECT = "YOUTUBE_API_BASE_URL", "PREFECT_API_URL"


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ({}, []),
        ({API: "https://example.com/youtube/v3"}, []),
        ({API: "http://127.0.0.1:8080/youtube/v3"}, []),
        ({API: "http://sandbox:8080/youtube/v3"}, []),
        ({API: "http://example.com/youtube/v3"}, [API]),
        ({API: "http://8.8.8.8/youtube/v3"}, [API]),
        ({PREFECT: "http://example.com/api"}, []),
        ({PREFECT: "http://example.com/api", "PREFECT_API_KEY": "pnu_a-key"}, [PREFECT]),
        ({PREFECT: "http://prefect:4200/api", "PREFECT_API_KEY": "pnu_a-key"}, []),
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
