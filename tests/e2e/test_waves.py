"""What starts after what in maia.yml: act runs it with action.yml as it is and, in the container's place, a play.

No engine is needed, and a run takes about two seconds. Where GitHub and act differ, act is what is seen here.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ..support.act import FOREIGN, Acted, Repository
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
DATABASE, KEYS = "DATABASE_URL", "YOUTUBE_API_KEY_POOL_JSON"
OF_SHARDS = sorted([DATABASE, KEYS, "HF_TOKEN", "NOTIFY_URLS", "PREFECT_API_KEY"])
SECRETS = {name: f"the {name}" for name in (*OF_SHARDS, "MIGRATE_DATABASE_URL")}


@dataclass(frozen=True)
class Stage:
    """A repository with hunter.yml alone, and Maia's workflow and action.yml beside it with a player behind them."""

    repository: Repository
    notes: Path

    def play(self, command: str = FOREIGN, *, variables: dict[str, str] | None = None, **play: Any) -> Acted:
        shutil.rmtree(self.notes, ignore_errors=True)
        self.notes.mkdir()
        self.repository.write(".vars", variables or {})
        given = {"PLAY": json.dumps(play), "FOLDER": str(self.notes), "SECRETS": json.dumps(sorted(SECRETS))}
        return self.repository.act(command, **given)

    def form(self, inputs: dict[str, Any], **play: Any) -> Acted:
        """Play what the form "Run workflow" sends."""
        event = self.notes.with_name("event.json")
        event.write_text(json.dumps({"inputs": inputs}))
        return self.play(f"{FOREIGN} -e {event}", shards=1, **play)

    def given(self, command: str, wave: int = 1, shard: int = 0) -> dict[str, Any]:
        """What the action of one job was given: its inputs that are not empty, and the names of its secrets."""
        found: dict[str, Any] = json.loads((self.notes / f"{command}-{wave}-{shard}.json").read_text())
        return found


