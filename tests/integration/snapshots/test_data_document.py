"""docs/data.md says what is there, and its questions can be asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from atlas.database import Database

from ...support.count_series import DAY, HOUR, Sample, store
from ...support.documents import Section, document, needs_documents, sections, table

pytestmark = [pytest.mark.integration, pytest.mark.timescaledb, needs_documents]

VIEWS = {"video_velocity", "video_stats_hourly", "video_stats_daily"}
TABLES = {"video_stats_log", "videos", "channels", "search_queue", "events", "runs"}


def described() -> dict[str, Section]:
    """The sections about tables and views, by their names."""
    names = VIEWS | TABLES
    found = {}
    for section in sections(document("docs/data.md")):
        for name in names & {word.strip("`") for word in section.heading.split(" and ")}:
            found[name] = section
    return found


def columns(section: Section) -> dict[str, str]:
    kinds = {"timestamptz": "timestamp with time zone"}
    return {
        name.strip("`"): kinds.get(kind, kind) for name, kind, _ in table(section.text, "column", "type", "meaning")
    }


async def there(db: Database, name: str) -> dict[str, str]:
    rows = await db.fetch(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        name,
    )
    return {row[0]: row[1] for row in rows}


async def test_every_table_and_view_is_described_with_the_types_it_has(db: Database) -> None:
    found = described()
    assert set(found) == VIEWS | TABLES
    for name in TABLES:
        assert columns(found[name]).items() <= (await there(db, name)).items(), name
    for name in VIEWS:
        assert list(columns(found[name]).items()) == list((await there(db, name)).items()), name


async def test_the_questions_are_answered(db: Database) -> None:
    (section,) = (one for one in sections(document("docs/data.md")) if one.heading == "Questions")
    questions = ["\n".join(block.lines).rstrip(";") for block in section.blocks if block.language == "sql"]
    now = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - HOUR
    midday = now.replace(hour=12) - 3 * DAY
    connection = await db.connect()
    try:
        series = {
            "VIDEO_ID": [Sample(now - 2 * HOUR, 100, 1, 1), Sample(now - HOUR, 160, 2, 2), Sample(now, 150, 3, 3)],
            "other": [Sample(midday - DAY, 1000), Sample(midday, 3000), Sample(midday + timedelta(hours=1), 3100)],
        }
        await store(connection, series)
        await connection.execute("UPDATE videos SET channel_id = 'CHANNEL_ID', title = 'title of ' || id")
        day, fastest, hours, days, log = [
            [tuple(row.values()) for row in await connection.fetch(question)] for question in questions
        ]
    finally:
        await connection.close()
    assert day == [("title of VIDEO_ID", None, 150, None)]
    assert [(row[0], row[4]) for row in fastest] == [("other", 100.0), ("VIDEO_ID", -10.0)]
    buckets = [at.replace(minute=0) for at in (now - 2 * HOUR, now - HOUR, now)]
    assert hours == list(zip(buckets, (100, 160, 150), (None, 60, -10), strict=True))
    gained = {at: new for at, new in days if new is not None}
    assert gained[midday.date()] == 2100
    assert [row[1:] for row in log] == [(150, 3, 3), (160, 2, 2), (100, 1, 1)]


async def test_the_limit_of_the_columnstore_is_lifted_as_documented(db: Database) -> None:
    """On every server: it does nothing where there is no columnstore."""
    (section,) = (
        one
        for one in sections(document("docs/timescaledb.md"))
        if one.heading == "Columnstore and continuous aggregates"
    )
    (block,) = (block for block in section.blocks if block.language == "sql")
    async with db.transaction():
        await db.fetch("\n".join(block.lines).rstrip(";"))
        (row,) = await db.fetch("SELECT current_setting('timescaledb.max_tuples_decompressed_per_dml_transaction')")
        assert row[0] == "0"
