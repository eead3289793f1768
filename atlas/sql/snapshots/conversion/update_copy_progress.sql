-- How many pages of a part are left. $1 the part, $2 pages
UPDATE $schema.video_stats_log_moving SET remaining = $2::bigint WHERE part = $1::text
