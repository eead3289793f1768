"""The documents say what the code does: exit codes, settings, policy, commands, links."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta

import pytest
import typer

import atlas.cli
import maia.cli
from atlas import policy
from atlas.adapters.export import STATEMENTS, Exported
from atlas.config.keypool import RINGS, KeyPool
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
        "docs/backup.md", "docs/chaos.md", "docs/commands.md", "docs/configuration.md",
        "docs/container.md", "docs/glossary.md",
        "docs/data.md", "docs/databases.md", "docs/events.md", "docs/export.md", "docs/local-testing-with-act.md",
        "docs/performance.md", "docs/prefect.md", "docs/releasing.md", "docs/retention.md", "docs/scaling.md",
        "docs/timescaledb.md", "docs/troubleshooting.md",
    } <= set(DOCUMENTS)  # fmt: skip


def test_the_outcomes_are_those_of_the_code() -> None:
    (row,) = (row for row in table(document("docs/architecture.md"), "key", "meaning") if row[0] == "`outcome`")
    assert code_spans(row[1]) == {str(outcome) for outcome in Outcome}


def test_the_dealing_of_a_list_is_as_documented() -> None:
    rows = list(table(document("docs/configuration.md"), "list", *RINGS))
    assert len(rows) == 4
    for written, *rings in rows:
        pool = KeyPool.parse(written.strip("`"))
        assert [", ".join(key.get_secret_value() for key in pool[ring]) for ring in RINGS] == rings


def test_the_numbers_of_the_policy_are_as_documented() -> None:
    text = " ".join(document("docs/architecture.md").split())
    hour, day = timedelta(hours=1), timedelta(days=1)
    assert list(table(document("docs/architecture.md"), "zone", "age of the video", "read every")) == [
        ("1", "under 24 h", "1 h"), ("2", "24 h to 7 days", "6 h"), ("3", "older", "24 h"),
    ]  # fmt: skip
    assert [(zone.number, zone.below, zone.interval) for zone in policy.ZONES] == [
        (1, 24 * hour, hour), (2, 7 * day, 6 * hour), (3, None, 24 * hour),
    ]  # fmt: skip
    for numbers, values, sentence in (
        ((policy.TOPIC_INTERVAL, policy.TOPIC_INTERVAL_MAX), (6 * hour, 7 * day),
         "due again after 6 h. Each round that brings nothing new doubles that, up to 7 days"),
        ((policy.TOKEN_MAX_AGE,), (12 * hour,), "A page token older than 12 h is dropped"),
        ((policy.SEARCH_CEILING, policy.SEARCH_CEILING_REACHED), (500, 400),
         "After 500 results, or where a list of 400 or more ends"),
        ((policy.ASKED_AGAIN, policy.ASKED_AGAIN_AFTER), (3, hour / 6), "asked again after 10 min, up to 3 times"),
        ((policy.ABSENCES_TO_RETIRE, policy.ABSENCE_SPACING), (3, 6 * hour), "absent three times, at least 6 h apart"),
    ):  # fmt: skip
        assert numbers == values, sentence
        assert sentence in text
    assert policy.refresh_after(30 * day) == 25 * day
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
    rows = table(document("docs/architecture.md"), "what happened", "how the API answers", "error", "what Maia does")
    internal = {"YouTubeError", "KeyRefused", "TransientError", "Stopped", "classify"}
    assert {row[2].strip("`") for row in rows} == set(errors.__all__) - internal


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
    "kubectl", "mkdir", "pg_dump", "pg_restore", "pip", "prefect", "promtool", "psql", "pytest", "python3", "rm", "set",
    "until",
}  # fmt: skip


@every_document
def test_every_command_exists(name: str) -> None:
    """In shell blocks, and code spans that begin with one of our programs."""
    spans = code_spans(re.sub(r"^```.*?^```", "", document(name), flags=re.DOTALL | re.MULTILINE))
    ours = [span for span in spans if re.match(r"(make|maia|atlas) \S", span)]
    for words in (*commands(name), *map(shlex.split, ours)):
        check(words)


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


@every_document
def test_no_path_of_a_machine_no_registrys_host_and_no_long_line(name: str) -> None:
    text = document(name)
    for pattern in (
        r"(?<![\w.])/(?:home|root|work|Users|tmp|opt|srv)/",
        r"\b(?:pypi|pythonhosted)\b",
        "index-url",
        "AIza",
    ):
        assert not re.search(pattern, text), pattern
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        inside ^= line.startswith("```")
        if not (inside or line.startswith(("```", "|", "![", "- [ ] "))):
            assert len(line) <= 120, f"{name}:{number}"


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
