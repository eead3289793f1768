-- Set the width of a continuous aggregate's chunks. $1 the width
SELECT $extension.set_chunk_time_interval('$schema.$view', $1::interval)
