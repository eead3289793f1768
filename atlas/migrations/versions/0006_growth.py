"""Add what the Tracker computes of each video's growth, the breakouts, and which query found a video.

Only new tables, columns that may be empty, and one with a default, so that the previous release works on this schema.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
expands = True

STATEMENTS = (
    # One row for each video with two readings, replaced at each further one: a ranking reads this narrow table and no
    # snapshots. Without indexes on what changes, an update stays on its page (HOT).
    """
    CREATE TABLE video_growth (
        video_id           text PRIMARY KEY,
        observed_at        timestamptz NOT NULL,
        kind               smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
        views              bigint NOT NULL,
        views_per_hour     real NOT NULL,
        views_per_hour_6h  real,
        views_per_hour_24h real,
        usual_per_hour     real,
        score              real,
        views_24h_low      real,
        views_24h          real,
        views_24h_high     real,
        views_7d_low       real,
        views_7d           real,
        views_7d_high      real,
        -- a copy of videos.found_by, so that the ranking of a query's videos need not read videos
        found_by           bigint,
        -- The state of the detector. level: the logarithm of the video's usual rate at its last reading, with its
        -- variance; the last reading at which the count had moved; the one before the score rose above 0; by how many
        -- deviations the last reading exceeded the usual rate, after which interval; how many readings raised the
        -- score; the open breakout, and how many readings were near usual since
        level              real,
        variance           real,
        moved_at           timestamptz,
        moved_views        bigint,
        base_at            timestamptz,
        base_views         bigint,
        surprise           real,
        interval_hours     real,
        above              smallint NOT NULL DEFAULT 0,
        below              smallint NOT NULL DEFAULT 0,
        breakout_at        timestamptz
    ) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.02)
    """,
    """
    CREATE TABLE breakouts (
        id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        video_id            text NOT NULL,
        detected_at         timestamptz NOT NULL,
        score               real NOT NULL,
        views               bigint NOT NULL,
        views_per_hour      real NOT NULL,
        usual_per_hour      real,
        peak_views_per_hour real NOT NULL,
        ended_at            timestamptz
    )
    """,
    "CREATE UNIQUE INDEX breakouts_open ON breakouts (video_id) WHERE ended_at IS NULL",
    "CREATE INDEX breakouts_by_time ON breakouts (detected_at)",
    "CREATE INDEX breakouts_by_video ON breakouts (video_id)",
    # What is typical for a kind in each band of ages, learnt from the snapshots: the logarithm of the rate at the
    # band's start and its slope, the spread of single readings, the time of day as a wave, how much views still
    # grow until an age; onset: the logarithm of the next rate over (views + 1) / (age + 1 h), with its spread
    """
    CREATE TABLE growth_bands (
        kind        smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
        band        smallint NOT NULL,
        rate        real NOT NULL,
        slope       real NOT NULL,
        spread      real NOT NULL,
        pairs       integer NOT NULL,
        onset        real,
        onset_spread real,
        day_cos     real NOT NULL DEFAULT 0,
        day_sin     real NOT NULL DEFAULT 0,
        to_24h_low  real,
        to_24h      real,
        to_24h_high real,
        to_7d_low   real,
        to_7d       real,
        to_7d_high  real,
        learnt_at   timestamptz NOT NULL,
        PRIMARY KEY (kind, band)
    )
    """,
    # The level that videos of a kind and category usually have; category -1: of any
    """
    CREATE TABLE growth_levels (
        kind        smallint NOT NULL CHECK (kind BETWEEN 1 AND 3),
        category_id integer NOT NULL,
        level       real NOT NULL,
        spread      real NOT NULL,
        videos      integer NOT NULL,
        learnt_at   timestamptz NOT NULL,
        PRIMARY KEY (kind, category_id)
    )
    """,
    # search_queue.id of the query whose search listed the video first; NULL: found before this revision
    "ALTER TABLE videos ADD COLUMN found_by bigint",
    "ALTER TABLE search_queue ADD COLUMN new_videos bigint NOT NULL DEFAULT 0",
    # the page of the workflow run; NULL: run by hand
    "ALTER TABLE runs ADD COLUMN url text",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE runs DROP COLUMN url")
    op.execute("ALTER TABLE search_queue DROP COLUMN new_videos")
    op.execute("ALTER TABLE videos DROP COLUMN found_by")
    op.execute("DROP TABLE growth_levels, growth_bands, breakouts, video_growth")
