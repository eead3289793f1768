-- Select the videos of channels. $1 channels
SELECT id FROM $schema.videos WHERE channel_id = ANY ($1::text[])
