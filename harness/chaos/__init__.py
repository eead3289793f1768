"""Proof that Maia may be killed at any moment: ``make chaos``, or ``python -m harness.chaos``.

Real agents as processes, a real PostgreSQL and the local YouTube API. A driver kills the agents (at random and at named
steps), freezes them, kills the server, cuts and delays connections, and lets the API answer with refusals, errors,
halves and garbage. Afterwards everything is checked from the outside: against the API's own log, and against a history
of the database that triggers have written.

What is where::

    options, run, report    the command, the run from its start to its end, and what came of it
    server, proxy, steps    PostgreSQL, the way to it that sees what an agent does, and the steps that it is known by
    fleet, fates, weather   agents in their places, what befalls each, and what befalls all
    watch, evidence, checks the history in the database, what was gathered after the run, and what it must show
    extremes                a wrong clock, a silent server and hostile files, after the run
    mutants, shard          deliberate faults of Maia, each of which a check has to catch
"""