@pytest.fixture(scope="module")
def stage(act: None, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    root = tmp_path_factory.mktemp("waves")
    export, workflows = root / "maia/.act/maia", root / "tubes/.github/workflows"
    for name in (".github/workflows/maia.yml", "action.yml"):
        (export / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / name, export / name)
    (export / "action").mkdir()
    (export / "action/entry.py").write_text(PLAYER)
    workflows.mkdir(parents=True)
    shutil.copy2(CHECKOUT / ".github/workflows/hunter.yml", workflows)
    repository = Repository.make(root / "tubes", root / "home", "someone/tubes")
    repository.write(".secrets", SECRETS)
    return Stage(repository, root / "notes")


@pytest.mark.parametrize(
    ("play", "jobs", "failed"),
    [
        pytest.param(
            {"shards": 3, "due": 1, **{f"1.{shard}": CHURN for shard in range(3)}},
            {"Shard": 3, "Gate": 1, "Wave 2": 1}, set(), id="a gate that starts one runner for three that churned",
        ),
        pytest.param(
            {"shards": 3, "due": 0, **{f"1.{shard}": CHURN for shard in range(3)}},
            {"Shard": 3, "Gate": 1}, set(), id="a gate that starts no runner",
        ),
        pytest.param(
            {"shards": 3, "1.0": 1, "1.1": CHURN, "2.0": CHURN},
            {"Shard": 3, "Gate": 1, "Wave 2": 1}, {"Shard", "Verdict"}, id="a failed leg hinders no other",
        ),
        pytest.param(
            {"shards": 1, "1.0": CHURN, "2.0": 1},
            {"Shard": 1, "Gate": 1, "Wave 2": 1}, {"Wave 2", "Verdict"}, id="a failed leg of a further wave",
        ),
        pytest.param(
            {"shards": 2, "1.0": CHURN, "plan 2": 69},
            {"Shard": 2, "Gate": 1}, {"Gate", "Verdict"}, id="a failed gate",
        ),
        pytest.param({"shards": 2, "plan 1": 78}, {}, {"Plan", "Verdict"}, id="a failed plan"),
    ],
)  # fmt: skip
def test_which_jobs_follow(stage: Stage, play: dict[str, int], jobs: dict[str, int], failed: set[str]) -> None:
    acted = stage.play(**play)
    assert acted.green is not bool(failed), acted.output
    assert acted.jobs == {"Plan": 1, **jobs, "Verdict": 1}
    assert set(acted.failed) == failed


def test_four_shards_that_churn_again_and_again_are_eleven_jobs(stage: Stage) -> None:
    acted = stage.play(shards=4, **{f"{wave}.{shard}": CHURN for wave in (1, 2) for shard in range(4)})
    assert acted.green, acted.output
    assert acted.jobs == {"Plan": 1, "Shard": 4, "Gate": 1, "Wave 2": 4, "Verdict": 1}
    needs = json.loads(stage.given("verdict")["inputs"]["NEEDS"])
    assert needs["wave-2"]["outputs"]["churned"] == "+", "the verdict says that some is left to the next run"


def test_the_schedule_gives_the_defaults_and_each_job_only_its_secrets(stage: Stage) -> None:
    acted = stage.play(FOREIGN.replace("workflow_dispatch", "schedule"), shards=1, **{"1.0": CHURN})
    assert acted.green, acted.output
    always = {
        "AUTO_MIGRATE": "true", "BATCH_SIZE": "0", "DRY_RUN": "false", "MAX_SHARDS": "4", "MIGRATE": "false",
        "RESUME_KEYS": "false", "YES": "false", "AGENT": "hunter",
    }  # fmt: skip
    plan = {"COMMAND": "plan", "SHARD": "0/1", "WAVE": "1", **always}
    of_plan = sorted([DATABASE, KEYS, "NOTIFY_URLS"])
    assert stage.given("plan") == {"inputs": plan, "secrets": of_plan}
    for wave in (1, 2):
        shard = {"COMMAND": "hunter", "SHARD": "0/4", "WAVE": str(wave), "RUN": "20-1", "MAX_MINUTES": "5", **always}
        assert stage.given("hunter", wave) == {"inputs": shard, "secrets": OF_SHARDS}
    assert stage.given("plan", 2) == {"inputs": {**plan, "WAVE": "2", "RUN": "20-1"}, "secrets": of_plan}
    assert stage.given("verdict")["secrets"] == [DATABASE]


def test_variables_and_the_form_reach_the_action_and_the_form_wins(stage: Stage) -> None:
    asked = {
        "max-shards": "2", "batch-size": "7", "fail-on-churn": "true", "queries": 'a b\n"c" $(d) `e`',
        "max-minutes": "2.5",
    }  # fmt: skip
    settings = "HUNTER_REGION=US\nHUNTER_TAG_DENY=^#"
    variables = {
        "MAIA_SHARDS": "9", "MAIA_MAX_MINUTES": "7", "MAIA_TIMEOUT_MINUTES": "30", "MAIA_SETTINGS": settings,
        "MAIA_IMAGE": "own:1", "MAIA_NETWORK": "host", "MAIA_RUNNER": '["big", "ubuntu-latest"]',
    }  # fmt: skip
    acted = stage.form(asked, variables=variables)
    assert acted.green, acted.output
    plan, shard = stage.given("plan")["inputs"], stage.given("hunter")["inputs"]
    assert (plan["MAX_SHARDS"], plan["BATCH_SIZE"], plan["QUERIES"]) == ("2", "7", asked["queries"])
    assert (shard["MAX_MINUTES"], shard["BATCH_SIZE"], shard["FAIL_ON"]) == ("2.5", "7", "churn")
    for inputs in (plan, shard, stage.given("verdict")["inputs"]):
        assert (inputs["SETTINGS"], inputs["IMAGE"], inputs["NETWORK"]) == (settings, "own:1", "host")


@pytest.mark.parametrize(
    ("form", "variable", "minutes"),
    [
        ({"max-minutes": ""}, "0", "0"),
        ({"max-minutes": ""}, "0.5", "0.5"),
        ({"max-minutes": "0"}, "7", "0"),
        ({"max-minutes": 0}, "7", "0"),
    ],
)
def test_no_minutes_are_one_cycle_and_an_empty_field_is_the_variable(
    stage: Stage, form: dict[str, Any], variable: str, minutes: str
) -> None:
    acted = stage.form(form, variables={"MAIA_MAX_MINUTES": variable})
    assert acted.green, acted.output
    assert stage.given("hunter")["inputs"]["MAX_MINUTES"] == minutes
