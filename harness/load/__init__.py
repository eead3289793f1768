"""The load run (``python -m harness.load``): many shards at once against one database, and what they cost it.

It starts a PostgreSQL (or uses the one that is named), fills it as after two weeks of work, starts the local YouTube
Data API, Hunters and Trackers as real processes, lets them work for some minutes, and prints a table: no row was worked
on twice, how late each zone was read, connections, claim latency, memory, CPU.
"""
