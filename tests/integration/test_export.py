"""`atlas export`: what is in the file is what is in the database, whatever happens on the way."""

from __future__ import annotations

import asyncio
import csv
import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import asyncpg
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from atlas.adapters.export import ExportDAO, Exported
from atlas.adapters.maia import MaiaDAO
from atlas.adapters.queue import QueueDAO
from atlas.database import Database
from atlas.db.queries import sql
from atlas.errors import StatementFailed
from atlas.events import EventType, Run, emit
from atlas.models.youtube import Video

from ..support.child_processes import child, finished, popen
from ..support.commands import ATLAS, invoke
from ..support.documents import document, needs_documents
from ..support.documents import table as table_of
from ..support.event_loop import PATIENCE

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb]

NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
TITLE = 'a "title", with\nlines\r\nand a tab\t, é 🎸 \\N \\. \x07 =1+1'
TAGS = ("plain", 'with "quotes", commas', "with {braces} \\ and\nlines", "NULL", "")
TIME_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"


async def seed(db: Database) -> None:
    """A few rows in every table, with all that a text may hold."""
    videos = [
        Video(
            id="v1", channel_id="c1", channel_title="a, channel", title=TITLE, published_at=NOW, tags=TAGS,
            category_id=28, duration=timedelta(hours=26, seconds=1.5), views=2**62, likes=None, comments=0,
        ),
        Video(id="v2", title="", published_at=None, tags=(), views=1),
        Video(id="v3", title=None, partial=True),
    ]  # fmt: skip
    await MaiaDAO().ingest_video_metadata(videos)
    await QueueDAO().add(["a query, with commas", "guitar"])
    await db.fetch(
        "INSERT INTO count_freezes (started_at, ended_at, videos, channels) "
        "VALUES (date_trunc('hour', now()), now(), 64, 12)"
    )
    await db.fetch(
        "INSERT INTO video_growth (video_id, observed_at, kind, views, views_per_hour) VALUES ('v1', $1, 1, 5, 60)", NOW
    )
    await db.fetch(
        "INSERT INTO breakouts (video_id, detected_at, score, views, views_per_hour, peak_views_per_hour) "
        "VALUES ('v1', $1, 7, 5, 60, 60)", NOW,
    )  # fmt: skip
    run = Run("hunter", "0/4")
    await run.begin()
    await emit(EventType.CHURN, agent="hunter", reason=TITLE)
    await run.finish("ok", 0, {"calls": {"search": 3}}, None)


async def many(db: Database, number: int) -> None:
    """Videos of some 500 bytes each."""
    await db.fetch(
        "INSERT INTO videos (id, title, tags, first_seen_at, zone) SELECT 'v' || n, repeat('title ', 50) || n, "
        "ARRAY['one tag', 'another tag', repeat('tag ', 30) || n], now(), 3 FROM generate_series(1, $1::int) AS n",
        number,
    )


