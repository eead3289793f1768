"""The file .env: what it may say, what is refused, and which file belongs to a command."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from atlas.config import settings
from atlas.errors import ConfigError

from ..conftest import CHECKOUT

SECRET = "s3cretPassword"
URL = f"postgresql://u:{SECRET}@db.example.test:5432/maia"


def write(text: str | bytes, path: Path = Path(".env")) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    settings.reload()


def refused() -> str:
    """Return what every use of a setting raises."""
    with pytest.raises(ConfigError) as caught:
        settings.check()
    for name in ("database_url", "hunter_batch_size", "vault_path"):
        with pytest.raises(ConfigError) as used:
            getattr(settings, name)
        assert str(used.value) in str(caught.value)
    assert SECRET not in str(caught.value)
    return str(caught.value)


BROKEN = [
    (f'DATABASE_URL="postgresql://u:{SECRET}"ss@h/maia"', 1, "something follows the second double quote of DATABASE_U"),
    (f"\n\n# note\n\nHF_TOKEN='{SECRET}'x", 5, "something follows the second single quote of HF_TOKEN"),
    (f'YOUTUBE_API_KEY_POOL_JSON="{{"hunting": ["{SECRET}"]}}"', 1, "put single quotes around the whole value"),
    (f'YOUTUBE_API_KEY_POOL_JSON={{"hunting": ["{SECRET}"],', 1, "is not JSON"),
    (f'YOUTUBE_API_KEY_POOL_JSON={{"hunting": ["{SECRET}"],\n"tracking": ["{SECRET}"]}}', 2, "no = follows the name"),
    (f"YOUTUBE_API_KEY_POOL_JSON={{'hunting': ['{SECRET}']}}", 1, "is not JSON"),
    (f"DATABASE_URL {URL}", 1, "no = follows DATABASE_URL; write NAME=value"),
    (f"DATABASE_URL: {URL}", 1, "no = follows the name"),
    (f"export DATABASE_URL {URL}", 1, "no = follows DATABASE_URL"),
    ("HUNTER_REGION=DE\r\nDATABASE_URL\r\n", 2, "no = follows DATABASE_URL"),
    (SECRET, 1, "no = follows the name"),
    (f"={SECRET}", 1, "no name stands before the ="),
    *[
        (f"{name}={URL}", 1, "stands before or behind the name DATABASE_URL; write DATABASE_URL=value, or")
        for name in (
            "$env:DATABASE_URL",
            "$Env:DATABASE_URL",
            "$DATABASE_URL",
            "%DATABASE_URL%",
            '"DATABASE_URL"',
            "-DATABASE_URL",
            "DATABASE_URL+",
            "\u200bDATABASE_URL",
            "env:DATABASE_URL",
        )
    ],
    (f'DATABASE_URL="{URL}', 1, "DATABASE_URL begins with a double quote that does not end"),
    (f"HUNTER_REGION=DE\r\nHF_TOKEN='{SECRET}\r\n", 2, "HF_TOKEN begins with a single quote that does not end"),
    (f'HF_TOKEN="{SECRET}\nHUNTER_REGION=DE\nHUNTER_LANGUAGE="de', 1, "something follows"),
    (f'HF_TOKEN="{SECRET}\nHUNTER_REGION=DE\nOTHER=" # x', 1, "does not end before the line of HUNTER_REGION"),
    (f"HF_TOKEN={SECRET}\nHUNTER_REGION=DE\nhf_token={SECRET}2", 3, "HF_TOKEN stands in line 1 too"),
]


@pytest.mark.parametrize(("text", "line", "problem"), BROKEN)
def test_a_doubtful_line_is_named_by_its_number_and_never_shown(text: str, line: int, problem: str) -> None:
    write(text)
    message = refused()
    assert f"{Path.cwd()}/.env, line {line}: " in message
    assert problem.lower() in message.lower()


def test_every_broken_line_and_every_wrong_value_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_BATCH_SIZE", "many")
    write(f"DATABASE_URL {URL}\nHUNTER_REGION=UK\nHF_TOKEN='{SECRET}\n")
    message = refused()
    for part in (".env, line 1: ", ".env, line 3: ", "HUNTER_REGION: ", "write GB (line 2 of ", "TRACKER_BATCH_SIZE: "):
        assert part in message


TAKEN = [
    (f"HF_TOKEN={SECRET}", SECRET),
    (f"HF_TOKEN = {SECRET}  ", SECRET),
    (f"\tHF_TOKEN\t=\t{SECRET}\t# note", SECRET),
    (f"export HF_TOKEN={SECRET}", SECRET),
    (f"hf_token={SECRET}", SECRET),
    (f"HF_TOKEN={SECRET} # a comment", SECRET),
    (f"HF_TOKEN={SECRET}#no-comment", f"{SECRET}#no-comment"),
    (f'HF_TOKEN="{SECRET}" # a comment', SECRET),
    (f"# HF_TOKEN=other\nHF_TOKEN={SECRET}\r\n\r\n", SECRET),
    (f"\ufeffHF_TOKEN={SECRET}\r\nHUNTER_REGION=DE\r\n", SECRET),
    (f"HF_TOKEN={SECRET}\nHF_TOKEN={SECRET}", SECRET),
    ("HF_TOKEN='pa${HOME}ss'", "pa${HOME}ss"),
    ('HF_TOKEN="pa${HOME}ss"', "pa${HOME}ss"),
    ("HF_TOKEN=pa${HOME}ss", "pa${HOME}ss"),
    ("HF_TOKEN=pa$HOME", "pa$HOME"),
    (r"HF_TOKEN='a\nb'", r"a\nb"),
    (r'HF_TOKEN="a\"b"', 'a"b'),
    ("HF_TOKEN='\"a'", '"a'),
    ("HF_TOKEN=\"'a'\"", "'a'"),
    ("HF_TOKEN=\nHF_TOKEN2=x", None),
    ('HF_TOKEN=""', None),
    ("HF_TOKEN=' '", None),
    ('OTHER_TOOL="it\'s"\nHF_TOKEN=x', "x"),
    ("HTTP_PROXY\nHF_TOKEN=\nHF_TOKEN=x", "x"),  # another program's name, and an empty placeholder
]


@pytest.mark.parametrize(("text", "value"), TAKEN)
def test_what_a_line_says_is_taken_literally(text: str, value: str | None) -> None:
    write(text)
    settings.check()
    token = settings.hf_token
    assert (token and token.get_secret_value()) == value


def test_a_pool_may_stand_on_several_lines_in_one_pair_of_quotes() -> None:
    write('YOUTUBE_API_KEY_POOL_JSON=\'{\n  "hunting": ["a"],\n  "tracking": ["b"]\n}\'\nHUNTER_REGION=DE')
    settings.check()
    assert settings.key_rings["tracking"][0].get_secret_value() == "b"
    assert settings.hunter_region == "DE"


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        *(
            (lambda path, encoding=encoding: path.write_bytes(URL.encode(encoding)), "it is UTF-16 or no text. Save it")
            for encoding in ("utf-16", "utf-16-le", "utf-16-be")
        ),
        (
            lambda path: path.write_bytes(f"HUNTER_REGION=DE\nHF_TOKEN={SECRET}".encode() + b"\xe4\n"),
            "line 2 is not UT",
        ),
        (Path.mkdir, "it is a folder"),
        (lambda path: path.symlink_to("nowhere"), "No such file or directory"),
    ],
    ids=["utf-16", "utf-16-le", "utf-16-be", "latin-1", "folder", "dangling link"],
)
def test_a_file_that_cannot_be_read_is_refused(make: Callable[[Path], object], problem: str) -> None:
    make(Path(".env"))
    settings.reload()
    assert f".env cannot be read: {problem}" in refused()


def test_a_virtual_environment_of_that_name_is_no_file() -> None:
    write("", Path(".env") / "pyvenv.cfg")
    settings.check()


def test_the_result_is_written_even_if_the_file_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIA_RESULT_FILE", "result.json")
    write("DATABASE_URL")
    assert settings.maia_result_file == Path("result.json")


def test_the_environment_wins_and_a_difference_is_a_warning_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("HUNTER_REGION", '"DE"')
    monkeypatch.setenv("HUNTER_LANGUAGE", "''")
    write("DATABASE_URL=postgresql://me@h/other\nHUNTER_REGION=DE\nHUNTER_LANGUAGE=fr\nNOTIFY_LEVEL=error")
    assert settings.database_url.get_secret_value() == URL  # type: ignore[union-attr]
    assert (settings.hunter_language, settings.notify_level) == ("fr", "error"), "empty is unset"
    assert settings.warnings == [f"DATABASE_URL: the environment's value is used; {Path.cwd()}/.env has another"]


def test_a_variable_that_is_not_expanded_is_a_warning_but_in_single_quotes() -> None:
    write("HF_TOKEN=${TOKEN}\nPREFECT_API_KEY='${KEY}'\nMINE=${X}")
    assert settings.warnings == [f"HF_TOKEN: ${{…}} in {Path.cwd()}/.env is not expanded; the value is taken literally"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder, empty."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def region_in(monkeypatch: pytest.MonkeyPatch, home: Path) -> Callable[[Path], str | None]:
    """The region that the settings have in a folder: each `.env` of the tests sets another."""

    def region(folder: Path) -> str | None:
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.chdir(folder)
        settings.reload()
        return settings.hunter_region

    return region


RegionIn = Callable[[Path], str | None]


def test_the_file_is_that_of_the_project_up_to_the_root_of_its_repository(tmp_path: Path, region_in: RegionIn) -> None:
    project = tmp_path / "elsewhere" / "project"
    write("HUNTER_REGION=DE", project / ".env")
    write("HUNTER_REGION=FR", project.parent / ".env")
    (project / ".git").mkdir()
    assert region_in(project / "data" / "deep") == "DE"
    assert settings.source == f"settings come from {project}/.env, above this folder"
    assert region_in(project) == "DE"
    assert settings.source == f"settings come from {project}/.env"
    write("NODE_ENV=x", project / "data" / ".env")
    assert region_in(project / "data" / "deep") == "DE", "the nearer one names no setting"
    write("HUNTER_REGION=CH", project / "data" / ".env")
    assert region_in(project / "data" / "deep") == "CH", "it is nearer"
    (project / ".env").unlink()
    (project / "data" / ".env").unlink()
    assert region_in(project / "data" / "deep") is None, "another project's"
    assert settings.source is None


def test_outside_of_a_repository_the_project_is_below_the_home_folder(
    tmp_path: Path, home: Path, region_in: RegionIn
) -> None:
    write("HUNTER_REGION=FR", home / ".env")
    assert region_in(home / "maia" / "data") is None, "the home folder's own belongs to no project"
    write("HUNTER_REGION=DE", home / "maia" / ".env")
    assert region_in(home / "maia" / "data") == "DE"
    assert region_in(home) == "FR"
    (home / ".git").mkdir()
    assert region_in(home / "other") is None, "a repository of the home folder is no project"
    write("HUNTER_REGION=DE", tmp_path / "plain" / ".env")
    assert region_in(tmp_path / "plain" / "data") is None, "elsewhere only the own folder counts"
    assert region_in(tmp_path / "plain") == "DE"


def test_a_file_above_of_another_user_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, region_in: RegionIn
) -> None:
    write("HUNTER_REGION=DE", tmp_path / "project" / ".env")
    (tmp_path / "project" / ".git").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert region_in(tmp_path / "project" / "data") is None


@pytest.mark.parametrize(
    "text", ["DATABASE_URL postgresql://x", "DATABASE_URL=x".encode("utf-16"), '$env:DATABASE_URL="x"']
)
def test_a_broken_file_above_is_found_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path, text: str | bytes
) -> None:
    write(text, tmp_path / "project" / ".env")
    for name in (".git", "data"):
        (tmp_path / "project" / name).mkdir()
    monkeypatch.chdir(tmp_path / "project" / "data")
    settings.reload()
    assert f"{tmp_path}/project/.env" in refused()


def test_a_deleted_folder_has_none(tmp_path: Path, region_in: RegionIn) -> None:
    assert region_in(tmp_path / "gone") is None
    (tmp_path / "gone").rmdir()
    settings.reload()
    settings.check()
    assert settings.source is None


def test_the_shared_lines_are_refused_but_the_last_which_is_literal(shared_cases: Path) -> None:
    lines = (shared_cases / "dotenv_lines.txt").read_text().splitlines()
    *wrong, literal = [line for line in lines if line and not line.startswith("#")]
    assert len(wrong) == 4
    for line in wrong:
        write(line)
        with pytest.raises(ConfigError, match=r"\.env, line 1: ") as caught:
            _ = settings.database_url
        assert "://" not in line or line.partition("://")[2] not in str(caught.value)
    write(literal)
    assert settings.database_url.get_secret_value() == literal.split("'")[1]  # type: ignore[union-attr]


def test_the_file_of_the_readme_is_read_as_it_is_written() -> None:
    block = re.search(r"cat > \.env <<'END'\n(.*?)END\n", (CHECKOUT / "README.md").read_text(), re.DOTALL)
    assert block is not None
    write(block[1])
    settings.check()
    assert len(settings.key_rings.all_keys()) == 1
    assert settings.warnings == []


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become another user")
def test_a_folder_above_that_may_not_be_entered_ends_the_search(tmp_path: Path, region_in: RegionIn) -> None:
    region_in(tmp_path / "closed" / "project")
    (tmp_path / "closed").chmod(0o700)
    settings.reload()
    os.seteuid(65534)
    try:
        assert settings.hunter_batch_size == 10
    finally:
        os.seteuid(0)
