"""What is exported of the database: `maia metrics`, and how it is written, pushed and scraped."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from atlas.adapters.metrics import MetricsDAO
from atlas.adapters.queue import QueueDAO
from atlas.clock import clock
from atlas.config import settings
from atlas.database import Database
from maia.metrics.catalogue import DATABASE
from maia.metrics.stored import registry_of

from ..support.agents import pool
from ..support.clock_settings import standing_at
from ..support.commands import Done, invoke_maia
from ..support.database_logins import ROLES, address
from ..support.pushgateway import Gateway, pushgateway

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EXPORTED = "maia_exported_timestamp_seconds"


@pytest.fixture(autouse=True)
def schedule_clock(clean_settings: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schedule clock stands at NOW; there are keys and an archive."""
    monkeypatch.setenv("ATLAS_CLOCK", standing_at(NOW))
    monkeypatch.setenv("YOUTUBE_API_KEY_POOL_JSON", pool())
    settings.reload()


async def add_video(db: Database, id_: str, due: datetime | None, zone: int = 1, **columns: Any) -> None:
    given = {"id": id_, "zone": zone, "due_at": due, "first_seen_at": NOW - HOUR, **columns}
    marks = ", ".join(f"${number + 1}" for number in range(len(given)))
    await db.fetch(f"INSERT INTO videos ({', '.join(given)}) VALUES ({marks})", *given.values())


async def add_run(db: Database, agent: str, outcome: str | None, ended: timedelta) -> None:
    at = clock.real() - ended
    await db.fetch(
        "INSERT INTO runs (id, agent, started_at, finished_at, outcome, clock) "
        "VALUES (gen_random_uuid(), $1, $2, $3, $4, 'fast')", agent, at, at if outcome else None, outcome,
    )  # fmt: skip


def read(text: str) -> dict[tuple[str, ...], float]:
    """The samples of an OpenMetrics text, by name and labels."""
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_an_empty_database_exports_zeros_and_no_times(db: Database) -> None:
    done = await invoke_maia("metrics")
    found = read(done.out)
    assert {name for name, *_ in found} == DATABASE.keys() - {
        "maia_newest_snapshot_timestamp_seconds", "maia_recent_runs", "maia_last_run_timestamp_seconds",
    }  # fmt: skip
    counted = {key: value for key, value in found.items() if value and key[0] not in {"maia_build_info", EXPORTED}}
    assert {name for name, *_ in counted} == {
        "maia_quota_left_calls", "maia_quota_limit_calls", "maia_quota_reset_timestamp_seconds",
    }  # fmt: skip


async def test_the_state_of_the_work_is_exported(db: Database) -> None:
    await add_video(db, "due", NOW - timedelta(minutes=10), last_updated_at=NOW - 2 * HOUR)
    await add_video(db, "overdue", NOW - timedelta(minutes=31), last_updated_at=NOW - 3 * HOUR)
    await add_video(db, "later", NOW + HOUR, last_updated_at=NOW, archived_at=NOW, enriched_at=NOW)
    await add_video(db, "claimed", NOW - HOUR)
    await db.fetch("UPDATE videos SET leased_until = now() + interval '1 minute' WHERE id = 'claimed'")
    await add_video(db, "old", NOW - 11 * HOUR, zone=3, enriched_at=NOW, first_seen_at=NOW - 30 * HOUR)
    await add_video(db, "absent", NOW + HOUR, zone=3, enriched_at=NOW, absences=1, first_seen_at=NOW - 90 * HOUR)
    await QueueDAO().add(["a", "b"])
    await QueueDAO().pause(["b"])
    for agent, outcome, ended in (
        ("hunter", "ok", HOUR), ("hunter", "ok", 25 * HOUR), ("hunter", "churn", HOUR),
        ("tracker", "failure", 30 * HOUR),
        ("tracker", None, HOUR), ("no agent", "ok", HOUR), ("hunter", "unheard of", HOUR),
    ):  # fmt: skip
        await add_run(db, agent, outcome, ended)
    await db.fetch(
        "INSERT INTO breakouts (video_id, detected_at, score, views, views_per_hour, peak_views_per_hour, ended_at) "
        "VALUES ('due', $1, 7, 1, 1, 1, NULL), ('old', $1, 7, 1, 1, 1, $1), ('old', $2, 7, 1, 1, 1, $2)",
        NOW - HOUR, NOW - 25 * HOUR,
    )  # fmt: skip
    done = await invoke_maia("metrics")
    assert done.code == 0, done.stderr
    found = read(done.out)
    expected = {
        ("maia_tracked_videos", "zone=1"): 4, ("maia_tracked_videos", "zone=2"): 0,
        ("maia_tracked_videos", "zone=3"): 2,
        ("maia_due_videos", "zone=1"): 3, ("maia_due_videos", "zone=3"): 1,
        ("maia_overdue_videos", "zone=1"): 2, ("maia_overdue_videos", "zone=3"): 0,
        ("maia_due_lateness_seconds", "zone=1"): 3600, ("maia_due_lateness_seconds", "zone=2"): 0,
        ("maia_queries", "status=active"): 1, ("maia_queries", "status=paused"): 1,
        ("maia_recent_runs", "agent=hunter", "outcome=ok"): 1, ("maia_recent_runs", "agent=hunter", "outcome=churn"): 1,
        ("maia_recent_runs", "agent=tracker", "outcome=failure"): 0,
        ("maia_recent_runs", "agent=tracker", "outcome=unfinished"): 1,
        ("maia_recent_runs", "agent=other", "outcome=ok"): 1, ("maia_recent_runs", "agent=hunter", "outcome=other"): 1,
        ("maia_open_breakouts",): 1, ("maia_recent_breakouts",): 2,
        ("maia_newest_snapshot_timestamp_seconds",): NOW.timestamp(),
        ("maia_unarchived_videos",): 1, ("maia_archive_lag_seconds",): 30 * 3600,
    }  # fmt: skip
    assert {key: found[key] for key in expected} == pytest.approx(expected, abs=0.01)
    last = found["maia_last_run_timestamp_seconds", "agent=hunter", "outcome=ok"]
    assert last == pytest.approx((clock.real() - HOUR).timestamp(), abs=60)


