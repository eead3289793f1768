-- Store older snapshots by column, those of one video beside each other. No segmentby: a video that is read daily has 7
-- snapshots in a week, and batches of so few are three times as large; with the 168 of an hourly one it is the same.
ALTER TABLE $schema.video_stats_log SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = '', timescaledb.orderby = 'video_id, observed_at')
