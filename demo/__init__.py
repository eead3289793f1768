"""The demo (``make demo``): Hunter and Tracker shards at work on a local YouTube and a PostgreSQL of their own.

It starts both, runs the real command line in several processes for a while, and ends with what was found. Everything
that it writes is in ``.demo`` of the checkout, where the next run goes on; ``make clean`` removes it.
"""
