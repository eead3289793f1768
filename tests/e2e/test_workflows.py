"""The workflows that users copy, as act runs them: through the reusable workflow, the action and the container.

That a green run has a plan, four shards and a verdict, and that none starts where nothing is due, is in
test_act_page.py.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from atlas.config.keypool import fingerprint

from ..support.act import EXPORT, FOREIGN, HUNTER, JANITOR, TRACKER, Acted, Repository, copy_checkout, read_values
from ..support.docker_engine import Docker
from ..support.documents import CHECKOUT
from ..support.mermaid import charts
from .conftest import PASSWORD, Query, Sandbox

pytestmark = [pytest.mark.e2e, pytest.mark.usefixtures("act")]

QUERIES = 4  # of .github/act/hunter.json, one for each of its shards


@pytest.fixture(scope="session")
def checkout(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A clone of pleiades/maia with the files as they are now, and the export beside it that act reads."""
    root = tmp_path_factory.mktemp("act")
    copy_checkout(root / "maia")
    repository = Repository.make(root / "maia", root / "home", "pleiades/maia")
    repository.shell(*EXPORT)
    assert (repository.folder / ".act/maia/action.yml").exists()
    assert not (repository.folder / ".act/maia/.git").exists()
    before = _built(docker)
    yield repository
    for tag in _built(docker) - before:
        docker("image", "rm", tag, check=False)


def _built(docker: Docker) -> set[str]:
    """The tags of images that the action built."""
    return set(docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "pleiades-maia:build-*").split())


@dataclass(frozen=True)
class Setting:
    """Secrets and variables as the examples have them, with this test's database, sandbox and image."""

    secrets: Mapping[str, str]
    variables: Mapping[str, str]

    def put(self, repository: Repository, pool: str = "", **variables: str) -> Repository:
        keys = {"YOUTUBE_API_KEY_POOL_JSON": pool} if pool else {}
        repository.write(".secrets", {**self.secrets, **keys})
        repository.write(".vars", {**self.variables, **variables})
        return repository


@pytest.fixture
def setting(dsn: str, sandbox: Sandbox, image: str) -> Setting:
    secrets, variables = (read_values(CHECKOUT / name) for name in (".secrets.example", ".vars.example"))
    settings = re.sub("http://127.0.0.1:8080/youtube/v3", sandbox.base_url, variables["MAIA_SETTINGS"])
    assert sandbox.base_url in settings
    assert f":{PASSWORD}@" in secrets["DATABASE_URL"]
    settings += "\nMAIA_WAVE_PAUSE_SECONDS=1"
    return Setting({**secrets, "DATABASE_URL": dsn}, {**variables, "MAIA_SETTINGS": settings, "MAIA_IMAGE": image})


@pytest.fixture
def maia(checkout: Repository, setting: Setting) -> Iterator[Repository]:
    yield setting.put(checkout)
    for name in (".secrets", ".vars"):
        (checkout.folder / name).unlink()


def rows(query: Query) -> list[tuple[Any, ...]]:
    """Agent, wave, shard and outcome of every process of the one workflow run that there was."""
    found = query("SELECT run_id, agent, wave, shard, outcome FROM runs ORDER BY wave, agent, shard")
    assert len({row["run_id"] for row in found}) <= 1
    return [(row["agent"], row["wave"], row["shard"], row["outcome"]) for row in found]


def shards(agent: str, wave: int, *outcomes: str) -> list[tuple[Any, ...]]:
    """The rows of a wave; under act every shard has the name of one of the most shards that may start."""
    return [(agent, wave, f"{index}/4", outcome) for index, outcome in enumerate(outcomes)]


def left(query: Query) -> tuple[int, int]:
    """How many queries were not searched, and how many claims not released."""
    (row,) = query(
        "SELECT count(*) FILTER (WHERE last_searched_at IS NULL) AS unsearched, count(lease_token) AS claimed"
        " FROM search_queue"
    )
    return row["unsearched"], row["claimed"]


def passed(acted: Acted) -> Acted:
    assert acted.green, acted.output
    assert acted.failed == {}
    return acted


def test_a_run_whose_shards_find_the_quota_spent_says_so_and_warns_once_of_a_short_password(
    maia: Repository, query: Query, sandbox: Sandbox
) -> None:
    sandbox.faults("quota:search:after=1")
    acted = passed(maia.act(HUNTER))
    # under act the gate always looks; on GitHub it would not have run here
    assert acted.jobs == {"Plan": 1, "Shard": 4, "Gate": 1, "Verdict": 1}
    assert {outcome for agent, _, _, outcome in rows(query) if agent == "hunter"} == {"ok", "quota-exhausted"}
    assert "of 4 shards stopped because the quota is spent (" in acted.output
    assert re.search(r"/Verdict .*::set-output:: outcome=quota-exhausted$", acted.output, re.MULTILINE)
    assert "All shards ended well" not in acted.output
    assert acted.output.count("the password in DATABASE_URL has fewer than 8 characters") == 1


