-- Move a chunk into the columnstore three days after its end: by then a video that is read daily has three snapshots in
-- later chunks, which is what video_velocity reads.
CALL $extension.add_columnstore_policy('$schema.$relation', after => INTERVAL '3 days')
