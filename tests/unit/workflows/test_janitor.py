"""janitor.yml: one job a day, copied unchanged, with no more than it needs."""

from __future__ import annotations

import re

import pytest
import yaml

from ...support.documents import CHECKOUT
from ...support.workflow_reading import CALLERS, JANITOR, MAIA, jobs, step_of_maia, text, uses, workflow

(JOB,) = jobs(JANITOR).values()
GIVEN: dict[str, str] = step_of_maia(JOB)["with"]
ON = workflow(JANITOR)["on"]
ASKED = ON["workflow_dispatch"]["inputs"]


def test_it_uses_the_released_action_and_nothing_else_and_its_token_may_nothing() -> None:
    assert [what for what, _ in uses(JANITOR)] == ["pleiades/maia@v1"]
    assert len(JOB["steps"]) == 1
    assert GIVEN["command"] == "janitor"
    assert workflow(JANITOR)["permissions"] == JOB["permissions"] == {}
    concurrency = {"group": "maia-${{ github.workflow }}-janitor", "cancel-in-progress": "false"}
    assert workflow(JANITOR)["concurrency"] == concurrency, "its runs take turns, and none is stopped at work"
    path = CHECKOUT / "action.yml"
    if not path.exists():
        pytest.skip("there is no action.yml beside these tests")
    assert set(GIVEN) <= set(yaml.safe_load(path.read_text(encoding="utf-8"))["inputs"])


def test_it_has_the_secrets_of_a_shard_but_no_keys() -> None:
    names = {"DATABASE_URL", "HEARTBEAT_URL", "HF_TOKEN", "METRICS_PUSH_URL", "NOTIFY_URLS", "PREFECT_API_KEY"}
    env = {name: f"${{{{ secrets.{name} }}}}" for name in names}
    env["DATABASE_URL"] = "${{ secrets.JANITOR_DATABASE_URL || secrets.DATABASE_URL }}"
    assert step_of_maia(JOB)["env"] == env
    assert names == set(step_of_maia(jobs(MAIA)["shards"])["env"]) - {"YOUTUBE_API_KEY_POOL_JSON"}
    assert set(re.findall(r"\bsecrets\.(\w+)", text(JANITOR))) == names | {"JANITOR_DATABASE_URL"}
    assert "env" not in JOB
    assert "env" not in workflow(JANITOR)


def test_it_ends_by_itself_before_github_ends_it() -> None:
    minutes = re.fullmatch(r"\$\{\{ format\('\{0}', inputs\.max-minutes\) \|\| '(\d+)' }}", GIVEN["max-minutes"])
    limit = re.fullmatch(r"\$\{\{ fromJSON\(vars\.MAIA_TIMEOUT_MINUTES \|\| '(\d+)'\) }}", JOB["timeout-minutes"])
    assert minutes is not None
    assert limit is not None
    assert int(minutes[1]) < int(limit[1])
    assert ASKED["max-minutes"]["description"].endswith(f"0 for no such limit; empty is {minutes[1]}")


def test_it_runs_daily_at_an_odd_minute_of_its_own() -> None:
    minute, hour, *rest = ON["schedule"][0]["cron"].split()
    assert rest == ["*", "*", "*"]
    assert hour.isdigit()
    assert int(minute) % 5
    assert minute not in {workflow(name)["on"]["schedule"][0]["cron"].split()[0] for name in CALLERS}


def test_started_by_hand_it_asks_for_inputs_that_it_passes_on() -> None:
    assert set(ASKED) == set(re.findall(r"\binputs\.([\w-]+)", text(JANITOR)))
    assert all(one["description"] for one in ASKED.values())
    assert ASKED["dry-run"] == {**ASKED["dry-run"], "type": "boolean", "default": "false"}
    assert str(ASKED["yes"]["default"]).lower() == "false", "a run beyond its bound is confirmed by hand alone"
    for name in ("dry-run", "yes"):
        assert GIVEN[name] == f"${{{{ inputs.{name} || false }}}}", "a scheduled run has no inputs"


def test_what_differs_between_repositories_is_a_variable_that_the_agents_have_too() -> None:
    used = set(re.findall(r"\bvars\.(\w+)", text(JANITOR)))
    assert used <= {name for caller in CALLERS for name in re.findall(r"\bvars\.(\w+)", text(caller))}
    assert {key for key, value in GIVEN.items() if "${{" not in value} == {"command"}
    (caller,) = jobs(CALLERS[0]).values()
    assert JOB["if"] == caller["if"]
    for name in ("settings", "network", "image"):
        assert GIVEN[name] == caller["with"][name]
