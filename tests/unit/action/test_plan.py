"""The plan: what it runs, what it hands on, and how it says that nothing is to be started."""

from __future__ import annotations

from typing import Any

import pytest

from ...support.action_step import DSN, FakeDocker, Step, ran, result

OWNER = "postgresql://owner:own%3Apassword@127.0.0.1:5432/maia"


def planned(shards: object = 3, outcome: str = "ok", **more: Any) -> dict[str, Any]:
    stats = {"agent": "hunter", "shards": shards, "wave": 1, "due": 120, "reason": "120 queries: 3 shards", **more}
    return ran(result=result("plan", outcome, stats=stats))


def test_the_matrix_is_a_list_of_plain_numbers(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[planned()])
    done = step.run(command="plan", max_shards="5", batch_size="20")
    assert done.code == 0
    stats = '{"shards":3,"wave":1,"due":120}'
    assert done.outputs == {"shards": "[0,1,2]", "run": "4711-2", "outcome": "ok", "exit-code": "0", "stats": stats}
    assert done.summary.startswith("### Maia plan of the hunter: ok, 3 shards\n\n```text\n120 queries: 3 shards\n```\n")
    assert "| due | 120 |" in done.summary
    assert done.annotations("notice") == []
    (run,) = docker.of("run")
    assert " ".join(run["arguments"]).endswith(
        "python -m maia plan hunter --max-shards 5 --batch-size 20 --wave 1 --result-file /run/maia/result.json"
    )
    assert "--interactive" not in run["arguments"]


@pytest.mark.parametrize("outcome", ["idle", "quota-exhausted"])
@pytest.mark.parametrize(
    ("wave", "churned", "notice"),
    [
        ("1", 0, "No shard is started: nothing ::error:: is due until noon"),
        ("2", 3, "No further shard is started: nothing ::error:: is due until noon"),
        ("2", 0, ""),
    ],
)
def test_nothing_to_start_passes_with_a_notice_that_says_why(
    step: Step, docker: FakeDocker, outcome: str, wave: str, churned: int, notice: str
) -> None:
    docker.plays(run=[planned(0, outcome, churned=churned, reason="nothing ::error:: is due\nuntil noon")])
    done = step.here(command="plan", wave=wave, run="4711-2", queries="rust")
    assert (done.code, done.outputs["shards"], done.outputs["outcome"]) == (0, "[]", outcome)
    assert done.annotations("notice") == ([f"Maia: {outcome}: {notice}"] if notice else [])
    of_wave = ", wave 2" if wave == "2" else ""
    assert f"### Maia plan of the hunter{of_wave}: {outcome}, no shard" in done.summary
    (run,) = docker.of("run")
    assert run["env"]["MAIA_WAVE"] == wave
    assert ("--queries" in run["arguments"]) is (wave == "1")


def test_queries_of_the_input_and_of_a_file_come_on_standard_input(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[planned(1)])
    text = "lofi hip hop\n" + "\n".join(f"--query {i} 'ü" for i in range(20_000))
    (step.folder / "workspace").mkdir()
    (step.folder / "workspace" / "q.txt").write_text("rust\n")
    done = step.here(command="plan", queries=text, queries_file="q.txt")
    assert done.outputs["shards"] == "[0]"
    (run,) = docker.of("run")
    assert "--interactive" in run["arguments"]
    assert run["arguments"][run["arguments"].index("--queries") + 1] == "-"
    assert run["stdin"] == f"{text}\nrust\n"


@pytest.mark.parametrize("shards", [None, "3", 3.0, True, -1, 5, 10**9])
def test_a_plan_without_a_usable_number_fails(step: Step, docker: FakeDocker, shards: object) -> None:
    docker.plays(run=[planned(shards), ran()])
    done = step.here(command="plan")
    assert (done.code, done.outputs["shards"], done.outputs["outcome"]) == (1, "[]", "failure")
    assert "returned no valid number of shards" in done.annotations("error")[0]
    if shards is None:
        assert step.here(command="plan").code == 1, "nor does one without a result file pass"


def test_a_plan_that_fails_starts_nothing(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(69, result=result("plan", "unavailable", 69, error="the database cannot be reached"))])
    done = step.here(command="plan", agent="tracker")
    assert (done.code, done.outputs["shards"], done.outputs["outcome"]) == (69, "[]", "unavailable")
    (error,) = done.annotations("error")
    assert error.startswith("Maia: unavailable (69): the plan: ")
    assert "the database cannot be reached" in error
    assert done.summary.startswith("### Maia plan of the tracker: failed\n")


@pytest.mark.parametrize(
    ("resumed", "notice"),
    [
        (
            ["0123456789ab", "ba9876543210", "::error::", 7],
            "Suspensions lifted: 0123456789ab, ba9876543210. YouTube's next refusal suspends a key again.",
        ),
        ([], "No key of the ring was suspended."),
    ],
)
def test_suspended_keys_are_tried_again_where_that_is_asked(
    step: Step, docker: FakeDocker, resumed: list[object], notice: str
) -> None:
    docker.plays(run=[planned(keys_resumed=resumed)])
    done = step.here(command="plan", resume_keys="true")
    assert "--resume-keys" in docker.of("run")[0]["arguments"]
    assert done.annotations("notice") == [f"Maia: suspended keys: {notice}"]


@pytest.mark.parametrize(("value", "left"), [("", False), ("true", False), ("false", True)])
def test_an_older_schema_is_left_as_it_is_where_that_is_asked(
    step: Step, docker: FakeDocker, value: str, left: bool
) -> None:
    docker.plays(run=[planned()])
    step.here(command="plan", auto_migrate=value)
    assert ("--no-migrate" in docker.of("run")[0]["arguments"]) is left


def test_a_migration_has_the_owners_url_and_neither_keys_nor_tokens(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(), planned()], secrets=[*docker.behaviour["secrets"], OWNER])
    step.env |= {"MIGRATE_DATABASE_URL": OWNER, "HF_TOKEN": "hf_0123456789", "DATABASE_POOL_SIZE": "2"}
    done = step.here(command="plan", migrate="true")
    assert done.outputs["shards"] == "[0,1,2]"
    migrate, plan = docker.of("run")
    assert migrate["arguments"][-2:] == ["atlas", "migrate"]
    assert migrate["env"]["DATABASE_URL"] == OWNER
    assert not {"YOUTUBE_API_KEY_POOL_JSON", "HF_TOKEN"} & set(migrate["env"])
    assert migrate["env"]["DATABASE_POOL_SIZE"] == "2"
    assert plan["env"]["DATABASE_URL"] == DSN
    assert "MIGRATE_DATABASE_URL" not in plan["env"]
    assert {"own%3Apassword", "own:password"} <= set(done.masks)
    step.env["MIGRATE_DATABASE_URL"] = ""  # without an owner's URL, the agent's own
    step.here(command="plan", migrate="true")
    assert docker.of("run")[2]["env"]["DATABASE_URL"] == DSN


def test_a_migration_that_fails_is_the_plans_failure(step: Step, docker: FakeDocker) -> None:
    docker.plays(run=[ran(78, output="atlas: permission denied for schema public\n"), planned()])
    done = step.here(command="plan", migrate="true")
    assert (done.code, done.outputs["shards"], done.outputs["outcome"]) == (78, "[]", "config")
    (error,) = done.annotations("error")
    assert error.startswith("Maia: config (78): atlas migrate: ")
    assert "permission denied for schema public" in error
    assert len(docker.of("run")) == 1
