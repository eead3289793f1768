-- The table of the snapshots and its parts stay what they are until the end of the transaction. Asked for before a part
-- is read by its own name: in another order than others do it, that could end in a deadlock.
LOCK TABLE $schema.video_stats_log IN ACCESS SHARE MODE