def test_two_shards_meet_a_rate_limit_and_a_second_wave_finishes_their_work(
    maia: Repository, query: Query, sandbox: Sandbox
) -> None:
    sandbox.faults(*(f"rate-limit:search:agent=(hunter {index}/4):times=1" for index in (1, 3)))
    acted = passed(maia.act(HUNTER))
    assert acted.jobs == {"Plan": 1, "Shard": 4, "Gate": 1, "Wave 2": 2, "Verdict": 1}
    assert rows(query) == [
        *shards("hunter", 1, "ok", "churn", "ok", "churn"),
        ("plan", 1, "0/1", "ok"),
        *shards("hunter", 2, "ok", "ok"),
        ("plan", 2, "0/1", "ok"),
    ]
    assert acted.output.count("::set-output:: churned=true") >= 2
    assert "before wave 2: the rate limit of wave 1 may hold for a minute" in acted.output
    assert left(query) == (0, 0)
    assert len(sandbox.log.calls("search", status=200)) == QUERIES
    assert query("SELECT id FROM videos LIMIT 1")


def test_a_shard_churned_and_then_the_days_quota_is_gone_so_that_no_further_runner_starts(
    maia: Repository, query: Query, sandbox: Sandbox
) -> None:
    (key,) = json.loads(read_values(CHECKOUT / ".secrets.example")["YOUTUBE_API_KEY_POOL_JSON"])["hunting"]
    # as soon as a row says churn, the only key of the ring has no search left
    query(
        "CREATE FUNCTION spend() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO key_suspensions"
        f" VALUES ('{fingerprint(key)}', 'search', 'day quota spent', now(), now() + interval '8 hours')"
        " ON CONFLICT DO NOTHING; RETURN NEW; END $$"
    )
    query(
        "CREATE TRIGGER spend AFTER UPDATE ON runs FOR EACH ROW WHEN (NEW.outcome = 'churn') EXECUTE FUNCTION spend()"
    )
    sandbox.faults("rate-limit:search")
    acted = passed(maia.act(HUNTER))
    assert acted.jobs == {"Plan": 1, "Shard": 4, "Gate": 1, "Verdict": 1}
    found = rows(query)
    assert ("plan", 2, "0/1", "quota-exhausted") in found
    assert {outcome for agent, wave, _, outcome in found if (agent, wave) == ("hunter", 1)} >= {"churn"}
    assert "No further shard is started: " in acted.output
    assert "; no further shard was started: " in acted.output
    assert re.search(r"/Verdict .*::set-output:: outcome=quota-exhausted$", acted.output, re.MULTILINE)
    assert "before wave 2" not in acted.output, "nothing is waited for"
    assert left(query) == (QUERIES, 0)


def test_a_failed_shard_makes_the_run_red_and_another_wave_still_goes_on_for_one_that_churned(
    maia: Repository, query: Query, sandbox: Sandbox
) -> None:
    sandbox.faults("backend-error:search:agent=(hunter 2/4)", "rate-limit:search:agent=(hunter 1/4):times=1")
    acted = maia.act(HUNTER)
    assert not acted.green
    assert acted.jobs == {"Plan": 1, "Shard": 4, "Gate": 1, "Wave 2": 1, "Verdict": 1}
    assert {"Shard", "Verdict"} == set(acted.failed)
    assert rows(query) == [
        *shards("hunter", 1, "ok", "churn", "failure", "ok"),
        ("plan", 1, "0/1", "ok"),
        *shards("hunter", 2, "ok"),
        ("plan", 2, "0/1", "ok"),
    ]
    assert left(query)[1] == 0


def test_a_broken_key_pool_makes_the_run_red_with_the_reason(maia: Repository, setting: Setting, query: Query) -> None:
    acted = setting.put(maia, '{"hunting": ["key-that-must-stay-hidden"').act(HUNTER)
    assert not acted.green
    assert set(acted.jobs) == set(acted.failed) == {"Plan"}
    assert "YOUTUBE_API_KEY_POOL_JSON is not JSON" in acted.output
    assert "key-that-must-stay-hidden" not in acted.output
    assert rows(query) == []


