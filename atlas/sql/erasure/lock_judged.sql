-- Wait for the judgements under way, and let others wait, until the end of the transaction: one that began before the
-- videos were deleted would store their growth after it, which no foreign key prevents.
LOCK TABLE $schema.video_growth, $schema.breakouts IN SHARE ROW EXCLUSIVE MODE
