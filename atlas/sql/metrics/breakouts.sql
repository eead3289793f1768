-- Count the breakouts that were detected since a time. $1 schedule time
SELECT count(*) AS recent FROM $schema.breakouts WHERE detected_at >= $1::timestamptz
