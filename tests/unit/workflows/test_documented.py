"""docs/actions.md says what the workflows do: secrets, variables, inputs, and what a month costs."""

from __future__ import annotations

import math
import re

import pytest

from ...support.documents import document, sections, table
from ...support.workflow_reading import AGENTS, CALLERS, JANITOR, MAIA, jobs, step_of_maia, text, workflow

DOCUMENT = "docs/actions.md"
START = 1
"""Minutes that a job takes to begin at most, its container with it."""


@pytest.mark.parametrize(("name", "heading"), [(DOCUMENT, "Start"), ("README.md", "On GitHub Actions")])
def test_no_schedule_starts_before_it_can_be_green(name: str, heading: str) -> None:
    """Secrets first, then the one workflow that makes the schema, then the others."""
    (section,) = (s for s in sections(document(name)) if s.heading == heading)
    steps = re.findall(r"^\d\. (.*?)(?=^\d\. |^$)", section.text, re.MULTILINE | re.DOTALL)

    def step(*words: str) -> int:
        found = [number for number, text in enumerate(steps) if all(word in " ".join(text.split()) for word in words)]
        return found[0]

    secrets = step("Set the secrets", "`DATABASE_URL`")
    hunter = step("hunter.yml", ".github/workflows/")
    migrated = step(
        "by hand" if name == "README.md" else "Run workflow", "Bring the database's schema up to date first"
    )
    others = step("green", "put `tracker.yml` and `janitor.yml`")
    assert secrets < hunter < migrated < others
    assert "https://github.com/pleiades/maia/releases/latest" in section.text


def spans(rows: list[tuple[str, ...]]) -> set[str]:
    return {row[0].strip("`") for row in rows}


def secrets() -> list[tuple[str, ...]]:
    return list(table(document(DOCUMENT), "secret", "who gets it", "meaning"))


def variables() -> list[tuple[str, ...]]:
    return list(table(document(DOCUMENT), "variable", "meaning", "default"))


def test_every_secret_is_documented() -> None:
    assert spans(secrets()) == set(workflow(MAIA)["on"]["workflow_call"]["secrets"])


def test_every_secret_goes_where_it_is_said_to_go() -> None:
    kinds = {"plan": ("plan",), "gate": ("gate",), "shards": ("shards", "wave")}
    kinds["every job"] = (*(prefix for names in kinds.values() for prefix in names), "verdict")
    kinds["janitor"] = ("janitor",)
    kinds["every job"] += kinds["janitor"]
    every = {**jobs(MAIA), **jobs(JANITOR)}
    for name, who, _ in secrets():
        prefixes = tuple(prefix for kind in who.split(", ") for prefix in kinds[kind])
        given = {job for job, content in every.items() if name.strip("`") in step_of_maia(content)["env"]}
        assert given == {job for job in every if job.startswith(prefixes)}, name


def test_every_variable_is_documented_with_its_default() -> None:
    used = {match for name in (*CALLERS, JANITOR) for match in re.findall(r"\bvars\.(\w+)", text(name))}
    assert spans(variables()) == used
    for name, _, default in variables():
        written = re.search(rf"vars\.{name.strip('`')} \|\| '([^']+)'", text("hunter.yml"))
        if written:
            assert default == f"`{written[1]}`"
        else:
            assert default in {"none", "unset", "the published one"}


def test_every_input_is_documented_with_its_default() -> None:
    rows = list(table(document(DOCUMENT), "input", "type", "default"))
    inputs = workflow(MAIA)["on"]["workflow_call"]["inputs"]
    expected = []
    for name, given in inputs.items():
        default = given.get("default")
        shown = "required" if default is None else f"`{default}`" if default else "none"
        expected.append((f"`{name}`", given["type"], shown))
    assert rows == expected


def runs_in_30_days(cron: str) -> int:
    """Of a schedule with one minute, and every or every n-th hour."""
    minute, hours, *rest = cron.split()
    assert rest == ["*", "*", "*"]
    assert minute.isdigit()
    every = 1 if hours == "*" else int(hours.removeprefix("*/"))
    return 30 * len(range(0, 24, every))


def billed(shards: int, minutes: float) -> int:
    """Minutes of one run, each job rounded up; without a shard there is no verdict either."""
    return 1 + (shards * math.ceil(minutes + START) + 1 if shards else 0)


def test_the_minutes_add_up() -> None:
    rows = list(
        table(
            document(DOCUMENT), "agent", "schedule", "runs in 30 days", "shards", "minutes of work", "billed a run",
            "billed in 30 days",
        )
    )  # fmt: skip
    assert len(rows) >= 8
    for agent, schedule, runs, shards, minutes, a_run, a_month in rows:
        cron = schedule.strip("`")
        assert agent.lower() in AGENTS
        computed = billed(int(shards), float(minutes))
        assert (int(runs), int(a_run)) == (runs_in_30_days(cron), computed), schedule
        assert a_month == f"{runs_in_30_days(cron) * computed:,}", schedule


def test_the_janitors_day_is_as_it_is_scheduled() -> None:
    (schedule,) = workflow(JANITOR)["on"]["schedule"]
    (row,) = table(document(DOCUMENT), "schedule", "runs in 30 days", "jobs a run", "billed in 30 days")
    assert row[:3] == (f"`{schedule['cron']}`", "30", str(len(jobs(JANITOR))))
    assert row[3] == f"{30 * math.ceil(START)} to {30 * (START + 1)}"


def test_the_minutes_are_shown_for_the_schedules_as_they_are() -> None:
    for name in CALLERS:
        (schedule,) = workflow(name)["on"]["schedule"]
        assert f"| `{schedule['cron']}` |" in document(DOCUMENT)
