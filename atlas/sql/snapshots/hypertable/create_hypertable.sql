-- Make the table of the snapshots a hypertable, in both editions of TimescaleDB. Without the default index by time: the
-- key's index and the chunks' bounds are enough, and the index would slow down each insert. $1 width of a chunk
SELECT $extension.create_hypertable('$schema.video_stats_log', $extension.by_range('observed_at', $1::interval),
    create_default_indexes => false)