async def test_the_quota_of_each_ring_is_exported_if_its_keys_are_known(db: Database) -> None:
    keys = ("hunting-key-1", "hunting-key-2")
    with settings.override(youtube_api_key_pool_json=pool(keys, ())):
        figures = await MetricsDAO().figures(archive=False)
    assert figures.left.keys() == {"hunting"}
    assert figures.archive is None
    with settings.override(youtube_api_key_pool_json=None):
        none = await MetricsDAO().figures(archive=False)
    left = registry_of(figures).get_sample_value
    assert left("maia_quota_left_calls", {"ring": "hunting", "bucket": "search"}) == 200
    assert left("maia_quota_limit_calls", {"ring": "hunting", "bucket": "units"}) == 20_000
    assert registry_of(none).get_sample_value("maia_quota_left_calls", {"ring": "hunting", "bucket": "search"}) is None


@pytest.mark.parametrize(("settings_", "code"), [({"DATABASE_URL": "postgresql://u@127.0.0.1:1/x"}, 69)])
async def test_without_a_database_it_ends_with_its_exit_code(settings_: dict[str, str], code: int) -> None:
    assert (await invoke_maia("metrics", **settings_)).code == code


async def test_without_a_schema_it_ends_with_78(empty_dsn: str) -> None:
    assert (await invoke_maia("metrics", DATABASE_URL=empty_dsn)).code == 78


@pytest.mark.parametrize(
    ("role", "keys"),
    [(ROLES.agent, pool()), (ROLES.janitor, pool()), (ROLES.reader, "")],
    ids=["agent", "janitor", "reader"],  # the names of roles differ by process
)
async def test_each_role_may_export_and_the_reader_without_keys(dsn: str, role: str, keys: str) -> None:
    done = await invoke_maia("metrics", DATABASE_URL=address(dsn, role), YOUTUBE_API_KEY_POOL_JSON=keys)
    assert (done.code, done.stderr) == (0, "")


async def test_a_text_file_is_replaced_in_one_step_and_readable_by_others(db: Database, tmp_path: Path) -> None:
    file = tmp_path / "maia.prom"
    file.write_text("old")
    assert (await invoke_maia("metrics", "--textfile", str(file))) == Done(0, b"", "")
    assert [path.name for path in tmp_path.iterdir()] == ["maia.prom"]
    assert 'maia_due_videos{zone="1"} 0.0' in file.read_text()
    assert "# EOF" not in file.read_text(), "node_exporter reads the older text format"
    done = await invoke_maia("metrics", "--textfile", str(tmp_path / "missing" / "maia.prom"))
    assert (done.code, done.stderr.count("\n")) == (1, 1)


# ── a Pushgateway ───────────────────────────────────────────────────────────────────────────────────────────────────


async def push(gateway: Gateway, url: str) -> Done:
    return await asyncio.wait_for(invoke_maia("metrics", "--push", url), 30)


async def test_a_push_replaces_one_group_and_its_login_stays_secret(db: Database) -> None:
    with pushgateway() as gateway:
        done = await push(gateway, gateway.url(login="me:hidden%2Fpassword"))
        assert done == Done(0, b"", "")
        (request,) = gateway.requests
        assert (request.method, request.path, request.login) == ("PUT", "/metrics/job/maia", "me:hidden/password")
        assert 'maia_due_videos{zone="1"} 0.0' in request.body
        gateway.status = 401
        done = await push(gateway, gateway.url(login="me:hidden%2Fpassword"))
        assert done.code == 78
        assert "refuses the metrics" in done.stderr
        assert "hidden" not in done.stderr
        done = await invoke_maia("metrics", "--push", "-", METRICS_PUSH_URL=gateway.url(login="me:hidden%2Fpassword"))
        assert done.code == 78


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [(500, 69, "did not take the metrics"), (302, 78, "refuses"), (None, 69, "did not answer within")],
)
async def test_how_a_push_fails(
    db: Database, monkeypatch: pytest.MonkeyPatch, status: int | None, code: int, words: str
) -> None:
    monkeypatch.setattr("maia.metrics.pushing.PUSH_SECONDS", 0.5)
    with pushgateway() as gateway:
        gateway.status = status
        done = await push(gateway, gateway.url())
    assert (done.code, words in done.stderr, done.stderr.count("\n")) == (code, True, 1), done.stderr


@pytest.mark.parametrize(
    ("url", "environment"), [("ftp://host", {}), ("host:9091", {}), ("http://host/?password=hidden", {}), ("-", {})]
)
async def test_a_wrong_address_is_a_wrong_setting(db: Database, url: str, environment: dict[str, str]) -> None:
    done = await invoke_maia("metrics", "--push", url, **environment)
    assert (done.code, "METRICS_PUSH_URL" in done.stderr, "hidden" in done.stderr) == (78, True, False)


async def test_a_closed_port_is_unavailable(db: Database) -> None:
    done = await invoke_maia("metrics", "--push", "http://127.0.0.1:1")
    assert (done.code, done.stderr.count("\n")) == (69, 1)
