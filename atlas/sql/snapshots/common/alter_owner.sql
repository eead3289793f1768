-- The statement that gives a new table to the owner of the snapshots, where that is another user. $1 the new table
SELECT format('ALTER TABLE $schema.%I OWNER TO %I', $1::text, pg_get_userbyid(relowner))
FROM pg_class
WHERE oid = '$schema.video_stats_log'::regclass AND pg_get_userbyid(relowner) <> current_user
