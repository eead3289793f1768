"""YouTube's daily quota: buckets, the count of calls, and suspensions of keys."""
