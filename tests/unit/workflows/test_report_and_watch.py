"""report.yml and watch.yml: copied unchanged, off until a variable switches them on, with no more than they need."""

from __future__ import annotations

import re

import pytest

from ...support.documents import document, table
from ...support.workflow_files import ACTION, load
from ...support.workflow_reading import CALLERS, JANITOR, REPORT, WATCH, jobs, step_of_maia, text, uses, workflow

both = pytest.mark.parametrize("name", [REPORT, WATCH])
PAGE, PUBLISH = jobs(REPORT)["page"], jobs(REPORT)["publish"]
(CHECK,) = jobs(WATCH).values()


@both
def test_it_passes_inputs_that_the_released_action_has_and_nothing_to_edit(name: str) -> None:
    (own,) = [what for what, _ in uses(name) if what.startswith("pleiades/")]
    assert own == "pleiades/maia@v1"
    first, *_ = jobs(name).values()
    given = step_of_maia(first)["with"]
    if ACTION.exists():
        assert set(given) <= set(load(ACTION)["inputs"])
    assert {key for key, value in given.items() if "${{" not in value} == {"command"}
    (caller,) = jobs(CALLERS[0]).values()
    assert all(given[key] == caller["with"][key] for key in ("settings", "network"))
    assert "github.repository != 'pleiades/maia' || vars.MAIA_ENABLED == 'true'" in first["if"]
    concurrency = workflow(name)["concurrency"]
    assert concurrency["group"].startswith("maia-${{ github.workflow }}-")
    assert concurrency["cancel-in-progress"] == "false", "a second run must not meet the first"


def test_only_the_job_that_needs_a_permission_has_it() -> None:
    assert workflow(REPORT)["permissions"] == workflow(WATCH)["permissions"] == PAGE["permissions"] == {}
    assert PUBLISH["permissions"] == {"pages": "write", "id-token": "write"}
    assert CHECK["permissions"] == {"issues": "write"}
    assert "secrets." not in str(PUBLISH)
    assert step_of_maia(CHECK)["env"]["GITHUB_TOKEN"] == "${{ github.token }}"
    assert "token" not in str(PAGE).lower().replace("id-token", "")


def test_the_report_is_off_until_its_variable_says_where_it_goes() -> None:
    on = workflow(REPORT)["on"]
    assert on["workflow_run"] == {"workflows": [workflow("tracker.yml")["name"]], "types": ["completed"]}
    switched_on = "(vars.MAIA_REPORT == 'artifact' || vars.MAIA_REPORT == 'pages')"
    assert f"github.event_name == 'workflow_dispatch' || ({switched_on} && (" in " ".join(PAGE["if"].split())
    assert PUBLISH["if"] == "${{ vars.MAIA_REPORT == 'pages' }}"
    assert PUBLISH["needs"] == "page"
    artifact, site = PAGE["steps"][1:]
    assert artifact["if"] == "${{ vars.MAIA_REPORT != 'pages' }}", "private by default"
    assert site["if"] == "${{ vars.MAIA_REPORT == 'pages' }}"
    for step in (artifact, site):
        assert step["with"]["path"] == "${{ steps.maia.outputs.page }}"
        assert 1 <= int(step["with"]["retention-days"]) <= 30


def test_nothing_of_the_run_before_is_taken_over() -> None:
    """`workflow_run` has the secrets, also after a workflow that a stranger's pull request calls Tracker."""
    events = re.findall(r"github\.event\.workflow_run\.event == '(\w+)'", PAGE["if"])
    assert set(events) == {*workflow("tracker.yml")["on"]} - {"workflow_call"}, "no pull request starts it"
    steps = str([job["steps"] for job in jobs(REPORT).values()])
    assert not re.search(r"checkout|download|workflow_run|'run'", steps)


def test_the_check_is_off_until_its_variable_is_true() -> None:
    assert CHECK["if"].endswith("&& vars.MAIA_STALE_ISSUE == 'true' }}")
    (schedule,) = workflow(WATCH)["on"]["schedule"]
    minute, hours, *rest = schedule["cron"].split()
    assert (hours, rest) == ("*/6", ["*", "*", "*"])
    assert int(minute) % 5
    others = {workflow(name)["on"]["schedule"][0]["cron"].split()[0] for name in (*CALLERS, JANITOR)}
    assert minute not in others


def test_the_page_says_what_they_cost_and_for_how_long_an_artifact_stays() -> None:
    found = table(document("docs/actions.md"), "workflow", "runs in 30 days", "jobs a run", "billed in 30 days")
    rows = {row[0]: row[1:] for row in found}
    for what, runs, number in (
        ("`report.yml`, `artifact`", 720, 1), ("`report.yml`, `pages`", 720, len(jobs(REPORT))),
        ("`watch.yml`", 30 * 24 // 6, len(jobs(WATCH))),
    ):  # fmt: skip
        shown_runs, shown_jobs, billed = rows[what]
        assert (int(shown_runs.partition(",")[0]), int(shown_jobs)) == (runs, number)
        assert billed == f"{runs * number:,} to {2 * runs * number:,}"
    days = PAGE["steps"][1]["with"]["retention-days"]
    assert f"| {days} days |" in document("docs/actions.md")


@both
def test_it_says_what_policy_asks_or_how_to_switch_it_on(name: str) -> None:
    words = re.sub(r"\s*\n#\s*", " ", text(name).partition("\nname:")[0])
    assert "Copy this file as it is." in words
    assert "It does nothing until the variable MAIA_" in words
    if name == REPORT:
        assert "only where they are shown as not YouTube's own data" in words
        assert "also that of a private repository is public" in words
