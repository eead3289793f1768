-- Works in both editions of TimescaleDB. The index by time alone that it would add is not asked for: the key's index and
-- the chunks' bounds are enough, and each insert would pay for it. $1 width of a chunk
SELECT $extension.create_hypertable('$schema.$table', $extension.by_range('observed_at', $1::interval),
    create_default_indexes => false)
