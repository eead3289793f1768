-- What is to be copied, and how far it is: pages of each part, the last pages first.
CREATE TABLE $schema.video_stats_log_moving (
    job       uuid NOT NULL,
    part      text PRIMARY KEY,
    purpose   text NOT NULL,
    place     integer NOT NULL,
    pages     bigint NOT NULL,
    remaining bigint NOT NULL
)
