-- Whether the snapshots are in partitions. Asked of the catalog itself: what the session remembers of names may be of
-- before it waited for the lock.
SELECT EXISTS (
    SELECT FROM pg_class
    WHERE relname = 'video_stats_log' AND relnamespace = '$schema'::regnamespace AND relkind = 'p'
)
