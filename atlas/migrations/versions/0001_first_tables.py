"""First tables: queue, videos, channels, snapshots, keys, calls, events and runs."""

from alembic import op

revision = "0001"
down_revision = None

# Tables that every cycle updates have a lower fillfactor, so that updates of columns without index stay on their page
# (HOT), and are vacuumed early: dead index entries slow down claims.
_HOT = "WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.02)"

STATEMENTS = (
    f"""
    CREATE TABLE search_queue (
        id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        query_term         text NOT NULL UNIQUE CHECK (query_term <> ''),
        status             text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'waiting', 'paused')),
        priority           integer NOT NULL,
        next_page_token    text,
        last_searched_at   timestamptz,
        source             text NOT NULL CHECK (source IN ('user', 'tag')),
        mentions           integer NOT NULL DEFAULT 0,
        added_at           timestamptz NOT NULL,
        due_at             timestamptz,
        published_after    timestamptz,
        published_before   timestamptz,
        round_ended_at     timestamptz,
        page               integer NOT NULL DEFAULT 0,
        restarts           integer NOT NULL DEFAULT 0,
        round_new          integer NOT NULL DEFAULT 0,
        rounds_without_new integer NOT NULL DEFAULT 0,
        searches           bigint NOT NULL DEFAULT 0,
        results            bigint NOT NULL DEFAULT 0,
        leased_until       timestamptz,
        lease_token        uuid,
        leased_by          text
    ) {_HOT}
    """,
    # 'active' topics in the order of claims; 'waiting' ones are in the other index
    """
    CREATE INDEX search_queue_claim ON search_queue (priority DESC, last_searched_at NULLS FIRST, id)
    WHERE status = 'active'
    """,
    "CREATE INDEX search_queue_waiting ON search_queue (due_at) WHERE status = 'waiting'",
    """
    CREATE TABLE channels (
        id            text PRIMARY KEY,
        title         text,
        first_seen_at timestamptz NOT NULL,
        updated_at    timestamptz NOT NULL
    )
    """,
    f"""
    CREATE TABLE videos (
        id              text PRIMARY KEY,
        channel_id      text,
        title           text,
        published_at    timestamptz,
        tags            text[],
        category_id     integer,
        duration        interval,
        first_seen_at   timestamptz NOT NULL,
        last_updated_at timestamptz,
        zone            smallint NOT NULL CHECK (zone BETWEEN 1 AND 3),
        due_at          timestamptz,
        enriched_at     timestamptz,
        archived_at     timestamptz,
        absences        smallint NOT NULL DEFAULT 0,
        last_absent_at  timestamptz,
        retired_at      timestamptz,
        leased_until    timestamptz,
        lease_token     uuid,
        leased_by       text
    ) {_HOT}
    """,
    # a claim scans this in order, once per zone, so that its cost does not grow with the table
    "CREATE INDEX videos_due ON videos (zone, due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX videos_unenriched ON videos (first_seen_at) WHERE enriched_at IS NULL AND retired_at IS NULL",
    "CREATE INDEX videos_unarchived ON videos (first_seen_at) WHERE archived_at IS NULL AND retired_at IS NULL",
    "CREATE INDEX videos_channel ON videos (channel_id)",
    # TimescaleDB requires the time column in unique keys; no foreign key, which would slow down each insert
    """
    CREATE TABLE video_stats_log (
        video_id    text NOT NULL,
        observed_at timestamptz NOT NULL,
        views       bigint,
        likes       bigint,
        comments    bigint,
        PRIMARY KEY (video_id, observed_at)
    )
    """,
    """
    CREATE TABLE api_keys (
        fingerprint text PRIMARY KEY,
        project     text,
        updated_at  timestamptz NOT NULL
    )
    """,
    # bucket '*' is the whole key; its suspension ends when the pool changes
    """
    CREATE TABLE key_suspensions (
        fingerprint     text NOT NULL,
        bucket          text NOT NULL,
        reason          text NOT NULL,
        suspended_at    timestamptz NOT NULL,
        suspended_until timestamptz NOT NULL,
        pool            text,
        quota_limit     bigint,
        PRIMARY KEY (fingerprint, bucket)
    )
    """,
    # counter shards spread the calls over several rows, so that none waits for another's commit
    f"""
    CREATE TABLE api_calls (
        day           date NOT NULL,
        fingerprint   text NOT NULL,
        bucket        text NOT NULL,
        counter_shard smallint NOT NULL,
        reserved      bigint NOT NULL DEFAULT 0,
        settled       bigint NOT NULL DEFAULT 0,
        PRIMARY KEY (day, fingerprint, bucket, counter_shard)
    ) {_HOT}
    """,
    """
    CREATE TABLE runs (
        id          uuid PRIMARY KEY,
        run_id      text,
        wave        smallint,
        agent       text NOT NULL,
        shard       text,
        started_at  timestamptz NOT NULL,
        finished_at timestamptz,
        outcome     text,
        exit_code   smallint,
        stats       jsonb,
        error       text
    )
    """,
    "CREATE INDEX runs_by_run ON runs (run_id, wave)",
    """
    CREATE TABLE events (
        id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at      timestamptz NOT NULL,
        type    text NOT NULL,
        run     uuid,
        payload jsonb NOT NULL DEFAULT '{}'
    )
    """,
    "CREATE INDEX events_by_type ON events (type, at)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute(
        "DROP TABLE events, runs, api_calls, key_suspensions, api_keys, video_stats_log, videos, channels, search_queue"
        " CASCADE"  # with views over them
    )
