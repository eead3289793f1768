"""janitor.yml: one job a day, copied unchanged, with no more than it needs."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from ...support.documents import CHECKOUT
from ...support.workflow_reading import CALLERS, JANITOR, MAIA, jobs, step_of_maia, text, uses, workflow


def job() -> dict[str, Any]:
    (found,) = jobs(JANITOR).values()
    return found


def given() -> dict[str, str]:
    found: dict[str, str] = step_of_maia(job())["with"]
    return found


def test_it_uses_the_released_action_and_nothing_else() -> None:
    assert [what for what, _ in uses(JANITOR)] == ["pleiades/maia@v1"]
    assert len(job()["steps"]) == 1
    assert given()["command"] == "janitor"


def test_the_action_has_every_input_that_it_gives() -> None:
    path = CHECKOUT / "action.yml"
    if not path.exists():
        pytest.skip("there is no action.yml beside these tests")
    assert set(given()) <= set(yaml.safe_load(path.read_text(encoding="utf-8"))["inputs"])


def test_it_has_the_secrets_of_a_shard_but_no_keys() -> None:
    names = {"DATABASE_URL", "HF_TOKEN", "NOTIFY_URLS", "PREFECT_API_KEY"}
    env = {name: f"${{{{ secrets.{name} }}}}" for name in names}
    env["DATABASE_URL"] = "${{ secrets.JANITOR_DATABASE_URL || secrets.DATABASE_URL }}"
    assert step_of_maia(job())["env"] == env
    assert names == set(step_of_maia(jobs(MAIA)["shards"])["env"]) - {"YOUTUBE_API_KEY_POOL_JSON"}
    assert set(re.findall(r"\bsecrets\.(\w+)", text(JANITOR))) == names | {"JANITOR_DATABASE_URL"}
    assert "env" not in job()
    assert "env" not in workflow(JANITOR)


def test_a_run_beyond_its_bound_is_confirmed_by_hand_alone() -> None:
    asked = workflow(JANITOR)["on"]["workflow_dispatch"]["inputs"]
    assert str(asked["yes"]["default"]).lower() == "false"
    assert given()["yes"] == "${{ inputs.yes || false }}", "a scheduled run has no inputs"


def test_its_token_may_nothing() -> None:
    assert workflow(JANITOR)["permissions"] == job()["permissions"] == {}


def test_its_runs_take_turns_and_none_is_stopped_at_work() -> None:
    assert workflow(JANITOR)["concurrency"] == {
        "group": "maia-${{ github.workflow }}-janitor",
        "cancel-in-progress": "false",
    }


def test_it_ends_by_itself_before_github_ends_it() -> None:
    minutes = re.fullmatch(r"\$\{\{ format\('\{0}', inputs\.max-minutes\) \|\| '(\d+)' }}", given()["max-minutes"])
    limit = re.fullmatch(r"\$\{\{ fromJSON\(vars\.MAIA_TIMEOUT_MINUTES \|\| '(\d+)'\) }}", job()["timeout-minutes"])
    assert minutes is not None
    assert limit is not None
    assert int(minutes[1]) < int(limit[1])
    asked = workflow(JANITOR)["on"]["workflow_dispatch"]["inputs"]
    assert asked["max-minutes"]["description"].endswith(f"0 for no such limit; empty is {minutes[1]}")


def test_it_runs_daily_at_an_odd_minute_of_its_own() -> None:
    (schedule,) = workflow(JANITOR)["on"]["schedule"]
    minute, hour, *rest = schedule["cron"].split()
    assert rest == ["*", "*", "*"]
    assert hour.isdigit()
    assert int(minute) % 5
    others = {workflow(name)["on"]["schedule"][0]["cron"].split()[0] for name in CALLERS}
    assert minute not in others


def test_started_by_hand_it_asks_for_inputs_that_it_passes_on() -> None:
    asked = workflow(JANITOR)["on"]["workflow_dispatch"]["inputs"]
    assert set(asked) == set(re.findall(r"\binputs\.([\w-]+)", text(JANITOR)))
    assert all(one["description"] for one in asked.values())
    assert asked["dry-run"] == {**asked["dry-run"], "type": "boolean", "default": "false"}
    assert given()["dry-run"] == "${{ inputs.dry-run || false }}"


def test_what_differs_between_repositories_is_a_variable_that_the_agents_have_too() -> None:
    used = set(re.findall(r"\bvars\.(\w+)", text(JANITOR)))
    assert used <= {name for caller in CALLERS for name in re.findall(r"\bvars\.(\w+)", text(caller))}
    assert {key for key, value in given().items() if "${{" not in value} == {"command"}
    (caller,) = jobs(CALLERS[0]).values()
    assert job()["if"] == caller["if"]
    for name in ("settings", "network", "image"):
        assert given()[name] == caller["with"][name]
