-- Return whether this user may drop parts of the snapshots: as their owner, or as a member of the owner.
SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('$schema.video_stats_log')