async def exported(table: str, form: str, folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """The rows of an export; of CSV all values are texts, and None where there is nothing between the commas."""
    file = folder / f"{table}.{form}"
    done = await invoke("export", "--table", table, "--format", form, "--output", str(file), "--force", *arguments)
    assert (done.code, done.out) == (0, ""), done.stderr
    assert not list(folder.glob(".*.part"))
    if form == "parquet":
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    else:
        with file.open(encoding="utf-8", newline="") as texts:
            rows = list(csv.DictReader(texts))
    assert f"{len(rows):,} rows of {table} in {file}" in done.stderr
    return rows


async def test_texts_counts_times_and_lists_come_through_csv(db: Database, tmp_path: Path) -> None:
    await seed(db)
    rows = {row["id"]: row for row in await exported("videos", "csv", tmp_path)}
    assert set(rows) == {"v1", "v2", "v3"}
    first = rows["v1"]
    assert first["title"] == TITLE
    assert orjson.loads(first["tags"]) == list(TAGS)
    assert datetime.fromisoformat(first["published_at"]) == NOW
    assert float(first["duration_seconds"]) == 26 * 3600 + 1.5
    assert orjson.loads(rows["v2"]["tags"]) == []
    assert rows["v3"]["tags"] == ""
    text = (tmp_path / "videos.csv").read_text(encoding="utf-8")
    assert '\nv2,,"",' in text, "an empty text"
    assert "\nv3,,," in text, "no text"
    (log,) = [row for row in await exported("video_stats_log", "csv", tmp_path) if row["video_id"] == "v1"]
    assert (log["views"], log["likes"], log["comments"]) == (str(2**62), "", "0")
    (churn,) = [row for row in await exported("events", "csv", tmp_path) if row["type"] == "churn"]
    assert orjson.loads(churn["payload"]) == {"agent": "hunter", "reason": TITLE}


async def test_parquet_has_types(db: Database, tmp_path: Path) -> None:
    await seed(db)
    rows = {row["id"]: row for row in await exported("videos", "parquet", tmp_path)}
    first, second, third = (rows[id_] for id_ in ("v1", "v2", "v3"))
    assert (first["title"], first["tags"], first["category_id"]) == (TITLE, list(TAGS), 28)
    assert first["published_at"] == NOW
    assert first["duration_seconds"] == 26 * 3600 + 1.5
    assert (second["tags"], second["title"], second["published_at"]) == ([], "", None)
    assert (third["tags"], third["title"], third["duration_seconds"]) == (None, None, None)
    types = {field.name: field.type for field in pq.read_schema(tmp_path / "videos.parquet")}
    assert types["published_at"] == pa.timestamp("us", tz="UTC")
    assert types["tags"] == pa.list_(pa.field("element", pa.string()))
    assert (types["zone"], types["category_id"]) == (pa.int16(), pa.int32())

    (log,) = [row for row in await exported("video_stats_log", "parquet", tmp_path) if row["video_id"] == "v1"]
    assert (log["views"], log["likes"], log["comments"]) == (2**62, None, 0)
    assert pq.read_schema(tmp_path / "video_stats_log.parquet").field("likes").type == pa.int64()
    (ended,) = await exported("runs", "parquet", tmp_path)
    assert orjson.loads(ended["stats"]) == {"calls": {"search": 3}}
    assert len(ended["id"]) == 36


async def test_all_times_of_a_csv_file_have_one_form(db: Database, tmp_path: Path) -> None:
    """pandas takes the form of a column from its first row, and makes texts of all where one row has another."""
    times = {
        "v0": NOW,
        "v1": NOW.replace(microsecond=0),
        "v2": NOW.replace(microsecond=120_000),
        "v3": datetime(2005, 4, 23, tzinfo=UTC),
        "v4": datetime(1, 1, 2, tzinfo=UTC),
        "v5": datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC),
    }
    for video, at in times.items():
        await db.fetch("INSERT INTO video_stats_log (video_id, observed_at, views) VALUES ($1, $2, 1)", video, at)
    rows = await exported("video_stats_log", "csv", tmp_path)
    read = {row["video_id"]: datetime.strptime(row["observed_at"], TIME_FORMAT).replace(tzinfo=UTC) for row in rows}
    assert read == times
    back = await db.fetch("SELECT at::timestamptz FROM unnest($1::text[]) AS at", [row["observed_at"] for row in rows])
    assert [row[0] for row in back] == [read[row["video_id"]] for row in rows]


HARMLESS = [" =1", "", "x=1", "a\n=1", "[1]", "é", "1", None]
"""Texts that no spreadsheet takes for a formula."""
FORMULAS = [
    '=HYPERLINK("http://evil.example","x")', "+1", "-1", "@SUM(1)", "\tx", "\rx", "\nx", "=", "\uff1d1", "\uff0d1",
    "\uff0b1", "\uff20x", "'", "'=1", "''", *HARMLESS,
]  # fmt: skip


