"""The documents say what the code does: exit codes, settings, policy, commands, links."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import typer

import atlas.cli
import maia.cli
from atlas import policy
from atlas.adapters.export import STATEMENTS, Exported
from atlas.config.keypool import RINGS, KeyPool
from atlas.migrations import versions
from maia.runtime.exitcodes import Outcome
from maia.youtube import errors

from ..support.documents import CHECKOUT, anchors, document, documents, prose, sections, table

DOCUMENTS = [str(path.relative_to(CHECKOUT)) for path in documents()]
every_document = pytest.mark.parametrize("name", DOCUMENTS or ["README.md"])
SHELLS = {"bash", "console"}


def code_spans(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


def test_all_documents_are_there() -> None:
    document("README.md")
    assert {
        "SECURITY.md", "docs/threat-model.md",
        "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/action.md", "docs/actions.md", "docs/architecture.md",
        "docs/backup.md", "docs/benchmarks.md", "docs/chaos.md", "docs/commands.md", "docs/configuration.md",
        "docs/container.md", "docs/glossary.md",
        "docs/data.md", "docs/databases.md", "docs/events.md", "docs/export.md", "docs/local-testing-with-act.md",
        "docs/performance.md", "docs/prefect.md", "docs/releasing.md", "docs/retention.md", "docs/scaling.md",
        "docs/timescaledb.md", "docs/troubleshooting.md",
    } <= set(DOCUMENTS)  # fmt: skip


# ── what they repeat from the code ──────────────────────────────────────────────────────────────────────────────────


def test_the_outcomes_are_those_of_the_code() -> None:
    (row,) = (row for row in table(document("docs/architecture.md"), "key", "meaning") if row[0] == "`outcome`")
    assert code_spans(row[1]) == {str(outcome) for outcome in Outcome}


def test_the_dealing_of_a_list_is_as_documented() -> None:
    rows = list(table(document("docs/configuration.md"), "list", *RINGS))
    assert len(rows) == 4
    for written, *rings in rows:
        pool = KeyPool.parse(written.strip("`"))
        assert [", ".join(key.get_secret_value() for key in pool[ring]) for ring in RINGS] == rings


def test_the_zones_are_those_of_the_policy() -> None:
    rows = list(table(document("docs/architecture.md"), "zone", "age of the video", "read every"))
    hours = [f"{zone.interval / timedelta(hours=1):.0f} h" for zone in policy.ZONES]
    assert [(number, every) for number, _, every in rows] == [(str(n), h) for n, h in enumerate(hours, 1)]
    assert [zone.below for zone in policy.ZONES] == [timedelta(hours=24), timedelta(days=7), None]
    assert [age for _, age, _ in rows] == ["under 24 h", "24 h to 7 days", "older"]


def test_the_numbers_of_the_policy_are_as_documented() -> None:
    text = " ".join(document("docs/architecture.md").split())
    hours = [timedelta(hours=6), timedelta(days=7), timedelta(hours=12)]
    assert hours == [policy.TOPIC_INTERVAL, policy.TOPIC_INTERVAL_MAX, policy.TOKEN_MAX_AGE]
    assert "due again after 6 h. Each round that brings nothing new doubles that, up to 7 days" in text
    assert "A page token older than 12 h is dropped" in text
    assert (policy.SEARCH_CEILING, policy.SEARCH_CEILING_REACHED) == (500, 400)
    assert "After 500 results, or where a list of 400 or more ends" in text
    assert (3, timedelta(minutes=10)) == (policy.ASKED_AGAIN, policy.ASKED_AGAIN_AFTER)
    assert "asked again after 10 min, up to 3 times" in text
    assert (3, timedelta(hours=6)) == (policy.ABSENCES_TO_RETIRE, policy.ABSENCE_SPACING)
    assert "absent three times, at least 6 h apart" in text
    assert policy.refresh_after(timedelta(days=30)) == timedelta(days=25)
    assert "once its metadata is 25 days old" in document("docs/configuration.md")
    assert "After 25 days (of 30; " in document("docs/retention.md")


def test_what_can_be_exported_is_that_of_the_code() -> None:
    rows = list(table(document("docs/export.md"), "table", "`--since` and `--until` go by", "columns"))
    assert [row[0].strip("`") for row in rows] == [str(each) for each in Exported]
    for name, time, _ in rows:
        column = time.strip("`")
        statement = STATEMENTS[Exported(name.strip("`"))]("text").replace('"', "")
        assert f"{column} >= $1) AND ($2::timestamptz IS NULL OR {column} < $2)" in statement


def test_the_errors_are_those_of_the_client() -> None:
    rows = table(document("docs/architecture.md"), "what happened", "how it comes", "error", "what holds")
    internal = {"YouTubeError", "KeyRefused", "TransientError", "Stopped", "classify"}
    assert {row[2].strip("`") for row in rows} == set(errors.__all__) - internal


def test_the_tables_have_the_columns_that_others_may_read() -> None:
    rows = list(table(document("docs/architecture.md"), "table", "columns"))
    assert len(rows) == 6
    folder = Path(next(iter(versions.__path__)))
    ddl = "\n".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))
    for name, columns in rows:
        match = re.search(rf"CREATE TABLE {name.strip('`')} \((.*?)\n    \)", ddl, re.DOTALL)
        assert match, name
        there = set(re.findall(r"^\s+(\w+)\s", match[1], re.MULTILINE))
        for added in re.findall(rf"ALTER TABLE {name.strip('`')}\s[^;]*?\"\"\"", ddl):
            there |= set(re.findall(r"ADD COLUMN (\w+)", added))
        assert code_spans(columns) <= there


# ── links and commands ──────────────────────────────────────────────────────────────────────────────────────────────


@every_document
def test_every_relative_link_leads_somewhere(name: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose(document(name)))
    for link in links:
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (CHECKOUT / name).parent / path if path else CHECKOUT / name
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def commands(name: str) -> Iterator[list[str]]:
    """The words of every command in the shell blocks of a document."""
    for section in sections(document(name)):
        for block in section.blocks:
            if block.language not in SHELLS:
                continue
            inside = ""  # a here-document
            for text in "\n".join(block.lines).replace("\\\n", " ").split("\n"):
                if inside:
                    inside = "" if text == inside else inside
                    continue
                if block.language == "console":
                    if not text.startswith("$ "):
                        continue
                    text = text[2:]  # noqa: PLW2901
                here = re.search(r"<<'(\w+)'", text)
                inside = here[1] if here else ""
                for part in text.split(" && "):
                    words = shlex.split(part, comments=True)
                    if words:
                        yield words


OTHER_PROGRAMS = {
    ".", ".ci/run", "act", "cat", "cd", "cosign", "cp", "createdb", "docker", "echo", "export", "gh", "git", "go",
    "kubectl", "mkdir", "pg_dump", "pg_restore", "pip", "prefect", "psql", "pytest", "python3", "rm", "set", "until",
}  # fmt: skip


@every_document
def test_every_command_in_a_shell_block_exists(name: str) -> None:
    for words in commands(name):
        check(words)


@every_document
def test_every_command_in_the_text_exists(name: str) -> None:
    """Code spans that begin with one of our programs; capitals stand for what the reader fills in."""
    for span in code_spans(re.sub(r"^```.*?^```", "", document(name), flags=re.DOTALL | re.MULTILINE)):
        words = span.split()
        if words[0] in {"make", "maia", "atlas"} and len(words) > 1:
            check(shlex.split(span))


def check(words: list[str]) -> None:
    program, *arguments = words
    if program == "maia":
        parses(maia.cli.app(), arguments)
    elif program == "atlas":
        parses(atlas.cli.app, arguments)
    elif program == "make":
        assert shutil.which("make"), "make is not installed"
        done = subprocess.run(["make", "-n", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    else:
        assert program in OTHER_PROGRAMS, f"{program} is no command of ours"


def parses(app: typer.Typer, arguments: list[str]) -> None:
    """The command line is understood; nothing is run."""
    command = typer.main.get_command(app)
    rest = list(arguments)
    while rest and (found := getattr(command, "commands", {}).get(rest[0])):
        command, rest = found, rest[1:]
    required = hasattr(command, "commands") and not getattr(command, "invoke_without_command", False)
    assert not required, f"{arguments}: there is no such command"
    try:
        command.make_context("x", rest)
    except Exception as error:
        raise AssertionError(f"{arguments}: {error}") from error


@pytest.mark.parametrize(
    "line", ["maia huntr", "maia", "maia hunter --bach-size 1", "atlas migrat", "make demon", "mai hunter"]
)
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    document("README.md")
    with pytest.raises(AssertionError):
        check(line.split())


# ── what they must not hold ─────────────────────────────────────────────────────────────────────────────────────────


@every_document
def test_no_path_of_a_machine_and_no_registrys_host(name: str) -> None:
    text = document(name)
    for pattern in (
        r"(?<![\w.])/(?:home|root|work|Users|tmp|opt|srv)/",
        r"\b(?:pypi|pythonhosted)\b",
        r"index-url",
        r"AIza",
    ):
        assert not re.search(pattern, text), pattern


def test_the_readme_says_plainly_what_youtubes_rules_are() -> None:
    text = " ".join(document("README.md").replace("*", "").split())
    for sentence in (
        "Quota is per Google Cloud project, not per key",
        "Several keys of one project add nothing.",
        "Keys of several projects to gain quota are forbidden by YouTube (Developer Policies, III.D.1.c).",
        "A churn (exit code 75) never gains quota.",
        "Data read with an API key is kept 30 days at most, then deleted or refreshed (III.E.4).",
        "need YouTube's acceptance",
    ):
        assert sentence in text


def test_lines_are_short_enough_to_be_read_as_text() -> None:
    for name in DOCUMENTS:
        inside = False
        for number, line in enumerate(document(name).splitlines(), 1):
            inside ^= line.startswith("```")
            if not (inside or line.startswith(("```", "|", "![", "- [ ] "))):
                assert len(line) <= 120, f"{name}:{number}"
