-- What is written to the snapshots while they are copied is written to the copy too, whatever the writer may do itself;
-- of what is inserted, that which lands in what is copied.
CREATE FUNCTION $schema.video_stats_log_mirror() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM $schema.$target;
    END IF;
    IF TG_OP = 'DELETE' OR TG_OP = 'UPDATE' THEN
        DELETE FROM $schema.$target AS copy
        USING old_rows
        WHERE copy.video_id = old_rows.video_id AND copy.observed_at = old_rows.observed_at
            AND copy.observed_at >= (SELECT min(observed_at) FROM old_rows)
            AND copy.observed_at <= (SELECT max(observed_at) FROM old_rows);
    END IF;
    IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' THEN
        INSERT INTO $schema.$target (video_id, observed_at, views, likes, comments)
        SELECT video_id, observed_at, views, likes, comments
        FROM new_rows
        WHERE EXISTS (
            SELECT FROM $schema.$source AS source
            WHERE source.video_id = new_rows.video_id AND source.observed_at = new_rows.observed_at
        )
        ORDER BY video_id
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END
$$
