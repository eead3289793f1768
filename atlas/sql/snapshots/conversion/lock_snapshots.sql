-- Nobody reads or writes snapshots until the end of the transaction.
LOCK TABLE $schema.video_stats_log IN ACCESS EXCLUSIVE MODE
