"""Which addresses are asked through which proxy."""

from __future__ import annotations

import pytest

from atlas.errors import ConfigError
from atlas.proxies import proxy_of
from atlas.redaction import scrub

API = "https://www.googleapis.com/youtube/v3"
PROXY = "http://proxy.example:3128"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("https_proxy", "url"),
    [
        (PROXY, PROXY), ("proxy.example:3128", PROXY), (" http://user:pass%40word@proxy.example:3128/ ", PROXY),
        ("10.252.250.10:3192", "http://10.252.250.10:3192"), ("http://proxy.example", "http://proxy.example:80"),
        ("https://proxy.example", "https://proxy.example:443"), ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
        ("", None),
    ],
)  # fmt: skip
def test_the_address_of_a_proxy(https_proxy: str, url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", https_proxy)
    found = proxy_of(API)
    assert (found and found.url) == url


HTTP = {"HTTP_PROXY": PROXY}
HTTPS = {"HTTPS_PROXY": PROXY}


@pytest.mark.parametrize(
    ("address", "variables", "asked"),
    [
        (API, {}, False),
        (API, {"https_proxy": PROXY}, True),
        (API, {"https_proxy": PROXY, "HTTPS_PROXY": "http://other:1"}, True),
        (API, HTTP, False),
        ("http://sandbox.example/youtube/v3", HTTP, True),
        ("http://sandbox.example/youtube/v3", HTTPS, False),
        (API, HTTPS | {"NO_PROXY": "*"}, False),
        (API, HTTPS | {"NO_PROXY": "googleapis.com"}, False),
        (API, HTTPS | {"no_proxy": "example.com, .googleapis.com"}, False),
        (API, HTTPS | {"NO_PROXY": "apis.com,localhost"}, True),
        *((f"http://{this}:8080/youtube/v3", HTTP, False) for this in ("127.0.0.1", "127.9.9.9", "localhost", "[::1]")),
        ("https://localhost:8443/youtube/v3", HTTPS, False),
        ("http://192.168.1.5:8080/youtube/v3", HTTP, True),
    ],
)
def test_which_addresses_are_asked_through_the_proxy(
    address: str, variables: dict[str, str], asked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = proxy_of(address)
    assert (found and found.url) == (PROXY if asked else None)


def test_user_and_password_are_decoded_and_the_password_is_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://DOMAIN%5Cuser:pass%40w%C3%B6rd@proxy.example:3128")
    found = proxy_of(API)
    assert found is not None
    assert (found.user, found.password) == ("DOMAIN\\user", "pass@wörd")
    for shown in (str(found), repr(found), f"{found}"):
        assert shown.count("proxy http://proxy.example:3128 (HTTPS_PROXY)") == 1
        assert "user" not in shown
    for secret in ("pass@wörd", "pass%40w%C3%B6rd"):
        assert scrub(f"x {secret} x") == "x *** x"


@pytest.mark.parametrize(
    "value", ["socks5://user:passw0rd@proxy:1080", "http://@", "http://:3128", "http://u:passw0rd@h:port", "ftp://h:1"]
)
def test_what_is_no_http_proxy_is_a_wrong_setting_and_is_not_shown(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigError, match=r"^HTTPS_PROXY is not the address of an HTTP proxy") as caught:
        proxy_of(API)
    assert "passw0rd" not in str(caught.value)
    assert value not in str(caught.value)
