"""YouTube's daily quota: buckets and reservations."""
