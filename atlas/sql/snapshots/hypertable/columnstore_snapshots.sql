-- Older snapshots are kept by column, those of one video beside each other. No segmentby: a video has 7 snapshots in a
-- week if it is read daily, and batches of so few are three times as large; with 168, if hourly, it is the same.
ALTER TABLE $schema.video_stats_log SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = '', timescaledb.orderby = 'video_id, observed_at')
