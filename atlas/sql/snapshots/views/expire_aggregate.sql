-- Delete the buckets of a continuous aggregate older than a time. $1 the time
DELETE FROM $space.$kept WHERE bucket < $1::timestamptz
