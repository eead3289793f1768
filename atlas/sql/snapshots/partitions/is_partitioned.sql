-- Return whether the snapshots are in partitions. Reads the catalog: a session's cache of names may be older than its
-- wait for a lock.
SELECT EXISTS (
    SELECT FROM pg_class
    WHERE relname = 'video_stats_log' AND relnamespace = '$schema'::regnamespace AND relkind = 'p'
)
