"""Every setting with any value: one of its type that is of use, or an error that names it and shows no secret."""

from __future__ import annotations

import contextlib
import math
import os
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from atlas.clock import clock
from atlas.config import Settings, settings
from atlas.errors import ConfigError
from atlas.redaction import scrub

from ...support.examples import examples

NAMES = sorted(Settings.model_fields)
SECRETS = [name for name in NAMES if SecretStr in get_args(Settings.model_fields[name].annotation)]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PLANTED = "pl4nted-s3cret-value"

# what an environment variable can hold: no NUL, and bytes that are no UTF-8 as single surrogates
_in_environment = st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.characters(
    min_codepoint=0xDC80, max_codepoint=0xDCFF, categories=["Cs"]
)
_anything = st.characters() | st.characters(categories=["Cs"]) | st.characters(categories=["Cc"])

numbers = st.one_of(
    st.integers(-3, 400).map(str),
    st.sampled_from([0, 1, 2**15, 2**31 - 1, 2**31, 2**63, 10**18, 10**30, 10**400, -(10**30)]).map(str),
    st.floats().map(str),
    st.sampled_from(["1e3", "1e300", "inf", "-inf", "nan", "Infinity", "0x10", "1_000", "٣", "1.", ".5", "+7", "007"]),
    st.builds(lambda digits, length: digits * length, st.sampled_from("109"), st.integers(1, 5_000)),
)
words = st.sampled_from(
    [
        "", " ", '""', "''", "true", "false", "YES", "off", "local", "huggingface", "fsspec", "files", "packed", "real",
        "none", "strict", "moderate", "warning", "info", "error", "us", "US", "public", "pg_x", "information_schema",
        "mine", "http://", "https://a b/", "http://[::1", "postgresql://", "postgresql://u:p@[::1/db",
        "postgres://h:99999999/d", "postgresql://u:%zz@h/d", "[]", "{}", "[[", '{"hunting": 1}', '["a", ""]',
        '{"hunting": ["\\ud800"]}', "[" * 3000, "(", "*", "a{99999999999999999999}", "(?i", "a**", "(?P<n>a)(?P<n>b)",
        "(?a)(?u)", "(" * 3000 + ")" * 3000, "\\", "3600x", "0x", "1e5x", "2x@", "2x@2026-11-22T08:00:00Z",
        "2x@2026-11-22T08:00:00Z=0001-01-01", "1x@9999-12-31", "1x@=", "9" * 400 + "x", "٣x",
        "0.1x@2026-11-22T08:00:00Z=9999-12-31T23:59:59Z", "1000000x@2100-01-01=0001-01-01", "run_finished=json://x",
        "=", "=x", "nothing=json://x", "json://a=b", "a,b", "/nowhere/at all", "~/x", ".",
    ]
)  # fmt: skip
texts = st.text(_in_environment, max_size=40)
quoted = st.builds(lambda quote, text: f"{quote}{text}{quote}", st.sampled_from("'\""), texts | words | numbers)
values = words | numbers | texts | quoted | st.builds(lambda text, n: text * n, texts, st.integers(100, 2_000))
of_programs = (
    values | st.text(_anything, max_size=30) | st.integers() | st.floats() | st.booleans() | st.none()
    | st.lists(st.none(), max_size=2) | st.binary(max_size=5)
)  # fmt: skip


@contextlib.contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    os.environ.update(variables)
    settings.reload()
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        settings.reload()


def read(name: str) -> Any:
    """Return the setting's value, or the error in its place, which names it and ends with 78."""
    try:
        return getattr(settings, name)
    except ConfigError as error:
        assert error.exit_code == 78
        assert str(error).startswith(f"{name.upper()}: "), error
        assert "docs/configuration.md" in str(error)
        return error


def check_usable(name: str, value: Any) -> None:
    """The product's use of a setting must not be what finds out that it is useless."""
    default = Settings.model_fields[name].get_default(call_default_factory=True)
    if isinstance(value, bool) or value is None:
        assert default is None or isinstance(default, bool)
    elif isinstance(value, int | float):
        assert math.isfinite(value)
        assert value <= 2**31 - 1, "PostgreSQL's integer"
        assert not isinstance(default, str | bool)
        for unit in ("days", "hours", "minutes", "seconds"):
            if unit in name:
                assert NOW - timedelta(**{unit: value}) <= NOW + timedelta(**{unit: value})
    elif isinstance(value, SecretStr):
        assert name in SECRETS
        value.get_secret_value().encode()  # connections, headers and files are UTF-8
    elif isinstance(value, Path):
        assert isinstance(default, Path) or name == "maia_result_file"
    else:
        assert isinstance(value, str)
        value.encode()
    if name == "atlas_clock":
        now = clock.now()
        assert now - timedelta(days=3 * 366) < now < now + timedelta(days=3 * 366)


