-- Deletes the buckets of a continuous aggregate that ended by a time. $1 the time
DELETE FROM $space.$kept WHERE bucket < $1::timestamptz
