"""What starts after what in maia.yml: act runs it with action.yml as it is and, in the container's place, a play.

No engine is needed, and a run takes about two seconds. Where GitHub and act differ, act is what is seen here.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..support.act import FOREIGN, Acted, Repository, missing
from ..support.documents import CHECKOUT

pytestmark = pytest.mark.e2e

PLAYER = """
import json, os, sys
from pathlib import Path

inputs = {name[11:]: value for name, value in os.environ.items() if name.startswith("MAIA_INPUT_") and value}
secrets = sorted(name for name in json.loads(os.environ["SECRETS"]) if os.environ.get(name))
folder, play = Path(os.environ["FOLDER"]), json.loads(os.environ["PLAY"])
command, wave, shard = inputs["COMMAND"], inputs["WAVE"], inputs["SHARD"].split("/")[0]
outputs, code = {}, 0
if command == "plan":
    shards = play.get("due", play["shards"])
    shards = play["shards"] if wave == "1" else min(shards, len(list(folder.glob("churned-1-*"))))
    outputs = {"shards": json.dumps(list(range(shards))), "run": "20-1"}
    code = play.get(f"plan {wave}", 0)
elif command == "verdict":
    code = int(any(need["result"] == "failure" for need in json.loads(inputs["NEEDS"]).values()))
else:
    code = play.get(f"{wave}.{shard}", 0)
    if code == 75:
        code, outputs = 0, {"churned": "true"}
        (folder / f"churned-{wave}-{shard}").touch()
with open(os.environ["GITHUB_OUTPUT"], "a") as file:
    file.writelines(f"{name}={value}\\n" for name, value in outputs.items())
(folder / f"{command}-{wave}-{shard}.json").write_text(json.dumps({"inputs": inputs, "secrets": secrets}))
sys.exit(code)
"""
CHURN = 75
SECRETS = {
    name: f"the {name}"
    for name in (
        "DATABASE_URL", "HF_TOKEN", "MIGRATE_DATABASE_URL", "NOTIFY_URLS", "PREFECT_API_KEY",
        "YOUTUBE_API_KEY_POOL_JSON",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """A repository with hunter.yml alone, and Maia's workflow and action.yml beside it with a player behind them."""

    repository: Repository
    notes: Path

    def play(self, command: str = FOREIGN, **play: Any) -> Acted:
        shutil.rmtree(self.notes, ignore_errors=True)
        self.notes.mkdir()
        return self.repository.act(
            command, PLAY=json.dumps(play), FOLDER=str(self.notes), SECRETS=json.dumps(sorted(SECRETS))
        )

    def given(self, command: str, wave: int = 1, shard: int = 0) -> dict[str, Any]:
        """What the action of one job was given: its inputs that are not empty, and the names of its secrets."""
        found: dict[str, Any] = json.loads((self.notes / f"{command}-{wave}-{shard}.json").read_text())
        return found


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    reason = missing()
    if reason and os.environ.get("MAIA_E2E_REQUIRED") == "1":
        pytest.fail(f"{reason}, and MAIA_E2E_REQUIRED=1")
    if reason:
        pytest.skip(reason)
    root = tmp_path_factory.mktemp("waves")
    export = root / "maia/.act/maia"
    for name in (".github/workflows/maia.yml", "action.yml"):
        (export / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, export / name)
    (export / "action").mkdir()
    (export / "action/entry.py").write_text(PLAYER)
    (root / "tubes/.github/workflows").mkdir(parents=True)
    shutil.copy2(CHECKOUT / ".github/workflows/hunter.yml", root / "tubes/.github/workflows")
    repository = Repository.make(root / "tubes", root / "home", "someone/tubes")
    repository.write(".secrets", SECRETS)
    return Stage(repository, root / "notes")


def test_four_shards_that_churn_again_and_again_are_eleven_jobs(stage: Stage) -> None:
    acted = stage.play(shards=4, **{f"{wave}.{shard}": CHURN for wave in (1, 2) for shard in range(4)})
    assert acted.green, acted.output
    assert acted.jobs == {"Plan": 1, "Shard": 4, "Gate": 1, "Wave 2": 4, "Verdict": 1}
    assert sum(acted.jobs.values()) == 11
    needs = json.loads(stage.given("verdict")["inputs"]["NEEDS"])
    assert needs["wave-2"]["outputs"]["churned"] == "+", "the verdict says that some is left to the next run"


def test_the_further_wave_does_the_work_of_those_that_churned_and_is_the_last(stage: Stage) -> None:
    acted = stage.play(shards=3, **{"1.0": CHURN, "1.2": CHURN})
    assert acted.green, acted.output
    assert acted.jobs == {"Plan": 1, "Shard": 3, "Gate": 1, "Wave 2": 2, "Verdict": 1}
    assert [stage.given("hunter", wave, 1)["inputs"]["WAVE"] for wave in (1, 2)] == ["1", "2"]


@pytest.mark.parametrize(("due", "wave"), [(1, {"Wave 2": 1}), (0, {})])
def test_a_gate_starts_no_more_runners_than_it_is_given(stage: Stage, due: int, wave: dict[str, int]) -> None:
    acted = stage.play(shards=3, due=due, **{f"1.{shard}": CHURN for shard in range(3)})
    assert acted.green, acted.output
    assert acted.jobs == {"Plan": 1, "Shard": 3, "Gate": 1, **wave, "Verdict": 1}


