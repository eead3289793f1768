"""The file .env: what it may say, what is refused, and which file belongs to a command."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from atlas.config import settings
from atlas.errors import ConfigError

from ..conftest import CHECKOUT

SECRET = "s3cretPassword"
URL = f"postgresql://u:{SECRET}@db.example.test:5432/maia"


def written(text: str | bytes, path: Path = Path(".env")) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    settings.reload()


def refused() -> str:
    """What every use of a setting says."""
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
def test_a_line_that_was_hardly_meant_so_is_named_by_its_number_and_never_shown(
    text: str, line: int, problem: str
) -> None:
    written(text)
    said = refused()
    assert f"{Path.cwd()}/.env, line {line}: " in said
    assert problem.lower() in said.lower()


def test_every_broken_line_and_every_wrong_value_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKER_BATCH_SIZE", "many")
    written(f"DATABASE_URL {URL}\nHUNTER_REGION=UK\nHF_TOKEN='{SECRET}\n")
    said = refused()
    for part in (".env, line 1: ", ".env, line 3: ", "HUNTER_REGION: ", "write GB (line 2 of ", "TRACKER_BATCH_SIZE: "):
        assert part in said


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
]


@pytest.mark.parametrize(("text", "value"), TAKEN)
def test_what_a_line_says_is_taken_literally(text: str, value: str | None) -> None:
    written(text)
    settings.check()
    token = settings.hf_token
    assert (token and token.get_secret_value()) == value


def test_a_pool_may_stand_on_several_lines_in_one_pair_of_quotes() -> None:
    written('YOUTUBE_API_KEY_POOL_JSON=\'{\n  "hunting": ["a"],\n  "tracking": ["b"]\n}\'\nHUNTER_REGION=DE')
    settings.check()
    assert settings.key_rings["tracking"][0].get_secret_value() == "b"
    assert settings.hunter_region == "DE"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(encoding: str) -> None:
    written(f"DATABASE_URL={URL}\r\n".encode(encoding))
    assert re.search(r"\.env cannot be read: it is UTF-16 .* Save it as UTF-8", refused())


def test_bytes_that_are_not_utf_8_are_named_by_their_line() -> None:
    written(f"HUNTER_REGION=DE\nHF_TOKEN={SECRET}".encode() + b"\xe4\n")
    assert ".env cannot be read: line 2 is not UTF-8" in refused()


def test_a_folder_of_that_name_is_refused_unless_it_is_a_virtual_environment() -> None:
    Path(".env").mkdir()
    settings.reload()
    assert ".env cannot be read: it is a folder" in refused()
    Path(".env", "pyvenv.cfg").touch()
    settings.reload()
    settings.check()


def test_a_file_that_cannot_be_opened_is_refused() -> None:
    Path(".env").symlink_to("nowhere")
    settings.reload()
    assert ".env cannot be read: No such file or directory" in refused()


def test_how_a_run_ended_is_written_also_where_the_file_is_what_ended_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIA_RESULT_FILE", "result.json")
    written("DATABASE_URL")
    assert settings.maia_result_file == Path("result.json")


def test_the_environment_wins_and_a_difference_is_a_warning_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", URL)
    monkeypatch.setenv("HUNTER_REGION", '"DE"')
    monkeypatch.setenv("HUNTER_LANGUAGE", "''")
    written("DATABASE_URL=postgresql://me@h/other\nHUNTER_REGION=DE\nHUNTER_LANGUAGE=fr\nNOTIFY_LEVEL=error")
    assert settings.database_url.get_secret_value() == URL  # type: ignore[union-attr]
    assert (settings.hunter_language, settings.notify_level) == ("fr", "error"), "empty is unset"
    assert settings.warnings == [f"DATABASE_URL: the environment's value is used; {Path.cwd()}/.env has another"]


def test_what_is_no_longer_expanded_is_a_warning_but_in_single_quotes() -> None:
    written("HF_TOKEN=${TOKEN}\nPREFECT_API_KEY='${KEY}'\nMINE=${X}")
    assert settings.warnings == [f"HF_TOKEN: ${{…}} in {Path.cwd()}/.env is not expanded; the value is taken literally"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home folder, empty."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def started_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """The region that the settings have there: each .env below sets another."""
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(folder)
    settings.reload()
    return settings.hunter_region


def test_the_file_is_that_of_the_project_up_to_the_root_of_its_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    project = tmp_path / "elsewhere" / "project"
    written("HUNTER_REGION=DE", project / ".env")
    written("HUNTER_REGION=FR", project.parent / ".env")
    (project / ".git").mkdir()
    assert started_in(project / "data" / "deep", monkeypatch) == "DE"
    assert settings.source == f"settings come from {project}/.env, above this folder"
    assert started_in(project, monkeypatch) == "DE"
    assert settings.source == f"settings come from {project}/.env"
    written("NODE_ENV=x", project / "data" / ".env")
    assert started_in(project / "data" / "deep", monkeypatch) == "DE", "it names no setting"
    written("HUNTER_REGION=CH", project / "data" / ".env")
    assert started_in(project / "data" / "deep", monkeypatch) == "CH", "it is nearer"
    (project / ".env").unlink()
    (project / "data" / ".env").unlink()
    assert started_in(project / "data" / "deep", monkeypatch) is None, "another project's"
    assert settings.source is None


def test_outside_of_a_repository_the_project_is_what_lies_below_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    written("HUNTER_REGION=FR", home / ".env")
    assert started_in(home / "maia" / "data", monkeypatch) is None, "the home folder's own is nobody's project"
    written("HUNTER_REGION=DE", home / "maia" / ".env")
    assert started_in(home / "maia" / "data", monkeypatch) == "DE"
    assert started_in(home, monkeypatch) == "FR"


def test_a_repository_of_the_home_folder_is_no_project(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    (home / ".git").mkdir()
    written("HUNTER_REGION=FR", home / ".env")
    assert started_in(home / "maia", monkeypatch) is None


def test_elsewhere_only_the_own_folder_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    written("HUNTER_REGION=DE", tmp_path / "plain" / ".env")
    assert started_in(tmp_path / "plain" / "data", monkeypatch) is None
    assert started_in(tmp_path / "plain", monkeypatch) == "DE"


def test_a_file_above_that_belongs_to_somebody_else_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    written("HUNTER_REGION=DE", tmp_path / "project" / ".env")
    (tmp_path / "project" / ".git").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert started_in(tmp_path / "project" / "data", monkeypatch) is None


@pytest.mark.parametrize(
    "text", ["DATABASE_URL postgresql://x", "DATABASE_URL=x".encode("utf-16"), '$env:DATABASE_URL="x"']
)
def test_a_broken_file_above_is_found_and_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path, text: str | bytes
) -> None:
    written(text, tmp_path / "project" / ".env")
    (tmp_path / "project" / ".git").mkdir()
    (tmp_path / "project" / "data").mkdir()
    monkeypatch.chdir(tmp_path / "project" / "data")
    settings.reload()
    assert f"{tmp_path}/project/.env" in refused()


def test_a_folder_that_was_deleted_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    assert started_in(gone, monkeypatch) is None
    gone.rmdir()
    settings.reload()
    settings.check()
    assert settings.source is None


def test_the_lines_of_the_newcomers(shared_data: Path) -> None:
    """Of the shared cases all but the last are refused; the last is literal."""
    lines = (shared_data.parent / "cases" / "dotenv_lines.txt").read_text().splitlines()
    cases = [line for line in lines if line and not line.startswith("#")]
    assert len(cases) == 5
    for line in cases[:-1]:
        written(line)
        assert ".env, line 1: " in refused_any(line)
    written(cases[-1])
    assert settings.database_url.get_secret_value() == cases[-1].split("'")[1]  # type: ignore[union-attr]


def refused_any(line: str) -> str:
    with pytest.raises(ConfigError) as caught:
        _ = settings.database_url
    assert line.partition("://")[2] == "" or line.partition("://")[2] not in str(caught.value)
    return str(caught.value)


def test_the_readmes_file_is_read_as_it_is_written() -> None:
    text = (CHECKOUT / "README.md").read_text()
    block = re.search(r"cat > \.env <<'END'\n(.*?)END\n", text, re.DOTALL)
    assert block is not None
    written(block[1])
    settings.check()
    assert len(settings.key_rings.all_keys()) == 1
    assert settings.warnings == []


def test_a_bare_name_of_another_program_and_an_empty_placeholder_are_no_problem() -> None:
    written(f"HTTP_PROXY\nDATABASE_URL=\nDATABASE_URL={URL}\n")
    settings.check()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == URL


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become another user")
def test_a_folder_above_that_may_not_be_entered_ends_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "closed" / "project"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    (tmp_path / "closed").chmod(0o700)
    settings.reload()
    os.seteuid(65534)
    try:
        assert settings.hunter_batch_size == 10
    finally:
        os.seteuid(0)
