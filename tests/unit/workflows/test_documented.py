"""docs/actions.md says what the workflows do: secrets, variables, inputs, and what a month costs."""

from __future__ import annotations

import math
import re

import pytest

from ...support.documents import document, sections, table
from ...support.workflow_reading import (
    AGENTS,
    CALLERS,
    JANITOR,
    MAIA,
    REPORT,
    WATCH,
    jobs,
    step_of_maia,
    text,
    workflow,
)

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


def test_every_secret_is_documented_and_goes_where_the_page_says() -> None:
    rows = [(row[0].strip("`"), row[1]) for row in table(document(DOCUMENT), "secret", "who gets it", "meaning")]
    assert {name for name, _ in rows} == set(workflow(MAIA)["on"]["workflow_call"]["secrets"])
    kinds = {"plan": ("plan",), "gate": ("gate",), "shards": ("shards", "wave")}
    kinds["every job"] = (*(prefix for names in kinds.values() for prefix in names), "verdict")
    kinds |= {"janitor": ("janitor",), "report": ("page",), "watch": ("check",)}
    for own in ("janitor", "report", "watch"):
        kinds["every job"] += kinds[own]
    every = {**jobs(MAIA), **jobs(JANITOR), "page": jobs(REPORT)["page"], **jobs(WATCH)}
    for name, who in rows:
        prefixes = tuple(prefix for kind in who.split(", ") for prefix in kinds[kind])
        given = {job for job, content in every.items() if name in step_of_maia(content)["env"]}
        assert given == {job for job in every if job.startswith(prefixes)}, name


def test_every_variable_is_documented_with_its_default() -> None:
    used = {match for name in (*CALLERS, JANITOR, REPORT, WATCH) for match in re.findall(r"\bvars\.(\w+)", text(name))}
    rows = {row[0].strip("`"): row[2] for row in table(document(DOCUMENT), "variable", "meaning", "default")}
    assert set(rows) == used
    for name, default in rows.items():
        written = re.search(rf"vars\.{name} \|\| '([^']+)'", text("hunter.yml"))
        if written:
            assert default == f"`{written[1]}`"
        else:
            assert default in {"none", "unset", "the published one"}


def test_every_input_is_documented_with_its_default() -> None:
    rows = list(table(document(DOCUMENT), "input", "type", "default"))
    inputs = workflow(MAIA)["on"]["workflow_call"]["inputs"]
    defaults = {name: given.get("default") for name, given in inputs.items()}
    shown = {name: "required" if one is None else f"`{one}`" if one else "none" for name, one in defaults.items()}
    assert rows == [(f"`{name}`", given["type"], shown[name]) for name, given in inputs.items()]


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


def test_the_minutes_are_shown_for_the_schedules_as_they_are() -> None:
    for name in CALLERS:
        (schedule,) = workflow(name)["on"]["schedule"]
        assert f"| `{schedule['cron']}` |" in document(DOCUMENT)
    (schedule,) = workflow(JANITOR)["on"]["schedule"]
    (row,) = table(document(DOCUMENT), "schedule", "runs in 30 days", "jobs a run", "billed in 30 days")
    assert row[:3] == (f"`{schedule['cron']}`", "30", str(len(jobs(JANITOR))))
    assert row[3] == f"{30 * math.ceil(START)} to {30 * (START + 1)}"
