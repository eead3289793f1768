-- Create the partition that takes the rows of all other times.
CREATE TABLE $schema.$table PARTITION OF $schema.video_stats_log DEFAULT
