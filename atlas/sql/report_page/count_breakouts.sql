-- Count the breakouts that were detected from a schedule time on, and all that have not ended. $1 since
SELECT count(*) FILTER (WHERE detected_at >= $1::timestamptz) AS number, count(*) FILTER (WHERE ended_at IS NULL) AS open_now
FROM $schema.breakouts WHERE detected_at >= $1::timestamptz OR ended_at IS NULL