async def test_formulas_are_escaped_if_wanted_and_can_be_read_back(db: Database, tmp_path: Path) -> None:
    for number, text in enumerate(FORMULAS):
        await db.fetch(
            "INSERT INTO videos (id, title, channel_id, tags, first_seen_at, zone) "
            "VALUES ($1, $2::text, $2::text, ARRAY[$2::text], now(), 3)",
            f"-{number}",
            text,
        )
    plain = {row["id"]: row for row in await exported("videos", "csv", tmp_path)}
    assert [plain[f"-{number}"]["title"] for number in range(len(FORMULAS))] == [text or "" for text in FORMULAS]
    bare = (tmp_path / "videos.csv").read_bytes()
    rows = await exported("videos", "csv", tmp_path, "--escape-formulas")
    assert len(rows) == len(FORMULAS)
    for row in rows:
        before = plain[row["id"].removeprefix("'")]
        assert not any(str(value).startswith(tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")) for value in row.values())
        assert {name: value.removeprefix("'") for name, value in row.items()} == before
        if before["title"] in HARMLESS:
            assert row["title"] == before["title"]
    assert bare.count(b",,") == (tmp_path / "videos.csv").read_bytes().count(b",,"), "no value stays none"


async def test_numbers_below_zero_stay_numbers(db: Database, tmp_path: Path) -> None:
    await db.fetch(
        "INSERT INTO video_stats_log (video_id, observed_at, views) "
        "SELECT 'v1', now() - n * interval '1 hour', n * 10 FROM generate_series(0, 2) AS n"
    )
    await db.fetch("INSERT INTO videos (id, first_seen_at, zone) VALUES ('v1', now(), 3)")
    (row,) = await exported("video_velocity", "csv", tmp_path, "--escape-formulas")
    assert float(row["views_per_hour"]) == -10


@pytest.mark.parametrize("table", Exported)
async def test_every_table_and_view_has_the_same_rows_and_one_form_of_times_in_both_formats(
    db: Database, tmp_path: Path, table: Exported
) -> None:
    await seed(db)
    await db.fetch("UPDATE videos SET due_at = date_trunc('day', now())")
    await db.fetch("UPDATE runs SET finished_at = date_trunc('second', started_at)")
    texts = await exported(table, "csv", tmp_path)
    values = await exported(table, "parquet", tmp_path)
    assert len(texts) == len(values) > 0
    assert list(texts[0]) == list(values[0])
    key = next(iter(texts[0]))
    assert sorted(row[key] for row in texts) == sorted(str(row[key]) for row in values)
    schema = pq.read_schema(tmp_path / f"{table}.parquet")
    times = [field.name for field in schema if pa.types.is_timestamp(field.type)]
    assert times
    for name in times:
        written = [datetime.strptime(row[name], TIME_FORMAT).replace(tzinfo=UTC) for row in texts if row[name]]
        assert sorted(written) == sorted(row[name] for row in values if row[name])


async def test_a_table_without_rows_is_a_file_with_its_columns(db: Database, tmp_path: Path) -> None:
    names = ["video_id", "observed_at", "views", "likes", "comments"]
    assert await exported("video_stats_log", "csv", tmp_path) == []
    assert (tmp_path / "video_stats_log.csv").read_text() == ",".join(names) + "\n"
    assert await exported("video_stats_log", "parquet", tmp_path) == []
    assert pq.read_schema(tmp_path / "video_stats_log.parquet").names == names


async def test_each_table_is_cut_by_its_own_time(db: Database, tmp_path: Path) -> None:
    await seed(db)
    for table, columns, row in (
        ("events", "at, type", "'churn'"),
        ("video_stats_log", "observed_at, video_id, views", "'v1', 1"),
    ):
        await db.fetch(f"TRUNCATE {table}")
        await db.fetch(
            f"INSERT INTO {table} ({columns}) SELECT now() - age * interval '1 hour', {row}"
            " FROM unnest(ARRAY[0.5, 2, 3, 30]) AS age"
        )
        for form in ("csv", "parquet"):
            assert len(await exported(table, form, tmp_path, "--since", "1h")) == 1
            before = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
            assert len(await exported(table, form, tmp_path, "--since", "24h", "--until", before)) == 2
    for table in ("videos", "channels", "search_queue", "runs"):
        assert await exported(table, "csv", tmp_path, "--since", "1h")
        assert await exported(table, "csv", tmp_path, "--until", "2026-01-01") == []


@needs_documents
async def test_the_columns_are_those_that_are_documented(db: Database) -> None:
    documented = {
        name.strip("`"): re.findall(r"`(\w+)`", columns)
        for name, _, columns in table_of(
            document("docs/export.md"), "table", "`--since` and `--until` go by", "columns"
        )
    }
    for name in Exported:
        async with ExportDAO().rows(name) as (columns, _):
            assert documented[name] in ([], [column.name for column in columns]), name
    assert sum(not columns for columns in documented.values()) == 3, "the views are documented by themselves"


def test_what_holds_keys_is_not_exported() -> None:
    assert not {"api_keys", "key_suspensions", "api_calls", "notifications"} & set(Exported)


async def test_an_export_sees_one_moment_and_changes_nothing(db: Database) -> None:
    insert = (
        "INSERT INTO channels (id, first_seen_at, updated_at) "
        "SELECT 'c' || n, now(), now() FROM generate_series({}) AS n"
    )
    await db.fetch(insert.format("1, 5000"))
    found = []
    async with ExportDAO().rows(Exported.CHANNELS) as (_, batches):
        async for batch in batches:
            found += [row["id"] for row in batch]
            await db.fetch("DELETE FROM channels")
            await db.fetch(insert.format("5001, 5010"))
    assert len(found) == len(set(found)) == 5000
    async with db.snapshot(sql("export/export_settings")) as connection:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await connection.execute("DELETE FROM channels")


async def test_a_pipe_is_written_to(db: Database, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # so that opening it to write does not wait
    try:
        assert (await invoke("export", "--table", "channels", "--output", str(pipe), "--force")).code == 0
        assert os.read(reader, 1_000).decode() == "id,title,first_seen_at,updated_at\n"
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


async def test_a_file_that_is_there_is_kept_unless_forced(db: Database, tmp_path: Path) -> None:
    file = tmp_path / "x.csv"
    file.write_text("mine")
    arguments = ("export", "--table", "channels", "--output", str(file))
    refused = await invoke(*arguments)
    assert refused.code == 2
    assert "--force" in refused.stderr
    assert file.read_text() == "mine"
    assert (await invoke(*arguments, "--force")).code == 0
    assert file.read_text() == "id,title,first_seen_at,updated_at\n"
    link = tmp_path / "link.csv"
    link.symlink_to("x.csv")
    file.write_text("again")
    assert (await invoke(*arguments[:-1], str(link), "--force")).code == 0
    assert link.is_symlink()
    assert file.read_text() != "again"


async def test_standard_output_is_csv(db: Database) -> None:
    await seed(db)
    for arguments in (("--output", "-"), ()):
        done = await invoke("export", "--table", "channels", *arguments)
        assert done.code == 0
        assert done.out.splitlines()[1].startswith('c1,"a, channel",')
        assert done.stderr == "1 rows of channels\n"


FORMATS = {
    ("x.parquet", ""): True,
    ("x.PARQUET", ""): True,
    (".parquet", ""): True,
    ("x.csv", ""): False,
    ("x.v2.csv", ""): False,
    ("x", ""): False,
    ("x", "parquet"): True,
    ("x.data", "parquet"): True,
    ("x.txt", "csv"): False,
    ("x.parquet", "parquet"): True,
}
"""File name and --format: whether it is Parquet that is written."""


async def test_the_suffix_decides_the_format(db: Database, tmp_path: Path) -> None:
    found = {}
    for name, form in FORMATS:
        chosen = ["--format", form] if form else []
        file = tmp_path / name
        done = await invoke("export", "--table", "videos", *chosen, "--force", "--output", str(file))
        assert done.code == 0, done.stderr
        found[name, form] = file.read_bytes()[:4] == b"PAR1"
    assert found == FORMATS


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--format", "parquet"), "needs a file"),
        (("--table", "api_keys"), "api_keys"),
        (("--since", "soon"), "24h"),
        (("--output", "no/such/folder/x.csv"), "does not exist"),
        (("--output", "."), "directory"),
        (("--output", "x.parquet", "--escape-formulas"), "only for CSV"),
        (("--output", "x", "--format", "parquet", "--escape-formulas"), "only for CSV"),
        (("--output", "x.parquet", "--format", "csv"), "contradicts --format csv"),
        (("--output", "x.csv", "--format", "parquet"), "contradicts --format parquet"),
        (("--output", "x.xlsx"), "unknown suffix '.xlsx': name a .csv or a .parquet"),
        (("--output", "x.json"), "unknown suffix '.json'"),
        (("--output", "x.csv.gz"), "'.gz' cannot be written"),
        (("--output", "x.csv.gz", "--format", "csv"), "'.gz' cannot be written"),
        (("--output", "x.parquet.zst", "--format", "parquet"), "'.zst' cannot be written"),
    ],
    ids=" ".join,
)
async def test_options_that_contradict_each_other_are_refused(arguments: tuple[str, ...], reason: str) -> None:
    done = await invoke("export", "--table", "videos", *arguments)
    assert done.code == 2
    assert reason in " ".join(done.stderr.split())
    assert not list(Path.cwd().iterdir())


async def test_parquet_without_its_extra_ends_with_78_and_says_what_to_install(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "atlas.parquet", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = await invoke("export", "--table", "videos", "--output", str(tmp_path / "x.parquet"))
    assert done.code == 78
    assert 'pip install "pleiades-maia[parquet]"' in done.stderr
    assert list(tmp_path.iterdir()) == []


async def nothing_is_running(db: Database) -> None:
    """Waits until the server has let go of the export: otherwise it would hold back vacuum."""
    query = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
        "AND backend_xmin IS NOT NULL AND backend_type = 'client backend'"
    )
    async with asyncio.timeout(PATIENCE):
        while await db.fetch(query):
            await asyncio.sleep(0.02)  # polling


async def test_a_reader_that_leaves_ends_it_silently(db: Database) -> None:
    await many(db, 5_000)
    pipe = asyncio.subprocess.PIPE
    async with child(*ATLAS, "export", "--table", "videos", stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert (await process.stdout.readline()).startswith(b"id,channel_id,")
        process.stdout._transport.close()  # type: ignore[attr-defined]
        err = await asyncio.wait_for(process.stderr.read(), PATIENCE)
        assert (await process.wait(), err) == (141, b"")
    await nothing_is_running(db)


PIPE_FULL = 60_000
"""Bytes: a pipe holds 64 KiB, in pages that need not be full."""


async def test_sigterm_ends_it_even_while_its_reader_makes_it_wait(db: Database) -> None:
    await many(db, 5_000)
    # no reader of asyncio: that one takes what the pipe holds by itself, and its process has no end before the pipe's
    with popen((*ATLAS, "export", "--table", "videos"), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while struct.unpack("i", fcntl.ioctl(process.stdout, termios.FIONREAD, bytes(4)))[0] < PIPE_FULL:
                await asyncio.sleep(0.02)  # polling: until it waits for its reader
        process.terminate()
        assert await asyncio.to_thread(process.wait, PATIENCE) == -signal.SIGTERM
        assert process.stdout.readline().startswith(b"id,channel_id,")
    await nothing_is_running(db)


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_a_disk_that_is_full_leaves_nothing_behind(db: Database, tmp_path: Path, form: str) -> None:
    await many(db, 5_000)
    file = tmp_path / "x"
    # a limit on the size of files stands for the disk; what measures the coverage of children writes files too
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "COV_CORE_"))}
    code, _, err = await finished(
        "sh", "-c", 'ulimit -f 4; exec "$@"', "sh", *ATLAS,
        "export", "--table", "videos", "--format", form, "--output", str(file), env=environment,
    )  # fmt: skip
    assert code == 1, err.decode()
    assert err.decode().startswith(f"atlas: '{file}' cannot be written: ")
    assert "Traceback" not in err.decode()
    assert list(tmp_path.iterdir()) == []


