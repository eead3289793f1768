"""What tools/uv.py passes on of pip's configuration, and what of the environment it leaves out."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

uv = pytest.importorskip("tools.uv", reason="tools/ is part of the checkout, not of the wheel")


def certificates(folder: str | None) -> Callable[[], ssl.DefaultVerifyPaths]:
    return lambda: ssl.DefaultVerifyPaths(None, folder, "", "", "", "")  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def no_system_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "get_default_verify_paths", certificates(None))


@pytest.mark.parametrize(
    ("listing", "settings"),
    [
        ("", {}),
        ("global.index-url='https://a/'\n", {"index-url": "https://a/"}),
        ("install.index-url='https://b/'\nglobal.index-url='https://a/'\n", {"index-url": "https://b/"}),
        (":env:.index-url='https://c/'\ninstall.index-url='https://b/'\n", {"index-url": "https://c/"}),
        ("global.find-links='\\n/one\\n/two'\n", {"find-links": "/one /two"}),
        ('global.index-url="https://it\'s/"\n', {"index-url": "https://it's/"}),
        ("global.user='true'\nglobal.target='/x'\ninstall.no-binary=':all:'\n", {}),
        ("download.index-url='https://d/'\nfreeze.timeout='10'\n", {}),
        (":env:.index-url=''\n", {}),
    ],
)
def test_only_the_way_to_the_index_is_read_and_the_nearest_setting_holds(
    listing: str, settings: dict[str, str]
) -> None:
    assert uv.pip_settings(listing) == settings


@pytest.mark.parametrize(
    ("settings", "given", "expected"),
    [
        ({"index-url": "https://a/"}, {}, {"UV_DEFAULT_INDEX": "https://a/"}),
        ({"index-url": "https://a/"}, {"UV_DEFAULT_INDEX": "https://b/"}, {"UV_DEFAULT_INDEX": "https://b/"}),
        ({"index-url": "https://a/"}, {"UV_INDEX_URL": "https://b/"}, {"UV_INDEX_URL": "https://b/"}),
        ({"index-url": "https://a/"}, {"UV_INDEX_URL": ""}, {"UV_DEFAULT_INDEX": "https://a/", "UV_INDEX_URL": ""}),
        (
            {"extra-index-url": "https://a/ https://b/"}, {},
            {"UV_INDEX": "https://a/ https://b/", "UV_INDEX_STRATEGY": "unsafe-best-match"},
        ),
        ({"find-links": "/a /b"}, {}, {"UV_FIND_LINKS": "/a,/b"}),
        ({"trusted-host": "a b:1"}, {}, {"UV_INSECURE_HOST": "a b:1"}),
        ({"cert": "/a.pem"}, {}, {"SSL_CERT_FILE": "/a.pem"}),
        ({"cert": "/a.pem"}, {"SSL_CERT_FILE": "/b.pem"}, {"SSL_CERT_FILE": "/b.pem"}),
        ({}, {"REQUESTS_CA_BUNDLE": "/c.pem"}, {"REQUESTS_CA_BUNDLE": "/c.pem", "SSL_CERT_FILE": "/c.pem"}),
        ({"proxy": "http://p:1"}, {}, {"ALL_PROXY": "http://p:1"}),
        ({"default-timeout": "180"}, {}, {"UV_HTTP_TIMEOUT": "180"}),
        ({"keyring-provider": "subprocess"}, {}, {"UV_KEYRING_PROVIDER": "subprocess"}),
        ({"keyring-provider": "import"}, {}, {}),
        # where uv would install something else, or elsewhere
        ({}, {"UV_SYSTEM_PYTHON": "1", "UV_PYTHON": "3.9", "UV_CONSTRAINT": "x", "UV_NO_BINARY": "1"}, {}),
        ({}, {"UV_LINK_MODE": "copy"}, {"UV_LINK_MODE": "copy"}),
        ({}, {"UV_INDEX_CORP_PASSWORD": "x"}, {"UV_INDEX_CORP_PASSWORD": "x"}),
    ],
)  # fmt: skip
def test_uv_is_told_what_pip_knows_where_its_own_variables_say_nothing(
    settings: dict[str, str], given: dict[str, str], expected: dict[str, str], tmp_path: Path
) -> None:
    home = {"HOME": str(tmp_path)}
    fixed = {"UV_NO_CONFIG": "1", "UV_NO_SOURCES": "1"}
    assert uv.uv_environment(settings, {**home, **given}) == {**home, **expected, **fixed}


def test_a_home_that_cannot_be_written_needs_no_cache(tmp_path: Path) -> None:
    given = {"HOME": str(tmp_path / "file")}
    (tmp_path / "file").touch()
    assert uv.uv_environment({}, given)["UV_NO_CACHE"] == "1"
    assert "UV_NO_CACHE" not in uv.uv_environment({}, {**given, "UV_CACHE_DIR": str(tmp_path)})


def test_the_systems_certificates_are_taken_where_there_are_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssl, "get_default_verify_paths", certificates(str(tmp_path)))
    (tmp_path / "ca.pem").touch()
    given = {"HOME": str(tmp_path)}
    assert uv.uv_environment({}, given)["UV_SYSTEM_CERTS"] == "1"
    assert uv.uv_environment({}, {**given, "UV_SYSTEM_CERTS": "0"})["UV_SYSTEM_CERTS"] == "0"


def test_pip_gets_the_same_way_to_the_index_and_no_other_setting() -> None:
    given = {"PIP_USER": "1", "PIP_TARGET": "/x", "PIP_CONFIG_FILE": "/y", "PATH": "/bin"}
    assert uv.pip_environment({"index-url": "https://a/", "client-cert": "/c"}, given) == {
        "PATH": "/bin",
        "PIP_INDEX_URL": "https://a/",
        "PIP_CLIENT_CERT": "/c",
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