def test_a_failed_leg_is_red_and_hinders_no_other(stage: Stage) -> None:
    acted = stage.play(shards=3, **{"1.0": 1, "1.1": CHURN, "2.0": CHURN})
    assert not acted.green
    assert acted.jobs == {"Plan": 1, "Shard": 3, "Gate": 1, "Wave 2": 1, "Verdict": 1}
    assert "Verdict" in acted.failed


def test_a_failed_leg_of_a_further_wave_is_red(stage: Stage) -> None:
    acted = stage.play(shards=1, **{"1.0": CHURN, "2.0": 1})
    assert not acted.green
    assert acted.jobs == {"Plan": 1, "Shard": 1, "Gate": 1, "Wave 2": 1, "Verdict": 1}


def test_no_wave_follows_a_gate_that_failed(stage: Stage) -> None:
    acted = stage.play(shards=2, **{"1.0": CHURN, "plan 2": 69})
    assert not acted.green
    assert acted.jobs == {"Plan": 1, "Shard": 2, "Gate": 1, "Verdict": 1}


def test_no_shard_follows_a_plan_that_failed(stage: Stage) -> None:
    acted = stage.play(shards=2, **{"plan 1": 78})
    assert not acted.green
    assert acted.jobs == acted.failed == {"Plan": 1, "Verdict": 1}


def test_the_schedule_gives_the_defaults_and_each_job_only_its_secrets(stage: Stage) -> None:
    acted = stage.play(FOREIGN.replace("workflow_dispatch", "schedule"), shards=1, **{"1.0": CHURN})
    assert acted.green, acted.output
    always = {
        "AUTO_MIGRATE": "true",
        "BATCH_SIZE": "0",
        "DRY_RUN": "false",
        "MAX_SHARDS": "4",
        "MIGRATE": "false",
        "RESUME_KEYS": "false",
        "YES": "false",
    }
    database, keys = "DATABASE_URL", "YOUTUBE_API_KEY_POOL_JSON"
    plan = {"COMMAND": "plan", "AGENT": "hunter", "SHARD": "0/1", "WAVE": "1", **always}
    assert stage.given("plan") == {"inputs": plan, "secrets": sorted([database, keys, "NOTIFY_URLS"])}
    for wave in (1, 2):
        shard = {"COMMAND": "hunter", "AGENT": "hunter", "SHARD": "0/4", "WAVE": str(wave), "RUN": "20-1", **always}
        assert stage.given("hunter", wave) == {
            "inputs": {**shard, "MAX_MINUTES": "5"},
            "secrets": sorted(set(SECRETS) - {"MIGRATE_DATABASE_URL"}),
        }
    assert stage.given("plan", 2) == {
        "inputs": {**plan, "WAVE": "2", "RUN": "20-1"},
        "secrets": sorted([database, keys, "NOTIFY_URLS"]),
    }
    assert stage.given("verdict")["secrets"] == [database]


def test_variables_and_the_form_reach_the_action_and_the_form_wins(stage: Stage, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    asked = {"max-shards": "2", "batch-size": "7", "fail-on-churn": "true", "queries": 'a b\n"c" $(d) `e`'}
    event.write_text(json.dumps({"inputs": asked}))
    settings = "HUNTER_REGION=US\nHUNTER_TAG_DENY=^#"
    stage.repository.write(
        ".vars",
        {
            "MAIA_SHARDS": "9", "MAIA_MAX_MINUTES": "0.5", "MAIA_TIMEOUT_MINUTES": "30", "MAIA_SETTINGS": settings,
            "MAIA_IMAGE": "own:1", "MAIA_NETWORK": "host", "MAIA_RUNNER": '["big", "ubuntu-latest"]',
        },
    )  # fmt: skip
    try:
        acted = stage.play(f"{FOREIGN} -e {event}", shards=1)
    finally:
        (stage.repository.folder / ".vars").unlink()
    assert acted.green, acted.output
    plan, shard = stage.given("plan")["inputs"], stage.given("hunter")["inputs"]
    assert (plan["MAX_SHARDS"], plan["BATCH_SIZE"], plan["QUERIES"]) == ("2", "7", asked["queries"])
    assert (shard["MAX_MINUTES"], shard["BATCH_SIZE"], shard["FAIL_ON"]) == ("0.5", "7", "churn")
    for inputs in (plan, shard, stage.given("verdict")["inputs"]):
        assert (inputs["SETTINGS"], inputs["IMAGE"], inputs["NETWORK"]) == (settings, "own:1", "host")


@pytest.mark.parametrize(
    ("form", "variable", "minutes"),
    [
        ({}, "", "5"),
        ({"max-minutes": ""}, "0", "0"),
        ({"max-minutes": ""}, "7", "7"),
        ({"max-minutes": "0"}, "7", "0"),
        ({"max-minutes": 0}, "7", "0"),
        ({"max-minutes": "2.5"}, "7", "2.5"),
    ],
)
def test_no_minutes_are_one_cycle_and_an_empty_field_is_the_variable(
    stage: Stage, tmp_path: Path, form: dict[str, Any], variable: str, minutes: str
) -> None:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"inputs": form}))
    stage.repository.write(".vars", {"MAIA_MAX_MINUTES": variable})
    try:
        acted = stage.play(f"{FOREIGN} -e {event}", shards=1)
    finally:
        (stage.repository.folder / ".vars").unlink()
    assert acted.green, acted.output
    assert stage.given("hunter")["inputs"]["MAX_MINUTES"] == minutes
