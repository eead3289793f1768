"""The parts of the long run: the shard at work, and what it does to the database."""
