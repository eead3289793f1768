"""Proof that Maia may be killed at any moment: ``make chaos``, or ``python -m harness.chaos``.

Real agents as processes, a real PostgreSQL and the local YouTube API. A driver kills the agents (at random and at named
steps), freezes them, kills the server, cuts and delays connections, and lets the API answer with refusals, errors,
halves and garbage. Afterwards everything is checked from the outside: against the API's own log, and against a history
of the database that triggers have written.

What is where::

    options, run, report, environment   the command, the run from start to end, its result, and the agents' settings
    api, proxy, protocols, steps        the sandbox, the connection that sees what an agent does, and the named steps
    fleet, kill_plan, fault_schedule    agents in their places, what happens to each, and what happens to all
    gathering, record, checks           what was gathered after the run (watch.sql: by triggers), and what must hold
    extremes                            a wrong clock, a silent server and hostile files, after the run
    mutants, shard                      deliberate faults of Maia, each of which a check has to find
"""