async def test_what_a_sink_raises_is_no_fault_of_the_database_and_a_missing_view_is_named(db: Database) -> None:
    with pytest.raises(OSError, match="No space left"):
        await ExportDAO().csv(Exported.VIDEOS, Mock(side_effect=OSError(28, "No space left on device")))
    await db.fetch("ALTER VIEW video_velocity RENAME TO hidden")
    with pytest.raises(StatementFailed, match="video_velocity"):
        await ExportDAO().csv(Exported.VIDEO_VELOCITY, lambda _: None)


@pytest.mark.parametrize(
    ("form", "signum", "code"), [("csv", signal.SIGTERM, 143), ("parquet", signal.SIGINT, 130)], ids=["csv", "parquet"]
)
async def test_a_signal_leaves_the_old_file_and_nothing_else(
    db: Database, other: asyncpg.Connection, tmp_path: Path, form: str, signum: signal.Signals, code: int
) -> None:
    file = tmp_path / "x"
    file.write_text("the old one")
    waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with other.transaction():
        await other.execute("LOCK TABLE channels")
        async with (
            child(
                *ATLAS, "export", "--table", "channels", "--format", form, "--output", str(file), "--force",
                stderr=asyncio.subprocess.PIPE,
            ) as process,
            asyncio.timeout(PATIENCE),
        ):  # fmt: skip
            while not await db.fetch(waiting):
                await asyncio.sleep(0.02)  # polling: until it waits for the table
            process.send_signal(signum)
            _, err = await process.communicate()
    assert process.returncode == code, err.decode()
    assert "Traceback" not in err.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert file.read_text() == "the old one"