def test_the_tracker_reads_what_is_due(maia: Repository, query: Query, sandbox: Sandbox) -> None:
    due = 35  # four batches of 10
    world, now = sandbox.running.world, sandbox.running.clock.now().timestamp()
    videos = [video.id for shelf in world.shelves(None, now) for video in shelf.videos if world.visible(video, now)]
    query(
        "INSERT INTO videos (id, first_seen_at, enriched_at, zone, due_at)"
        " SELECT id, now(), now(), 3, CASE WHEN number <= $2 THEN now() ELSE now() + interval '1 day' END"
        " FROM unnest($1::text[]) WITH ORDINALITY AS found(id, number)",
        videos[: 4 * due],
        due,
    )
    acted = passed(maia.act(TRACKER))
    assert acted.jobs == {"Plan": 1, "Shard": 4, "Gate": 1, "Verdict": 1}
    assert rows(query) == [
        ("plan", 1, "0/1", "ok"),
        *shards("tracker", 1, "ok", "ok", "ok", "ok"),
        ("plan", 2, "0/1", "idle"),
    ]
    assert query("SELECT count(*) AS snapshots FROM video_stats_log") == [{"snapshots": due}]
    assert "No video that was read has two readings yet." in acted.output
    drawn = charts(acted.output)
    assert {chart.title for chart in drawn} == {"Videos that were read in time"}
    assert all("zone 3" in chart.labels for chart in drawn)
    assert "#### Cost" in acted.output


def test_the_janitor_says_what_would_go_and_deletes_it_when_its_time_comes(maia: Repository, query: Query) -> None:
    query(
        "INSERT INTO videos (id, first_seen_at, enriched_at, zone)"
        " SELECT 'video' || days, now() - make_interval(days => days), now() - make_interval(days => days), 3"
        " FROM unnest(ARRAY[29, 31, 40]) AS days"
    )
    acted = passed(maia.act(JANITOR))
    assert "a dry run: nothing was deleted" in acted.output
    (row,) = query("SELECT agent, outcome, stats->'videos_deleted' AS deleted FROM runs")
    assert (row["agent"], row["outcome"], int(row["deleted"])) == ("janitor", "ok", 2)
    assert len(query("SELECT id FROM videos")) == 3
    passed(maia.act("act schedule -W .github/workflows/janitor.yml"))
    assert [row["id"] for row in query("SELECT id FROM videos")] == ["video29"]


def test_a_foreign_repository_needs_the_copied_file_and_nothing_else(
    checkout: Repository, setting: Setting, query: Query
) -> None:
    """With the image built from the action's own files, and with secrets that are short and common words."""
    folder = checkout.folder.parent / "tubes"
    (folder / ".github/workflows").mkdir(parents=True)
    shutil.copy2(checkout.folder / ".github/workflows/hunter.yml", folder / ".github/workflows")
    (folder / "topics.txt").write_text("lofi\nrust tutorial\n")
    repository = Repository.make(folder, checkout.home, "someone/tubes")
    assert PASSWORD == "hunter"  # a word that a careless action would put into an output
    settings = setting.variables["MAIA_SETTINGS"] + "\nHUNTER_BATCH_SIZE=1"
    own = {"MAIA_IMAGE": "build", "MAIA_SHARDS": "2", "MAIA_SETTINGS": settings, "MAIA_QUERIES_FILE": "topics.txt"}
    acted = passed(setting.put(repository, '{"hunting": ["k"]}', **own).act(FOREIGN))
    assert acted.jobs == {"Plan": 1, "Shard": 2, "Gate": 1, "Verdict": 1}
    found = [row for row in rows(query) if row[0] == "hunter"]
    assert found == [("hunter", 1, "0/2", "ok"), ("hunter", 1, "1/2", "ok")]
    # GitHub would drop a job's output that holds a masked value, and with it the matrix; act shows it as ***
    outputs = re.findall(r"::set-output:: (shards|run|churned)=(.+)", acted.output)
    assert {name for name, _ in outputs} == {"shards", "run"}
    assert not [value for _, value in outputs if "***" in value]


def test_a_branch_of_maia_runs_its_own_workflow_and_action(
    checkout: Repository, setting: Setting, query: Query, tmp_path: Path
) -> None:
    """A caller in Maia's own repository with `source: .`: the action of the released version only leads to it."""
    folder = tmp_path / "maia"
    shutil.copytree(checkout.folder, folder, ignore=shutil.ignore_patterns(".git", ".secrets", ".vars"))
    (folder / ".act/maia/action/entry.py").write_text("raise SystemExit('the released action ran')\n")
    (folder / ".github/workflows/branch.yml").write_text(
        "on: {workflow_dispatch: {}}\n"
        "jobs:\n"
        "  hunter:\n"
        "    uses: ./.github/workflows/maia.yml\n"
        "    with: {agent: hunter, source: ., image: build, network: host}\n"
        "    secrets:\n"
        "      DATABASE_URL: ${{ secrets.DATABASE_URL }}\n"
        "      YOUTUBE_API_KEY_POOL_JSON: ${{ secrets.YOUTUBE_API_KEY_POOL_JSON }}\n"
    )
    repository = setting.put(Repository.make(folder, checkout.home, "pleiades/maia"))
    acted = passed(repository.act("act workflow_dispatch -W .github/workflows/branch.yml"))
    assert acted.jobs == {"Plan": 1}
    assert rows(query) == [("plan", 1, "0/1", "idle")]
