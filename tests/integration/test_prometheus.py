"""What a real Prometheus and its promtool make of the metrics, the dashboard's expressions and the alert rules."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from atlas.adapters.metrics import MetricsDAO
from atlas.adapters.queue import QueueDAO
from atlas.config import settings
from atlas.database import Database
from maia.metrics.catalogue import DATABASE, PROCESS
from maia.metrics.process import ProcessMetrics
from maia.metrics.server import MetricsServer
from maia.metrics.stored import registry_of

from ..support import monitoring_files as files
from ..support.agents import pool
from ..support.prometheus import prometheus, promtool

pytestmark = [
    pytest.mark.integration,
    pytest.mark.process,
    pytest.mark.skipif(not files.FOLDER.is_dir(), reason="there is no monitoring/ beside these tests"),
]


def measured() -> ProcessMetrics:
    """The metrics of a run in which everything happened."""
    metrics = ProcessMetrics("hunter")
    metrics.count_stats({"topics": 3, "videos_enriched": 40, "videos_deleted": 2, "failed": 1})
    metrics.count("maia_api_calls_total", {"method": "search.list", "outcome": "ok"})
    metrics.count("maia_runs_total", {"outcome": "ok"})
    metrics.observe("maia_api_call_duration_seconds", {"method": "search.list"}, 0.2)
    metrics.observe("maia_stage_duration_seconds", {"stage": "fetch_batch"}, 0.1)
    metrics.observe("maia_cycle_duration_seconds", {}, 1.5)
    return metrics


def test_promtool_accepts_the_rules_and_their_tests() -> None:
    code, said = promtool("check", "rules", files.RULES)
    assert (code, f"{len(files.alerts())} rules found" in said) == (0, True), said
    code, said = promtool("test", "rules", files.TESTS)
    assert code == 0, said


def test_promtool_accepts_each_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = [
        {"record": f"maia:panel_{number}", "expr": expression}
        for number, (_, expression) in enumerate(files.expressions())
    ]
    file = tmp_path / "expressions.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
    code, said = promtool("check", "rules", file)
    assert (code, f"{len(rules)} rules found" in said) == (0, True), said


async def test_promtool_finds_no_fault_with_the_metrics(db: Database) -> None:
    stored = registry_of(await MetricsDAO().figures(archive=True))
    for registry in (stored, measured().registry):
        assert promtool("check", "metrics", given=generate_latest(registry).decode()) == (0, "")


async def test_a_real_prometheus_scrapes_and_evaluates_all_of_it(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YOUTUBE_API_KEY_POOL_JSON", pool())
    settings.reload()
    await QueueDAO().add(["python"])
    await db.fetch(
        "INSERT INTO videos (id, first_seen_at, zone, due_at) VALUES ('v', now(), 1, now() - interval '1 h')"
    )
    await db.fetch(
        "INSERT INTO runs (id, agent, started_at, finished_at, outcome) "
        "VALUES (gen_random_uuid(), 'hunter', now(), now() - interval '4 h', 'ok')"
    )
    stored = MetricsServer("127.0.0.1", 0, registry_of(await MetricsDAO().figures(archive=True)))
    agent = MetricsServer("127.0.0.1", 0, measured().registry)
    try:
        targets = {"stored": stored.server_port, "agent": agent.server_port}
        with prometheus(tmp_path, targets, files.RULES) as server:
            assert server.wait_for('maia_due_videos{zone="1"}')[0][1] == 1
            assert server.wait_for("maia_claims_total")[0][1] == 3
            assert dict(server.samples("maia_queries")[0][0])["job"] == "stored"
            names = set(server.get("label/__name__/values"))
            everything = {**DATABASE, **PROCESS}.values()
            exported = {series for metric in everything for series in metric.series}
            assert {name for name in names if name.startswith("maia_")} == exported - {
                "maia_newest_snapshot_timestamp_seconds"
            }, "no video was read"
            for _, expression in files.expressions():
                server.samples(expression)
            health = {target["health"] for target in server.get("targets")["activeTargets"]}
            assert health == {"up"}
            pending = server.wait_for('ALERTS{alertname="MaiaNoSuccessfulRun"}')
            assert [labels["agent"] for labels, _ in pending] == ["hunter"]
            rules = [rule for group in server.get("rules")["groups"] for rule in group["rules"]]
            assert {rule["health"] for rule in rules} == {"ok"}, [rule.get("lastError") for rule in rules]
    finally:
        stored.close()
        agent.close()
