"""What a message advises on a command line, and what the action says in its place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from action import advice
from atlas.config import settings
from atlas.database import Database
from atlas.errors import KeysRejected, SchemaError
from maia.errors import Unconfirmed
from maia.janitor import _confirm

from ...support.action_step import FakeDocker, Step, ran, result
from ...support.documents import CHECKOUT

DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
COMMANDS = ("`atlas migrate`", "`maia keys", "`maia queue add", "`maia hunter`", "`maia janitor")
MIGRATE = (
    "un the workflow by hand with *Bring the database's schema up to date first* ticked (the plan's input `migrate`)."
)


async def refused(schema: str | None, **given: Any) -> str:
    """What a process says of a database whose schema is not this release's."""
    state: Any = SimpleNamespace(schema=schema, require=lambda: None)
    pool: Any = None
    with (
        settings.override(database_url="postgresql://maia@127.0.0.1/maia", **given),
        pytest.raises(SchemaError) as error,
    ):
        await Database()._require(state, pool)
    return str(error.value)


@pytest.mark.parametrize(
    ("schema", "given", "said"),
    [
        (None, {}, "The database has no Atlas schema. R"),
        (None, {"database_schema": "tubes"}, "The database has no Atlas schema named 'tubes'. R"),
        ("0001", {}, "The database's schema is 0001, older than this release's {version}. R"),
    ],
)
async def test_a_missing_schema_is_brought_up_to_date_by_the_form(
    schema: str | None, given: dict[str, str], said: str, step: Step, docker: FakeDocker
) -> None:
    from atlas.db.server_info import SCHEMA_VERSION  # noqa: PLC0415

    message = await refused(schema, **given)
    assert "`atlas migrate`" in message, "on a command line, it is the command"
    docker.plays(run=[ran(78, result=result("plan", "config", 78, error=message))])
    done = step.here(command="plan")
    (error,) = done.annotations("error")
    for shown in (error, done.summary):
        assert said.format(version=SCHEMA_VERSION) + MIGRATE in shown
        assert "atlas migrate" not in shown


def test_rejected_keys_are_tried_again_by_the_form(step: Step, docker: FakeDocker) -> None:
    message = str(KeysRejected("hunting", {"0123456789ab": "API_KEY_INVALID"}))
    docker.plays(run=[ran(78, result=result("hunter", "config", 78, error=message))])
    (error,) = step.here().annotations("error")
    assert "then run the workflow by hand with *Try suspended keys again* ticked" in error
    assert "maia keys" not in error


async def test_the_janitors_own_form_brings_no_schema_up_to_date(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(78, result=result("janitor", "config", 78, error=await refused("0001")))])
    (error,) = step.here(command="janitor").annotations("error")
    assert "Run the workflow Hunter by hand with *Bring the database's schema up to date first* ticked" in error


def test_a_deletion_beyond_the_bound_is_confirmed_by_the_form(step: Step, docker: FakeDocker) -> None:
    with pytest.raises(Unconfirmed) as refusal:
        _confirm(cast("Any", SimpleNamespace(beyond=lambda _: ["9 of 10 rows of videos (90%, bound 20%)"])), None)
    docker.plays(run=[ran(2, result=result("janitor", "failure", 2, error=str(refusal.value)))])
    (error,) = step.here(command="janitor").annotations("error")
    assert "*Delete nothing, and count what would be deleted* ticked (the input `dry-run`)" in error
    assert "*Delete even if it is more than the bound (JANITOR_MAX_SHARE) of a table* ticked (the input `yes`)" in error
    assert "maia janitor" not in error


def test_the_ticks_are_named_as_in_the_forms() -> None:
    for agent in ("hunter", "tracker"):
        form = (CHECKOUT / f".github/workflows/{agent}.yml").read_text(encoding="utf-8")
        for name, label in (("migrate", advice.MIGRATE), ("resume-keys", advice.RESUME_KEYS)):
            assert f"      {name}:\n        description: {label}\n" in form
    form = (CHECKOUT / ".github/workflows/janitor.yml").read_text(encoding="utf-8")
    for name, label in (("dry-run", advice.DRY_RUN), ('"yes"', advice.CONFIRM)):
        assert f"      {name}:\n        description: {label}\n" in form


MODULES = (
    "atlas/database", "atlas/errors", "atlas/adapters/hunter", "atlas/adapters/tracker", "atlas/schema/migrate",
    "maia/janitor",
)  # fmt: skip
"""Those whose messages can end a plan, a migration or a shard, and name a command."""


def texts() -> Iterator[str]:
    """Every text of these modules that names a command, without its variable parts."""
    for name in MODULES:
        tree = ast.parse((CHECKOUT / f"{name}.py").read_text(encoding="utf-8"))
        docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, DOCUMENTED)}
        parts = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in ast.walk(tree):
            pieces = node.values if isinstance(node, ast.JoinedStr) else [node] if node not in parts else []
            text = "".join(str(piece.value) for piece in pieces if isinstance(piece, ast.Constant))
            if text not in docstrings and any(command in text for command in COMMANDS):
                yield text


def test_no_message_that_keeps_a_run_from_its_work_names_a_command() -> None:
    found = list(texts())
    assert len(found) >= len(advice._REPLACEMENTS)
    for text in found:
        said = advice.in_a_workflow(text)
        assert not any(command in said for command in COMMANDS), said
    for pattern, words in advice._REPLACEMENTS:
        assert any(words in advice.in_a_workflow(text) for text in found), f"no message says {pattern}"
