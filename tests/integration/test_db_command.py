"""`maia db`: the commands of `atlas` under another name, and psql."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from atlas.database import Database

from ..support.commands import MAIA, invoke, invoke_maia, run

pytestmark = pytest.mark.integration

OFF = "postgresql://u:p@127.0.0.1:1/x"


async def test_a_command_of_atlas_is_the_same_but_for_its_name(db: Database) -> None:
    theirs, ours = await invoke("status", "--json"), await invoke_maia("db", "status", "--json")
    assert json.loads(ours.out).keys() == json.loads(theirs.out).keys()
    shown = await invoke_maia("db", "vault", "compact", "--help")
    assert "Usage: maia db vault compact" in shown.out
    for command in ("events", "export", "forget"):
        text = (await invoke_maia("db", command, "--help")).out
        assert f"maia db {command} --" in text
        assert "atlas" not in text


async def test_an_error_names_the_command_as_it_was_called(empty_dsn: str) -> None:
    done = await invoke_maia("db", "events", DATABASE_URL=empty_dsn)
    assert done.code == 78
    assert done.stderr.startswith("maia db: ")
    assert "`maia db migrate`" in done.stderr
    after = await invoke("events", DATABASE_URL=empty_dsn)
    assert after.stderr.startswith("atlas: ")
    assert "`atlas migrate`" in after.stderr


@pytest.fixture
def psql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A psql that writes down its arguments and its password, and ends with 3."""
    program = tmp_path / "psql"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" "$PGPASSWORD" > {tmp_path}/got\nexit 3\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path / "got"


async def test_psql_gets_arguments_and_the_password_apart_and_its_code_counts(psql: Path) -> None:
    done = await invoke_maia(
        "db", "psql", "--", "--command", "SELECT 1", DATABASE_URL="postgresql://u:p%2F@localhost/x"
    )
    assert done.code == 3
    assert psql.read_text().splitlines() == ["--dbname=postgresql://u@localhost/x", "--command", "SELECT 1", "p/"]


async def test_without_psql_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("atlas.db.psql.program", lambda _: None)
    done = await invoke_maia("db", "psql", DATABASE_URL=OFF)
    assert done.code == 1
    assert "psql is not installed" in done.stderr
    assert "apt install postgresql-client" in done.stderr


async def test_a_questions_sql_is_read_by_psql(db: Database, dsn: str) -> None:
    await db.fetch("INSERT INTO api_calls VALUES ('2026-11-22', 'f', 'search', 0, 5, 5)")
    sql = (await invoke_maia("query", "quota-by-day", "--sql")).stdout
    done = await run(*MAIA, "db", "psql", "--", "--no-psqlrc", "--csv", stdin=sql, DATABASE_URL=dsn)
    assert (done.code, done.out.splitlines()) == (0, ["day,bucket,spent,refused,keys", "2026-11-22,search,5,0,1"])
