-- Deletes from a copy what is not in the original.
DELETE FROM $schema.$target AS copy
WHERE NOT EXISTS (
    SELECT FROM $schema.$source AS source
    WHERE source.video_id = copy.video_id AND source.observed_at = copy.observed_at
)
