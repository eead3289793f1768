"""The load run (``python -m harness.load``): many shards at once against one database, and what that takes of it.

It brings a PostgreSQL (or uses the one that it is given), fills it as after two weeks of work, starts the local YouTube
Data API and so many Hunters and Trackers as real processes, keeps them at work for some minutes, and prints a table: no
row was worked on twice, how late each zone was read, connections, claim latency, memory, CPU. How its modules depend on
each other::

    __main__ → options → run → stage (database, sandbox) → server · fleet → shard (in each process: measure)
                             → simulation → claimers (in each process: measure)
                             → watch (processes) · measures → report
"""
