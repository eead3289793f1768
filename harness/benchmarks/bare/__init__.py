"""The limit: loops that make the same calls and run the same SQL as the agents, and do nothing else.

What they are made of: aiohttp, orjson, asyncpg, the statements of ``atlas/sql`` and the models of
``atlas.models.youtube``.
"""
