"""Queues that are drained by one process each: Maia's, the same by hand, pgqueuer's and procrastinate's."""