@examples(500)
@given(written=st.dictionaries(st.sampled_from(NAMES), values, min_size=1, max_size=6))
@example(written={"hunter_lease_seconds": "inf"})
@example(written={"hunter_published_within_hours": "1e300", "retention_events_days": "9" * 12})
@example(written={"hunter_tag_allow": "a{99999999999999999999}", "hunter_tag_deny": "(" * 3000 + ")" * 3000})
@example(written={"hunter_tag_allow": "[[a]", "database_pool_size": "1000000000000"})
@example(written={"atlas_clock": "1000000x@2100-01-01=0001-01-01"})
@example(written={"hunter_language": "\udcff", "hf_token": "\udcff"})
def test_each_value_is_of_its_type_or_an_error_and_all_errors_are_named_at_once(written: dict[str, str]) -> None:
    """Seen to catch: `re.error` alone is caught of a pattern; a clock without an end; a check that ends at the first.

    A good value must not be lost beside a wrong one.
    """
    with environment({name.upper(): value for name, value in written.items()}):
        found = {name: read(name) for name in written}
        wrong = {name.upper() for name, value in found.items() if isinstance(value, ConfigError)}
        assert "janitor_batch_size" in written or settings.janitor_batch_size == 5_000
        try:
            settings.check()
        except ConfigError as error:
            named = {name.upper() for name in NAMES if f"{name.upper()}: " in str(error)}
            # the rings are made of the pool, which is parsed as a whole only then
            assert named == wrong or "YOUTUBE_API_KEY_POOL_JSON" in str(error)
        else:
            assert not wrong
    for name, value in written.items():
        if not isinstance(found[name], ConfigError):
            with environment({name.upper(): value}):
                check_usable(name, again := read(name))
            # another setting allows longer statistics
            assert again == found[name] or name == "retention_statistics_days"


@examples(250)
@given(name=st.sampled_from(SECRETS), before=texts | words, after=texts | words)
@example(name="youtube_api_key_pool_json", before='["', after='é"]')
@example(name="youtube_api_key_pool_json", before='{"', after='": []}')
@example(name="database_url", before="mysql://user:", after="@host/database")
@example(name="database_url", before="%zz@", after="?")
@example(name="database_url", before="#@", after="/?#[]%")
@example(name="notify_urls", before="nothing=json://", after="")
def test_no_error_shows_a_part_of_a_secret(name: str, before: str, after: str) -> None:
    """Seen to catch: an explanation with the input of the validation; a pool whose wrong keys are named."""
    shown: list[str] = []
    if name == "database_url" and not before.startswith("mysql"):
        # user, host and database are shown beside the form of a password that has to be encoded
        before, after = f"postgresql://user:{before}", f"{after}@host/database"
    with environment({name.upper(): before + PLANTED + after}):
        for use in (lambda: getattr(settings, name), settings.check, lambda: settings.key_rings):
            try:
                shown.append(repr(use()))
            except ConfigError as error:
                shown += [str(error), repr(error), "".join(traceback.format_exception(error))]
        shown.append(repr(settings))
        # what a foreign library says of it is scrubbed, once it was read
        if isinstance(value := read(name), SecretStr) and name != "notify_urls":
            shown.append(scrub(f"cannot use {value.get_secret_value()} there"))
    assert not [text for text in shown if PLANTED in text]


@examples(400)
@given(name=st.sampled_from(NAMES), value=of_programs)
def test_an_override_is_refused_like_a_value_of_the_environment(name: str, value: Any) -> None:
    """Seen to catch: an override without validation."""
    before = getattr(settings, name)
    try:
        with settings.override(**{name: value}):
            check_usable(name, getattr(settings, name))
    except ConfigError as error:
        assert str(error).startswith(f"{name.upper()}: ")
    assert getattr(settings, name) == before


lines_of_settings = st.lists(
    st.builds(lambda name, value: f"{name.upper()}={value}", st.sampled_from(NAMES), values)
    | st.text(_anything, max_size=40),
    max_size=5,
)


@examples(250)
@given(lines=lines_of_settings, broken=st.binary(max_size=3))
def test_any_env_file_is_read_or_refused(lines: list[str], broken: bytes) -> None:
    """Seen to catch: a file that is no UTF-8 and ends in a UnicodeDecodeError."""
    Path(".env").write_bytes("\n".join(lines).encode(errors="surrogatepass") + broken)
    settings.reload()
    try:
        settings.check()
    except ConfigError as error:
        text = str(error)
        assert any(name.upper() in text for name in NAMES) or re.search(r"\.env( cannot be read|, line \d+): ", text)
    finally:
        Path(".env").unlink()
        settings.reload()
