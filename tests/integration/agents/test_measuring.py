"""The metrics of a run: served while it lasts, pushed at its end, and never a reason to fail."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
import socket
import urllib.request
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from maia.agents.session import Shard
from maia.cycles import AgentOptions, check, work
from maia.janitor import JanitorOptions
from maia.janitor import work as janitor_work
from maia.metrics.catalogue import PROCESS
from maia.run import run_checked
from maia.runtime import recording
from maia.youtube import errors
from youtube_sandbox import RunningSandbox

from ...support.agent_processes import Children
from ...support.agents import Timeline, run_here
from ...support.event_loop import PATIENCE
from ...support.pushgateway import pushgateway
from ...support.retention_rows import put_video

pytestmark = pytest.mark.integration

Samples = dict[tuple[str, ...], float]


@pytest.fixture
def role() -> None:
    """The owner's: the Janitor runs in this process, too."""


def read(text: str) -> Samples:
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()) if name != "agent")): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def measure(agent: str, expected: str = "ok", **given: Any) -> Samples:
    """Run an agent that pushes its metrics; return them."""
    with pushgateway() as gateway:
        end, _ = await run_here(agent, metrics_push_url=gateway.url(), **given)
        assert end.outcome == expected
    (push,) = gateway.requests
    assert (push.method, push.path) == ("PUT", f"/metrics/job/maia/agent/{agent}"), "grouped by agent, never by run"
    found = read(push.body)
    assert {name for name, *_ in found} <= {series for metric in PROCESS.values() for series in metric.series}
    return found


async def test_what_a_run_did_is_pushed_at_its_end(db: Database, api: RunningSandbox, timeline: Timeline) -> None:
    await QueueDAO().add(["python", "guitar"])
    hunted = await measure("hunter")
    assert hunted["maia_api_calls_total", "method=search.list", "outcome=ok"] == 2
    assert hunted["maia_api_call_duration_seconds_count", "method=search.list"] == 2
    assert hunted["maia_claims_total",] == 2
    assert hunted["maia_new_videos_total",] == hunted["maia_snapshots_total",] > 50
    assert hunted["maia_new_queries_total",] > 0
    assert hunted["maia_cycle_duration_seconds_count",] == hunted["maia_runs_total", "outcome=ok"] == 1
    stages = {"finish_earlier", "fetch_batch", "search_youtube", "ingest_results"}
    assert all(hunted["maia_stage_duration_seconds_count", f"stage={stage}"] == 1 for stage in stages)
    assert hunted["maia_breakouts_total",] == 0, "a counter begins at 0, so that its first increase is seen"

    timeline.advance(hours=1, minutes=1)
    tracked = await measure("tracker", cycles=2)
    assert tracked["maia_claims_total",] == tracked["maia_snapshots_total",] > 50, "of two cycles"
    assert tracked["maia_api_calls_total", "method=videos.batchGetStats", "outcome=ok"] == 2
    assert tracked["maia_cycle_duration_seconds_count",] == 2
    assert tracked["maia_stage_duration_seconds_count", "stage=judge_growth"] == 2


async def test_refused_calls_and_the_end_of_a_run_are_counted_by_outcome(db: Database, api: RunningSandbox) -> None:
    await QueueDAO().add(["python", "guitar"])
    api.faults.add("rate-limit:search")
    found = await measure("hunter", "churn", youtube_concurrency=1)
    assert found["maia_api_calls_total", "method=search.list", "outcome=rate_limited"] == 1
    assert found["maia_runs_total", "outcome=churn"] == 1
    assert found["maia_claims_released_total",] == 2


async def test_the_janitor_counts_the_rows_that_it_deleted(db: Database, timeline: Timeline) -> None:
    await put_video(db, "old", timeline.at, seen=60, enriched=60)
    with pushgateway() as gateway, settings.override(metrics_push_url=gateway.url()):
        for dry_run in (True, False):
            options = JanitorOptions(Shard(), dry_run=dry_run)
            await run_checked("janitor", "0/1", lambda options=options: janitor_work(options), _nothing)
    dry, real = (read(push.body) for push in gateway.requests)
    assert real["maia_deleted_rows_total", "table=videos"] == 1
    assert ("maia_deleted_rows_total", "table=videos") not in dry


async def _nothing() -> None:
    pass


async def test_the_metrics_of_a_run_are_served_while_it_lasts(
    db: Database, api: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await QueueDAO().add(["python"])
    places = []

    def scrape() -> str:
        (place,) = re.findall(r"metrics are served on (\S+)", caplog.text)
        places.append(place)
        return _get(place)

    async def hunt() -> Mapping[str, Any]:
        stats = await work("hunter", AgentOptions())
        found = read(await asyncio.to_thread(scrape))
        assert found["maia_api_calls_total", "method=search.list", "outcome=ok"] == 1
        return stats

    await run_checked("hunter", "0/1", hunt, lambda: check("hunter"), metrics_port=0)
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(urllib.request.urlopen, places[0], timeout=10)
    recording.count("maia_api_calls_total", method="search.list", outcome="ok")  # after it, nothing is recorded


async def test_a_process_serves_its_metrics_and_still_ends_in_time_when_it_is_signalled(
    db: Database, api: RunningSandbox, children: Children
) -> None:
    await QueueDAO().add(["python", "guitar"])
    api.faults.add("slow:search:seconds=1.5")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    with pushgateway() as gateway:
        child = await children.start("hunter", "--metrics-port", str(port), METRICS_PUSH_URL=gateway.url())
        await api.log.wait_for(lambda log: bool(log.calls("search")), timeout=PATIENCE)
        served = read(await asyncio.to_thread(_get, f"http://127.0.0.1:{port}/metrics"))
        with socket.create_connection(("127.0.0.1", port)):  # a client that asks nothing does not keep it from ending
            child.process.send_signal(signal.SIGTERM)
            ended = await child.end()
    assert served["maia_stage_duration_seconds_count", "stage=fetch_batch"] == 1
    assert (ended.code, "Traceback" in ended.stderr) == (143, False), ended.stderr
    (push,) = gateway.requests
    assert read(push.body)["maia_runs_total", "outcome=cancelled"] == 1


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


async def test_a_port_in_use_is_a_warning(db: Database, api: RunningSandbox, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stats = await run_checked(
            "hunter", "0/1", lambda: work("hunter", AgentOptions()), lambda: check("hunter"), metrics_port=port
        )
    assert stats["outcome"] == "idle"
    assert f"no metrics are served on 127.0.0.1, port {port}" in caplog.text


@pytest.mark.parametrize("status", [500, 401, None])
async def test_a_push_that_fails_is_a_warning_without_the_login(
    db: Database, api: RunningSandbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch,
    status: int | None,
) -> None:  # fmt: skip
    monkeypatch.setattr("maia.metrics.measuring.PUSH_SECONDS", 0.3)
    with pushgateway() as gateway:
        gateway.status = status
        end, _ = await run_here("hunter", metrics_push_url=gateway.url(login="me:hiddenword"))
    assert (end.outcome, end.exit_code) == ("idle", 0)
    assert "the metrics of this run are not pushed: The Pushgateway" in caplog.text
    assert "hiddenword" not in caplog.text


def test_each_failed_call_has_an_outcome_of_its_own() -> None:
    kinds = [kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type)]
    words = {kind.outcome.fget(kind.__new__(kind)) for kind in kinds}
    assert {"rate_limited", "quota_exhausted", "network_error", "page_token_invalid"} <= words
    assert len(words) == len(kinds)