# the peak of the program itself, in MiB: ru_maxrss would begin with that of the process that started it
PEAK = """
import re, sys
from pathlib import Path
from atlas.cli import main
try:
    main()
finally:
    kilobytes = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
    print(kilobytes // 1024, file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_memory_does_not_grow_with_the_table(db: Database, tmp_path: Path) -> None:
    """100,000 videos are 50 MB of CSV, and several times that as Python's objects."""

    async def peak(form: str, number: int) -> int:
        code, _, err = await finished(
            sys.executable, "-c", PEAK, "export", "--table", "videos", "--format", form,
            "--output", str(tmp_path / f"{form}{number}"),
            env={**os.environ, "COVERAGE_PROCESS_START": "", "COV_CORE_SOURCE": ""},
        )  # fmt: skip
        assert code == 0, err.decode()
        return int(err.split()[-1])

    peaks: dict[str, list[int]] = {"csv": [], "parquet": []}
    for number in (5_000, 100_000):
        await db.fetch("TRUNCATE videos")
        await many(db, number)
        for form, found in zip(peaks, await asyncio.gather(*(peak(form, number) for form in peaks)), strict=True):
            peaks[form].append(found)
    assert peaks["csv"][1] - peaks["csv"][0] < 30, peaks
    assert peaks["parquet"][1] - peaks["parquet"][0] < 80, peaks
