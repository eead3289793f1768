-- Store the older buckets of a continuous aggregate by column, those of one video beside each other.
ALTER MATERIALIZED VIEW $schema.$view SET (
    timescaledb.enable_columnstore, timescaledb.segmentby = '', timescaledb.orderby = 'video_id, bucket')
