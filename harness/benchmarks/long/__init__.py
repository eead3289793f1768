"""What the long run is made of: the stock of videos, the shard at work on it, and what both do to the database."""
