"""What a workflow run asks before, between and after its shards."""
