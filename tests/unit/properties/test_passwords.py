"""A password in any setting, however it is written: no part of it is in what a command says."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atlas import redaction
from atlas.config import settings
from atlas.errors import AtlasError
from atlas.proxies import proxy_of
from atlas.redaction import scrub
from atlas.vault.factory import provider_from_settings

from ...support.examples import examples
from ...support.forked_commands import Forked, forked_commands

ADDRESSES = [
    "DATABASE_URL", "MIGRATE_DATABASE_URL", "JANITOR_DATABASE_URL", "VAULT_URL", "HTTPS_PROXY", "PREFECT_API_URL",
    "YOUTUBE_API_BASE_URL", "NOTIFY_URLS", "AWS_ENDPOINT_URL_S3", "HF_ENDPOINT",
]  # fmt: skip
WORDS = ["HF_TOKEN", "PREFECT_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD"]
FORMS = [
    "user:{}@host/x", "user:{}@127.0.0.1", "//user:{}@host/x", "user:{}@host:5432/x?a=b@c", ":{}@host",
    "s3://user:{}@bucket/x", "s3:/user:{}@bucket/x", "s3//user:{}@bucket/x", "simplecache::s3://user:{}@bucket/x",
    "sftp://user:{}@/", "ftp://user:{}@", "http://user:{}@host/x", "https:user:{}@host", "hf://user:{}@host/x",
    "postgresql://user:{}@127.0.0.1:1/x", "postgres:/user:{}@h/x", "mysql://user:{}@h/x", "'user:{}@h/x'",
    "postgresql+asyncpg://user:{}@h/x", "jdbc:postgresql://h/x?user=u&password={}", "psql postgresql://u:{}@h/x",
    "host=h user=u password={} dbname=x", "host=h password='{}' user=u", "https://host/x?token={}",
    "run_finished=json://user:{}@host", "nothing=json://user:{}@host", "nothing=user:{}@host",
]  # fmt: skip
pieces = st.text("abcdefghijkmnpqrstuvwxyz23456789", min_size=9, max_size=12)
passwords = st.lists(pieces, min_size=1, max_size=3).flatmap(
    lambda found: st.text("/?#@:&;=%[]\\'$+,!~", min_size=1, max_size=2).map(lambda between: between.join(found))
)
ways = st.sampled_from([lambda text: text, lambda text: quote(text, safe=""), quote])


@contextlib.contextmanager
def given_as(name: str, value: str) -> Iterator[None]:
    """The environment of a command that would reach nothing, and nothing remembered from before."""
    variables = {"DATABASE_URL": "mysql://nowhere", "VAULT_PROVIDER": "fsspec", "HF_DATASET_ID": "me/x", name: value}
    known = set(redaction._known)
    redaction._known.clear()
    try:
        with pytest.MonkeyPatch.context() as patch:
            for each in variables.items():
                patch.setenv(*each)
            settings.reload()
            yield
    finally:
        redaction._known.update(known)
        settings.reload()


def messages_of_parts() -> Iterator[str]:
    """Yield what each part that reads such a setting prints or raises."""

    def check_vault() -> None:
        provider_from_settings().check()

    for part in (settings.check, check_vault, lambda: str(proxy_of("https://www.googleapis.com"))):
        try:
            yield str(part())
        except AtlasError as error:
            yield str(error)
    yield from settings.notices


def parts_of(password: str) -> set[str]:
    return {piece for piece in redaction._DELIMITERS.split(password.replace("%", "/")) if len(piece) > 8} | {password}


@examples(200)
@given(st.sampled_from(ADDRESSES), st.sampled_from(FORMS), passwords, ways)
@example("VAULT_URL", "user:{}@host/x", "correcthorse", str)
@example("HTTPS_PROXY", "http://user:{}@host/x", "12/correcthorse", str)
@example("HTTPS_PROXY", "host=h user=u password={} dbname=x", "correcthorse", str)
def test_no_part_of_a_password_is_in_an_error(name: str, form: str, password: str, way: Any) -> None:
    with given_as(name, form.format(way(password))):
        for text in messages_of_parts():
            assert not [part for part in parts_of(password) if part in text], (name, text)


@examples(200)
@given(st.sampled_from([*ADDRESSES, *WORDS]), st.sampled_from(FORMS), passwords, ways)
@example("HF_TOKEN", "user:{}@host/x", r"correcthorse\batterystaple", str)
@example("DATABASE_URL", "postgres:/user:{}@h/x", "correcthorse:batterystaple", lambda text: quote(text, safe=""))
def test_a_foreign_text_that_shows_a_setting_shows_no_password(name: str, form: str, password: str, way: Any) -> None:
    written = password if name in WORDS else way(password)
    value = written if name in WORDS else form.format(written)
    with given_as(name, value):
        settings.notices  # noqa: B018  reads the settings
        for text in (f"cannot reach {value}", f"InvalidURL({value!r})", f"bad port: {written}, {password}"):
            scrubbed = scrub(text)
            assert not [part for part in parts_of(password) if part in scrubbed], (name, scrubbed)


@pytest.fixture(scope="module")
def commands() -> Iterator[Forked]:
    with forked_commands() as found:
        yield found


@pytest.mark.parametrize("form", ["user:{}@host/x", "s3:/user:{}@bucket/x", "host=h user=u password={} dbname=x"])
@pytest.mark.parametrize(
    "command", ["atlas status", "atlas vault verify", "atlas forget --video a --yes", "maia keys", "maia plan hunter"]
)
def test_commands_show_no_password(commands: Forked, tmp_path: Path, command: str, form: str) -> None:
    password = "correcthorse/batterystaple"
    env = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}}
    env |= {"HOME": str(tmp_path), "VAULT_PROVIDER": "fsspec", **dict.fromkeys(ADDRESSES, form.format(password))}
    code, printed = commands.run(command, env, tmp_path)
    assert code == 78, printed
    assert not [part for part in parts_of(password) if part in printed]
