"""The demo (``make demo``): Hunter and Tracker shards at work on a local YouTube and a PostgreSQL of their own.

It starts what it needs, runs the real command line in several processes at once, shows what they do, and checks at the
end that no two of them worked on the same row. Everything it makes is in one folder, ``.demo`` of the checkout, where
the next run goes on. How its modules depend on each other::

    __main__ → run → stage (server, sandbox) · shards → children
                   → screen · report → audit → calls
                   → options · state · environment · queries
    clean    → children                                            (standard library only, for `make clean`)
"""
